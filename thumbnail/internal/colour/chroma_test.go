package colour

import (
	"bytes"
	"testing"
)

func TestHowHardChromaIs(t *testing.T) {
	t.Parallel()
	planes := make([][]byte, 3)
	for c := range planes {
		planes[c] = bytes.Repeat([]byte{200}, 200*150)
	}
	for y := range 100 { // a red line, which tints two columns
		if n := CountHard(planes, 200, 150); n != y/2*4 && n != y/2*4+1 {
			t.Fatalf("a line of %d pixels: %d are counted", y, n)
		}
		if got := IsHard(planes, 200, 150); got != (y >= 76) {
			t.Fatalf("a line of %d pixels of 30,000: got %t", y, got)
		}
		planes[1][200*y], planes[2][200*y] = 0, 0
	}
}
