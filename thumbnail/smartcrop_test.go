package thumbnail

import (
	"bytes"
	"image"
	"image/color"
	"math/rand/v2"
	"testing"

	"sluice/thumbnail/internal/testpicture"

	"sluice/thumbnail/internal/exif"
)

// plainWith is a grey picture with something at a place.
func plainWith(w, h int, at image.Rectangle, what func(x, y int) color.NRGBA) []byte {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.NRGBA{120, 130, 140, 255}
			if (image.Point{x, y}).In(at) {
				c = what(x, y)
			}
			img.SetNRGBA(x, y, c)
		}
	}
	return testpicture.EncodePNG(img)
}

func cropped(t *testing.T, data []byte, smart bool) image.Image {
	t.Helper()
	res, err := Make(t.Context(), bytes.NewReader(data), Options{Sizes: []Size{{Width: 50, Height: 50, Fill: true}}, SmartCrop: smart})
	if err != nil {
		t.Fatal(err)
	}
	img, _, err := image.Decode(bytes.NewReader(res.Thumbnails[0].Data))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// holds tells whether a thumbnail shows something else than the grey around it.
func holds(img image.Image) bool {
	n := 0
	for y := range 50 {
		for x := range 50 {
			if !testpicture.Near(img.At(x, y), color.NRGBA{120, 130, 140, 255}, 24) {
				n++
			}
		}
	}
	return n > 40
}

func TestSmartCropKeepsDetailAndSkin(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(2, 2))
	noise := func(int, int) color.NRGBA {
		v := uint8(rng.IntN(256))
		return color.NRGBA{v, v, v, 255}
	}
	skin := func(int, int) color.NRGBA { return color.NRGBA{224, 172, 140, 255} }
	darkSkin := func(int, int) color.NRGBA { return color.NRGBA{100, 65, 45, 255} }
	for _, tt := range []struct {
		name string
		w, h int
		at   image.Rectangle
		what func(x, y int) color.NRGBA
	}{
		{"detail on the right", 300, 100, image.Rect(250, 20, 290, 80), noise},
		{"detail on the left", 300, 100, image.Rect(5, 20, 40, 80), noise},
		{"detail below", 100, 300, image.Rect(20, 250, 80, 290), noise},
		{"light skin above", 100, 300, image.Rect(30, 10, 70, 50), skin},
		{"dark skin on the right", 300, 100, image.Rect(240, 20, 280, 80), darkSkin},
	} {
		data := plainWith(tt.w, tt.h, tt.at, tt.what)
		if holds(cropped(t, data, false)) {
			t.Errorf("%s: the centre shows it, so this is no test", tt.name)
		}
		if !holds(cropped(t, data, true)) {
			t.Errorf("%s: the smart crop does not show it", tt.name)
		}
	}
}

func TestSmartCropFollowsTheOrientation(t *testing.T) {
	t.Parallel()
	// The same picture, stored in every way, is cropped alike.
	rng := rand.New(rand.NewPCG(2, 3))
	img := image.NewNRGBA(image.Rect(0, 0, 300, 100))
	for i := range img.Pix {
		img.Pix[i] = 130
		if x := i / 4 % 300; x > 240 && x < 290 {
			img.Pix[i] = byte(rng.IntN(256))
		}
		if i%4 == 3 {
			img.Pix[i] = 255
		}
	}
	var first image.Image
	for o := exif.Orientation(1); o <= 8; o++ {
		got := cropped(t, testpicture.WithEXIF(testpicture.EncodeJPEG(testpicture.Opaque(testpicture.Turned(img, int(o)))), int(o)), true)
		if first == nil {
			first = got
		}
		if d := testpicture.MeanDifference(got, first); d > 6 {
			t.Errorf("orientation %d differs by %.1f grey levels", o, d)
		}
	}
}
