package quantise

import (
	"image"
	"image/color"
	"testing"

	"sluice/thumbnail/internal/testpicture"
)

func TestFewColoursStayAsTheyAre(t *testing.T) {
	t.Parallel()
	img := image.NewNRGBA(image.Rect(0, 0, 50, 20))
	for i := range 1000 {
		n := i % 250 // colours that differ in their upper five bits
		copy(img.Pix[4*i:], []byte{byte(n%7) << 5, byte(n/7%7)<<5 | 3, byte(n/49)<<5 | 1, 255})
	}
	got := Paletted(img)
	if d := testpicture.MeanDifference(got, img); d > 0 {
		t.Errorf("250 colours differ by %.3f", d)
	}
	if len(got.Palette) != 251 {
		t.Errorf("got %d colours, want 250 and one that shows nothing", len(got.Palette))
	}
}

func TestManyColoursStayWithinTolerance(t *testing.T) {
	t.Parallel()
	img := image.NewNRGBA(image.Rect(0, 0, 128, 128))
	for i := range 128 * 128 {
		x, y := i%128, i/128
		copy(img.Pix[4*i:], []byte{byte(2 * x), byte(2 * y), byte(x + y), 255})
	}
	got := Paletted(img)
	if d := testpicture.MeanDifference(got, img); d > 4 || len(got.Palette) != 256 {
		t.Errorf("a gradient differs by %.2f grey levels with %d colours", d, len(got.Palette))
	}
	// A colour that is rare but far from all others keeps an entry.
	for i := range 40 {
		copy(img.Pix[4*i*128:], []byte{255, 0, 255, 255})
	}
	if got := Paletted(img); !testpicture.Near(got.At(0, 20), color.NRGBA{255, 0, 255, 255}, 8) {
		t.Errorf("magenta became %v", got.At(0, 20))
	}
}

func TestFaintPixelsBecomeTransparent(t *testing.T) {
	t.Parallel()
	img := image.NewNRGBA(image.Rect(0, 0, 2, 1))
	copy(img.Pix, []byte{200, 0, 0, 127, 200, 0, 0, 128})
	got := Paletted(img)
	if _, _, _, a := got.At(0, 0).RGBA(); a != 0 {
		t.Errorf("alpha 127: got %v", got.At(0, 0))
	}
	if !testpicture.Near(got.At(1, 0), color.NRGBA{200, 0, 0, 255}, 1) {
		t.Errorf("alpha 128: got %v", got.At(1, 0))
	}
	if got := Paletted(image.NewNRGBA(image.Rect(0, 0, 3, 3))); len(got.Palette) != 1 {
		t.Errorf("nothing to see has %d colours", len(got.Palette))
	}
}
