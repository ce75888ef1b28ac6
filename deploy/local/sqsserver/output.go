package sqsserver

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"

	"sluice/deploy/internal/jsonappend"
	"sluice/deploy/local/sqsserver/attribute"
	"sluice/deploy/local/sqsserver/queue"
)

// appendOutput appends the output of an action as encoding/json writes it. The
// outputs of frequent actions are written without reflection.
func appendOutput(b []byte, out any) ([]byte, error) {
	switch out := out.(type) {
	case *queue.ReceiveMessageOutput:
		return appendReceived(b, out), nil
	case *queue.SendMessageOutput:
		return append(appendSentFields(append(b, '{'), out), '}'), nil
	case *queue.SendMessageBatchOutput:
		return appendSentBatch(b, out), nil
	case *queue.BatchOutput:
		return appendBatch(b, out), nil
	}
	text, err := json.Marshal(out)
	return append(b, text...), err
}

func appendText(b []byte, s string) []byte { return jsonappend.String(b, s, jsonappend.EscapeHTML) }

// appendField appends a member of an object. The name needs no escapes.
func appendField(b []byte, name, value string) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	b = append(append(append(b, '"'), name...), '"', ':')
	return appendText(b, value)
}

// appendOptional appends a member unless its value is empty.
func appendOptional(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return appendField(b, name, value)
}

func appendList[E any](b []byte, list []E, one func([]byte, *E) []byte) []byte {
	b = append(b, '[')
	for i := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = one(b, &list[i])
	}
	return append(b, ']')
}

func appendReceived(b []byte, out *queue.ReceiveMessageOutput) []byte {
	if len(out.Messages) == 0 {
		return append(b, "{}"...)
	}
	b = append(b, `{"Messages":`...)
	return append(appendList(b, out.Messages, appendMessage), '}')
}

func appendMessage(b []byte, m *queue.ReceivedMessage) []byte {
	b = append(b, '{')
	b = appendField(b, "MessageId", m.MessageID)
	b = appendField(b, "ReceiptHandle", m.ReceiptHandle)
	b = appendField(b, "MD5OfBody", m.MD5OfBody)
	b = appendField(b, "Body", m.Body)
	if len(m.SystemAttributes) > 0 {
		b = append(b, `,"Attributes":`...)
		b = m.SystemAttributes.AppendJSON(b)
	}
	b = appendOptional(b, "MD5OfMessageAttributes", m.MD5OfAttributes)
	if len(m.Attributes) > 0 {
		b = append(b, `,"MessageAttributes":{`...)
		for i, name := range slices.Sorted(maps.Keys(m.Attributes)) {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendText(b, name), ':')
			b = appendAttribute(b, m.Attributes[name])
		}
		b = append(b, '}')
	}
	return append(b, '}')
}

// appendAttribute appends an attribute of a received message, which has no lists.
func appendAttribute(b []byte, v attribute.Value) []byte {
	b = append(b, '{')
	b = appendField(b, "DataType", v.DataType)
	if v.StringValue != nil {
		b = appendField(b, "StringValue", *v.StringValue)
	}
	if len(v.BinaryValue) > 0 {
		b = append(b, `,"BinaryValue":"`...)
		b = append(base64.StdEncoding.AppendEncode(b, v.BinaryValue), '"')
	}
	return append(b, '}')
}

func appendSentFields(b []byte, out *queue.SendMessageOutput) []byte {
	b = appendField(b, "MessageId", out.MessageID)
	b = appendField(b, "MD5OfMessageBody", out.MD5OfBody)
	b = appendOptional(b, "MD5OfMessageAttributes", out.MD5OfAttributes)
	b = appendOptional(b, "MD5OfMessageSystemAttributes", out.MD5OfSystemAttributes)
	return appendOptional(b, "SequenceNumber", out.SequenceNumber)
}

func appendSentBatch(b []byte, out *queue.SendMessageBatchOutput) []byte {
	b = append(b, `{"Successful":`...)
	b = appendList(b, out.Successful, func(b []byte, e *queue.SentEntry) []byte {
		b = appendField(append(b, '{'), "Id", e.ID)
		return append(appendSentFields(b, &e.SendMessageOutput), '}')
	})
	return append(appendFailed(b, out.Failed), '}')
}

func appendBatch(b []byte, out *queue.BatchOutput) []byte {
	b = append(b, `{"Successful":`...)
	b = appendList(b, out.Successful, func(b []byte, e *queue.BatchEntry) []byte {
		return append(appendField(append(b, '{'), "Id", e.ID), '}')
	})
	return append(appendFailed(b, out.Failed), '}')
}

// appendFailed appends the entries of a batch that failed, if there are any.
func appendFailed(b []byte, failed []queue.FailedEntry) []byte {
	if len(failed) == 0 {
		return b
	}
	b = append(b, `,"Failed":`...)
	return appendList(b, failed, func(b []byte, e *queue.FailedEntry) []byte {
		b = appendField(append(b, '{'), "Id", e.ID)
		b = append(b, `,"SenderFault":`...)
		if e.SenderFault {
			b = append(b, "true"...)
		} else {
			b = append(b, "false"...)
		}
		b = appendField(b, "Code", e.Code)
		return append(appendField(b, "Message", e.Message), '}')
	})
}
