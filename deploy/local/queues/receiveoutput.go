package queues

import (
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
)

// receiveOutput is the answer of ReceiveMessage.
type receiveOutput struct {
	Messages []messageOutput `json:"Messages,omitempty"`
}

type messageOutput struct {
	MessageID     string                    `json:"MessageId"`
	ReceiptHandle string                    `json:"ReceiptHandle"`
	MD5OfBody     string                    `json:"MD5OfBody"`
	Body          string                    `json:"Body"`
	Attributes    map[string]string         `json:"Attributes,omitempty"`
	MD5OfAttrs    string                    `json:"MD5OfMessageAttributes,omitempty"`
	MessageAttrs  map[string]attributeValue `json:"MessageAttributes,omitempty"`
}

// output shows of each message what was asked for.
func (in *receiveInput) output(got []delivered) *receiveOutput {
	out := &receiveOutput{}
	for i := range got {
		out.Messages = append(out.Messages, in.message(&got[i]))
	}
	return out
}

func (in *receiveInput) message(d *delivered) messageOutput {
	m := messageOutput{
		MessageID: uuid(d.id), ReceiptHandle: d.handle.String(), MD5OfBody: hex.EncodeToString(d.md5[:]), Body: d.body,
	}
	for name, v := range d.system() {
		if v != "" && in.wants(name) {
			if m.Attributes == nil {
				m.Attributes = map[string]string{}
			}
			m.Attributes[name] = v
		}
	}
	var shown []attribute
	for _, a := range d.attrs {
		if !matches(in.MessageAttributeNames, a.name) {
			continue
		}
		shown = append(shown, a)
		v := attributeValue{DataType: a.typ}
		if a.binary {
			v.BinaryValue = a.value
		} else {
			s := string(a.value)
			v.StringValue = &s
		}
		if m.MessageAttrs == nil {
			m.MessageAttrs = map[string]attributeValue{}
		}
		m.MessageAttrs[a.name] = v
	}
	m.MD5OfAttrs = attributesMD5(shown) // of what is shown, so that the client can check it
	return m
}

// wants tells whether a system attribute was asked for, by the old parameter or the new.
func (in *receiveInput) wants(name string) bool {
	for _, names := range [...][]string{in.AttributeNames, in.SystemAttributeNames} {
		if slices.Contains(names, "All") || slices.Contains(names, name) {
			return true
		}
	}
	return false
}

// system are the message's system attributes; an empty one is none.
func (d *delivered) system() map[string]string {
	m := map[string]string{
		"SenderId":                         d.account,
		"SentTimestamp":                    millis(d.sent),
		"ApproximateReceiveCount":          strconv.FormatUint(uint64(d.count), 10),
		"ApproximateFirstReceiveTimestamp": millis(d.first),
		"MessageGroupId":                   d.group,
		"MessageDeduplicationId":           d.dedup,
		"AWSTraceHeader":                   d.trace,
		"DeadLetterQueueSourceArn":         d.source,
	}
	if d.seq != 0 {
		m["SequenceNumber"] = sequenceNumber(d.seq)
	}
	return m
}

// matches tells whether a message attribute was asked for: by name, by "All" or ".*", or by a prefix as in "order.*".
func matches(names []string, name string) bool {
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
