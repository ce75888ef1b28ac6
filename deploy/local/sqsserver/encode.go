package sqsserver

import (
	"encoding/base64"
	"maps"
	"slices"

	"sluice/deploy/internal/jsonappend"
)

// appender is an output that can be written without reflection: byte for byte what encoding/json would write.
type appender interface{ appendJSON(b []byte) []byte }

// textPair is a name and its value.
type textPair struct{ name, value string }

// textPairs are an object in JSON, in the order they have, which is that of the names.
type textPairs []textPair

// MarshalJSON writes an object.
func (ps textPairs) MarshalJSON() ([]byte, error) { return ps.appendJSON(nil), nil }

func (ps textPairs) appendJSON(b []byte) []byte {
	b = append(b, '{')
	for i, p := range ps {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, p.name)
		b = append(b, ':')
		b = appendText(b, p.value)
	}
	return append(b, '}')
}

// appendText writes a string as encoding/json.Marshal does.
func appendText(b []byte, s string) []byte { return jsonappend.String(b, s, jsonappend.EscapeHTML) }

// appendField writes a member of an object whose name needs no escape.
func appendField(b []byte, name, value string) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	b = append(append(append(b, '"'), name...), '"', ':')
	return appendText(b, value)
}

// appendOptional leaves an empty value out.
func appendOptional(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return appendField(b, name, value)
}

// appendList writes an array.
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

func (out *receiveOutput) appendJSON(b []byte) []byte {
	if len(out.Messages) == 0 {
		return append(b, "{}"...)
	}
	b = append(b, `{"Messages":`...)
	return append(appendList(b, out.Messages, appendMessage), '}')
}

func appendMessage(b []byte, m *messageOutput) []byte {
	b = append(b, '{')
	b = appendField(b, "MessageId", m.MessageID)
	b = appendField(b, "ReceiptHandle", m.ReceiptHandle)
	b = appendField(b, "MD5OfBody", m.MD5OfBody)
	b = appendField(b, "Body", m.Body)
	if len(m.Attributes) > 0 {
		b = append(b, `,"Attributes":`...)
		b = m.Attributes.appendJSON(b)
	}
	b = appendOptional(b, "MD5OfMessageAttributes", m.MD5OfAttrs)
	if len(m.MessageAttrs) > 0 {
		b = append(b, `,"MessageAttributes":{`...)
		for i, name := range slices.Sorted(maps.Keys(m.MessageAttrs)) {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendText(b, name), ':')
			b = appendAttribute(b, m.MessageAttrs[name])
		}
		b = append(b, '}')
	}
	return append(b, '}')
}

// appendAttribute writes what an attribute of a received message has: no lists.
func appendAttribute(b []byte, v attributeValue) []byte {
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

func (out *sendOutput) appendFields(b []byte) []byte {
	b = appendField(b, "MessageId", out.MessageID)
	b = appendField(b, "MD5OfMessageBody", out.MD5OfBody)
	b = appendOptional(b, "MD5OfMessageAttributes", out.MD5OfAttrs)
	b = appendOptional(b, "MD5OfMessageSystemAttributes", out.MD5OfSystem)
	return appendOptional(b, "SequenceNumber", out.SequenceNumber)
}

func (out *sendOutput) appendJSON(b []byte) []byte {
	return append(out.appendFields(append(b, '{')), '}')
}

func (out *sendBatchOutput) appendJSON(b []byte) []byte {
	b = append(b, `{"Successful":`...)
	b = appendList(b, out.Successful, func(b []byte, e *sentEntry) []byte {
		b = appendField(append(b, '{'), "Id", e.ID)
		return append(e.sendOutput.appendFields(b), '}')
	})
	return append(appendFailed(b, out.Failed), '}')
}

func (out *handleBatchOutput) appendJSON(b []byte) []byte {
	b = append(b, `{"Successful":`...)
	b = appendList(b, out.Successful, func(b []byte, e *doneEntry) []byte {
		return append(appendField(append(b, '{'), "Id", e.ID), '}')
	})
	return append(appendFailed(b, out.Failed), '}')
}

// appendFailed writes the entries of a batch that were refused, if there are any.
func appendFailed(b []byte, failed []failedEntry) []byte {
	if len(failed) == 0 {
		return b
	}
	b = append(b, `,"Failed":`...)
	return appendList(b, failed, func(b []byte, e *failedEntry) []byte {
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
