// Package lambdaevent decodes the events of a Lambda function into records, and
// encodes the outcomes of a run as the function's response.
//
// [Decode] detects the kind of an event from its payload and decodes each record
// separately: a record that cannot be decoded has an Err, and does not affect
// the others. [Batch.Response] reports partial failures in the form of each
// source. [S3Events] decodes the S3 events in a record's body, in any envelope,
// and package streamchange the changes of a DynamoDB stream, without loss.
//
// The package does not decode into the types of aws-lambda-go, because one
// unknown attribute type or one bad percent escape then fails the whole event
// before any handler runs. encoding/json also takes several times the CPU time.
package lambdaevent

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sluice/pipeline"
)

// Kind is the kind of an event source.
type Kind int

const (
	// Unknown is the kind of an empty batch when more than one is accepted.
	Unknown Kind = iota
	// SQS records hold the body of a message. ID is the messageId. Cause is the
	// attribute sluice-cause or else the messageId, which a redrive changes.
	SQS
	// DynamoDBStream records hold a change, which streamchange.Decode decodes. ID
	// is the sequence number, Cause the eventID, Group the key of the item.
	DynamoDBStream
	// KinesisStream records hold the data. ID is the sequence number, Cause the
	// eventID, Group the partition key.
	KinesisStream
	// S3 records hold {"Records":[...]} with one element, for S3Events. ID and
	// Cause are bucket/key/version-or-sequencer.
	S3
	// SNS records hold the message. ID and Cause are its MessageId.
	SNS
	// EventBridge events are one record, which holds the whole event. ID and Cause
	// are its id.
	EventBridge
)

// The values of eventSource.
const (
	sourceSQS      = "aws:sqs"
	sourceDynamoDB = "aws:dynamodb"
	sourceKinesis  = "aws:kinesis"
	sourceS3       = "aws:s3"
	sourceSNS      = "aws:sns"
)

type kind struct {
	name   string
	field  string // the field of a record that names the source
	source string // the value of that field; "" for events without Records
	id     string // the field that identifies a failed record
	decode func(*scanner) pipeline.Record
}

var kinds = []kind{
	Unknown:        {name: "unknown"},
	SQS:            {"SQS", "eventSource", sourceSQS, "messageId", decodeSQS},
	DynamoDBStream: {"DynamoDB stream", "eventSource", sourceDynamoDB, "dynamodb.SequenceNumber", decodeDynamoDB},
	KinesisStream:  {"Kinesis stream", "eventSource", sourceKinesis, "kinesis.sequenceNumber", decodeKinesis},
	S3:             {"S3", "eventSource", sourceS3, "", decodeS3},
	SNS:            {"SNS", "EventSource", sourceSNS, "", decodeSNS},
	EventBridge:    {name: "EventBridge"},
}

func (k Kind) String() string {
	if k < 0 || int(k) >= len(kinds) {
		return fmt.Sprintf("Kind(%d)", int(k))
	}
	return kinds[k].name
}

// partial reports whether the source accepts a list of failed records.
func (k Kind) partial() bool {
	return k <= KinesisStream
}

// Names in Record.Attrs. Attrs also has the system attributes of SQS
// (SentTimestamp, MessageGroupId, ...) and the message attributes of SQS and SNS
// that are strings or numbers. A system attribute replaces a message attribute of
// the same name.
const (
	// AttrCause is the message attribute that keeps a Cause over a redrive.
	AttrCause = "sluice-cause"
	// AttrReceiptHandle is the receipt handle of a message of SQS.
	AttrReceiptHandle = "receiptHandle"
	// AttrTraceHeader is the X-Ray trace header.
	AttrTraceHeader = "AWSTraceHeader"
	// AttrTraceParent is the W3C trace context: the message attribute, or else the
	// converted X-Ray trace header.
	AttrTraceParent = "traceparent"
	// AttrEventName is the eventName of a change or an S3 event.
	AttrEventName = "eventName"
)

// A Batch is a decoded event. The bodies of its records may share memory with the
// payload; appending to one does not change another.
type Batch struct {
	Kind    Kind
	Order   pipeline.Order
	Source  string // of the first record that has one
	Records []pipeline.Record
}

// EventError reports an event, or one of its records, that cannot be decoded.
type EventError struct {
	// Form is the decoded form: "event", "S3 event", "change".
	Form string
	// Field is the path of the value, such as Records[3].messageId, or "".
	Field  string
	Reason string
}

func (e *EventError) Error() string {
	if e.Field == "" {
		return e.Form + " " + e.Reason
	}
	return e.Form + ": " + e.Field + " " + e.Reason
}

// within returns e with prefix before its field.
func (e *EventError) within(form, prefix string) *EventError {
	w := *e
	w.Form = form
	switch {
	case prefix == "":
	case w.Field == "":
		w.Field = prefix
	default:
		w.Field = prefix + "." + w.Field
	}
	return &w
}

const formEvent = "event"

