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

// Outcome is everything that came of an event. What depends on the clock or on
// chance is left out, so that the same event makes the same outcome each time.
type Outcome struct {
	Records     []RecordOutcome   `json:"records"`
	Answer      json.RawMessage   `json:"answer,omitempty"`
	Error       string            `json:"error,omitempty"` // of the whole invocation
	Sent        []Sent            `json:"sent,omitempty"`
	DeadLetters []Letter          `json:"letters,omitempty"`
	Objects     []Object          `json:"objects,omitempty"` // thumbnails
	Items       map[string]any    `json:"items,omitempty"`   // of table records, by key
	Outbox      []json.RawMessage `json:"outbox,omitempty"`  // notifications that were sent
}

// RecordOutcome is what became of one record.
type RecordOutcome struct {
	ID     string `json:"id"`
	Became string `json:"became"` // done, comes back, dead-lettered
	Reason string `json:"reason,omitempty"`
}

// Failed reports whether some record did not get done.
func (o Outcome) Failed() bool {
	return o.Error != "" || slices.ContainsFunc(o.Records, func(r RecordOutcome) bool { return r.Became != becameDone })
}

const (
	becameDone   = "done"
	becameBack   = "comes back"
	becameLetter = "dead-lettered"
)

// Sent is a message that was queued.
type Sent struct {
	Queue   string          `json:"queue"`
	Message json.RawMessage `json:"message"`
}

// Letter is a dead letter.
type Letter struct {
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

// Outcome gathers what came of an invocation. Take it once: it empties the
// queues.
func (r *Harness) Outcome(ctx context.Context, payload, answer []byte, failure error) (Outcome, error) {
	var o Outcome
	if failure != nil {
		o.Error = failure.Error()
	} else {
		o.Answer = answer
	}
	var err error
	if o.DeadLetters, err = r.letters(ctx); err != nil {
		return o, err
	}
	for _, queue := range []string{"jobs", "notifications"} {
		messages, err := r.receiveAll(ctx, queue)
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
	if o.Objects, err = r.written(ctx); err != nil {
		return o, err
	}
	o.Items = r.items()
	sent, err := r.sent()
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

// recordOutcomes reads from answer and letters what became of each record, as
// the event source would.
func recordOutcomes(payload []byte, o Outcome) []RecordOutcome {
	batch, err := lambdaevent.Decode(payload)
	if err != nil {
		return []RecordOutcome{}
	}
	var answer struct {
		BatchItemFailures []struct{ ItemIdentifier string }
	}
	bad := json.Unmarshal(o.Answer, &answer)
	failed := make(map[string]bool)
	for _, f := range answer.BatchItemFailures {
		failed[f.ItemIdentifier] = true
	}
	letters := make(map[string]string)
	for _, l := range o.DeadLetters {
		letters[l.ID] = l.Reason
	}
	out := make([]RecordOutcome, 0, len(batch.Records))
	behind := false // a stream comes back from its lowest failure on
	for _, rec := range batch.Records {
		ro := RecordOutcome{ID: rec.ID, Became: becameDone}
		reason, lettered := letters[rec.ID]
		behind = behind || failed[rec.ID] && batch.Order == pipeline.Stream
		switch {
		case o.Error != "" || bad != nil || failed[rec.ID] || behind:
			ro.Became = becameBack
		case lettered:
			ro.Became, ro.Reason = becameLetter, reason
		}
		out = append(out, ro)
	}
	return out
}

func (r *Harness) letters(ctx context.Context) ([]Letter, error) {
	messages, err := r.receiveAll(ctx, deadLetters)
	letters := make([]Letter, 0, len(messages))
	for _, m := range messages {
		attr := func(name string) string { return aws.ToString(m.MessageAttributes[name].StringValue) }
		letters = append(letters, Letter{
			ID: attr(sqsqueue.AttrID), Cause: attr(sqsqueue.AttrCause), Reason: attr(sqsqueue.AttrReason),
			Worker: attr(sqsqueue.AttrWorker), Attempts: attr(sqsqueue.AttrAttempts), Encoding: attr(sqsqueue.AttrEncoding),
		})
	}
	slices.SortFunc(letters, func(a, b Letter) int { return cmp.Compare(a.ID, b.ID) })
	return letters, err
}

func (r *Harness) receiveAll(ctx context.Context, queue string) ([]types.Message, error) {
	var all []types.Message
	for {
		out, err := r.sqs().ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: aws.String(r.queues.URL(queue)), MaxNumberOfMessages: 10, VisibilityTimeout: 3600, MessageAttributeNames: []string{"All"},
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

func (r *Harness) written(ctx context.Context) ([]Object, error) {
	client := r.s3()
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

// items are the records, without the versions, which are chance.
func (r *Harness) items() map[string]any {
	stored := r.tables.Items(tableName)
	if len(stored) == 0 {
		return nil
	}
	out := make(map[string]any, len(stored))
	for k, attrs := range stored {
		attrs = maps.Clone(attrs)
		delete(attrs, pipeline.AttrVersion)
		raw, err := json.Marshal(attrs)
		if err != nil {
			panic(err) // it came in as JSON
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

// Stable is the outcome without what another encoder would change: how many
// bytes a thumbnail has. Messages are in one form, whoever wrote them.
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
