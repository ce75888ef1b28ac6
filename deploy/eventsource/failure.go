package eventsource

import (
	"context"
	"encoding/json"
	"strings"
	"time"
)

// Why records were given up, as Lambda writes it.
const (
	RetryAttemptsExhausted = "RetryAttemptsExhausted"
	RecordAgeExceeded      = "RecordAgeExceeded"
)

// Failure is a batch that a mapping gave up, for an on-failure destination.
type Failure struct {
	RequestID   string // of the last invocation; "" when there was none
	FunctionARN string
	Condition   string // RetryAttemptsExhausted or RecordAgeExceeded
	InvokeCount int    // how often these records were tried
	Err         error  // the function error of the last invocation; nil when it only named failures, or when there was none
	At          time.Time
	Shard       string
	StreamARN   string
	Records     []FeedRecord // at least one, in order
}

// Metadata is what Lambda sends to a queue or topic: everything but the records.
func (f Failure) Metadata() []byte { return f.encode(nil) }

// Document is what Lambda writes to a bucket: the metadata with the whole event as text under "payload".
func (f Failure) Document() []byte {
	payload := string(event(f.Records, FeedRecord.json))
	return f.encode(&payload)
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

func (f Failure) encode(payload *string) []byte {
	batch := &failureBatch{ShardID: f.Shard, BatchSize: len(f.Records), StreamARN: f.StreamARN}
	if n := len(f.Records); n > 0 {
		first, last := f.Records[0], f.Records[n-1]
		batch.StartSequenceNumber, batch.EndSequenceNumber = first.Sequence, last.Sequence
		batch.ApproximateArrivalOfFirstRecord = first.At.UTC().Format(time.RFC3339)
		batch.ApproximateArrivalOfLastRecord = last.At.UTC().Format(time.RFC3339)
	}
	document := struct {
		RequestContext     failureContext   `json:"requestContext"`
		ResponseContext    *failureResponse `json:"responseContext"`
		Version            string           `json:"version"`
		Timestamp          string           `json:"timestamp"`
		DDBStreamBatchInfo *failureBatch    `json:"DDBStreamBatchInfo,omitempty"`
		KinesisBatchInfo   *failureBatch    `json:"KinesisBatchInfo,omitempty"`
		Payload            *string          `json:"payload,omitempty"`
	}{
		RequestContext: failureContext{f.RequestID, f.FunctionARN, f.Condition, f.InvokeCount},
		Version:        "1.0",
		Timestamp:      f.At.UTC().Format("2006-01-02T15:04:05.000Z"),
		Payload:        payload,
	}
	if f.RequestID != "" {
		document.ResponseContext = &failureResponse{StatusCode: 200, ExecutedVersion: "$LATEST"}
		if f.Err != nil {
			unhandled := "Unhandled"
			document.ResponseContext.FunctionError = &unhandled
		}
	}
	if strings.HasPrefix(f.StreamARN, "arn:aws:kinesis:") {
		document.KinesisBatchInfo = batch
	} else {
		document.DDBStreamBatchInfo = batch
	}
	out, _ := json.Marshal(document) // text and numbers always encode
	return out
}

// giveUpOld hands records over the MaxRecordAge to OnFailure and returns the others.
func (l *lane) giveUpOld(ctx, work context.Context, batch []tracked, attempts int) (rest []tracked, ok bool) {
	var old []tracked
	for _, t := range batch {
		if l.tooOld(t) {
			old = append(old, t)
		} else {
			rest = append(rest, t)
		}
	}
	if len(old) > 0 && !l.giveUp(ctx, work, old, RecordAgeExceeded, attempts, result{}) {
		return nil, false
	}
	return rest, true
}

// giveUp hands records to OnFailure, again and again until it takes them, and counts them as done. It returns false when
// ctx ended first, or when the lease is lost.
func (l *lane) giveUp(ctx, work context.Context, batch []tracked, condition string, attempts int, out result) bool {
	f := Failure{
		RequestID:   out.requestID,
		FunctionARN: l.invoker.functionARN,
		Condition:   condition,
		InvokeCount: attempts,
		Err:         out.err,
		At:          time.Now(),
		Shard:       l.shard.ID,
		StreamARN:   l.Feed.ARN(),
		Records:     records(batch),
	}
	l.Logger.ErrorContext(ctx, "records given up", "condition", condition, "shard", f.Shard, "records", len(batch),
		"first", batch[0].Sequence, "last", batch[len(batch)-1].Sequence, "attempts", attempts, "error", out.err)
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
