package thumbnail

import (
	"image/color"
	"testing"

	"sluice/thumbnail/internal/testpicture"
)

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

func TestLevelTablesMeetTheEnds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ video, luma, chroma uint8 }{
		{0, 0, 0}, {16, 0, 0}, {128, 130, 128}, {235, 255, 250}, {240, 255, 255}, {255, 255, 255},
	} {
		if lumaLevels[tt.video] != tt.luma || chromaLevels[tt.video] != tt.chroma {
			t.Errorf("%d: got luma %d, chroma %d, want %d, %d", tt.video, lumaLevels[tt.video], chromaLevels[tt.video], tt.luma, tt.chroma)
		}
	}
}
