package lambdaevent_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"sluice/pipeline"
	"sluice/pipeline/lambdaevent"
)

const fullMessage = `{"messageId":"059f36b4-87a3-44ab-83d2-661975830a7d","receiptHandle":"AQEBwJnK","body":"{\"a\":\"caf\u00e9\"}",
 "attributes":{"ApproximateReceiveCount":"3","SentTimestamp":"1767323045123","SenderId":"AIDAEXAMPLE","ApproximateFirstReceiveTimestamp":"1767323045200",
   "AWSTraceHeader":"Root=1-5759e988-bd862e3fe1be46a994272793","MessageGroupId":"tenant-7"},
 "messageAttributes":{
   "traceparent":{"stringValue":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01","stringListValues":[],"binaryListValues":[],"dataType":"String"},
   "size":{"stringValue":"12","dataType":"Number"},
   "blob":{"binaryValue":"MTEwMA==","stringListValues":["abc"],"dataType":"Binary"},
   "sluice-cause":{"dataType":"String.id","stringValue":"cause-1"},
   "receiptHandle":{"stringValue":"forged","dataType":"String"},
   "SenderId":{"stringValue":"forged","dataType":"String"}},
 "md5OfBody":"e4e68fb7bd0e697a0ae8f1bb342846b3","eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:us-east-1:123456789012:QUEUE","awsRegion":"us-east-1","futureField":{"x":[1]}}`

func TestSQSRecord(t *testing.T) {
	t.Parallel()
	b := decode(t, records(strings.Replace(fullMessage, "QUEUE", "jobs", 1)))
	r := b.Records[0]
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	if r.ID != "059f36b4-87a3-44ab-83d2-661975830a7d" || r.Cause != "cause-1" || r.Attempt != 3 || string(r.Body) != `{"a":"café"}` {
		t.Errorf("got id %q, cause %q, attempt %d, body %q", r.ID, r.Cause, r.Attempt, r.Body)
	}
	if want := time.Date(2026, 1, 2, 3, 4, 5, 123e6, time.UTC); !r.At.Equal(want) || r.At.Location() != time.UTC {
		t.Errorf("got at %v, want %v", r.At, want)
	}
	if want := "arn:aws:sqs:us-east-1:123456789012:jobs"; r.Source != want || b.Source != want {
		t.Errorf("got source %q and %q, want %q", r.Source, b.Source, want)
	}
	want := map[string]string{
		"ApproximateReceiveCount": "3", "SentTimestamp": "1767323045123", "SenderId": "AIDAEXAMPLE", "ApproximateFirstReceiveTimestamp": "1767323045200",
		"AWSTraceHeader": "Root=1-5759e988-bd862e3fe1be46a994272793", "MessageGroupId": "tenant-7", "receiptHandle": "AQEBwJnK",
		"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "size": "12", "sluice-cause": "cause-1",
	}
	if !maps.Equal(r.Attrs, want) {
		t.Errorf("got attributes %v\nwant %v", r.Attrs, want)
	}
}

func TestTraceparentAttributeOverridesXRay(t *testing.T) {
	t.Parallel()
	const header = `"AWSTraceHeader":"Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"`
	full := strings.Replace(fullMessage, `"AWSTraceHeader":"Root=1-5759e988-bd862e3fe1be46a994272793"`, header, 1)
	if got, want := decode(t, records(full)).Records[0].Attrs["traceparent"], "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"; got != want {
		t.Errorf("beside one of its own: got %q, want %q", got, want)
	}
	without := strings.Replace(full, `"traceparent"`, `"other"`, 1)
	if got, want := decode(t, records(without)).Records[0].Attrs["traceparent"], "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01"; got != want {
		t.Errorf("alone: got %q, want %q", got, want)
	}
}

func TestOnlyTheARNMarksAFIFOQueue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		queue string
		order pipeline.Order
		group string
	}{
		// A group on a fair standard queue does not order messages.
		{"jobs", pipeline.Unordered, ""},
		{"jobs.fifo", pipeline.Grouped, "tenant-7"},
		{"jobsfifo", pipeline.Unordered, ""},
		{"my.fifo-jobs", pipeline.Unordered, ""},
	} {
		b := decode(t, records(strings.Replace(fullMessage, "QUEUE", c.queue, 1)))
		if b.Order != c.order || b.Records[0].Group != c.group {
			t.Errorf("queue %s: got order %d and group %q, want %d and %q", c.queue, b.Order, b.Records[0].Group, c.order, c.group)
		}
	}
}

func TestInvalidFIFORecordKeepsItsGroup(t *testing.T) {
	t.Parallel()
	// The rest of its group must not overtake it.
	b := decode(t, records(strings.NewReplacer("QUEUE", "jobs.fifo", `"{\"a\":\"caf\u00e9\"}"`, "null").Replace(fullMessage)))
	if r := b.Records[0]; r.Err == nil || r.Group != "tenant-7" || b.Order != pipeline.Grouped {
		t.Errorf("got error %v, group %q, order %d", r.Err, r.Group, b.Order)
	}
	b = decode(t, records(strings.NewReplacer("QUEUE", "jobs.fifo", "MessageGroupId", "Other").Replace(fullMessage)))
	if r := b.Records[0]; r.Group != r.Source {
		t.Errorf("a record of a FIFO queue without a group has %q, want one group for all of the queue", r.Group)
	}
}

func TestSQSCause(t *testing.T) {
	t.Parallel()
	b := decode(t, records(message("m-1", "x")))
	if got := b.Records[0].Cause; got != "m-1" {
		t.Errorf("got cause %q, want the message id without the attribute", got)
	}
}

func TestSQSRejectsInvalidFields(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ old, new, want string }{
		{`"ApproximateReceiveCount":"3"`, `"ApproximateReceiveCount":"three"`, `attributes.ApproximateReceiveCount is "three", want a count of at least 1`},
		{`"ApproximateReceiveCount":"3"`, `"ApproximateReceiveCount":"0"`, `attributes.ApproximateReceiveCount is "0", want a count of at least 1`},
		{`"ApproximateReceiveCount":"3"`, `"ApproximateReceiveCount":3`, `attributes.ApproximateReceiveCount is not a string`},
		{`"1767323045123"`, `"yesterday"`, `attributes.SentTimestamp is "yesterday", want milliseconds since 1970`},
		{`"body":`, `"text":`, `body is missing`},
		{`"{\"a\":\"caf\u00e9\"}"`, `null`, `body is missing`},
		{`"stringValue":"12"`, `"stringValue":12`, `messageAttributes.size.stringValue is not a string`},
		{`"size":{`, `"size":7,"x":{`, `messageAttributes.size is not an object`},
	} {
		b := decode(t, records(strings.Replace(fullMessage, c.old, c.new, 1)))
		r := b.Records[0]
		if r.Err == nil || r.Err.Error() != "event: Records[0]."+c.want {
			t.Errorf("%s: got %v, want %s", c.new, r.Err, c.want)
		}
		if r.ID == "" || r.Source == "" || r.Cause != "cause-1" {
			t.Errorf("%s: got %+v, want the id and cause", c.new, r)
		}
	}
}

// Each record allocates the map of its attributes (2) and the converted trace
// context (1). Bodies and records share allocations.
func TestSQSAllocations(t *testing.T) {
	payload := sqsPayload(200)
	perRecord := testing.AllocsPerRun(20, func() {
		if _, err := lambdaevent.Decode(payload, lambdaevent.SQS); err != nil {
			t.Fatal(err)
		}
	}) / 200
	if perRecord > 3.5 {
		t.Errorf("%.2f allocations a record, want 3 and a few for all", perRecord)
	}
}
