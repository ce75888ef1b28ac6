package eventsource

import (
	"encoding/json"
	"errors"
	"testing"
	"time"
)

func testFailure() Failure {
	at := time.Date(2026, 11, 14, 0, 13, 49, 717e6, time.UTC)
	return Failure{
		RequestID: "316aa6d0", FunctionARN: "arn:aws:lambda:eu-west-1:123456789012:function:changes",
		Condition: RecordAgeExceeded, InvokeCount: 3, Err: errors.New("no database"), At: at,
		Shard: "shardId-1", StreamARN: streamARN,
		Records: []FeedRecord{
			{Sequence: "800", At: at.Add(-30 * time.Second), JSON: []byte(`{"eventID":"1"}`)},
			{Sequence: "801", At: at.Add(-20 * time.Second), JSON: []byte(`{"eventID":"2"}`)},
		},
	}
}

func TestFailureDocumentHoldsMetadataAndEvent(t *testing.T) {
	t.Parallel()
	sameJSON(t, testFailure().Document(), `{
		"requestContext":{"requestId":"316aa6d0","functionArn":"arn:aws:lambda:eu-west-1:123456789012:function:changes",
			"condition":"RecordAgeExceeded","approximateInvokeCount":3},
		"responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"},
		"version":"1.0","timestamp":"2026-11-14T00:13:49.717Z",
		"DDBStreamBatchInfo":{"shardId":"shardId-1","startSequenceNumber":"800","endSequenceNumber":"801",
			"approximateArrivalOfFirstRecord":"2026-11-14T00:13:19Z","approximateArrivalOfLastRecord":"2026-11-14T00:13:29Z",
			"batchSize":2,"streamArn":"`+streamARN+`"},
		"payload":"{\"Records\":[{\"eventID\":\"1\"},{\"eventID\":\"2\"}]}"}`)
}

func TestFailureResponseContext(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*Failure)
		want   string
	}{
		{"failures in a response are no function error", func(f *Failure) { f.Err = nil }, `{"statusCode":200,"executedVersion":"$LATEST","functionError":null}`},
		{"not invoked", func(f *Failure) { f.Err, f.RequestID = nil, "" }, `null`},
	}
	for _, tt := range tests {
		f := testFailure()
		tt.change(&f)
		var got struct {
			ResponseContext json.RawMessage `json:"responseContext"`
		}
		if err := json.Unmarshal(f.Document(), &got); err != nil || string(got.ResponseContext) != tt.want {
			t.Errorf("%s: got %s (%v), want %s", tt.name, got.ResponseContext, err, tt.want)
		}
	}
}
