package sqsserver

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
	Attributes    textPairs                 `json:"Attributes,omitempty"`
	MD5OfAttrs    string                    `json:"MD5OfMessageAttributes,omitempty"`
	MessageAttrs  map[string]attributeValue `json:"MessageAttributes,omitempty"`
}

// output shows of each message what was asked for.
func (in *receiveInput) output(got []delivered) *receiveOutput {
	out := &receiveOutput{Messages: make([]messageOutput, len(got))}
	for i := range got {
		out.Messages[i] = in.message(&got[i])
	}
	return out
}

func (in *receiveInput) message(d *delivered) messageOutput {
	m := messageOutput{
		MessageID: uuid(d.id), ReceiptHandle: d.handle.String(), MD5OfBody: hex.EncodeToString(d.md5[:]), Body: d.body,
	}
	m.Attributes = in.system(d)
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

// system are the message's system attributes that were asked for, by name; an empty one is none.
func (in *receiveInput) system(d *delivered) textPairs {
	if len(in.AttributeNames)+len(in.SystemAttributeNames) == 0 {
		return nil
	}
	sequence := ""
	if d.seq != 0 {
		sequence = sequenceNumber(d.seq)
	}
	all := [...]textPair{
		{"AWSTraceHeader", d.trace},
		{"ApproximateFirstReceiveTimestamp", millis(d.first)},
		{"ApproximateReceiveCount", strconv.FormatUint(uint64(d.count), 10)},
		{"DeadLetterQueueSourceArn", d.source},
		{"MessageDeduplicationId", d.dedup},
		{"MessageGroupId", d.group},
		{"SenderId", d.account},
		{"SentTimestamp", millis(d.sent)},
		{"SequenceNumber", sequence},
	}
	out := make(textPairs, 0, len(all))
	for _, a := range all {
		if a.value != "" && in.wants(a.name) {
			out = append(out, a)
		}
	}
	return out
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
