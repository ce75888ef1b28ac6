package dynamotest_test

import (
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"sluice/pipeline"
	"sluice/pipeline/dynamotable"
	"sluice/pipeline/dynamotable/dynamotest"
	"sluice/pipeline/tabletest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	tabletest.Run(t, func(t *testing.T) pipeline.Table {
		server := httptest.NewServer(new(dynamotest.Server))
		t.Cleanup(server.Close)
		client := dynamodb.New(dynamodb.Options{
			Region: "us-east-1", BaseEndpoint: &server.URL, HTTPClient: server.Client(),
			Credentials: aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider("k", "s", "")),
		})
		return dynamotable.New(client, "records", dynamotable.Options{})
	})
}
