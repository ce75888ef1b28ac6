package thumbnail

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/jpeg"
	"runtime"
	"runtime/metrics"
	"testing"

	"sluice/thumbnail/internal/testpicture"
)

// allocated returns the bytes of heap that f allocates, freed or not: an upper
// bound of the memory that it holds at one time.
func allocated(f func()) int64 {
	runtime.GC() // so that nothing is counted late
	return measuredAllocs(f)
}

// measuredAllocs is allocated without the collection before.
func measuredAllocs(f func()) int64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	before := sample[0].Value.Uint64()
	f()
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64() - before)
}

// The test is not parallel, because it measures the process.
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
		{"12 MP PNG", testpicture.LargePNG(6000, 2000, 0), 5 << 20},
		{"12 MP interlaced PNG", testpicture.LargePNG(6000, 2000, 1), 11 << 20},
		{"12 MP JPEG", jpg.Bytes(), 4 << 20},
	} {
		p, err := Open(bytes.NewReader(tt.data), Options{Sizes: []Size{{Width: 200, Height: 200}}})
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
		// The sum of a call's allocations is more than it holds at one time.
		if got > p.Cost() {
			t.Errorf("%s: %d bytes were allocated, the cost is %d", tt.name, got, p.Cost())
		}
	}
}

// flatJPEG is a grey picture of one colour: with the standard's example tables,
// a block like the one before it is 00 for its DC and 1010 for the end, so four
// blocks are three bytes.
func flatJPEG(w, h int) []byte {
	grey := image.NewGray(image.Rect(0, 0, 8, 8))
	for i := range grey.Pix {
		grey.Pix[i] = 128
	}
	one := testpicture.EncodeJPEG(grey)
	at := bytes.Index(one, []byte{0xff, 0xc0})
	binary.BigEndian.PutUint16(one[at+5:], uint16(h))
	binary.BigEndian.PutUint16(one[at+7:], uint16(w))
	data := bytes.Index(one, []byte{0xff, 0xda}) + 2 + 8
	blocks := (w + 7) / 8 * ((h + 7) / 8)
	out := append(one[:data:data], bytes.Repeat([]byte{0x28, 0xa2, 0x8a}, (blocks+3)/4)...)
	return append(out, 0xff, 0xd9)
}

// smallFunction is the memory for pictures in a Lambda function of 128 MB; see
// workers/uploads.
const smallFunction = 48 << 20

func TestAFlatJPEGOf280MegapixelsFitsASmallFunction(t *testing.T) {
	t.Parallel()
	data := flatJPEG(20000, 14000)
	p, err := Open(bytes.NewReader(data), Options{Sizes: []Size{{Width: 200, Height: 200}}, MemoryBytes: smallFunction})
	if err != nil {
		t.Fatal(err)
	}
	if p.Cost() > 16<<20 {
		t.Errorf("cost is %d: at 1/8 it needs a few megabytes", p.Cost())
	}
	res, err := p.Thumbnails(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := res.Thumbnails[0]; res.Width != 20000 || res.Height != 14000 || got.Width != 200 || got.Height != 140 {
		t.Errorf("got %dx%d of %dx%d", got.Width, got.Height, res.Width, res.Height)
	}
	// A large thumbnail of the same picture needs all of its pixels.
	_, err = Open(bytes.NewReader(data), Options{Sizes: []Size{{Width: 8000, Height: 8000}}, MemoryBytes: smallFunction})
	if kindOf(err) != "too large" {
		t.Errorf("got %v, want a refusal by memory", err)
	}
}

// An interlaced PNG is kept at the thumbnail's reduction: 50 MP of 16 bits fit
// the limit for a small thumbnail, and exceed it for a large one.
func TestA16BitInterlacedPNGOf50Megapixels(t *testing.T) {
	t.Parallel()
	ihdr := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 8660), 5774)
	data := append([]byte(testpicture.PNGSignature), testpicture.PNGChunk("IHDR", append(ihdr, 16, 6, 0, 0, 1))...)
	data = append(data, testpicture.PNGChunk("IDAT", []byte{0x78, 0xda})...)
	if _, err := Open(bytes.NewReader(data), Options{Sizes: []Size{{Width: 200, Height: 200}}, MemoryBytes: smallFunction}); err != nil {
		t.Errorf("200 x 200: %v", err)
	}
	_, err := Open(bytes.NewReader(data), Options{Sizes: []Size{{Width: 2000, Height: 2000}}, MemoryBytes: smallFunction})
	got, ok := errors.AsType[*TooLargeError](err)
	if !ok || got.What != "memory bytes" || got.Got < 8660*5774*4 || got.Limit != smallFunction || got.Setting != "MemoryBytes" {
		t.Errorf("2000 x 2000: got %v, want a refusal by memory", err)
	}
}

// The inner loops allocate nothing: the number of allocations does not depend on
// the picture's size.
func TestAllocationsOfAThumbnail(t *testing.T) {
	if underRace {
		t.Skip("the race detector allocates by itself")
	}
	data := fixture(t, "orientation-1-upright.jpg")
	o := Options{Sizes: []Size{{Width: 200, Height: 200}}}
	got := testing.AllocsPerRun(20, func() {
		if _, err := Make(t.Context(), bytes.NewReader(data), o); err != nil {
			t.Fatal(err)
		}
	})
	if got > maxAllocs {
		t.Errorf("got %.0f allocations, want at most %d", got, maxAllocs)
	}
}

// maxAllocs is what a warm JPEG thumbnail allocates, with little room. More
// means that something slipped into a loop.
const maxAllocs = 90
