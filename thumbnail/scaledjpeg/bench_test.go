package scaledjpeg

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"testing"
)

// benchmarkSources are a photograph's two codings. MB/s counts the picture's
// pixels, so sources and scales compare.
var benchmarkSources = []struct {
	name, file  string
	w, h        int // of the picture that is made where the photograph is absent
	progressive bool
}{
	{"24mp-baseline", "camera-24mp-baseline.jpg", 6000, 4000, false},
	{"24mp-progressive", "camera-24mp-progressive.jpg", 6000, 4000, true},
	{"2mp-baseline", "Landscape_1.jpg", 1800, 1200, false},
	{"73kp-baseline", "low-contrast.jpg", 300, 245, false},
}

func BenchmarkDecode(b *testing.B) {
	for _, src := range benchmarkSources {
		data, ok := photo(b, src.file)
		if !ok {
			data = camera(src.w, src.h, src.progressive)
		}
		for _, scale := range []int{8, 4, 2, 1} {
			b.Run(fmt.Sprintf("src=%s/scale=%d", src.name, scale), func(b *testing.B) {
				var d Decoder
				b.ReportAllocs()
				for b.Loop() {
					h, err := d.ReadHeader(bytes.NewReader(data))
					if err != nil {
						b.Fatal(err)
					}
					b.SetBytes(int64(h.Width) * int64(h.Height))
					if _, err := d.Decode(Options{Scale: scale}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		b.Run(fmt.Sprintf("src=%s/scale=1/image-jpeg", src.name), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m, err := jpeg.Decode(bytes.NewReader(data))
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(m.Bounds().Dx()) * int64(m.Bounds().Dy()))
			}
		})
	}
}

// generated is a picture of about the statistics of a camera's, of a fixed
// seed: waves of all lengths, an edge here and there, and noise.
func generated(w, h int) *image.RGBA {
	r := rand.New(rand.NewPCG(1, 2))
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			fx, fy := float64(x), float64(y)
			v := 128 + 50*math.Sin(fx/97+fy/61) + 25*math.Sin(fx/13)*math.Cos(fy/17) + 12*math.Sin(fx*fy/9001)
			if (x/150+y/110)%3 == 0 {
				v += 35
			}
			v += r.NormFloat64() * 5
			c := byte(min(max(v, 0), 255))
			img.SetRGBA(x, y, color.RGBA{R: c, G: byte(min(max(v*.8+20*math.Sin(fx/211), 0), 255)), B: c/2 + byte(x/16), A: 255})
		}
	}
	return img
}

// BenchmarkGenerated needs no photographs. MB/s counts pixels.
func BenchmarkGenerated(b *testing.B) {
	img := generated(1600, 1200)
	files := map[string][]byte{}
	for _, q := range []int{90, 97} {
		var out bytes.Buffer
		if err := jpeg.Encode(&out, img, &jpeg.Options{Quality: q}); err != nil {
			b.Fatal(err)
		}
		files[fmt.Sprintf("q%d", q)] = out.Bytes()
	}
	p := newPicture(1600, 1200, sampling420, 1)
	files["progressive"] = p.encode(writeOptions{progressive: true, script: scriptUsual})
	p.restart = 1
	files["restarts"] = p.encode(writeOptions{})
	for _, name := range []string{"q90", "q97", "restarts", "progressive"} {
		for _, o := range []Options{{Scale: 8}, {Scale: 8, FineChroma: true}, {Scale: 4}, {Scale: 2}, {Scale: 1}} {
			b.Run(fmt.Sprintf("src=%s/scale=%d/fine=%v", name, o.Scale, o.FineChroma), func(b *testing.B) {
				var d Decoder
				b.ReportAllocs()
				b.SetBytes(1600 * 1200)
				for b.Loop() {
					if _, err := d.ReadHeader(bytes.NewReader(files[name])); err != nil {
						b.Fatal(err)
					}
					if _, err := d.Decode(o); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkTables is what a picture with new Huffman tables pays.
func BenchmarkTables(b *testing.B) {
	data := newPicture(16, 16, sampling420, 1).encode(writeOptions{})
	for _, scale := range []int{8, 4, 1} {
		b.Run(fmt.Sprintf("scale=%d", scale), func(b *testing.B) {
			for b.Loop() {
				if _, err := Decode(bytes.NewReader(data), Options{Scale: scale}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
