package thumbnail

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/png"
	"testing"

	"sluice/thumbnail/internal/testpicture"
)

// The tests below check that damage outside the pixel data is tolerated.

func TestDamagedAncillaryChunksOfPNGAreIgnored(t *testing.T) {
	t.Parallel()
	plain := testpicture.EncodePNG(testpicture.Letter(testpicture.Paper))
	note := func(kind string, data []byte, atEnd, damaged bool) []byte {
		out := testpicture.WithPNGChunk(plain, kind, data, atEnd)
		if damaged {
			out[bytes.Index(out, []byte(kind))+4+len(data)] ^= 1 // its checksum
		}
		return out
	}
	tiff := testpicture.EXIF(6, binary.BigEndian)
	turned := note("eXIf", tiff, true, false)
	for _, tt := range []struct {
		name string
		data []byte
		w, h int
	}{
		{"EXIF before the data", note("eXIf", tiff, false, true), testpicture.LetterWidth, testpicture.LetterHeight},
		{"EXIF behind the data", note("eXIf", tiff, true, true), testpicture.LetterWidth, testpicture.LetterHeight},
		{"profile", note("iCCP", append([]byte("P3\x00\x00"), testpicture.Deflate(testpicture.P3Profile())...), false, true), testpicture.LetterWidth, testpicture.LetterHeight},
		{"transparency", note("tRNS", []byte{0, 1, 0, 2, 0, 3}, false, true), testpicture.LetterWidth, testpicture.LetterHeight},
		{"whole EXIF", turned, testpicture.LetterHeight, testpicture.LetterWidth},
		{"cut in the EXIF behind the data", turned[:len(turned)-12-10], testpicture.LetterWidth, testpicture.LetterHeight},
		{"cut before its end", turned[:len(turned)-12], testpicture.LetterHeight, testpicture.LetterWidth},
	} {
		res, err := Make(t.Context(), bytes.NewReader(tt.data), Options{Sizes: []Size{{Width: 100, Height: 100}}})
		if err != nil || res.Width != tt.w || res.Height != tt.h {
			t.Errorf("%s: got %+v, %v, want %dx%d", tt.name, res, err, tt.w, tt.h)
		}
	}
	// Chunks that are needed must be whole.
	palette := testpicture.EncodePNG(frameOf(image.Rect(0, 0, 20, 20), 3))
	palette[bytes.Index(palette, []byte("PLTE"))+5] ^= 1
	if _, err := Make(t.Context(), bytes.NewReader(palette), Options{Sizes: []Size{{Width: 10, Height: 10}}}); kindOf(err) != "corrupt" {
		t.Errorf("a damaged palette: got %v", err)
	}
}

func TestMoreTransparencyThanColours(t *testing.T) {
	t.Parallel()
	pal := image.NewPaletted(image.Rect(0, 0, 20, 20), color.Palette{testpicture.TopLeft, testpicture.TopRight})
	for i := range pal.Pix {
		pal.Pix[i] = uint8(i % 20 / 10)
	}
	plain := testpicture.EncodePNG(pal)
	at := bytes.Index(plain, []byte("IDAT")) - 4
	data := append(bytes.Clone(plain[:at]), testpicture.PNGChunk("tRNS", []byte{0, 255, 255, 128, 7})...)
	data = append(data, plain[at:]...)
	want, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	got := onlySmall(t, data, Size{Width: 20, Height: 20})
	if d := testpicture.MeanDifference(got, want); d > 0 {
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
		res, err := Make(t.Context(), bytes.NewReader(data), Options{Sizes: []Size{{Width: 100, Height: 100}}})
		if err != nil || res.Format != "WebP" {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := Make(t.Context(), bytes.NewReader(data[:at-20]), Options{Sizes: []Size{{Width: 100, Height: 100}}}); kindOf(err) != "corrupt" {
		t.Errorf("cut in the data: got %v", err)
	}
}

// As in libpng: bits of a transparent colour above the depth do not count.
func TestTransparentColourIsMaskedByTheDepth(t *testing.T) {
	t.Parallel()
	for _, depth := range []int{1, 2, 4, 8, 16} {
		for colour, samples := range map[byte]int{0: 1, 2: 3} {
			if samples == 3 && depth < 8 {
				continue
			}
			ihdr := append(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 4), 4), byte(depth), colour, 0, 0, 0)
			var key []byte
			for range samples {
				key = binary.BigEndian.AppendUint16(key, 0xffff)
			}
			key[0] = byte(map[bool]int{true: 0xff, false: 0xab}[depth == 16])
			row := append([]byte{0}, bytes.Repeat([]byte{0xff}, (4*samples*depth+7)/8)...)
			data := testpicture.PNGSignature + string(testpicture.PNGChunk("IHDR", ihdr)) + string(testpicture.PNGChunk("tRNS", key)) +
				string(testpicture.PNGChunk("IDAT", testpicture.Deflate(bytes.Repeat(row, 4)))) + string(testpicture.PNGChunk("IEND", nil))
			res, img := makeOne(t, []byte(data), "4x4")
			if got := color.NRGBAModel.Convert(img.At(1, 1)).(color.NRGBA); res.Thumbnails[0].Ext != "png" || got.A != 0 {
				t.Errorf("colour type %d, %d bits: got %v in a %s, want a transparent pixel", colour, depth, got, res.Thumbnails[0].Ext)
			}
		}
	}
}

// As in libvips and Pillow: 255 is no ink, with Adobe's marker and without.
func TestCMYKWithoutAdobeMarkerIsNotInverted(t *testing.T) {
	t.Parallel()
	data := fixture(t, "cmyk.jpg")
	at := bytes.Index(data, []byte("\xff\xeeAdobe"[:2]))
	n := int(binary.BigEndian.Uint16(data[at+2:]))
	if at < 0 || string(data[at+4:at+9]) != "Adobe" || data[at+15] != 0 {
		t.Fatalf("the fixture has no Adobe marker of CMYK at %d", at)
	}
	_, img := makeOne(t, append(bytes.Clone(data[:at]), data[at+2+n:]...), "200x200")
	checkUpright(t, img, testpicture.Paper, 14)
}
