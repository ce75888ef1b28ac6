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
	for _, o := range []writeOptions{{}, {script: scriptApart}, {progressive: true, script: scriptUsual}, {dnl: true}} {
		for _, s := range [][][2]int{sampling420, {{4, 1}, {1, 1}, {2, 1}}} {
			p := newPicture(2000, 1500, s, 1)
			data := p.encode(o)
			for _, scale := range []int{8, 4, 2, 1} {
				t.Run(fmt.Sprint(o.progressive, len(o.script), o.dnl, s, scale), func(t *testing.T) {
					h, err := DecodeHeader(bytes.NewReader(data))
					if err != nil {
						t.Fatal(err)
					}
					h.Height = p.h
					need := h.MemoryBytes(scale)
					got := allocated(func() {
						if _, err := Decode(bytes.NewReader(data), Options{Scale: scale}); err != nil {
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
