package queue

import (
	"context"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"sluice/deploy/internal/jsonappend"
	"sluice/deploy/local/sqsserver/attribute"
	"sluice/deploy/local/sqsserver/settings"
	"sluice/deploy/local/sqsserver/sqserr"
)

// ReceiveMessageInput is the input of [Service.ReceiveMessage].
type ReceiveMessageInput struct {
	QueueURL                    string   `json:"QueueUrl"`
	AttributeNames              []string `json:"AttributeNames"` // older name of the next one
	MessageSystemAttributeNames []string `json:"MessageSystemAttributeNames"`
	MessageAttributeNames       []string `json:"MessageAttributeNames"`
	MaxNumberOfMessages         *int64   `json:"MaxNumberOfMessages"` // nil is 1
	VisibilityTimeout           *int64   `json:"VisibilityTimeout"`   // seconds; nil is the queue's
	WaitTimeSeconds             *int64   `json:"WaitTimeSeconds"`     // nil is the queue's
	ReceiveRequestAttemptID     *string  `json:"ReceiveRequestAttemptId"`
}

// ReceiveMessageOutput is the output of [Service.ReceiveMessage].
type ReceiveMessageOutput struct {
	Messages []ReceivedMessage `json:"Messages,omitempty"`
}

// ReceivedMessage is a message with the attributes that were asked for.
type ReceivedMessage struct {
	MessageID        string                     `json:"MessageId"`
	ReceiptHandle    string                     `json:"ReceiptHandle"`
	MD5OfBody        string                     `json:"MD5OfBody"`
	Body             string                     `json:"Body"`
	SystemAttributes SystemAttributes           `json:"Attributes,omitempty"`
	MD5OfAttributes  string                     `json:"MD5OfMessageAttributes,omitempty"`
	Attributes       map[string]attribute.Value `json:"MessageAttributes,omitempty"`
}

// SystemAttributes are the system attributes of a received message, sorted by
// name. In JSON they are an object.
type SystemAttributes []SystemAttribute

// SystemAttribute is a name and its value.
type SystemAttribute struct{ Name, Value string }

// AppendJSON appends the object, as [encoding/json] writes it.
func (as SystemAttributes) AppendJSON(b []byte) []byte {
	b = append(b, '{')
	for i, a := range as {
		if i > 0 {
			b = append(b, ',')
		}
		b = jsonappend.String(b, a.Name, jsonappend.EscapeHTML)
		b = append(b, ':')
		b = jsonappend.String(b, a.Value, jsonappend.EscapeHTML)
	}
	return append(b, '}')
}

// MarshalJSON implements json.Marshaler.
func (as SystemAttributes) MarshalJSON() ([]byte, error) { return as.AppendJSON(nil), nil }

// ReceiveMessage receives up to ten messages. It waits for the first one if the
// wait time allows, and returns none when the time is over, when ctx is done, or
// when the service is closed.
func (s *Service) ReceiveMessage(ctx context.Context, in *ReceiveMessageInput) (*ReceiveMessageOutput, error) {
	name, err := s.nameFromURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	r, err := in.check()
	if err != nil {
		return nil, err
	}
	if in.ReceiveRequestAttemptID != nil && !strings.HasSuffix(name, fifoSuffix) {
		return nil, sqserr.InvalidValue(*in.ReceiveRequestAttemptID, "ReceiveRequestAttemptId", "The request include parameter that is not valid for this queue type.")
	}
	got, err := s.receive(ctx, name, r)
	if err != nil {
		return nil, err
	}
	out := &ReceiveMessageOutput{Messages: make([]ReceivedMessage, len(got))}
	for i := range got {
		out.Messages[i] = in.message(&got[i])
	}
	return out, nil
}

// receiveOptions are the parameters of a receive after they were checked.
type receiveOptions struct {
	max        int
	visibility *int64 // milliseconds; nil is the queue's
	wait       *int64 // milliseconds; nil is the queue's
	needAttrs  bool
}

// systemAttributeNames are the names that a receive accepts.
var systemAttributeNames = []string{
	"All", "SenderId", "SentTimestamp", "ApproximateReceiveCount", "ApproximateFirstReceiveTimestamp", "SequenceNumber",
	"MessageDeduplicationId", "MessageGroupId", attribute.TraceHeader, "DeadLetterQueueSourceArn",
}

