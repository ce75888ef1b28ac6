package thumbnail

import (
	"encoding/binary"
	"image"
	"math/rand/v2"
	"testing"

	"sluice/thumbnail/internal/testpicture"

	"sluice/thumbnail/internal/exif"

	"sluice/thumbnail/internal/raster"
)

func TestOrientationTurnsBack(t *testing.T) {
	t.Parallel()
	want := raster.NewPlane(48, 32)
	rng := rand.New(rand.NewPCG(9, 1))
	for i := range want.Pix {
		want.Pix[i] = byte(rng.Uint32())
	}
	upright := &raster.Raster{Model: raster.Grey, Planes: []raster.Plane{want}}
	first := (&composer{raster: upright, width: 48, height: 32}).make(Size{Width: 20, Height: 20})
	for o := exif.Orientation(1); o <= 8; o++ {
		img := image.NewGray(image.Rect(0, 0, 48, 32))
		copy(img.Pix, want.Pix)
		turned := testpicture.Turned(img, int(o))
		p := raster.NewPlane(turned.Rect.Dx(), turned.Rect.Dy())
		for i := range p.Pix {
			p.Pix[i] = turned.Pix[4*i]
		}
		c := &composer{raster: &raster.Raster{Model: raster.Grey, Planes: []raster.Plane{p}}, width: p.W, height: p.H, orientation: o}
		got := c.make(Size{Width: 20, Height: 20})
		if got.w != first.w || got.h != first.h {
			t.Fatalf("orientation %d: got %dx%d, want %dx%d", o, got.w, got.h, first.w, first.h)
		}
		for i, v := range got.planes[0] {
			// Columns are summed before rows, and rounded between.
			if testpicture.AbsDiff(v, first.planes[0][i]) > 1 {
				t.Fatalf("orientation %d does not come out upright", o)
			}
		}
	}
}

func TestOrientationIsFoundAnywhereInTheFile(t *testing.T) {
	t.Parallel()
	turned := testpicture.Turned(testpicture.Letter(testpicture.Paper), 6)
	jpg, file := testpicture.EncodeJPEG(testpicture.Opaque(turned)), testpicture.EncodePNG(turned)
	for name, data := range map[string][]byte{
		"JPEG, EXIF before XMP":        testpicture.WithEXIF(testpicture.WithSegment(jpg, 0xe1, testpicture.XMPSegment), 6),
		"JPEG, XMP before EXIF":        testpicture.WithSegment(testpicture.WithEXIF(jpg, 6), 0xe1, testpicture.XMPSegment),
		"JPEG, padding before markers": append([]byte{0xff, 0xd8, 0xff, 0xff}, testpicture.WithEXIF(jpg, 6)[2:]...),
		"PNG, eXIf before the data":    testpicture.WithPNGChunk(file, "eXIf", testpicture.EXIF(6, binary.BigEndian), false),
		"PNG, eXIf after the data":     testpicture.WithPNGChunk(file, "eXIf", testpicture.EXIF(6, binary.BigEndian), true),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res, img := makeOne(t, data, "200x200")
			if res.Width != testpicture.LetterWidth || res.Height != testpicture.LetterHeight {
				t.Errorf("got %dx%d, want %dx%d", res.Width, res.Height, testpicture.LetterWidth, testpicture.LetterHeight)
			}
			checkUpright(t, img, testpicture.Paper, 12)
		})
	}
}
