package scaledjpeg

import (
	"bytes"
	"fmt"
	"image/jpeg"
	"testing"
)

// benchmarkSources are a photograph's two codings. MB/s counts the picture's
// pixels, so sources and scales compare.
var benchmarkSources = []struct{ name, file string }{
	{"24mp-baseline", "camera-24mp-baseline.jpg"},
	{"24mp-progressive", "camera-24mp-progressive.jpg"},
	{"2mp-baseline", "Landscape_1.jpg"},
	{"73kp-baseline", "low-contrast.jpg"},
}

func BenchmarkDecode(b *testing.B) {
	for _, src := range benchmarkSources {
		for _, scale := range []int{8, 4, 2, 1} {
			b.Run(fmt.Sprintf("src=%s/scale=%d", src.name, scale), func(b *testing.B) {
				data := photo(b, src.file)
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
			data := photo(b, src.file)
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
