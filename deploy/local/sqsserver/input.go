package sqsserver

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf8"

	"sluice/deploy/local/sqsserver/queue"
	"sluice/deploy/local/sqsserver/sqserr"
)

// decodeInput decodes the input of an action. The inputs of frequent actions are
// read without reflection if they look as SDKs write them; all others, invalid
// ones included, are decoded by encoding/json.
func decodeInput[I any](raw []byte, in *I) error {
	if utf8.Valid(raw) {
		if readInput(raw, in) {
			return nil
		}
		*in = *new(I)
	}
	return decodeJSON(raw, in)
}

// decodeJSON refuses text that is not Unicode, which encoding/json would replace
// silently: then the digest in the response would not match the client's.
func decodeJSON(raw []byte, in any) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		raw = []byte("{}")
	}
	if !utf8.Valid(raw) || hasLoneSurrogate(raw) {
		return sqserr.InvalidMessageContents("the request")
	}
	if err := json.Unmarshal(raw, in); err != nil {
		return sqserr.New("SerializationException", "SerializationException", "The request is not what the protocol expects: %v", err)
	}
	return nil
}

// hasLoneSurrogate reports whether JSON text has a \u escape of one half of a
// surrogate pair without the other.
func hasLoneSurrogate(raw []byte) bool {
	high := false // the escape just before was a first half
	for i := 0; i < len(raw); {
		j := bytes.IndexByte(raw[i:], '\\')
		if j < 0 || j > 0 && high {
			return high
		}
		i += j
		if i+1 >= len(raw) || raw[i+1] != 'u' {
			if high {
				return true
			}
			i += 2
			continue
		}
		u, err := uint64(0), error(nil)
		if i+6 <= len(raw) {
			u, err = strconv.ParseUint(string(raw[i+2:i+6]), 16, 16)
		}
		low := u >= 0xDC00 && u <= 0xDFFF
		if err != nil || low != high {
			return true
		}
		high = u >= 0xD800 && u <= 0xDBFF
		i += 6
	}
	return high
}

// readInput reads text that is valid UTF-8 into the input of a frequent action.
// It returns false for other inputs and for text that encoding/json must decode;
// then in must be cleared.
func readInput(text []byte, in any) bool {
	var read func(p *reader, name string) bool
	switch in := in.(type) {
	case *queue.SendMessageInput:
		read = func(p *reader, name string) bool {
			if name == "QueueUrl" {
				return p.intoText(&in.QueueURL)
			}
			return readMessage(p, name, &in.OutgoingMessage)
		}
	case *queue.SendMessageBatchInput:
		read = batchField(&in.QueueURL, &in.Entries, func(p *reader, name string, e *queue.SendMessageBatchEntry) bool {
			if name == "Id" {
				return p.intoText(&e.ID)
			}
			return readMessage(p, name, &e.OutgoingMessage)
		})
	case *queue.ReceiveMessageInput:
		read = func(p *reader, name string) bool { return readReceive(p, name, in) }
	case *queue.DeleteMessageInput:
		read = func(p *reader, name string) bool {
			return readHandle(p, name, "QueueUrl", &in.QueueURL, &in.ReceiptHandle, nil)
		}
	case *queue.DeleteMessageBatchInput:
		read = batchField(&in.QueueURL, &in.Entries, func(p *reader, name string, e *queue.DeleteMessageBatchEntry) bool {
			return readHandle(p, name, "Id", &e.ID, &e.ReceiptHandle, nil)
		})
	case *queue.ChangeMessageVisibilityInput:
		read = func(p *reader, name string) bool {
			return readHandle(p, name, "QueueUrl", &in.QueueURL, &in.ReceiptHandle, &in.VisibilityTimeout)
		}
	case *queue.ChangeMessageVisibilityBatchInput:
		read = batchField(&in.QueueURL, &in.Entries, func(p *reader, name string, e *queue.ChangeMessageVisibilityBatchEntry) bool {
			return readHandle(p, name, "Id", &e.ID, &e.ReceiptHandle, &e.VisibilityTimeout)
		})
	default:
		return false
	}
	p := reader{s: string(text)}
	return p.object(func(name string) bool { return read(&p, name) }) && p.end()
}

// batchField returns a function that reads a field of a batch.
func batchField[E any](url *string, entries *[]E, field func(p *reader, name string, e *E) bool) func(*reader, string) bool {
	return func(p *reader, name string) bool {
		switch name {
		case "QueueUrl":
			return p.intoText(url)
		case "Entries":
			return intoEntries(p, entries, func(e *E) bool {
				return p.object(func(name string) bool { return field(p, name, e) })
			})
		}
		return false
	}
}

func readMessage(p *reader, name string, o *queue.OutgoingMessage) bool {
	switch name {
	case "MessageBody":
		return p.intoOptional(&o.Body)
	case "DelaySeconds":
		return p.intoNumber(&o.DelaySeconds)
	case "MessageAttributes":
		return p.intoAttributes(&o.Attributes)
	case "MessageSystemAttributes":
		return p.intoAttributes(&o.SystemAttributes)
	case "MessageDeduplicationId":
		return p.intoOptional(&o.DeduplicationID)
	case "MessageGroupId":
		return p.intoOptional(&o.GroupID)
	}
	return false
}

func readReceive(p *reader, name string, in *queue.ReceiveMessageInput) bool {
	switch name {
	case "QueueUrl":
		return p.intoText(&in.QueueURL)
	case "AttributeNames":
		return p.intoTexts(&in.AttributeNames)
	case "MessageSystemAttributeNames":
		return p.intoTexts(&in.MessageSystemAttributeNames)
	case "MessageAttributeNames":
		return p.intoTexts(&in.MessageAttributeNames)
	case "MaxNumberOfMessages":
		return p.intoNumber(&in.MaxNumberOfMessages)
	case "VisibilityTimeout":
		return p.intoNumber(&in.VisibilityTimeout)
	case "WaitTimeSeconds":
		return p.intoNumber(&in.WaitTimeSeconds)
	case "ReceiveRequestAttemptId":
		return p.intoOptional(&in.ReceiveRequestAttemptID)
	}
	return false
}

// readHandle reads a field of an input or entry with a receipt handle. first names
// the field that identifies it. A nil timeout means that there is no such field.
func readHandle(p *reader, name, first string, id *string, handle **string, timeout **int64) bool {
	switch name {
	case first:
		return p.intoText(id)
	case "ReceiptHandle":
		return p.intoOptional(handle)
	case "VisibilityTimeout":
		return timeout != nil && p.intoNumber(timeout)
	}
	return false
}
