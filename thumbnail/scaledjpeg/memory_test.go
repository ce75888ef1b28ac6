package scaledjpeg

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"
)

// allocated is the number of bytes that f allocates.
func allocated(f func()) int64 {
	var a, b runtime.MemStats
	runtime.ReadMemStats(&a)
	f()
	runtime.ReadMemStats(&b)
	return int64(b.TotalAlloc - a.TotalAlloc)
}

// What a fresh decoder allocates is within MemoryBytes, and not far below: a
// promise of twice the need would refuse pictures for nothing. It runs alone:
// it counts what the whole process allocates.
func TestMemoryBytes(t *testing.T) {
	if underRace {
		t.Skip("the race detector makes it slow and finds nothing: it is one goroutine")
	}
	for _, o := range []writeOptions{{}, {script: scriptApart}, {progressive: true, script: scriptUsual}, {dnl: true}} {
		for _, s := range [][][2]int{sampling420, {{4, 1}, {1, 1}, {2, 1}}} {
			p := newPicture(2000, 1500, s, 1)
			data := p.encode(o)
			for _, scale := range []int{-8, 8, 4, -2, 2, 1} { // negative: with fine chroma
				t.Run(fmt.Sprint(o.progressive, len(o.script), o.dnl, s, scale), func(t *testing.T) {
					options := Options{Scale: max(scale, -scale), FineChroma: scale < 0}
					h, err := DecodeHeader(bytes.NewReader(data))
					if err != nil {
						t.Fatal(err)
					}
					h.Height = p.h
					need := h.MemoryBytes(options)
					got := allocated(func() {
						if _, err := Decode(bytes.NewReader(data), options); err != nil {
							t.Error(err)
						}
					})
					if o.dnl {
						need *= 3 // planes grow by doubling
					} else if got < need/2 {
						t.Errorf("%d bytes are promised, only %d allocated", need, got)
					}
					if got > need {
						t.Errorf("%d bytes are promised, %d allocated", need, got)
					}
				})
			}
		}
	}
}

// MaxBytes holds for a decoder that has decoded larger pictures too, of other
// kinds: planes, coefficients and masks do not add up from one to the next.
func TestMemoryOfReusedDecoder(t *testing.T) {
	large := newPicture(300, 200, sampling444, 1)
	small := newPicture(140, 100, [][2]int{{1, 1}, {2, 2}, {1, 1}}, 2)
	files := []struct {
		p    *picture
		data []byte
	}{
		{large, large.encode(writeOptions{progressive: true, script: scriptSpectral})},
		{large, large.encode(writeOptions{})},
		{small, small.encode(writeOptions{progressive: true, script: scriptUsual})},
		{small, small.encode(writeOptions{dnl: true})},
	}
	var d Decoder
	for round := range 2 {
		for _, scale := range []int{8, 1, 4, 2} {
			for i, f := range files {
				h, err := d.ReadHeader(bytes.NewReader(f.data))
				if err != nil {
					t.Fatal(err)
				}
				limit := h.MemoryBytes(Options{Scale: scale})
				if h.Height == 0 {
					limit = 1 << 20
				}
				m, err := d.Decode(Options{Scale: scale, MaxBytes: limit})
				if err != nil {
					t.Fatal(err)
				}
				checkPlanes(t, f.p, m)
				if held := d.held() + fixedBytes; held > limit {
					t.Errorf("round %d, file %d at 1/%d: %d bytes are held, MaxBytes is %d", round, i, scale, held, limit)
				}
			}
		}
	}
	if d.Trim(d.held()); d.held() == 0 {
		t.Error("Trim took what it may leave")
	}
	if d.Trim(d.held() - 1); d.held() != 0 {
		t.Errorf("Trim left %d bytes", d.held())
	}
}

// held is the size of planes and coefficients, of unused ones too.
func (d *Decoder) held() (n int64) {
	for _, c := range d.comps {
		n += int64(cap(c.pix)) + int64(cap(c.dc)) + 2*int64(cap(c.coef)) + 8*int64(cap(c.nz))
	}
	return n
}

// A decoder that has decoded a picture decodes the next of its kind with a
// handful of small allocations: the image's description and its metadata.
func TestWarmAllocations(t *testing.T) {
	for _, o := range []writeOptions{{}, {progressive: true, script: scriptUsual}} {
		p := newPicture(640, 480, sampling420, 1)
		data := p.encode(o)
		for _, scale := range []int{8, 4, 2, 1} {
			var d Decoder
			r := bytes.NewReader(data)
			n := testing.AllocsPerRun(10, func() {
				r.Reset(data)
				if _, err := d.ReadHeader(r); err != nil {
					t.Error(err)
				}
				if _, err := d.Decode(Options{Scale: scale}); err != nil {
					t.Error(err)
				}
			})
			if n > 2 {
				t.Errorf("progressive %v at 1/%d: %.0f allocations, want at most 2", o.progressive, scale, n)
			}
		}
	}
}
