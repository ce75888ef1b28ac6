// Package lambdaevent turns what Lambda hands to a function into records, and
// what became of them into the answer that Lambda understands.
//
// [Decode] tells the kind of an event from its payload and decodes each record
// by itself: one that cannot be read is a record with an Err, and the others are
// as if it were not there. [Batch.Response] speaks each source's language of
// partial failure. What records hold is read by [S3Events], in every envelope
// S3's notices come in, and by package streamchange, without loss.
//
// encoding/json into aws-lambda-go's events cannot do that: one unknown
// attribute type or one bad %-escape there fails the whole event before any
// handler runs, and it costs several times as much CPU.
package lambdaevent

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sluice/pipeline"
)

// Kind is what sort of source an event comes from.
type Kind int

const (
	// Unknown is the kind of an empty batch when more than one is accepted.
	Unknown Kind = iota
	// SQS records hold a message's body. ID is the messageId, the Cause the
	// attribute sluice-cause or else the messageId, which a redrive changes.
	SQS
	// DynamoDBStream records hold the change as Lambda delivers it, for
	// streamchange.Decode. ID is the sequence number, Cause the eventID, Group the
	// item's key.
	DynamoDBStream
	// KinesisStream records hold the data. ID is the sequence number, Cause the
	// eventID, Group the partition key.
	KinesisStream
	// S3 records hold {"Records":[...]} with one element, for S3Events. ID and
	// Cause are bucket/key/version-or-sequencer.
	S3
	// SNS records hold the message. ID and Cause are its MessageId.
	SNS
	// EventBridge events are one record each and hold the whole event. ID and
	// Cause are its id.
	EventBridge
)

// Sources, as their records name themselves.
const (
	sourceSQS      = "aws:sqs"
	sourceDynamoDB = "aws:dynamodb"
	sourceKinesis  = "aws:kinesis"
	sourceS3       = "aws:s3"
	sourceSNS      = "aws:sns"
)

type kind struct {
	name   string
	field  string // of a record, that names the source
	source string // what that field says; "" for what comes without Records
	id     string // the field by which a failure is named
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

// partial reports whether the source understands a list of failures.
func (k Kind) partial() bool {
	return k <= KinesisStream
}

// Names of attributes in Record.Attrs. Beside them stand SQS's system
// attributes (SentTimestamp, MessageGroupId, ...) and the message attributes of
// SQS and SNS that are strings or numbers; a system attribute of the same name
// wins.
const (
	// AttrCause is the message attribute that carries a Cause over a redrive.
	// Names that begin with sluice- are ours.
	AttrCause = "sluice-cause"
	// AttrReceiptHandle is SQS's handle, with which a worker may change the
	// message's visibility.
	AttrReceiptHandle = "receiptHandle"
	// AttrTraceHeader is X-Ray's trace header.
	AttrTraceHeader = "AWSTraceHeader"
	// AttrTraceParent is the W3C trace context: the message attribute, or else what
	// X-Ray's header says.
	AttrTraceParent = "traceparent"
	// AttrEventName is a change's or a notice's eventName.
	AttrEventName = "eventName"
)

// A Batch is a decoded event. Its records' bodies may share memory with the
// payload and with each other, each up to its capacity.
type Batch struct {
	Kind    Kind
	Order   pipeline.Order
	Source  string // of the first record that names one
	Records []pipeline.Record
}

// EventError says what about an event, or one of its records, cannot be read.
type EventError struct {
	// Form is what was being read: "event", "S3 notice", "change".
	Form string
	// Field is the path to the value, like Records[3].messageId; "" is the whole.
	Field  string
	Reason string
}

func (e *EventError) Error() string {
	if e.Field == "" {
		return e.Form + " " + e.Reason
	}
	return e.Form + ": " + e.Field + " " + e.Reason
}

// within returns e with its field below prefix.
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

// Decode reads an event. Where accept is given, other kinds are refused. The
// error is a *EventError; it means that nothing of the event can be answered
// for: not JSON, no Records, the wrong kind, or a record without the id by which
// its failure would be named.
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

// decodeSingle makes the batch of an event without Records.
func decodeSingle(k Kind, r pipeline.Record, accept []Kind) (Batch, error) {
	switch {
	case !accepted(k, accept):
		return Batch{}, &EventError{formEvent, "", fmt.Sprintf("is of %v, this takes %s", k, listed(accept))}
	case r.ID == "":
		return Batch{}, &EventError{formEvent, "id", "is missing"}
	}
	return Batch{Kind: k, Source: r.Source, Records: []pipeline.Record{r}}, nil
}

// mostRecords is the largest batch that an event source mapping can make.
const mostRecords = 10_000

// decodeRecords reads the list of records of a payload of size bytes.
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
			s.Problem(kinds[b.Kind].field, fmt.Sprintf("is %q, the first record's is %q", s.source, kinds[b.Kind].source))
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
			// Records of one batch are of about one size.
			b.Records = make([]pipeline.Record, 0, min(mostRecords, 1+(size-start)/(s.Offset()-start)))
		}
		b.Records = append(b.Records, r)
	}
	if len(b.Records) == 0 && len(accept) == 1 {
		b.Kind = accept[0]
	}
	return b, nil
}

func recordAt(i int) string { return "Records[" + strconv.Itoa(i) + "]" }

// decodeFirst reads the record that tells the batch's kind. Its eventSource may
// come last, so it is read as the most likely kind first, and again if it was
// not.
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
	k, err := tellKind(start, accept)
	if err != nil {
		return k, r, err
	}
	return k, kinds[k].decode(s), nil
}

// tellKind looks for the eventSource of the record that comes next, with a
// scanner of its own.
func tellKind(s scanner, accept []Kind) (Kind, *EventError) {
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
			return Unknown, &EventError{Field: name, Reason: fmt.Sprintf("is %q, which is no source known here", source)}
		case !accepted(k, accept):
			return Unknown, &EventError{Field: name, Reason: fmt.Sprintf("is %q, this takes %s", source, listed(accept))}
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
