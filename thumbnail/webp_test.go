package thumbnail

import (
	"bytes"
	"image"
	"image/color"
	"testing"

	"golang.org/x/image/webp"

	"sluice/thumbnail/internal/testpicture"
)

func TestReducedWebPMatchesTheFilteredPicture(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"lossy.webp", "known-colours.webp"} {
		checkUnfiltered(t, fixture(t, name))
	}
	if data, ok := photo(t, "4.webp"); ok {
		checkUnfiltered(t, data)
	}
}

// checkUnfiltered compares with the whole picture decoded with its loop filter,
// and reduced after.
func checkUnfiltered(t *testing.T, data []byte) {
	t.Helper()
	img, err := webp.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	// The decoder returns video levels; see internal/vp8.
	ycc := img.(*image.YCbCr)
	filtered := image.NewNRGBA(ycc.Rect)
	stretch := func(v uint8, zero, span float64) uint8 {
		return uint8(min(max((float64(v)-zero)*255/span+0.5, 0), 255))
	}
	for i := range ycc.Rect.Dx() * ycc.Rect.Dy() {
		c := ycc.YCbCrAt(i%ycc.Rect.Dx(), i/ycc.Rect.Dx())
		r, g, b := color.YCbCrToRGB(stretch(c.Y, 16, 219), stretch(c.Cb, 128-128*224./255, 224), stretch(c.Cr, 128-128*224./255, 224))
		copy(filtered.Pix[4*i:], []byte{r, g, b, 255})
	}
	size := Size{Width: ycc.Rect.Dx() / 5, Height: ycc.Rect.Dy()}
	tw, th := size.Of(ycc.Rect.Dx(), ycc.Rect.Dy())
	want := onlySmall(t, testpicture.EncodePNG(filtered), size)
	got := onlySmall(t, data, size)
	if got.Bounds().Size() != (image.Point{tw, th}) {
		t.Fatalf("got %v, want %dx%d", got.Bounds(), tw, th)
	}
	if d := testpicture.MeanDifference(got, want); d > 1 {
		t.Errorf("differs by %.2f grey levels on average", d)
	}
}

func TestWebPColoursAreRight(t *testing.T) {
	t.Parallel()
	_, img := makeOne(t, fixture(t, "known-colours.webp"), "480x320")
	for i, want := range []color.NRGBA{
		{0, 0, 0, 255},
		{255, 255, 255, 255},
		{128, 128, 128, 255},
		{255, 0, 0, 255},
		{0, 255, 0, 255},
		{0, 0, 255, 255},
		{255, 255, 0, 255},
		{32, 96, 160, 255},
	} {
		x, y := i%4*120+60, i/4*160+80
		// Read as full range, black would be 16 and white 235.
		if got := img.At(x, y); !testpicture.Near(got, want, 5) {
			t.Errorf("got %v, want %v", color.NRGBAModel.Convert(got), want)
		}
	}
}
