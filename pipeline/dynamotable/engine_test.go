package dynamotable_test

import (
	"context"
	"crypto/rand"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"sluice/pipeline"
	"sluice/pipeline/dynamotable"
	"sluice/pipeline/lambdaevent/attributes"
	"sluice/pipeline/tabletest"
)

// engine returns a new table on a real engine: DynamoDB Local, which
// .ci/dynamodb-local starts, or another one that the variable names.
func engine(t *testing.T) (client *dynamodb.Client, table string) {
	t.Helper()
	const variable = "AWS_ENDPOINT_URL_DYNAMODB"
	endpoint := os.Getenv(variable)
	if endpoint == "" {
		t.Skipf("%s is not set; .ci/dynamodb-local starts an engine", variable)
	}
	cfg, err := config.LoadDefaultConfig(t.Context(),
		config.WithRegion("us-east-1"),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("local", "local", "")),
	)
	if err != nil {
		t.Fatal(err)
	}
	client = dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) {
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
	return client, name
}

func TestContractOnEngine(t *testing.T) {
	t.Parallel()
	client, name := engine(t)
	table := dynamotable.New(client, name, dynamotable.Options{})
	tabletest.Run(t, func(*testing.T) pipeline.Table { return table })
}

// Numbers are written in the form in which the engine stores them, so that the
// stream images of the local stack equal those of DynamoDB.
func TestNumbersOnEngine(t *testing.T) {
	t.Parallel()
	client, name := engine(t)
	const written = `{"n":[0,-0,1.0,1.50,100,1e3,1.5E3,-12e-5,0.010,1e125,1e-130,12345678901234567890123456789012345678]}`
	k := pipeline.Key{PK: "numbers", SK: "-"}
	put, err := dynamotable.New(client, name, dynamotable.Options{}).
		Put(t.Context(), pipeline.Item{Key: k, Data: []byte(written)}, pipeline.Always())
	if err != nil {
		t.Fatal(err)
	}
	want, err := dynamotable.Attributes(put)
	if err != nil {
		t.Fatal(err)
	}
	got, err := client.GetItem(t.Context(), &dynamodb.GetItemInput{
		TableName: &name, ConsistentRead: aws.Bool(true),
		Key: map[string]types.AttributeValue{"PK": want["PK"], "SK": want["SK"]},
	})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got.Item, want) {
		gotJSON, _ := attributes.ImageJSON(got.Item)
		wantJSON, _ := attributes.ImageJSON(want)
		t.Errorf("got from the engine\n%s\nwant\n%s", gotJSON, wantJSON)
	}
}
