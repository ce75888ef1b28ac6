package thumbnail

import (
	"encoding/binary"
	"image"
	"testing"

	"sluice/thumbnail/internal/testpicture"
)

func TestOrientationTurnsBack(t *testing.T) {
	t.Parallel()
	want := noisePlane(48, 32, 9)
	upright := &raster{model: modelGrey, planes: []plane{want}}
	first := (&composer{raster: upright, width: 48, height: 32}).make(Size{20, 20, false})
	for o := orientation(1); o <= 8; o++ {
		img := image.NewGray(image.Rect(0, 0, 48, 32))
		copy(img.Pix, want.pix)
		turned := testpicture.Turned(img, int(o))
		p := newPlane(turned.Rect.Dx(), turned.Rect.Dy())
		for i := range p.pix {
			p.pix[i] = turned.Pix[4*i]
		}
		c := &composer{raster: &raster{model: modelGrey, planes: []plane{p}}, width: p.w, height: p.h, orientation: o}
		got := c.make(Size{20, 20, false})
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

func TestExifOrientation(t *testing.T) {
	t.Parallel()
	little, big := testpicture.EXIF(6, binary.LittleEndian), testpicture.EXIF(8, binary.BigEndian)
	change := func(b []byte, at int, v ...byte) []byte {
		b = append([]byte(nil), b...)
		copy(b[at:], v)
		return b
	}
	for _, tt := range []struct {
		name string
		in   []byte
		want orientation
	}{
		{"little-endian", little, 6},
		{"big-endian", big, 8},
		{"LONG instead of SHORT", change(little, 12, 4), 6},
		{"empty", nil, 0},
		{"no TIFF", []byte("this is no TIFF structure"), 0},
		{"value 0", change(little, 18, 0), 0},
		{"value 9", change(little, 18, 9), 0},
		{"two values", change(little, 14, 2), 0},
		{"type ASCII", change(little, 12, 2), 0},
		{"directory outside", change(little, 4, 200), 0},
		{"directory inside the header", change(little, 4, 2), 0},
		{"directory at the far end", change(little, 4, 0xff, 0xff, 0xff, 0xff), 0},
		{"more entries than data", change(change(little, 8, 0xff, 0xff), 10, 0), 0},
		{"another tag", change(little, 10, 0x13), 0},
	} {
		if got := exifOrientation(tt.in); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
	for n := range little {
		exifOrientation(little[:n]) // must not panic
	}
}

func TestOrientationWhereverItStands(t *testing.T) {
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
