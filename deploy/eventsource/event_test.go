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
		{"no records", nil, nil},
		{"at the limit", []int{MaxPayloadBytes - envelope - 5, 5}, []int{2}},
		{"a byte over the limit", []int{MaxPayloadBytes - envelope - 5, 6}, []int{1, 1}},
		{"a record over the limit", []int{1, MaxPayloadBytes, 1}, []int{1, 1, 1}},
		{"order is kept", []int{4 << 20, 1 << 20, 4 << 20, 1, 1}, []int{2, 3}},
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
			t.Errorf("%s: parts: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestEventSizeIsTheCountedSize(t *testing.T) {
	t.Parallel()
	m := types.Message{MessageId: aws.String("a"), Body: aws.String(strings.Repeat("\n", 100))}
	batch := newMessages([]types.Message{m, m, m}, standardARN, "eu-west-1")
	counted := len(eventHead) + len(eventTail)
	for _, m := range batch {
		counted += m.size()
	}
	if got := len(event(batch, message.json)); got > counted || got < counted-len(batch) {
		t.Errorf("event: got %d bytes, counted %d", got, counted)
	}
}
