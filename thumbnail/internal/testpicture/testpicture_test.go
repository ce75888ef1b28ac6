package testpicture

import (
	"bytes"
	"image"
	"image/jpeg"
	"math"
	"testing"
)

func TestJPEGIsReadByTheStandardLibrary(t *testing.T) {
	t.Parallel()
	for _, dim := range [][2]int{{1, 1}, {17, 9}, {160, 120}, {333, 251}} {
		img := Camera(dim[0], dim[1], 3)
		for name, source := range map[string]*image.YCbCr{"4:2:0": img, "4:4:4": FullChroma(img)} {
			var first image.Image
			for _, progressive := range []bool{false, true} {
				got, err := jpeg.Decode(bytes.NewReader(JPEG(source, JPEGOptions{Quality: 92, Progressive: progressive, Orientation: 1, Profile: P3Profile()})))
				if err != nil {
					t.Fatalf("%s %v, progressive %t: %v", name, dim, progressive, err)
				}
				if d := MeanDifference(got, source); d > 5 {
					t.Errorf("%s %v, progressive %t: differs by %.2f grey levels", name, dim, progressive, d)
				}
				if first == nil {
					first = got
				} else if d := MeanDifference(got, first); d != 0 {
					t.Errorf("%s %v: baseline and progressive differ by %.3f, want the same coefficients", name, dim, d)
				}
			}
		}
	}
}

// A photograph's contrast is about the same at each octave of detail, and most
// of it is in luma.
func TestCameraHasDetailOfEverySize(t *testing.T) {
	t.Parallel()
	img := Camera(1024, 768, 1)
	contrast := func(step int) float64 {
		sum, n := 0.0, 0
		for y := 0; y+step < 768; y += step {
			for x := 0; x+step < 1024; x += step {
				sum += AbsDiff(img.Y[y*img.YStride+x], img.Y[y*img.YStride+x+step])
				n++
			}
		}
		return sum / float64(n)
	}
	before := 0.0
	for _, step := range []int{1, 4, 16, 64} {
		got := contrast(step)
		if got <= before || math.IsNaN(got) || got > 50 {
			t.Errorf("contrast over %d pixels is %.1f, over less %.1f", step, got, before)
		}
		before = got
	}
}
