package eventsource

import (
	"encoding/base64"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// appendRecord appends an element of Records in Lambda's SQS event, as encoding/json would write it; the tests compare the two.
// Written by hand it took a mapping's share of a message from 20 allocations to 3, and from 7.0 to 3.2 µs of CPU time
// together with the shortcut of the usual answer (BenchmarkQueueMapping).
func appendRecord(b []byte, m *types.Message, queueARN, region string) []byte {
	b = appendField(b, `{"messageId":`, aws.ToString(m.MessageId))
	b = appendField(b, `,"receiptHandle":`, aws.ToString(m.ReceiptHandle))
	b = appendField(b, `,"body":`, aws.ToString(m.Body))
	b = append(b, `,"attributes":{`...)
	for i, name := range sortedKeys(m.Attributes) {
		b = appendName(b, i, name)
		b = appendString(b, m.Attributes[name])
	}
	b = append(b, `},"messageAttributes":{`...)
	for i, name := range sortedKeys(m.MessageAttributes) {
		b = appendName(b, i, name)
		b = appendAttribute(b, m.MessageAttributes[name])
	}
	b = append(b, '}')
	if digest := aws.ToString(m.MD5OfMessageAttributes); digest != "" {
		b = appendField(b, `,"md5OfMessageAttributes":`, digest)
	}
	b = appendField(b, `,"md5OfBody":`, aws.ToString(m.MD5OfBody))
	b = appendField(b, `,"eventSource":`, "aws:sqs")
	b = appendField(b, `,"eventSourceARN":`, queueARN)
	b = appendField(b, `,"awsRegion":`, region)
	return append(b, '}')
}

func appendField(b []byte, name, value string) []byte { return appendString(append(b, name...), value) }

func appendName(b []byte, i int, name string) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	return append(appendString(b, name), ':')
}

// appendAttribute writes the lists empty, as Lambda does: SQS has none yet.
func appendAttribute(b []byte, a types.MessageAttributeValue) []byte {
	b = append(b, '{')
	if a.StringValue != nil {
		b = append(appendField(b, `"stringValue":`, *a.StringValue), ',')
	}
	if len(a.BinaryValue) > 0 {
		b = append(b, `"binaryValue":"`...)
		b = append(base64.StdEncoding.AppendEncode(b, a.BinaryValue), `",`...)
	}
	b = appendField(b, `"stringListValues":[],"binaryListValues":[],"dataType":`, aws.ToString(a.DataType))
	return append(b, '}')
}

func sortedKeys[T any](m map[string]T) []string {
	if len(m) == 0 {
		return nil
	}
	keys := slices.AppendSeq(make([]string, 0, len(m)), maps.Keys(m))
	slices.Sort(keys)
	return keys
}

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON text. Bytes that are no UTF-8 become U+FFFD, HTML's characters stay as they are.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			switch {
			case r == utf8.RuneError && size == 1:
				b = append(append(b, s[start:i]...), `\ufffd`...)
				start = i + size
			case r == '\u2028' || r == '\u2029': // line ends in JavaScript
				b = append(append(b, s[start:i]...), `\u202`...)
				b = append(b, hexDigits[r&0xf])
				start = i + size
			}
			i += size
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, s[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\b':
			b = append(b, `\b`...)
		case '\f':
			b = append(b, `\f`...)
		case '\n':
			b = append(b, `\n`...)
		case '\r':
			b = append(b, `\r`...)
		case '\t':
			b = append(b, `\t`...)
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
		}
		i++
		start = i
	}
	return append(append(b, s[start:]...), '"')
}
