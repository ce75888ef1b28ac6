package streamfeed

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"

	"sluice/deploy/eventsource"
	"sluice/pipeline"
	"sluice/pipeline/dynamotable"
	"sluice/pipeline/lambdaevent/attributes"
)

// engine creates a table with a stream on DynamoDB Local, which
// .ci/dynamodb-local starts. It serves tables and streams on one port.
func engine(t *testing.T) (*dynamotable.Table, *Feed) {
	t.Helper()
	const variable = "AWS_ENDPOINT_URL_DYNAMODB"
	endpoint := os.Getenv(variable)
	if endpoint == "" {
		t.Skipf("%s is not set; .ci/dynamodb-local starts DynamoDB Local", variable)
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
		o.DisableValidateResponseChecksum = true // DynamoDB Local sends no checksum with an error
	})
	name := "streamfeed-" + rand.Text()
	if _, err := client.CreateTable(t.Context(), dynamotable.Schema(name, true)); err != nil {
		t.Fatalf("create a table at %s: %v", endpoint, err)
	}
	t.Cleanup(func() {
		if _, err := client.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: &name}); err != nil {
			t.Logf("delete the table: %v", err)
		}
	})
	waiter := dynamodb.NewTableExistsWaiter(client)
	if err := waiter.Wait(t.Context(), &dynamodb.DescribeTableInput{TableName: &name}, time.Minute); err != nil {
		t.Fatal(err)
	}
	out, err := client.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &name})
	if err != nil {
		t.Fatal(err)
	}
	streams := dynamodbstreams.NewFromConfig(cfg, func(o *dynamodbstreams.Options) { o.BaseEndpoint = &endpoint })
	return dynamotable.New(client, name, dynamotable.Options{}), New(streams, *out.Table.LatestStreamArn)
}

// TestFeedOnEngine: the feed returns the changes in order, page by
// page, with their images, and reads on after any of them.
func TestFeedOnEngine(t *testing.T) {
	t.Parallel()
	table, feed := engine(t)
	ctx := t.Context()
	k := pipeline.Key{PK: "user#ann@example.com", SK: "-"}
	var images []map[string]types.AttributeValue // after each change
	for i := range 5 {
		it := pipeline.Item{Key: k, Data: []byte(`{"n":` + strconv.Itoa(i) + `,"big":12345678901234567890123456789012345678,"list":[1,"two",null,{"x":true}]}`)}
		stored, err := table.Put(ctx, it, pipeline.Always())
		if err != nil {
			t.Fatal(err)
		}
		image, err := dynamotable.Attributes(stored)
		if err != nil {
			t.Fatal(err)
		}
		images = append(images, image)
	}
	if err := table.Delete(ctx, k, pipeline.Always()); err != nil {
		t.Fatal(err)
	}
	images = append(images, nil)

	shards, err := feed.Shards(ctx)
	if err != nil || len(shards) == 0 {
		t.Fatalf("shards: %v, %v", shards, err)
	}
	var records []eventsource.FeedRecord
	var shard string
	for _, s := range shards { // one of them has the records of the item
		for after := ""; ; {
			page, err := feed.Read(ctx, s.ID, after, 2)
			if err != nil {
				t.Fatal(err)
			}
			if len(page.Records) > 2 {
				t.Errorf("page of %d records, want at most 2", len(page.Records))
			}
			if len(page.Records) == 0 {
				break
			}
			shard = s.ID
			records = append(records, page.Records...)
			after = records[len(records)-1].Sequence
		}
	}
	if len(records) != len(images) {
		t.Fatalf("records: got %d, want %d", len(records), len(images))
	}
	var before map[string]types.AttributeValue
	for i, r := range records {
		record, _, err := decode(t, r.JSON)
		if err != nil {
			t.Fatalf("record %d: %v\n%s", i, err, r.JSON)
		}
		if record.ID != r.Sequence || record.Group != r.Key {
			t.Errorf("record %d: got id %q and group %q, want %q and %q", i, record.ID, record.Group, r.Sequence, r.Key)
		}
		var change struct {
			DynamoDB struct{ OldImage, NewImage json.RawMessage }
		}
		if err := json.Unmarshal(r.JSON, &change); err != nil {
			t.Fatal(err)
		}
		if old, now := change.DynamoDB.OldImage, change.DynamoDB.NewImage; !bytes.Equal(old, imageOf(t, before)) || !bytes.Equal(now, imageOf(t, images[i])) {
			t.Errorf("record %d: images differ from the written items\n%s", i, r.JSON)
		}
		if age := time.Since(r.At); age < -time.Minute || age > time.Hour || r.At.IsZero() {
			t.Errorf("record %d: got an age of %v", i, age)
		}
		before = images[i]
	}
	page, err := feed.Read(ctx, shard, records[3].Sequence, 100)
	if err != nil || len(page.Records) != 2 || page.Records[0].Sequence != records[4].Sequence {
		t.Errorf("after the fourth record: got %v, %v; want the last two", page.Records, err)
	}
	var event struct {
		EventSourceARN string `json:"eventSourceARN"`
	}
	if err := json.Unmarshal(records[0].JSON, &event); err != nil || event.EventSourceARN != feed.ARN() {
		t.Errorf("eventSourceARN: got %q, want %q", event.EventSourceARN, feed.ARN())
	}
}

// imageOf returns an item as an image of a record, or nil for nil.
func imageOf(t *testing.T, m map[string]types.AttributeValue) []byte {
	t.Helper()
	if m == nil {
		return nil
	}
	text, err := attributes.ImageJSON(m)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
