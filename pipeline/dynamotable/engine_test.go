package dynamotable_test

import (
	"context"
	"crypto/rand"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"sluice/pipeline"
	"sluice/pipeline/dynamotable"
	"sluice/pipeline/tabletest"
)

// TestContractOnEngine runs the suite on a real engine: DynamoDB Local as
// .ci/dynamodb-local starts it, or another that the variable names.
func TestContractOnEngine(t *testing.T) {
	t.Parallel()
	const variable = "AWS_ENDPOINT_URL_DYNAMODB"
	endpoint := os.Getenv(variable)
	if endpoint == "" {
		t.Skipf("%s names no engine; .ci/dynamodb-local starts one", variable)
	}
	cfg, err := config.LoadDefaultConfig(t.Context(),
		config.WithRegion("us-east-1"),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("local", "local", "")),
	)
	if err != nil {
		t.Fatal(err)
	}
	client := dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) {
		o.BaseEndpoint = &endpoint
		// DynamoDB Local sends no checksum with an error, and the SDK logs each (aws-sdk-go-v2#3545).
		o.DisableValidateResponseChecksum = true
	})
	name := "tabletest-" + rand.Text()
	if _, err := client.CreateTable(t.Context(), dynamotable.Schema(name, true)); err != nil {
		t.Fatalf("create a table at %s: %v", endpoint, err)
	}
	waiter := dynamodb.NewTableExistsWaiter(client)
	if err := waiter.Wait(t.Context(), &dynamodb.DescribeTableInput{TableName: &name}, time.Minute); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := client.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: aws.String(name)}); err != nil {
			t.Logf("delete the table: %v", err)
		}
	})
	table := dynamotable.New(client, name, dynamotable.Options{})
	tabletest.Run(t, func(*testing.T) pipeline.Table { return table })
}
