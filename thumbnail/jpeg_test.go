package thumbnail

import (
	"bytes"
	"image"
	"image/jpeg"
	"math"
	"testing"

	"sluice/thumbnail/internal/testpicture"
	"sluice/thumbnail/scaledjpeg"
)

// lanczosPlane is the reference for one plane, simple and slow: weighted means
// in floating point, from the true extent, with edges cut off.
func lanczosPlane(p scaledjpeg.Plane, w, h int) []float64 {
	axis := func(n, size int, extent float64) (first []int, weights [][]float64) {
		step := extent / float64(n)
		for i := range n {
			centre, support := (float64(i)+0.5)*step, 3*max(step, 1)
			from := max(0, int(math.Ceil(centre-support-0.5)))
			to := min(size-1, int(math.Floor(centre+support-0.5)))
			var ws []float64
			sum := 0.0
			for k := from; k <= to; k++ {
				x := (float64(k) + 0.5 - centre) / max(step, 1)
				v := 1.0
				if x != 0 {
					v = math.Sin(math.Pi*x) / (math.Pi * x) * math.Sin(math.Pi*x/3) / (math.Pi * x / 3)
				}
				ws = append(ws, v)
				sum += v
			}
			for k := range ws {
				ws[k] /= sum
			}
			first, weights = append(first, from), append(weights, ws)
		}
		return first, weights
	}
	y0, wy := axis(h, p.H, p.ExtentH)
	x0, wx := axis(w, p.W, p.ExtentW)
	out := make([]float64, w*h)
	row := make([]float64, p.W)
	for y := range h {
		clear(row)
		for j, f := range wy[y] {
			for x, v := range p.Pix[(y0[y]+j)*p.Stride:][:p.W] {
				row[x] += f * float64(v)
			}
		}
		for x := range w {
			for i, f := range wx[x] {
				out[y*w+x] += f * row[x0[x]+i]
			}
		}
	}
	return out
}

