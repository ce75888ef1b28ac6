package streamrecord

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestEncodeWritesLambdasMembersInTheirOrder(t *testing.T) {
	t.Parallel()
	r := Record{
		EventID: "id-1", EventName: "REMOVE", EventVersion: "1.1", EventSource: "aws:dynamodb", AWSRegion: "eu-west-1",
		DynamoDB: Change{
			Created: Seconds(time.Unix(1767323045, 0)), Keys: json.RawMessage(`{"PK":{"S":"\u003ck\u003e"}}`),
			NewImage: json.RawMessage(`{"n":{"N":"1"}}`), OldImage: json.RawMessage(`{}`),
			SequenceNumber: "100", SizeBytes: 42, StreamViewType: "NEW_AND_OLD_IMAGES",
		},
		EventSourceARN: "arn:<&>", UserIdentity: &Identity{PrincipalID: "dynamodb.amazonaws.com", Type: "Service"},
	}
	const want = `{"eventID":"id-1","eventName":"REMOVE","eventVersion":"1.1","eventSource":"aws:dynamodb","awsRegion":"eu-west-1",` +
		`"dynamodb":{"ApproximateCreationDateTime":1767323045,"Keys":{"PK":{"S":"\u003ck\u003e"}},"NewImage":{"n":{"N":"1"}},"OldImage":{},` +
		`"SequenceNumber":"100","SizeBytes":42,"StreamViewType":"NEW_AND_OLD_IMAGES"},` +
		`"eventSourceARN":"arn:<&>","userIdentity":{"principalId":"dynamodb.amazonaws.com","type":"Service"}}`
	if got, err := r.Encode(); err != nil || string(got) != want {
		t.Errorf("got %s and the error %v\nwant %s", got, err, want)
	}
}

func TestEncodeOmitsWhatIsNotThere(t *testing.T) {
	t.Parallel()
	const want = `{"eventID":"","eventName":"","eventVersion":"","eventSource":"","awsRegion":"",` +
		`"dynamodb":{"SequenceNumber":"","SizeBytes":0,"StreamViewType":""},"eventSourceARN":""}`
	if got, err := (&Record{}).Encode(); err != nil || string(got) != want {
		t.Errorf("got %s and the error %v\nwant %s", got, err, want)
	}
}

func TestEncodeRefusesAnImageThatIsNotJSON(t *testing.T) {
	t.Parallel()
	r := Record{DynamoDB: Change{OldImage: json.RawMessage(`{"a":`)}}
	if got, err := r.Encode(); err == nil || got != nil {
		t.Errorf("got %s and the error %v, want an error", got, err)
	}
}

func TestSecondsHaveAFractionOnlyForMilliseconds(t *testing.T) {
	t.Parallel()
	for want, at := range map[json.Number]time.Time{
		"":               {},
		"1767323045":     time.Unix(1767323045, 999_999),
		"1767323045.250": time.UnixMilli(1767323045250),
	} {
		if got := Seconds(at); got != want {
			t.Errorf("%v: got %q, want %q", at, got, want)
		}
	}
}

func TestRecordHasEveryMemberOfARecordedEvent(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join("..", "..", "..", "testdata", "events", "changes", "remove-by-time-to-live.json"))
	if err != nil {
		t.Fatal(err)
	}
	var event struct{ Records []json.RawMessage }
	if err := json.Unmarshal(raw, &event); err != nil || len(event.Records) == 0 {
		t.Fatalf("%d records and the error %v, want one at least", len(event.Records), err)
	}
	for _, r := range event.Records {
		d := json.NewDecoder(strings.NewReader(string(r)))
		d.DisallowUnknownFields()
		if err := d.Decode(&Record{}); err != nil {
			t.Error(err)
		}
	}
}
