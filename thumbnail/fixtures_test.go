package thumbnail

import (
	"bytes"
	"encoding/binary"
	"flag"
	"image"
	"image/color"
	"image/color/palette"
	"image/draw"
	"image/gif"
	"os"
	"path/filepath"
	"testing"

	"sluice/thumbnail/internal/testpicture"

	"sluice/thumbnail/internal/exif"
)

var update = flag.Bool("update", false, "rewrite the pictures that testdata/images/README.md says are made by this test")

const (
	imagesDir = "../testdata/images"
	photosDir = "../../shared/photos"
)

// fixture reads a picture of testdata/images.
func fixture(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join(imagesDir, name))
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// photo returns a photograph that is not part of the project, or false where
// the photographs are absent. They supplement the generated pictures.
func photo(tb testing.TB, name string) ([]byte, bool) {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join(photosDir, name))
	if os.IsNotExist(err) {
		return nil, false
	}
	if err != nil {
		tb.Fatal(err)
	}
	return data, true
}

// camera returns a generated picture with the statistics of a photograph.
func camera(w, h int, o testpicture.JPEGOptions) []byte {
	return testpicture.JPEG(testpicture.Camera(w, h, 5), o)
}

// deepF has a gradient that needs more than 8 bits, behind the letter.
func deepF() *image.NRGBA64 {
	flat := testpicture.Letter(color.NRGBA{})
	img := image.NewNRGBA64(flat.Bounds())
	for y := range testpicture.LetterHeight {
		for x := range testpicture.LetterWidth {
			if c := flat.NRGBAAt(x, y); c.A != 0 {
				img.Set(x, y, c)
				continue
			}
			v := uint16(x * 65535 / (testpicture.LetterWidth - 1))
			img.SetNRGBA64(x, y, color.NRGBA64{v, v, uint16(y * 65535 / (testpicture.LetterHeight - 1)), 65535})
		}
	}
	return img
}

// animatedF is the letter in the first frame and plain colours in the others.
func animatedF() []byte {
	first := image.NewPaletted(image.Rect(0, 0, testpicture.LetterWidth, testpicture.LetterHeight), palette.WebSafe)
	draw.Draw(first, first.Rect, testpicture.Letter(testpicture.Paper), image.Point{}, draw.Src)
	anim := &gif.GIF{Image: []*image.Paletted{first}, Delay: []int{50}}
	for _, c := range []color.NRGBA{testpicture.TopLeft, testpicture.TopRight, testpicture.BottomLeft} {
		frame := image.NewPaletted(first.Rect, palette.WebSafe)
		draw.Draw(frame, frame.Rect, image.NewUniform(c), image.Point{}, draw.Src)
		anim.Image = append(anim.Image, frame)
		anim.Delay = append(anim.Delay, 50)
	}
	var buf bytes.Buffer
	if err := gif.EncodeAll(&buf, anim); err != nil {
		panic(err)
	}
	return buf.Bytes()
}

// bombHeader is a PNG of 3.6 gigapixels in a few hundred bytes.
func bombHeader() []byte {
	ihdr := binary.BigEndian.AppendUint32(nil, 60000)
	ihdr = binary.BigEndian.AppendUint32(ihdr, 60000)
	ihdr = append(ihdr, 8, 6, 0, 0, 0)
	out := append([]byte(testpicture.PNGSignature), testpicture.PNGChunk("IHDR", ihdr)...)
	// The beginning of a deflate stream of zeros.
	out = append(out, testpicture.PNGChunk("IDAT", []byte{0x78, 0xda, 0xec, 0xc1, 0x01, 0x01, 0, 0, 0, 0x80, 0x90, 0xfe, 0xaf, 0xee, 8, 0x0a})...)
	return append(out, testpicture.PNGChunk("IEND", nil)...)
}

// madeFixtures are the files of testdata/images that the standard library can
// make.
func madeFixtures() map[string][]byte {
	upright := testpicture.Letter(testpicture.Paper)
	files := map[string][]byte{
		"transparent.png":       testpicture.EncodePNG(testpicture.Letter(color.NRGBA{})),
		"sixteen-bit.png":       testpicture.EncodePNG(deepF()),
		"animated.gif":          animatedF(),
		"turned.png":            testpicture.WithPNGChunk(testpicture.EncodePNG(testpicture.Turned(upright, 6)), "eXIf", testpicture.EXIF(6, binary.LittleEndian), false),
		"xmp-before-exif.jpg":   testpicture.WithSegment(testpicture.WithEXIF(testpicture.EncodeJPEG(testpicture.Opaque(testpicture.Turned(upright, 6))), 6), 0xe1, testpicture.XMPSegment),
		"bad/bomb-header.png":   bombHeader(),
		"bad/zero-bytes.png":    {},
		"bad/not-a-picture.jpg": []byte("Dear colleague, this is a letter and no photograph, whatever its name says.\n"),
	}
	grey := image.NewGray(upright.Rect)
	draw.Draw(grey, grey.Rect, upright, image.Point{}, draw.Src)
	files["grey.jpg"] = testpicture.EncodeJPEG(grey)
	names := []string{
		"1-upright", "2-mirrored", "3-upside-down", "4-mirrored-upside-down",
		"5-mirrored-turned-left", "6-turned-left", "7-mirrored-turned-right", "8-turned-right",
	}
	for i, name := range names {
		o := exif.Orientation(i + 1)
		files["orientation-"+name+".jpg"] = testpicture.WithEXIF(testpicture.EncodeJPEG(testpicture.Opaque(testpicture.Turned(upright, int(o)))), int(o))
	}
	files["display-p3.png"] = testpicture.WithPNGChunk(testpicture.EncodePNG(upright), "iCCP", append([]byte("Display P3\x00\x00"), testpicture.Deflate(testpicture.P3Profile())...), false)
	// Two pictures in one file, as phones write them: the second is a map of
	// brightness.
	files["gain-map.jpg"] = append(testpicture.WithSegment(testpicture.EncodeJPEG(testpicture.Opaque(upright)), 0xe2, "MPF\x00"+"MM\x00*\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00"), testpicture.EncodeJPEG(image.NewGray(image.Rect(0, 0, 120, 80)))...)
	whole := files["orientation-1-upright.jpg"]
	files["bad/truncated.jpg"] = whole[:len(whole)/2]
	return files
}

func TestFixturesMatchTheirGenerator(t *testing.T) {
	for name, want := range madeFixtures() {
		path := filepath.Join(imagesDir, name)
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Errorf("%v: run go test ./thumbnail -run TestFixtures -update to make it", err)
			continue
		}
		if !sameFile(got, want) {
			t.Errorf("%s differs from the generated file: -update rewrites it", name)
		}
	}
}

// sameFile compares pixels where bytes differ: another Go version may encode
// the same picture to other bytes.
func sameFile(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, _, err := image.Decode(bytes.NewReader(a))
	if err != nil {
		return false
	}
	y, _, err := image.Decode(bytes.NewReader(b))
	return err == nil && testpicture.MeanDifference(x, y) < 0.5
}

func TestFixturesAreSmall(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(imagesDir, "*"))
	if err != nil || len(files) < 15 {
		t.Fatalf("%d files in %s, %v", len(files), imagesDir, err)
	}
	for _, f := range files {
		if info, err := os.Stat(f); err != nil || !info.IsDir() && info.Size() > 20<<10 {
			t.Errorf("%s: %v, %d bytes, want at most 20 KB", f, err, info.Size())
		}
	}
}
