package thumbnail

import (
	"bytes"
	"testing"
)

func BenchmarkMake(b *testing.B) {
	for _, bb := range []struct{ name, file string }{
		{"src=2mp-jpeg", "2569067123_aca715a2ee_o.jpg"},
		{"src=24mp-jpeg", "camera-24mp-baseline.jpg"},
		{"src=24mp-progressive", "camera-24mp-progressive.jpg"},
		{"src=webp", "4.webp"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			benchmarkMake(b, photo(b, bb.file))
		})
	}
	for _, file := range []string{"orientation-1-upright.jpg", "transparent.png", "animated.gif", "transparent.webp"} {
		b.Run("src="+file, func(b *testing.B) {
			benchmarkMake(b, fixture(b, file))
		})
	}
}

func benchmarkMake(b *testing.B, data []byte) {
	o := Options{Sizes: []Size{{Width: 200, Height: 200}}}
	p, err := Open(bytes.NewReader(data), o)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(p.Width()) * int64(p.Height()))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Make(b.Context(), bytes.NewReader(data), o); err != nil {
			b.Fatal(err)
		}
	}
}
