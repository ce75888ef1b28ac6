package thumbnail

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/png"
	"testing"
)

// What is not needed to show a picture does not make it a bad one.

func TestDamagedNotesOfPNG(t *testing.T) {
	t.Parallel()
	plain := mustPNG(letterF(paper))
	note := func(kind string, data []byte, atEnd, damaged bool) []byte {
		out := withPNGChunk(plain, kind, data, atEnd)
		if damaged {
			out[bytes.Index(out, []byte(kind))+4+len(data)] ^= 1 // its checksum
		}
		return out
	}
	tiff := tiffOrientation(6, binary.BigEndian)
	turned := note("eXIf", tiff, true, false)
	for _, tt := range []struct {
		name string
		data []byte
		w, h int
	}{
		{"EXIF before the data", note("eXIf", tiff, false, true), testWidth, testHeight},
		{"EXIF behind the data", note("eXIf", tiff, true, true), testWidth, testHeight},
		{"profile", note("iCCP", append([]byte("P3\x00\x00"), deflated(p3Profile())...), false, true), testWidth, testHeight},
		{"transparency", note("tRNS", []byte{0, 1, 0, 2, 0, 3}, false, true), testWidth, testHeight},
		{"whole EXIF", turned, testHeight, testWidth},
		{"cut in the EXIF behind the data", turned[:len(turned)-12-10], testWidth, testHeight},
		{"cut before its end", turned[:len(turned)-12], testHeight, testWidth},
	} {
		res, err := Make(t.Context(), bytes.NewReader(tt.data), Options{Sizes: []Size{{100, 100, false}}})
		if err != nil || res.Width != tt.w || res.Height != tt.h {
			t.Errorf("%s: got %+v, %v, want %dx%d", tt.name, res, err, tt.w, tt.h)
		}
	}
	// Chunks that are needed must be whole.
	palette := mustPNG(frameOf(image.Rect(0, 0, 20, 20), 3))
	palette[bytes.Index(palette, []byte("PLTE"))+5] ^= 1
	if _, err := Make(t.Context(), bytes.NewReader(palette), Options{Sizes: []Size{{10, 10, false}}}); kindOf(err) != "corrupt" {
		t.Errorf("a damaged palette: got %v", err)
	}
}

func TestMoreTransparencyThanColours(t *testing.T) {
	t.Parallel()
	pal := image.NewPaletted(image.Rect(0, 0, 20, 20), color.Palette{topLeft, topRight})
	for i := range pal.Pix {
		pal.Pix[i] = uint8(i % 20 / 10)
	}
	plain := mustPNG(pal)
	at := bytes.Index(plain, []byte("IDAT")) - 4
	data := append(bytes.Clone(plain[:at]), pngChunk("tRNS", []byte{0, 255, 255, 128, 7})...)
	data = append(data, plain[at:]...)
	want, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	got := onlySmall(t, data, Size{20, 20, false})
	if d := meanDifference(got, want); d > 0 {
		t.Errorf("differs by %.2f from image/png's", d)
	}
}

func TestWebPCutBehindItsData(t *testing.T) {
	t.Parallel()
	data := fixture(t, "turned.webp")
	at := bytes.Index(data, []byte("EXIF"))
	if at < 0 {
		t.Fatal("the fixture has no EXIF behind its data")
	}
	claims := bytes.Clone(data)
	binary.LittleEndian.PutUint32(claims[at+4:], 1<<20)
	for name, data := range map[string][]byte{"in the EXIF": data[:at+12], "in its head": data[:at+3], "before it": data[:at], "a false length": claims} {
		res, err := Make(t.Context(), bytes.NewReader(data), Options{Sizes: []Size{{100, 100, false}}})
		if err != nil || res.Format != "WebP" {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := Make(t.Context(), bytes.NewReader(data[:at-20]), Options{Sizes: []Size{{100, 100, false}}}); kindOf(err) != "corrupt" {
		t.Errorf("cut in the data: got %v", err)
	}
}
