package streamfeed

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"sluice/pipeline"
	"sluice/pipeline/lambdaevent"
	"sluice/pipeline/lambdaevent/streamchange"
)

// decode decodes a record as a worker does.
func decode(t *testing.T, record []byte) (pipeline.Record, streamchange.Change, error) {
	t.Helper()
	batch, err := lambdaevent.Decode([]byte(`{"Records":[`+string(record)+`]}`), lambdaevent.DynamoDBStream)
	if err != nil {
		t.Fatalf("%v\n%s", err, record)
	}
	if len(batch.Records) != 1 {
		t.Fatalf("records: got %d, want 1", len(batch.Records))
	}
	c, err := streamchange.Decode(batch.Records[0])
	return batch.Records[0], c, err
}

func TestRecordIsLambdas(t *testing.T) {
	t.Parallel()
	feed := New(nil, testARN)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	got, err := feed.record(types.Record{
		AwsRegion: aws.String("eu-west-1"), EventID: aws.String("id-1"), EventName: types.OperationTypeRemove,
		EventSource: aws.String("aws:dynamodb"), EventVersion: aws.String("1.1"),
		UserIdentity: &types.Identity{PrincipalId: aws.String("dynamodb.amazonaws.com"), Type: aws.String("Service")},
		Dynamodb: &types.StreamRecord{
			ApproximateCreationDateTime: &at, SequenceNumber: aws.String("100"), SizeBytes: aws.Int64(42),
			StreamViewType: types.StreamViewTypeNewAndOldImages,
			Keys: map[string]types.AttributeValue{
				"SK": &types.AttributeValueMemberS{Value: "<&>"}, "PK": &types.AttributeValueMemberS{Value: "user#ann@example.com"},
			},
			OldImage: map[string]types.AttributeValue{
				"n":    &types.AttributeValueMemberN{Value: "12345678901234567890123456789012345678"},
				"b":    &types.AttributeValueMemberB{Value: []byte{0, 255}},
				"s":    &types.AttributeValueMemberSS{Value: []string{"x", "y"}},
				"l":    &types.AttributeValueMemberL{Value: []types.AttributeValue{&types.AttributeValueMemberBOOL{Value: true}, &types.AttributeValueMemberNULL{Value: true}}},
				"none": &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{}},
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"eventID":"id-1","eventName":"REMOVE","eventVersion":"1.1","eventSource":"aws:dynamodb","awsRegion":"eu-west-1",` +
		`"dynamodb":{"ApproximateCreationDateTime":1767323045,"Keys":{"PK":{"S":"user#ann@example.com"},"SK":{"S":"\u003c\u0026\u003e"}},` +
		`"OldImage":{"b":{"B":"AP8="},"l":{"L":[{"BOOL":true},{"NULL":true}]},"n":{"N":"12345678901234567890123456789012345678"},"none":{"M":{}},"s":{"SS":["x","y"]}},` +
		`"SequenceNumber":"100","SizeBytes":42,"StreamViewType":"NEW_AND_OLD_IMAGES"},` +
		`"eventSourceARN":"` + testARN + `","userIdentity":{"principalId":"dynamodb.amazonaws.com","type":"Service"}}`
	if string(got.JSON) != want {
		t.Errorf("got\n%s\nwant\n%s", got.JSON, want)
	}
	if got.Sequence != "100" || !got.At.Equal(at) {
		t.Errorf("got sequence %q at %v, want 100 at %v", got.Sequence, got.At, at)
	}
	record, change, err := decode(t, got.JSON)
	if err != nil {
		t.Fatal(err)
	}
	if got.Key != record.Group {
		t.Errorf("key: got %s, want the worker's group %s, so that both keep the same order", got.Key, record.Group)
	}
	if !change.Expired || change.New != nil || len(change.Old) != 5 || !change.At.Equal(at) {
		t.Errorf("decoded change: got %+v", change)
	}
}

// TestImageThatCannotBeConvertedFailsOneRecord: the worker refuses the record,
// and the feed does not fail its shard.
func TestImageThatCannotBeConvertedFailsOneRecord(t *testing.T) {
	t.Parallel()
	deep := types.AttributeValue(&types.AttributeValueMemberS{Value: "end"})
	for range 40 {
		deep = &types.AttributeValueMemberL{Value: []types.AttributeValue{deep}}
	}
	for name, odd := range map[string]types.AttributeValue{
		"unknown type":   &types.UnknownUnionMember{Tag: "VECTOR"},
		"no value":       nil,
		"invalid UTF-8":  &types.AttributeValueMemberS{Value: "\xff"},
		"invalid number": &types.AttributeValueMemberN{Value: "many"},
		"too deep":       deep,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := New(nil, testARN).record(types.Record{
				EventID: aws.String("id-1"), EventName: types.OperationTypeInsert, EventVersion: aws.String("1.1"),
				Dynamodb: &types.StreamRecord{
					SequenceNumber: aws.String("100"),
					Keys:           map[string]types.AttributeValue{"PK": &types.AttributeValueMemberS{Value: "k"}},
					NewImage:       map[string]types.AttributeValue{"odd": odd},
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			record, _, err := decode(t, got.JSON)
			if !pipeline.IsPermanent(err) || record.ID != "100" {
				t.Errorf("record %q: got %v, want a permanent error\n%s", record.ID, err, got.JSON)
			}
		})
	}
}

// TestRecordWithoutSequenceNumberIsAnError: no response could name it.
func TestRecordWithoutSequenceNumberIsAnError(t *testing.T) {
	t.Parallel()
	for _, r := range []types.Record{{}, {Dynamodb: &types.StreamRecord{}}} {
		if _, err := New(nil, testARN).record(r); err == nil || !strings.Contains(err.Error(), "SequenceNumber is required") {
			t.Errorf("got %v, want an error that names SequenceNumber", err)
		}
	}
}
