package eventsource

import (
	"encoding/base64"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"sluice/deploy/internal/jsonappend"
)

// appendRecord appends an element of Records in Lambda's SQS event, as
// encoding/json would write it; a test compares the two. Together with
// isSuccess it reduced the cost of a message in a mapping from 20 allocations
// to 3, and from 7.0 to 3.2 µs of CPU time (BenchmarkQueueMapping).
func appendRecord(b []byte, m *types.Message, queueARN, region string) []byte {
	b = appendField(b, `{"messageId":`, aws.ToString(m.MessageId))
	b = appendField(b, `,"receiptHandle":`, aws.ToString(m.ReceiptHandle))
	b = appendField(b, `,"body":`, aws.ToString(m.Body))
	b = append(b, `,"attributes":{`...)
	for i, name := range sortedKeys(m.Attributes) {
		b = appendName(b, i, name)
		b = jsonappend.String(b, m.Attributes[name], jsonappend.KeepHTML)
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

func appendField(b []byte, name, value string) []byte {
	return jsonappend.String(append(b, name...), value, jsonappend.KeepHTML)
}

func appendName(b []byte, i int, name string) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	return append(jsonappend.String(b, name, jsonappend.KeepHTML), ':')
}

// appendAttribute appends a message attribute. Its lists are empty, as Lambda
// writes them: SQS does not support list values yet.
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
