// Command api is the baseline of the api worker's start: AWS's library for
// Lambda, the same client, and nothing else.
package main

import (
	"context"
	"log"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

type function struct{ dynamodb *dynamodb.Client }

func (function) Invoke(context.Context, []byte) ([]byte, error) {
	return []byte(`{"statusCode":200}`), nil
}

func main() {
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	lambda.StartWithOptions(function{dynamodb.NewFromConfig(cfg)})
}