func (in *ReceiveMessageInput) check() (receiveOptions, error) {
	r := receiveOptions{max: 1, needAttrs: len(in.MessageAttributeNames) > 0}
	if n := in.MaxNumberOfMessages; n != nil {
		if *n < 1 || *n > MaxBatch {
			return r, sqserr.InvalidValue(*n, "MaxNumberOfMessages", "Must be between 1 and 10, if provided.")
		}
		r.max = int(*n)
	}
	if v := in.VisibilityTimeout; v != nil {
		if *v < 0 || *v > settings.MaxVisibility {
			return r, sqserr.InvalidValue(*v, settings.VisibilityTimeout, "Must be >= 0 and <= 43200, if provided.")
		}
		ms := *v * 1000
		r.visibility = &ms
	}
	if v := in.WaitTimeSeconds; v != nil {
		if *v < 0 || *v > settings.MaxWait {
			return r, sqserr.InvalidValue(*v, "WaitTimeSeconds", "Must be >= 0 and <= 20, if provided.")
		}
		ms := *v * 1000
		r.wait = &ms
	}
	for _, names := range [][]string{in.AttributeNames, in.MessageSystemAttributeNames} {
		for _, n := range names {
			if !slices.Contains(systemAttributeNames, n) {
				return r, sqserr.InvalidAttributeName("Unknown Attribute %s.", n)
			}
		}
	}
	if id := in.ReceiveRequestAttemptID; id != nil && !attribute.ValidID(*id) {
		return r, sqserr.InvalidValue(*id, "ReceiveRequestAttemptId", "ReceiveRequestAttemptId can only include alphanumeric and punctuation characters. 1 to 128 in length.")
	}
	return r, nil
}

// message returns a message with the attributes that were asked for.
func (in *ReceiveMessageInput) message(d *delivered) ReceivedMessage {
	m := ReceivedMessage{
		MessageID: uuid(d.id), ReceiptHandle: d.handle.String(), MD5OfBody: hex.EncodeToString(d.md5[:]), Body: d.body,
		SystemAttributes: in.systemAttributes(d),
	}
	var selected []attribute.Attribute
	for _, a := range d.attrs {
		if !selects(in.MessageAttributeNames, a.Name) {
			continue
		}
		selected = append(selected, a)
		v := attribute.Value{DataType: a.Type}
		if a.Binary {
			v.BinaryValue = a.Value
		} else {
			s := string(a.Value)
			v.StringValue = &s
		}
		if m.Attributes == nil {
			m.Attributes = map[string]attribute.Value{}
		}
		m.Attributes[a.Name] = v
	}
	m.MD5OfAttributes = attribute.MD5(selected) // clients compare it with the attributes that they receive
	return m
}

// wants reports whether a system attribute was asked for by either parameter.
func (in *ReceiveMessageInput) wants(name string) bool {
	for _, names := range [...][]string{in.AttributeNames, in.MessageSystemAttributeNames} {
		if slices.Contains(names, "All") || slices.Contains(names, name) {
			return true
		}
	}
	return false
}

func (in *ReceiveMessageInput) systemAttributes(d *delivered) SystemAttributes {
	if len(in.AttributeNames)+len(in.MessageSystemAttributeNames) == 0 {
		return nil
	}
	sequence := ""
	if d.seq != 0 {
		sequence = sequenceNumber(d.seq)
	}
	all := [...]SystemAttribute{ // sorted by name; an empty one is left out
		{attribute.TraceHeader, d.trace},
		{"ApproximateFirstReceiveTimestamp", strconv.FormatInt(d.first, 10)},
		{"ApproximateReceiveCount", strconv.FormatUint(uint64(d.count), 10)},
		{"DeadLetterQueueSourceArn", d.source},
		{"MessageDeduplicationId", d.dedup},
		{"MessageGroupId", d.group},
		{"SenderId", d.account},
		{"SentTimestamp", strconv.FormatInt(d.sent, 10)},
		{"SequenceNumber", sequence},
	}
	out := make(SystemAttributes, 0, len(all))
	for _, a := range all {
		if a.Value != "" && in.wants(a.Name) {
			out = append(out, a)
		}
	}
	return out
}

// selects reports whether names ask for a message attribute: by its name, by
// "All" or ".*", or by a prefix as in "order.*".
func selects(names []string, name string) bool {
	for _, n := range names {
		if n == "All" || n == ".*" || n == name {
			return true
		}
		if prefix, ok := strings.CutSuffix(n, ".*"); ok && strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
