// Command changes is the baseline of the changes worker's start: AWS's library for
// Lambda, the same clients, and nothing else.
package main

import (
	"context"
	"log"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

type function struct {
	sqs *sqs.Client
	s3  *s3.Client
}

func (function) Invoke(context.Context, []byte) ([]byte, error) {
	return []byte(`{"batchItemFailures":[]}`), nil
}

func main() {
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	lambda.StartWithOptions(function{
		sqs: sqs.NewFromConfig(cfg),
		s3:  s3.NewFromConfig(cfg),
	})
}
