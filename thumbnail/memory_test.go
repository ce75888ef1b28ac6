package thumbnail

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"image"
	"image/jpeg"
	"runtime"
	"runtime/metrics"
	"testing"
)

// largePNG gives a PNG of w x h grey-blue rows.
func largePNG(w, h int, interlace byte) []byte {
	ihdr := binary.BigEndian.AppendUint32(nil, uint32(w))
	ihdr = binary.BigEndian.AppendUint32(ihdr, uint32(h))
	out := append([]byte(pngSignature), pngChunk("IHDR", append(ihdr, 8, pngRGB, 0, 0, interlace))...)
	var data bytes.Buffer
	z := zlib.NewWriter(&data)
	passes := adam7[:]
	if interlace == 0 {
		passes = []struct{ x, y, dx, dy int }{{0, 0, 1, 1}}
	}
	for _, p := range passes {
		row := make([]byte, 1+3*((w-p.x+p.dx-1)/p.dx))
		for y := p.y; y < h; y += p.dy {
			for i := range row[1:] {
				row[1+i] = byte(y + i/3)
			}
			z.Write(row)
		}
	}
	z.Close()
	out = append(out, pngChunk("IDAT", data.Bytes())...)
	return append(out, pngChunk("IEND", nil)...)
}

// allocated is how many bytes of heap f allocates, freed or not: an upper bound of what it holds at once.
func allocated(f func()) int64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	runtime.GC()
	metrics.Read(sample)
	before := sample[0].Value.Uint64()
	f()
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64() - before)
}

// Not parallel: it measures the process.
func TestMemoryStaysBelowTheCost(t *testing.T) {
	if underRace {
		t.Skip("the race detector allocates by itself")
	}
	var jpg bytes.Buffer
	if err := jpeg.Encode(&jpg, image.NewYCbCr(image.Rect(0, 0, 6000, 2000), image.YCbCrSubsampleRatio420), nil); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		data []byte
		most int64
	}{
		{"12 MP PNG", largePNG(6000, 2000, 0), 4 << 20},
		{"12 MP interlaced PNG", largePNG(6000, 2000, 1), 10 << 20},
		{"12 MP JPEG", jpg.Bytes(), 3 << 20},
	} {
		p, err := Open(bytes.NewReader(tt.data), Options{Sizes: []Size{{200, 200, false}}})
		if err != nil {
			t.Fatal(err)
		}
		if p.Cost() > tt.most {
			t.Errorf("%s: cost is %d, want at most %d", tt.name, p.Cost(), tt.most)
		}
		got := allocated(func() {
			if _, err := p.Thumbnails(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
		// What a call allocates in all is more than it holds at once.
		if got > p.Cost() {
			t.Errorf("%s: %d bytes were allocated, the cost is %d", tt.name, got, p.Cost())
		}
	}
}

func TestAFlatHugeJPEGFitsASmallFunction(t *testing.T) {
	t.Parallel()
	// 268 MP of one colour: 16383 x 16383, a megabyte of data. Only the header is needed to know.
	header := mustJPEG(image.NewGray(image.Rect(0, 0, 8, 8)))
	at := bytes.Index(header, []byte{0xff, 0xc0})
	copy(header[at+5:], []byte{0x3f, 0xff, 0x3f, 0xff})
	p, err := Open(bytes.NewReader(header), Options{Sizes: []Size{{200, 200, false}}, MemoryBytes: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if p.Cost() > 16<<20 {
		t.Errorf("cost is %d: at 1/8 it needs a few megabytes", p.Cost())
	}
	// The same picture wanted large needs what it has.
	_, err = Open(bytes.NewReader(header), Options{Sizes: []Size{{8000, 8000, false}}, MemoryBytes: 64 << 20})
	if kindOf(err) != "too large" {
		t.Errorf("got %v, want a refusal by memory", err)
	}
}

// The hot loop allocates nothing: what a thumbnail allocates does not depend on the picture's size.
func TestAllocationsOfAThumbnail(t *testing.T) {
	if underRace {
		t.Skip("the race detector allocates by itself")
	}
	data := fixture(t, "orientation-1-upright.jpg")
	o := Options{Sizes: []Size{{200, 200, false}}}
	got := testing.AllocsPerRun(20, func() {
		if _, err := Make(t.Context(), bytes.NewReader(data), o); err != nil {
			t.Fatal(err)
		}
	})
	if got > maxAllocs {
		t.Errorf("got %.0f allocations, want at most %d", got, maxAllocs)
	}
}

// maxAllocs is what a warm JPEG thumbnail allocates, with little room. More means that something slipped into a loop.
const maxAllocs = 90