// Decode decodes an event. If accept is given, it accepts only those kinds. The
// error is an *EventError. It means that the event as a whole fails: it is not
// JSON, has no Records or the wrong kind, or a record has no id to report as
// failed.
func Decode(payload []byte, accept ...Kind) (Batch, error) {
	s := newScanner(payload)
	var b Batch
	var seen bool
	var detailType, event string
	for name := range s.Members() {
		switch name {
		case "Records":
			seen = true
			var err *EventError
			if b, err = decodeRecords(s, len(payload), accept); err != nil && s.Err == nil {
				return Batch{}, err
			}
		case "detail-type":
			detailType = s.Str(name)
		case "Event":
			event = s.Str(name)
		default:
			s.Skip()
		}
	}
	s.End()
	if err := s.failed(formEvent); err != nil {
		return Batch{}, err
	}
	switch {
	case seen:
		return b, nil
	case detailType != "":
		return decodeSingle(EventBridge, decodeEventBridge(payload), accept)
	case event == testEvent:
		return decodeSingle(S3, pipeline.Record{ID: testEvent, Cause: testEvent, Body: payload}, accept)
	}
	return Batch{}, &EventError{formEvent, "Records", "is missing"}
}

// decodeSingle returns the batch of an event without Records.
func decodeSingle(k Kind, r pipeline.Record, accept []Kind) (Batch, error) {
	switch {
	case !accepted(k, accept):
		return Batch{}, &EventError{formEvent, "", fmt.Sprintf("is from %v, want %s", k, listed(accept))}
	case r.ID == "":
		return Batch{}, &EventError{formEvent, "id", "is missing"}
	}
	return Batch{Kind: k, Source: r.Source, Records: []pipeline.Record{r}}, nil
}

// maxRecords is the largest batch of an event source mapping.
const maxRecords = 10_000

// decodeRecords decodes the list of records of a payload of size bytes.
func decodeRecords(s *scanner, size int, accept []Kind) (b Batch, err *EventError) {
	if s.Peek() != '[' {
		return b, &EventError{formEvent, "Records", "is not a list"}
	}
	for i := range s.Elements() {
		s.Peek()
		start := s.Offset()
		var r pipeline.Record
		if i == 0 {
			if b.Kind, r, err = decodeFirst(s, accept); err != nil {
				return b, err.within(formEvent, recordAt(i))
			}
			if b.Kind == DynamoDBStream || b.Kind == KinesisStream {
				b.Order = pipeline.Stream
			}
		} else {
			s.source = ""
			r = kinds[b.Kind].decode(s)
		}
		switch {
		case s.Err != nil:
			return b, eventError(formEvent, "", s.Err)
		case r.ID == "" && b.Kind.partial():
			return b, (&EventError{Field: kinds[b.Kind].id, Reason: "is missing"}).within(formEvent, recordAt(i))
		case r.ID == "":
			r.ID = recordAt(i)
		}
		if s.source != kinds[b.Kind].source {
			s.Problem(kinds[b.Kind].field, fmt.Sprintf("is %q, want %q as in the first record", s.source, kinds[b.Kind].source))
		}
		if s.Field != nil {
			r.Err = eventError(formEvent, recordAt(i), s.Field)
			s.Field = nil
		}
		if b.Source == "" {
			b.Source = r.Source
		}
		if r.Group != "" && b.Order == pipeline.Unordered {
			b.Order = pipeline.Grouped
		}
		if i == 0 {
			// The records of a batch have similar sizes.
			b.Records = make([]pipeline.Record, 0, min(maxRecords, 1+(size-start)/(s.Offset()-start)))
		}
		b.Records = append(b.Records, r)
	}
	if len(b.Records) == 0 && len(accept) == 1 {
		b.Kind = accept[0]
	}
	return b, nil
}

func recordAt(i int) string { return "Records[" + strconv.Itoa(i) + "]" }

// decodeFirst decodes the first record, which determines the kind of the batch.
// The eventSource may be its last field. decodeFirst therefore assumes the most
// likely kind, and decodes the record again if it has another.
func decodeFirst(s *scanner, accept []Kind) (Kind, pipeline.Record, *EventError) {
	start := *s
	k := SQS
	if len(accept) > 0 && kinds[accept[0]].decode != nil {
		k = accept[0]
	}
	r := kinds[k].decode(s)
	if s.Err == nil && s.source == kinds[k].source {
		return k, r, nil
	}
	*s = start
	k, err := findKind(start, accept)
	if err != nil {
		return k, r, err
	}
	return k, kinds[k].decode(s), nil
}

// findKind returns the kind of the next record. It has its own copy of the
// scanner.
func findKind(s scanner, accept []Kind) (Kind, *EventError) {
	if s.Peek() != '{' {
		return Unknown, &EventError{Reason: "is not an object"}
	}
	for name := range s.Members() {
		if name != "eventSource" && name != "EventSource" {
			s.Skip()
			continue
		}
		source := s.Str(name)
		k := Kind(slices.IndexFunc(kinds, func(k kind) bool { return k.source == source && k.field == name }))
		switch {
		case k <= Unknown:
			return Unknown, &EventError{Field: name, Reason: fmt.Sprintf("is %q, want a known event source", source)}
		case !accepted(k, accept):
			return Unknown, &EventError{Field: name, Reason: fmt.Sprintf("is %q, want that of %s", source, listed(accept))}
		}
		return k, nil
	}
	if s.Err != nil {
		return Unknown, eventError(formEvent, "", s.Err)
	}
	return Unknown, &EventError{Field: "eventSource", Reason: "is missing"}
}

func accepted(k Kind, accept []Kind) bool {
	return len(accept) == 0 || slices.Contains(accept, k)
}

func listed(accept []Kind) string {
	names := make([]string, len(accept))
	for i, k := range accept {
		names[i] = k.String()
	}
	return strings.Join(names, ", ")
}
