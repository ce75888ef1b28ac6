package harness

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"sluice/pipeline"
	"sluice/pipeline/lambdaevent"
	"sluice/pipeline/lambdaevent/streamchange"
	"sluice/pipeline/sqsqueue"
)

// Outcome has all effects of an event. It leaves out times and random values, so
// that the same event has the same outcome each time.
type Outcome struct {
	Records     []RecordOutcome   `json:"records"`
	Response    json.RawMessage   `json:"response,omitempty"`
	Error       string            `json:"error,omitempty"` // of the whole invocation
	Sent        []Sent            `json:"sent,omitempty"`
	DeadLetters []DeadLetter      `json:"dead_letters,omitempty"`
	Objects     []Object          `json:"objects,omitempty"` // thumbnails
	Items       map[string]any    `json:"items,omitempty"`   // of table records, by key
	Outbox      []json.RawMessage `json:"outbox,omitempty"`  // notifications that were sent
}

// RecordOutcome is the outcome of one record.
type RecordOutcome struct {
	ID     string `json:"id"`
	Became string `json:"became"` // done, comes back, dead-lettered
	Reason string `json:"reason,omitempty"`
}

// Failed reports whether the invocation or a record failed.
func (o Outcome) Failed() bool {
	return o.Error != "" || slices.ContainsFunc(o.Records, func(r RecordOutcome) bool { return r.Became != becameDone })
}

const (
	becameDone         = "done"
	becameRetried      = "comes back"
	becameDeadLettered = "dead-lettered"
)

// Sent is a message that was queued.
type Sent struct {
	Queue   string          `json:"queue"`
	Message json.RawMessage `json:"message"`
}

// DeadLetter is a dead letter that the worker wrote.
type DeadLetter struct {
	ID       string `json:"id"`
	Cause    string `json:"cause"`
	Reason   string `json:"reason"`
	Worker   string `json:"worker"`
	Attempts string `json:"attempts"`
	Encoding string `json:"encoding,omitempty"`
}

// Object is an object that was written.
type Object struct {
	Key          string `json:"key"`
	Bytes        int64  `json:"bytes,omitzero"`
	ContentType  string `json:"contentType"`
	CacheControl string `json:"cacheControl"`
}

// Outcome returns the outcome of an invocation with its response and error. It
// receives the messages of the queues, so it is called once.
func (h *Harness) Outcome(ctx context.Context, payload, response []byte, failure error) (Outcome, error) {
	var o Outcome
	if failure != nil {
		o.Error = failure.Error()
	} else {
		o.Response = response
	}
	var err error
	if o.DeadLetters, err = h.deadLetters(ctx); err != nil {
		return o, err
	}
	for _, queue := range []string{"jobs", "notifications"} {
		messages, err := h.receiveAll(ctx, queue)
		if err != nil {
			return o, err
		}
		for _, m := range messages {
			o.Sent = append(o.Sent, Sent{queue, json.RawMessage(aws.ToString(m.Body))})
		}
	}
	slices.SortStableFunc(o.Sent, func(a, b Sent) int {
		return cmp.Or(cmp.Compare(a.Queue, b.Queue), cmp.Compare(string(a.Message), string(b.Message)))
	})
	if o.Objects, err = h.written(ctx); err != nil {
		return o, err
	}
	o.Items = h.items()
	sent, err := h.sent()
	if err != nil {
		return o, err
	}
	for _, n := range sent {
		b, err := json.Marshal(n)
		if err != nil {
			return o, err
		}
		o.Outbox = append(o.Outbox, b)
	}
	o.Records = recordOutcomes(payload, o)
	return o, nil
}

// recordOutcomes returns the outcome of each record, from the response and the
// dead letters, by the rules of the event source.
func recordOutcomes(payload []byte, o Outcome) []RecordOutcome {
	batch, err := lambdaevent.Decode(payload)
	if err != nil {
		return []RecordOutcome{}
	}
	var response struct {
		BatchItemFailures []struct{ ItemIdentifier string }
	}
	bad := json.Unmarshal(o.Response, &response)
	failed := make(map[string]bool)
	for _, f := range response.BatchItemFailures {
		failed[f.ItemIdentifier] = true
	}
	reasons := make(map[string]string)
	for _, l := range o.DeadLetters {
		reasons[l.ID] = l.Reason
	}
	out := make([]RecordOutcome, 0, len(batch.Records))
	after := false // a stream is delivered again from its lowest failure on
	for _, rec := range batch.Records {
		ro := RecordOutcome{ID: rec.ID, Became: becameDone}
		reason, dead := reasons[rec.ID]
		after = after || failed[rec.ID] && batch.Order == pipeline.Stream
		switch {
		case o.Error != "" || bad != nil || failed[rec.ID] || after:
			ro.Became = becameRetried
		case dead:
			ro.Became, ro.Reason = becameDeadLettered, reason
		}
		out = append(out, ro)
	}
	return out
}

