// Command messages is the baseline of the messages worker's start: AWS's library for
// Lambda, the same clients, and nothing else.
package main

import (
	"context"
	"log"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

type function struct {
	dynamodb *dynamodb.Client
	sqs      *sqs.Client
	s3       *s3.Client
	sesv2    *sesv2.Client
	sns      *sns.Client
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
		dynamodb: dynamodb.NewFromConfig(cfg),
		sqs:      sqs.NewFromConfig(cfg),
		s3:       s3.NewFromConfig(cfg),
		sesv2:    sesv2.NewFromConfig(cfg),
		sns:      sns.NewFromConfig(cfg),
	})
}
