package thumbnail

import (
	"bytes"
	"testing"

	"sluice/thumbnail/internal/testpicture"
)

func BenchmarkMake(b *testing.B) {
	for _, bb := range []struct {
		name, file string
		w, h       int // of the generated picture that replaces an absent photograph
		o          testpicture.JPEGOptions
	}{
		{"src=2mp-jpeg", "2569067123_aca715a2ee_o.jpg", 1800, 1476, testpicture.JPEGOptions{}},
		{"src=24mp-jpeg", "camera-24mp-baseline.jpg", 6000, 4000, testpicture.JPEGOptions{}},
		{"src=24mp-progressive", "camera-24mp-progressive.jpg", 6000, 4000, testpicture.JPEGOptions{Progressive: true}},
	} {
		data, ok := photo(b, bb.file)
		if !ok {
			data = camera(bb.w, bb.h, bb.o)
		}
		b.Run(bb.name, func(b *testing.B) { benchmarkMake(b, data, "200x200") })
	}
	data, ok := photo(b, "4.webp")
	if !ok {
		data = fixture(b, "lossy.webp")
	}
	b.Run("src=webp", func(b *testing.B) { benchmarkMake(b, data, "200x200") })
	// Sizes that imaging finishes, next to sizes that it does not.
	letter := fixture(b, "orientation-1-upright.jpg")
	for _, size := range []string{"200x200:fill", "200x200:fill:top", "200x200:pad", "200x200:sharpen"} {
		b.Run("size="+size, func(b *testing.B) { benchmarkMake(b, letter, size) })
	}
	for _, file := range []string{"orientation-1-upright.jpg", "transparent.png", "animated.gif", "transparent.webp"} {
		b.Run("src="+file, func(b *testing.B) {
			benchmarkMake(b, fixture(b, file), "200x200")
		})
	}
}

func benchmarkMake(b *testing.B, data []byte, size string) {
	sizes, err := ParseSizes(size)
	if err != nil {
		b.Fatal(err)
	}
	o := Options{Sizes: sizes}
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
