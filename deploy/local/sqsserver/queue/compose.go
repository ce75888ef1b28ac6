package queue

import (
	"crypto/md5"
	"crypto/rand"
	"encoding/hex"

	"sluice/deploy/local/sqsserver/attribute"
	"sluice/deploy/local/sqsserver/settings"
	"sluice/deploy/local/sqsserver/sqserr"
)

// OutgoingMessage is a message as a client sends it, alone or in a batch.
type OutgoingMessage struct {
	Body             *string                    `json:"MessageBody"`
	DelaySeconds     *int64                     `json:"DelaySeconds"` // nil is the queue's
	Attributes       map[string]attribute.Value `json:"MessageAttributes"`
	SystemAttributes map[string]attribute.Value `json:"MessageSystemAttributes"`
	DeduplicationID  *string                    `json:"MessageDeduplicationId"`
	GroupID          *string                    `json:"MessageGroupId"`
}

// size is what the message counts toward the size of a batch, in bytes.
func (o *OutgoingMessage) size() (n int) {
	if o.Body != nil {
		n += len(*o.Body)
	}
	for name, v := range o.Attributes {
		n += len(name) + len(v.DataType) + len(v.BinaryValue)
		if v.StringValue != nil {
			n += len(*v.StringValue)
		}
	}
	return n
}

// prepared is an outgoing message after all work that needs no queue, so that the
// writing transaction is short.
type prepared struct {
	msg       message
	delay     *int64 // seconds
	bytes     int
	md5Attrs  string // hexadecimal, "" without attributes
	md5System string
	hasGroup  bool
	hasDedup  bool
}

// prepare checks everything that needs no queue.
func prepare(o *OutgoingMessage) (*prepared, error) {
	p := &prepared{delay: o.DelaySeconds}
	if o.Body == nil || *o.Body == "" {
		return nil, sqserr.MissingParameter("MessageBody")
	}
	if !attribute.ValidText(*o.Body) {
		return nil, sqserr.InvalidMessageContents("the message body")
	}
	if d := o.DelaySeconds; d != nil && (*d < 0 || *d > settings.MaxDelay) {
		return nil, sqserr.InvalidValue(*d, settings.DelaySeconds, "DelaySeconds must be >= 0 and <= 900.")
	}
	for _, f := range []struct {
		name string
		in   *string
		to   *[]byte
		has  *bool
	}{
		{"MessageGroupId", o.GroupID, &p.msg.group, &p.hasGroup},
		{"MessageDeduplicationId", o.DeduplicationID, &p.msg.dedup, &p.hasDedup},
	} {
		if f.in == nil {
			continue
		}
		if !attribute.ValidID(*f.in) {
			return nil, sqserr.InvalidValue(*f.in, f.name, f.name+" can only include alphanumeric and punctuation characters. 1 to 128 in length.")
		}
		*f.to, *f.has = []byte(*f.in), true
	}
	attrs, err := attribute.Check(o.Attributes)
	if err != nil {
		return nil, err
	}
	system, trace, err := attribute.CheckSystem(o.SystemAttributes)
	if err != nil {
		return nil, err
	}
	p.msg.body = []byte(*o.Body)
	p.msg.md5 = md5.Sum(p.msg.body)
	p.msg.attrs = encodeAttributes(attrs)
	p.msg.trace = []byte(trace)
	p.md5Attrs, p.md5System = attribute.MD5(attrs), attribute.MD5(system)
	p.bytes = len(p.msg.body) + attribute.Size(attrs)
	if p.bytes > settings.MaxMessageBytes {
		return nil, errTooLong(settings.MaxMessageBytes)
	}
	_, _ = rand.Read(p.msg.id[:])         // never fails
	p.msg.id[6] = p.msg.id[6]&0x0f | 0x40 // a version 4 UUID
	p.msg.id[8] = p.msg.id[8]&0x3f | 0x80
	return p, nil
}

func errTooLong(limit int) *sqserr.Error {
	return sqserr.InvalidParameter("One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", limit)
}

// output is what a client receives for the message that was sent.
func (p *prepared) output(a sent) SendMessageOutput {
	out := SendMessageOutput{
		MessageID: uuid(a.id), MD5OfBody: hex.EncodeToString(p.msg.md5[:]),
		MD5OfAttributes: p.md5Attrs, MD5OfSystemAttributes: p.md5System,
	}
	if a.seq != 0 {
		out.SequenceNumber = sequenceNumber(a.seq)
	}
	return out
}

// uuid formats the id of a message.
func uuid(id [16]byte) string {
	b := make([]byte, 36)
	hex.Encode(b, id[:4])
	b[8] = '-'
	hex.Encode(b[9:], id[4:6])
	b[13] = '-'
	hex.Encode(b[14:], id[6:8])
	b[18] = '-'
	hex.Encode(b[19:], id[8:10])
	b[23] = '-'
	hex.Encode(b[24:], id[10:])
	return string(b)
}
