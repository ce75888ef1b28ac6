package eventsource

import (
	"context"
	"encoding/json"
	"time"
)

// RecordAgeExceeded is the condition of a [Failure], as Lambda writes it: the
// records are older than MaxRecordAge.
const RecordAgeExceeded = "RecordAgeExceeded"

// Failure is a batch that a mapping gave up, for an on-failure destination.
type Failure struct {
	RequestID   string // of the last invocation; "" if there was none
	FunctionARN string
	Condition   string // RecordAgeExceeded
	InvokeCount int    // number of attempts
	Err         error  // function error of the last invocation; nil if the response named failures, or without invocation
	At          time.Time
	Shard       string
	StreamARN   string
	Records     []FeedRecord // at least one, in order
}

type failureContext struct {
	RequestID              string `json:"requestId"`
	FunctionARN            string `json:"functionArn"`
	Condition              string `json:"condition"`
	ApproximateInvokeCount int    `json:"approximateInvokeCount"`
}

type failureResponse struct {
	StatusCode      int     `json:"statusCode"`
	ExecutedVersion string  `json:"executedVersion"`
	FunctionError   *string `json:"functionError"`
}

type failureBatch struct {
	ShardID                         string `json:"shardId"`
	StartSequenceNumber             string `json:"startSequenceNumber"`
	EndSequenceNumber               string `json:"endSequenceNumber"`
	ApproximateArrivalOfFirstRecord string `json:"approximateArrivalOfFirstRecord"`
	ApproximateArrivalOfLastRecord  string `json:"approximateArrivalOfLastRecord"`
	BatchSize                       int    `json:"batchSize"`
	StreamARN                       string `json:"streamArn"`
}

// Document returns the object that Lambda writes to a bucket: the metadata of
// the batch and, as a string under "payload", the event.
func (f Failure) Document() []byte {
	first, last := f.Records[0], f.Records[len(f.Records)-1]
	document := struct {
		RequestContext     failureContext   `json:"requestContext"`
		ResponseContext    *failureResponse `json:"responseContext"`
		Version            string           `json:"version"`
		Timestamp          string           `json:"timestamp"`
		DDBStreamBatchInfo failureBatch     `json:"DDBStreamBatchInfo"`
		Payload            string           `json:"payload"`
	}{
		RequestContext: failureContext{f.RequestID, f.FunctionARN, f.Condition, f.InvokeCount},
		Version:        "1.0",
		Timestamp:      f.At.UTC().Format("2006-01-02T15:04:05.000Z"),
		DDBStreamBatchInfo: failureBatch{
			ShardID:                         f.Shard,
			StartSequenceNumber:             first.Sequence,
			EndSequenceNumber:               last.Sequence,
			ApproximateArrivalOfFirstRecord: first.At.UTC().Format(time.RFC3339),
			ApproximateArrivalOfLastRecord:  last.At.UTC().Format(time.RFC3339),
			BatchSize:                       len(f.Records),
			StreamARN:                       f.StreamARN,
		},
		Payload: string(event(f.Records, FeedRecord.json)),
	}
	if f.RequestID != "" {
		document.ResponseContext = &failureResponse{StatusCode: 200, ExecutedVersion: "$LATEST"}
		if f.Err != nil {
			unhandled := "Unhandled"
			document.ResponseContext.FunctionError = &unhandled
		}
	}
	out, _ := json.Marshal(document) // strings and numbers always encode
	return out
}

// giveUpOld gives up the records that are older than MaxRecordAge and returns
// the others. attempts is how often they were tried, and last the result of the
// last attempt. It returns false if ctx ended first or the lease is lost.
func (l *lane) giveUpOld(ctx, work context.Context, batch []tracked, attempts int, last result) (rest []tracked, ok bool) {
	var old []tracked
	for _, t := range batch {
		if l.tooOld(t) {
			old = append(old, t)
		} else {
			rest = append(rest, t)
		}
	}
	if len(old) > 0 && !l.giveUp(ctx, work, old, attempts, last) {
		return nil, false
	}
	return rest, true
}

// giveUp passes records to OnFailure, retries until it accepts them, and marks
// them as done. It returns false if ctx ended first or the lease is lost.
func (l *lane) giveUp(ctx, work context.Context, batch []tracked, attempts int, last result) bool {
	f := Failure{
		RequestID:   last.requestID,
		FunctionARN: l.invoker.functionARN,
		Condition:   RecordAgeExceeded,
		InvokeCount: attempts,
		Err:         last.err,
		At:          time.Now(),
		Shard:       l.shard.ID,
		StreamARN:   l.Feed.ARN(),
		Records:     records(batch),
	}
	l.Logger.ErrorContext(ctx, "records given up", "condition", f.Condition, "shard", f.Shard, "records", len(batch),
		"first", batch[0].Sequence, "last", batch[len(batch)-1].Sequence, "attempts", attempts, "error", last.err)
	for failures := 1; l.OnFailure != nil; failures++ {
		err := l.OnFailure(work, f)
		if err == nil {
			break
		}
		l.Logger.ErrorContext(ctx, "on-failure destination failed", "shard", f.Shard, "error", err, "failures", failures)
		if !sleep(ctx, l.Backoff(failures)) {
			return false
		}
	}
	return l.done(work, batch)
}