func (h *Harness) deadLetters(ctx context.Context) ([]DeadLetter, error) {
	messages, err := h.receiveAll(ctx, deadLetterQueue)
	letters := make([]DeadLetter, 0, len(messages))
	for _, m := range messages {
		attr := func(name string) string { return aws.ToString(m.MessageAttributes[name].StringValue) }
		letters = append(letters, DeadLetter{
			ID: attr(sqsqueue.AttrID), Cause: attr(sqsqueue.AttrCause), Reason: attr(sqsqueue.AttrReason),
			Worker: attr(sqsqueue.AttrWorker), Attempts: attr(sqsqueue.AttrAttempts), Encoding: attr(sqsqueue.AttrEncoding),
		})
	}
	slices.SortFunc(letters, func(a, b DeadLetter) int { return cmp.Compare(a.ID, b.ID) })
	return letters, err
}

// receiveAll returns the messages of a queue. A message stays in flight after its
// response was lost, and the SDK's retry then receives nothing, so the messages
// are counted, and received again if some are missing.
func (h *Harness) receiveAll(ctx context.Context, queue string) ([]types.Message, error) {
	for range receiveTries {
		if _, err := h.queues.Release(ctx, queue); err != nil {
			return nil, err
		}
		stats, err := h.queues.QueueStats(queue)
		if err != nil {
			return nil, err
		}
		all, err := h.receiveOnce(ctx, queue)
		if err != nil {
			return nil, err
		}
		if int64(len(all)) == stats.Ready+stats.InFlight+stats.Delayed {
			return all, nil
		}
	}
	return nil, fmt.Errorf("receive from %s: some messages are missing after %d tries", queue, receiveTries)
}

// receiveTries is how often receiveAll receives from the beginning.
const receiveTries = 5

// receiveOnce receives until the queue is empty.
func (h *Harness) receiveOnce(ctx context.Context, queue string) ([]types.Message, error) {
	var all []types.Message
	for {
		out, err := h.sqs().ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: aws.String(h.queues.URL(queue)), MaxNumberOfMessages: 10, VisibilityTimeout: 3600, MessageAttributeNames: []string{"All"},
		})
		if err != nil {
			return nil, fmt.Errorf("receive from %s: %w", queue, err)
		}
		if len(out.Messages) == 0 {
			return all, nil
		}
		all = append(all, out.Messages...)
	}
}

func (h *Harness) written(ctx context.Context) ([]Object, error) {
	client := h.s3()
	var out []Object
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: aws.String(thumbnails)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, entry := range page.Contents {
			head, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String(thumbnails), Key: entry.Key})
			if err != nil {
				return nil, err
			}
			out = append(out, Object{aws.ToString(entry.Key), aws.ToInt64(entry.Size), aws.ToString(head.ContentType), aws.ToString(head.CacheControl)})
		}
	}
	return out, nil
}

// items returns the records, without the versions, which are random.
func (h *Harness) items() map[string]any {
	stored := h.tables.Items(tableName)
	if len(stored) == 0 {
		return nil
	}
	out := make(map[string]any, len(stored))
	for k, attrs := range stored {
		attrs = maps.Clone(attrs)
		delete(attrs, pipeline.AttrVersion)
		raw, err := json.Marshal(attrs)
		if err != nil {
			panic(err) // the attributes were decoded from JSON
		}
		image, err := streamchange.DecodeImage(raw)
		if err != nil {
			out[k.String()] = err.Error()
			continue
		}
		out[k.String()] = streamchange.Plain(image)
	}
	return out
}

// Stable returns the outcome without the sizes of thumbnails, which depend on the
// encoder, and with the members of messages in one order.
func (o Outcome) Stable() Outcome {
	o.Objects = slices.Clone(o.Objects)
	for i := range o.Objects {
		o.Objects[i].Bytes = 0
	}
	o.Sent = slices.Clone(o.Sent)
	for i, s := range o.Sent {
		var m map[string]any
		dec := json.NewDecoder(bytes.NewReader(s.Message))
		dec.UseNumber()
		if dec.Decode(&m) != nil {
			continue
		}
		data, _ := m["data"].(map[string]any)
		thumbs, _ := data["thumbnails"].([]any)
		for _, t := range thumbs {
			if t, ok := t.(map[string]any); ok {
				delete(t, "bytes")
			}
		}
		if b, err := json.Marshal(m); err == nil {
			o.Sent[i].Message = b
		}
	}
	return o
}
