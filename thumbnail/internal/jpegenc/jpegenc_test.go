package jpegenc

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"testing"

	"sluice/thumbnail/internal/testpicture"
)

// smooth is a plane with content as pictures have it: waves, an edge, a little
// noise.
func smooth(w, h int, seed uint64) []byte {
	rng := rand.New(rand.NewPCG(seed, 2))
	fx, fy := rng.Float64()*0.2, rng.Float64()*0.2
	out := make([]byte, w*h)
	for y := range h {
		for x := range w {
			v := 128 + 60*math.Sin(float64(x)*fx) + 40*math.Cos(float64(y)*fy) + float64(rng.IntN(9))
			if x > w/2 {
				v -= 30
			}
			out[y*w+x] = byte(min(max(v, 0), 255))
		}
	}
	return out
}

// ycbcr gives the picture as image/jpeg sees it.
func (p *Picture) ycbcr() image.Image {
	rect := image.Rect(0, 0, p.W, p.H)
	if len(p.Planes) == 1 {
		return &image.Gray{Pix: p.Planes[0], Stride: p.W, Rect: rect}
	}
	img := &image.YCbCr{
		Y: p.Planes[0], Cb: p.Planes[1], Cr: p.Planes[2], YStride: p.W, CStride: p.W, Rect: rect,
		SubsampleRatio: image.YCbCrSubsampleRatio444,
	}
	if p.Halved {
		img.CStride, img.SubsampleRatio = (p.W+1)/2, image.YCbCrSubsampleRatio420
	}
	return img
}

func TestWriteJPEGIsReadByTheStandardLibrary(t *testing.T) {
	t.Parallel()
	for _, dim := range [][2]int{{1, 1}, {7, 9}, {8, 8}, {16, 16}, {17, 15}, {33, 100}, {200, 133}} {
		w, h := dim[0], dim[1]
		for _, quality := range []int{1, 20, 50, 80, 95, 100} {
			grey := &Picture{W: w, H: h, Planes: [][]byte{smooth(w, h, 1)}}
			whole := &Picture{W: w, H: h, Planes: [][]byte{smooth(w, h, 1), smooth(w, h, 2), smooth(w, h, 3)}}
			cw, ch := (w+1)/2, (h+1)/2
			halved := &Picture{W: w, H: h, Halved: true, Planes: [][]byte{smooth(w, h, 1), smooth(cw, ch, 2), smooth(cw, ch, 3)}}
			for name, p := range map[string]*Picture{"grey": grey, "4:4:4": whole, "4:2:0": halved} {
				what := fmt.Sprintf("%s %dx%d, quality %d", name, w, h, quality)
				got, err := jpeg.Decode(bytes.NewReader(Encode(p, quality)))
				if err != nil {
					t.Errorf("%s: %v", what, err)
					continue
				}
				// The same tables in the standard library's encoder lose as
				// much.
				if quality < 80 {
					continue
				}
				if d := testpicture.MeanDifference(got, p.ycbcr()); d > 4 {
					t.Errorf("%s: differs by %.2f grey levels on average", what, d)
				}
			}
		}
	}
}

func TestJPEGLosesNoMoreThanTheStandardLibraryAndIsSmaller(t *testing.T) {
	t.Parallel()
	p := &Picture{W: 200, H: 133, Halved: true, Planes: [][]byte{smooth(200, 133, 1), smooth(100, 67, 2), smooth(100, 67, 3)}}
	source := p.ycbcr()
	var std bytes.Buffer
	if err := jpeg.Encode(&std, source, &jpeg.Options{Quality: 80}); err != nil {
		t.Fatal(err)
	}
	ours := Encode(p, 80)
	if len(ours)*100 > std.Len()*95 {
		t.Errorf("%d bytes, the standard library %d: fitting tables should save more than 5 %%", len(ours), std.Len())
	}
	a, err := jpeg.Decode(bytes.NewReader(ours))
	if err != nil {
		t.Fatal(err)
	}
	b, err := jpeg.Decode(&std)
	if err != nil {
		t.Fatal(err)
	}
	if x, y := testpicture.MeanDifference(a, source), testpicture.MeanDifference(b, source); x > y*1.01 {
		t.Errorf("differs by %.3f from the source, the standard library by %.3f", x, y)
	}
}

func TestForwardDCTAgainstTheFormula(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 6))
	var ones [64]uint8
	for i := range ones {
		ones[i] = 1
	}
	factors := dctFactors(&ones)
	for range 20 {
		var in, got [64]float32
		for i := range in {
			in[i] = float32(rng.IntN(256) - 128)
		}
		got = in
		forwardDCT(&got)
		for v := range 8 {
			for u := range 8 {
				var sum float64
				for y := range 8 {
					for x := range 8 {
						sum += float64(in[8*y+x]) * math.Cos(float64(2*x+1)*float64(u)*math.Pi/16) * math.Cos(float64(2*y+1)*float64(v)*math.Pi/16)
					}
				}
				norm := func(k int) float64 {
					if k == 0 {
						return math.Sqrt2 / 2
					}
					return 1
				}
				want := sum * norm(u) * norm(v) / 4
				if f := float64(got[8*v+u] * factors[8*v+u]); math.Abs(f-want) > 0.01 {
					t.Fatalf("coefficient %d,%d: got %g, want %g", u, v, f, want)
				}
			}
		}
	}
}

func TestHuffmanCodesAreShortAndComplete(t *testing.T) {
	t.Parallel()
	fibonacci := [256]int{}
	a, b := 1, 1
	for i := range 40 { // the worst case for lengths
		fibonacci[i] = a
		a, b = b, a+b
	}
	var one, all, none [256]int
	one[7] = 5
	for i := range all {
		all[i] = 1
	}
	for name, freq := range map[string]*[256]int{"fibonacci": &fibonacci, "one symbol": &one, "all equal": &all, "none": &none} {
		h := newHuffmanCode(freq)
		kraft := 0
		for s, f := range freq {
			c := h.codes[s]
			if (f > 0) != (c.length > 0) || c.length > 16 {
				t.Errorf("%s: symbol %d of frequency %d has %d bits", name, s, f, c.length)
			}
			if c.length > 0 {
				kraft += 1 << (16 - c.length)
				if c.bits == 1<<c.length-1 {
					t.Errorf("%s: symbol %d has the code of all ones", name, s)
				}
			}
		}
		if kraft >= 1<<16 {
			t.Errorf("%s: codes overlap", name)
		}
	}
	h := newHuffmanCode(&fibonacci)
	for s := 1; s < 40; s++ {
		if h.codes[s].length > h.codes[s-1].length {
			t.Errorf("the more frequent symbol %d has the longer code", s)
		}
	}
}

func BenchmarkWriteJPEG(b *testing.B) {
	p := &Picture{W: 200, H: 133, Halved: true, Planes: [][]byte{smooth(200, 133, 1), smooth(100, 67, 2), smooth(100, 67, 3)}}
	b.SetBytes(200 * 133)
	b.ReportAllocs()
	for b.Loop() {
		Encode(p, 80)
	}
}
