package lambdaevent_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"sluice/pipeline/lambdaevent"
)

// sqsPayload is an event of n records of about 1.4 kB each, as Lambda writes
// them: one line, the body a JSON text inside of a string.
func sqsPayload(n int) []byte {
	var records []string
	for i := range n {
		body, _ := json.Marshal(fmt.Sprintf(`{"specversion":"1.0","id":"order-%d","type":"order-processing","source":"sluice/changes","time":"2026-01-02T03:04:05Z",`+
			`"data":{"orderId":"o-%d","email":"ann@example.com","items":[%s]}}`, i, i,
			strings.TrimSuffix(strings.Repeat(`{"sku":"blue-mug","quantity":2,"price":"12.50"},`, 8), ",")))
		records = append(records, fmt.Sprintf(`{"messageId":"059f36b4-87a3-44ab-83d2-%012d","receiptHandle":"AQEB%s","body":%s,`+
			`"attributes":{"ApproximateReceiveCount":"1","AWSTraceHeader":"Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1","SentTimestamp":"1767323045000","SenderId":"AROAEXAMPLE:changes","ApproximateFirstReceiveTimestamp":"1767323045010"},`+
			`"messageAttributes":{"sluice-cause":{"stringValue":"c-%d","stringListValues":[],"binaryListValues":[],"dataType":"String"}},`+
			`"md5OfBody":"e4e68fb7bd0e697a0ae8f1bb342846b3","eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:us-east-1:123456789012:jobs","awsRegion":"us-east-1"}`,
			i, strings.Repeat("k3Yz", 40), body, i))
	}
	return []byte(`{"Records":[` + strings.Join(records, ",") + `]}`)
}

// BenchmarkSQS compares decoding of an event with encoding/json into
// aws-lambda-go's type, both in one run.
func BenchmarkSQS(b *testing.B) {
	for _, n := range []int{1, 10, 1000} {
		payload := sqsPayload(n)
		b.Run(fmt.Sprintf("records=%d/lambdaevent", n), func(b *testing.B) {
			b.SetBytes(int64(len(payload)))
			b.ReportAllocs()
			for b.Loop() {
				batch, err := lambdaevent.Decode(payload, lambdaevent.SQS)
				if err != nil || len(batch.Records) != n {
					b.Fatal(err, len(batch.Records))
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/record")
		})
		b.Run(fmt.Sprintf("records=%d/encodingjson", n), func(b *testing.B) {
			b.SetBytes(int64(len(payload)))
			b.ReportAllocs()
			for b.Loop() {
				var event events.SQSEvent
				if err := json.Unmarshal(payload, &event); err != nil || len(event.Records) != n {
					b.Fatal(err, len(event.Records))
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/record")
		})
	}
}
