package lambdaevent_test

import (
	"testing"

	"sluice/pipeline/lambdaevent"
)

func TestCompareSequencers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"0055AED6DCD90281E5", "0055AED6DCD90281E5", 0},
		{"0055AED6DCD90281E5", "0055AED6DCD90281E6", -1},
		{"0055AED6DCD90281F0", "0055AED6DCD90281E6", 1},
		{"0055AED6DC", "0055AED6DC00", 0},  // padded on the right
		{"0055AED6DC", "0055AED6DC01", -1}, // not on the left
		{"1", "0FFFFF", 1},
		{"9", "A", -1},
		{"617f08299329d189", "617F08299329D189", 0}, // as EventBridge and S3 write it
		{"617f08299329d18a", "617F08299329D189", 1},
		{"617f0829a", "617F0829B", -1},
		{"", "0001", -1},
		{"", "", 0},
	} {
		if got := lambdaevent.CompareSequencers(c.a, c.b); got != c.want {
			t.Errorf("%q with %q: got %d, want %d", c.a, c.b, got, c.want)
		}
		if got := lambdaevent.CompareSequencers(c.b, c.a); got != -c.want {
			t.Errorf("%q with %q: got %d, want %d", c.b, c.a, got, -c.want)
		}
	}
}
