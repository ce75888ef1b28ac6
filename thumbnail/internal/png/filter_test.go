package png

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestPaethAgainstTheStandardsText(t *testing.T) {
	t.Parallel()
	for a := range 256 {
		for b := range 256 {
			for c := range 256 {
				p := a + b - c
				pa, pb, pc := absInt(p-a), absInt(p-b), absInt(p-c)
				want := c
				if pb <= pc {
					want = b
				}
				if pa <= pb && pa <= pc {
					want = a
				}
				if got := paeth(int32(a), int32(b), int32(c)); got != int32(want) {
					t.Fatalf("paeth(%d, %d, %d) = %d, want %d", a, b, c, got, want)
				}
			}
		}
	}
}

func TestUnfilterUndoesFilterRow(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(4, 4))
	for _, pixel := range []int{1, 2, 3, 4, 6, 8} {
		for _, n := range []int{1, 2, 5, 17} {
			row, above := make([]byte, n*pixel), make([]byte, n*pixel)
			for i := range row {
				row[i], above[i] = byte(rng.Uint32()), byte(rng.Uint32())
			}
			for filter := range byte(5) {
				got := filterRow(filter, row, above, pixel)
				if !unfilter(filter, got, above, pixel) || !bytes.Equal(got, row) {
					t.Errorf("filter %d, %d bytes a pixel, %d pixels: does not come back", filter, pixel, n)
				}
			}
		}
	}
	if unfilter(5, make([]byte, 3), make([]byte, 3), 3) {
		t.Error("filter 5 is taken")
	}
}

func BenchmarkUnfilter(b *testing.B) {
	rng := rand.New(rand.NewPCG(4, 4))
	row, above := make([]byte, 18000), make([]byte, 18000)
	for i := range above {
		above[i] = byte(rng.Uint32())
	}
	for filter := byte(1); filter < 5; filter++ {
		b.Run(fmt.Sprintf("filter=%d", filter), func(b *testing.B) {
			b.SetBytes(int64(len(row)))
			for b.Loop() {
				unfilter(filter, row, above, 3)
			}
		})
	}
}