// jpegQuality compares a thumbnail before its encoding with that of the fully
// decoded planes, in dB over red, green and blue.
func jpegQuality(tb testing.TB, data []byte, s Size) float64 {
	tb.Helper()
	full, err := scaledjpeg.Decode(bytes.NewReader(data), scaledjpeg.Options{})
	if err != nil || full.ColorModel != scaledjpeg.YCbCr {
		tb.Fatalf("a reference needs YCbCr: %v, %v", full, err)
	}
	p, err := Open(bytes.NewReader(data), Options{Sizes: []Size{s}})
	if err != nil {
		tb.Fatal(err)
	}
	p.header.Orientation, p.header.Profile = 1, nil // the reference has neither
	images, err := p.Images(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	got := images[0].(*image.NRGBA)
	w, h := got.Rect.Dx(), got.Rect.Dy()
	luma, cb, cr := lanczosPlane(full.Planes[0], w, h), lanczosPlane(full.Planes[1], w, h), lanczosPlane(full.Planes[2], w, h)
	sum := 0.0
	for i, y := range luma {
		b, r := cb[i]-128, cr[i]-128
		for c, want := range [3]float64{y + 1.402*r, y - 0.344136*b - 0.714136*r, y + 1.772*b} {
			d := min(max(want, 0), 255) - float64(got.Pix[4*i+c])
			sum += d * d
		}
	}
	return 10 * math.Log10(255*255*3*float64(w*h)/sum)
}

// colourStripes is a 4:2:0 picture with fine stripes of colour.
func colourStripes(t *testing.T) []byte {
	t.Helper()
	img := image.NewYCbCr(image.Rect(0, 0, 4000, 2400), image.YCbCrSubsampleRatio420)
	for y := range 2400 {
		for x := range 4000 {
			img.Y[y*img.YStride+x] = byte(128 + 60*math.Sin(float64(x)/90)*math.Cos(float64(y)/70))
		}
	}
	for y := range 1200 {
		for x := range 2000 {
			img.Cb[y*img.CStride+x] = byte(128 + 40*math.Sin(float64(x)/5))
			img.Cr[y*img.CStride+x] = byte(128 + 40*math.Sin(float64(x+y)/7))
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 90}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A 4:2:0 thumbnail has a quarter of the chroma, so DC alone is as near to the
// exact filter as luma is.
func TestChromaOfAPhotographReaches50dB(t *testing.T) {
	t.Parallel()
	notUnderRace(t)
	pictures := map[string][]byte{"stripes": colourStripes(t), "made": camera(4000, 2250, testpicture.JPEGOptions{})}
	if data, ok := photo(t, "gain-map.jpg"); ok {
		pictures["gain-map.jpg"] = data
	}
	for name, data := range pictures {
		full, err := scaledjpeg.Decode(bytes.NewReader(data), scaledjpeg.Options{})
		if err != nil {
			t.Fatal(err)
		}
		p, err := Open(bytes.NewReader(data), Options{Sizes: []Size{{Width: 200, Height: 200, Fill: true}}})
		if err != nil {
			t.Fatal(err)
		}
		p.header.Orientation, p.header.Profile = 1, nil
		side := float64(min(p.header.Width, p.header.Height))
		err = p.read(t.Context(), false, func(pictures []*small) error {
			if !pictures[0].halved || p.header.WholeChroma {
				t.Fatalf("%s: chroma is halved: %t, and was asked for whole: %t", name, pictures[0].halved, p.header.WholeChroma)
			}
			for i := range 2 {
				plane := full.Planes[1+i]
				x := int(float64(p.header.Width)-side) / 4 // the square in the middle, in samples of chroma
				plane.Pix, plane.W, plane.ExtentW = plane.Pix[x:], int(side)/2, side/2
				sum := 0.0
				for j, want := range lanczosPlane(plane, 100, 100) {
					d := want - float64(pictures[0].planes[1+i][j])
					sum += d * d
				}
				got := 10 * math.Log10(255*255*100*100/sum)
				if t.Logf("%s: %.1f dB", name, got); got < 50 {
					t.Errorf("%s: chroma %d has %.1f dB, want 50", name, i, got)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Chroma of half of luma's samples is decoded finer where a thumbnail needs it:
// 1/8 of this picture is 2.5 samples of luma a pixel, and were chroma as coarse
// as DC alone is, its stripes of 3 pixels would suffer. With that it was 47.7
// dB, and 49.6 for gain-map.jpg.
func TestChromaIsFineEnough(t *testing.T) {
	t.Parallel()
	notUnderRace(t)
	data := colourStripes(t)
	got := jpegQuality(t, data, Size{Width: 200, Height: 200})
	if t.Logf("%.1f dB", got); got < 50 {
		t.Errorf("got %.1f dB, want 50", got)
	}
	if data, ok := photo(t, "gain-map.jpg"); ok {
		if got := jpegQuality(t, data, Size{Width: 200, Height: 200}); got < 54 {
			t.Errorf("gain-map.jpg: got %.1f dB, want 54", got)
		}
	}
}

// The bits left out of progressive pictures cost at most half a decibel.
func TestProgressiveQuality(t *testing.T) {
	t.Parallel()
	notUnderRace(t)
	check := func(t *testing.T, data []byte, size int, floor float64) {
		t.Helper()
		got := jpegQuality(t, data, Size{Width: size, Height: size})
		if t.Logf("%d pixels: %.2f dB", size, got); got < floor {
			t.Errorf("%d pixels: got %.2f dB, want %.1f", size, got, floor)
		}
	}
	made := camera(3600, 2400, testpicture.JPEGOptions{Progressive: true})
	check(t, made, 400, 55.5)
	check(t, made, 200, 54)
	data, ok := photo(t, "camera-24mp-progressive.jpg")
	if !ok || testing.Short() {
		return
	}
	check(t, data, 600, 54.9)
	check(t, data, 200, 54.3)
}
