package eventsource

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

func TestFitting(t *testing.T) {
	t.Parallel()
	const envelope = len(eventHead) + len(eventTail)
	tests := []struct {
		name  string
		sizes []int
		want  []int // records in each part
	}{
		{"nothing", nil, nil},
		{"exactly the limit", []int{MaxPayloadBytes - envelope - 5, 5}, []int{2}},
		{"a byte over", []int{MaxPayloadBytes - envelope - 5, 6}, []int{1, 1}},
		{"one too large by itself", []int{1, MaxPayloadBytes, 1}, []int{1, 1, 1}},
		{"order", []int{4 << 20, 1 << 20, 4 << 20, 1, 1}, []int{2, 3}},
	}
	for _, tt := range tests {
		var got, joined []int
		for rest := tt.sizes; len(rest) > 0; {
			n := fitting(rest, func(n int) int { return n })
			got = append(got, n)
			joined = append(joined, rest[:n]...)
			rest = rest[n:]
		}
		if !slices.Equal(got, tt.want) || !slices.Equal(joined, tt.sizes) {
			t.Errorf("%s: parts of %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestEventIsWithinItsCountedSize(t *testing.T) {
	t.Parallel()
	m := newMessage(types.Message{MessageId: aws.String("a"), Body: aws.String(strings.Repeat("\n", 100))}, standardARN, "eu-west-1")
	batch := []message{m, m, m}
	counted := len(eventHead) + len(eventTail)
	for _, m := range batch {
		counted += m.size()
	}
	if got := len(event(batch, message.json)); got > counted || got < counted-len(batch) {
		t.Errorf("an event of %d bytes was counted as %d", got, counted)
	}
}

// BenchmarkQueueBatch is what a mapping adds to ten messages of 200 bytes: the event's JSON and the answer.
func BenchmarkQueueBatch(b *testing.B) {
	b.ReportAllocs()
	raw := types.Message{
		MessageId: aws.String("059f36b4-87a3-44ab-83d2-661975830a7d"), ReceiptHandle: aws.String(strings.Repeat("h", 100)),
		Body: aws.String(strings.Repeat("x", 200)), MD5OfBody: aws.String(strings.Repeat("0", 32)),
		Attributes: map[string]string{
			"ApproximateReceiveCount": "1", "SentTimestamp": "1545082649183",
			"SenderId": "local", "ApproximateFirstReceiveTimestamp": "1545082649185",
		},
	}
	answer := []byte(failures(*raw.MessageId))
	for b.Loop() {
		batch := make([]message, 10)
		ids := make([]string, 10)
		for i := range batch {
			batch[i] = newMessage(raw, standardARN, "eu-west-1")
			ids[i] = batch[i].id()
		}
		if p := event(batch, message.json); len(p) < 2000 {
			b.Fatal("short event")
		}
		if v := readAnswer(answer, ids); v.whole != nil {
			b.Fatal(v.whole)
		}
	}
}
