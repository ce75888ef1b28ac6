package main

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"sluice/pipeline"
	"sluice/pipeline/dynamotable"
	"sluice/pipeline/dynamotable/dynamotest"
	"sluice/workers/schema"
)

// TestMigrateAddressesMovesRecordsInDynamoDB: those of three pages, and an error
// for one that it leaves.
func TestMigrateAddressesMovesRecordsInDynamoDB(t *testing.T) {
	server := httptest.NewServer(new(dynamotest.Server))
	defer server.Close()
	for name, value := range map[string]string{
		"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_ENDPOINT_URL": server.URL, "AWS_ENDPOINT_URL_DYNAMODB": server.URL,
	} {
		t.Setenv(name, value)
	}
	db := dynamodb.New(dynamodb.Options{Region: "us-east-1", BaseEndpoint: &server.URL, Credentials: aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider("a", "b", ""))})
	table := dynamotable.New(db, "records", dynamotable.Options{})
	put := func(pk string) {
		t.Helper()
		if _, err := table.Put(t.Context(), pipeline.Item{Key: pipeline.Key{PK: pk, SK: "-"}, Data: []byte(`{"email":"` + strings.TrimPrefix(pk, "user#") + `","name":"` + pk + `"}`)}, pipeline.Absent()); err != nil {
			t.Fatal(err)
		}
	}
	put("user#Ada@Example.com")
	put("user#bob@example.com")
	put("user#Eve@example.com")
	migrate := func(want string) error {
		t.Helper()
		var out strings.Builder
		err := run(t.Context(), []string{migrateVerb}, map[string]string{"RECORDS_TABLE": "records"}, &out, &out)
		if !strings.Contains(out.String(), want) {
			t.Errorf("got %s, %v, want %s", &out, err, want)
		}
		return err
	}
	if err := migrate("moved 2 records\n"); err != nil {
		t.Error(err)
	}
	it, err := table.Get(t.Context(), schema.UserKey("ada@example.com"))
	var user schema.User
	if err != nil || it.Decode(&user) != nil || user.Email != "ada@example.com" {
		t.Errorf("got %s, %v, want the record of ada", it.Data, err)
	}
	put("user#ADA@example.com")
	if err := migrate(`kept  "user#ADA@example.com": another record has its lower-case key`); err == nil {
		t.Error("a record was left: got no error")
	}
}
