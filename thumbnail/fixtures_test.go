package thumbnail

import (
	"bytes"
	"encoding/binary"
	"flag"
	"hash/crc32"
	"image"
	"image/color"
	"image/color/palette"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"testing"
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

// photo reads a photograph that is not part of the project.
func photo(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join(photosDir, name))
	if os.IsNotExist(err) {
		tb.Skipf("photograph %s is absent: ../shared/photos is not part of the project", name)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// The corners of the test picture, which tell how it is turned.
var (
	topLeft     = color.NRGBA{220, 40, 40, 255}
	topRight    = color.NRGBA{40, 180, 60, 255}
	bottomLeft  = color.NRGBA{40, 70, 220, 255}
	bottomRight = color.NRGBA{240, 210, 40, 255}
	paper       = color.NRGBA{235, 235, 230, 255}
	ink         = color.NRGBA{30, 30, 35, 255}
)

const testWidth, testHeight = 480, 320

// letterF is the upright test picture: a letter that no turn or mirror maps to itself, and four corners.
func letterF(background color.NRGBA) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, testWidth, testHeight))
	fill := func(x, y, w, h int, c color.Color) {
		draw.Draw(img, image.Rect(x, y, x+w, y+h), image.NewUniform(c), image.Point{}, draw.Src)
	}
	fill(0, 0, testWidth, testHeight, background)
	fill(0, 0, 96, 80, topLeft)
	fill(testWidth-96, 0, 96, 80, topRight)
	fill(0, testHeight-80, 96, 80, bottomLeft)
	fill(testWidth-96, testHeight-80, 96, 80, bottomRight)
	fill(176, 48, 48, 224, ink)
	fill(176, 48, 144, 48, ink)
	fill(176, 136, 104, 48, ink)
	return img
}

// stored turns an upright picture as a camera held in that orientation stores it: stored(x, y) = upright(at(x, y)).
func stored(img image.Image, o orientation) *image.NRGBA {
	w, h := img.Bounds().Dx(), img.Bounds().Dy()
	at := map[orientation]func(x, y int) (int, int){
		1: func(x, y int) (int, int) { return x, y },
		2: func(x, y int) (int, int) { return w - 1 - x, y },
		3: func(x, y int) (int, int) { return w - 1 - x, h - 1 - y },
		4: func(x, y int) (int, int) { return x, h - 1 - y },
		5: func(x, y int) (int, int) { return y, x },
		6: func(x, y int) (int, int) { return w - 1 - y, x },
		7: func(x, y int) (int, int) { return w - 1 - y, h - 1 - x },
		8: func(x, y int) (int, int) { return y, h - 1 - x },
	}[o]
	sw, sh := o.upright(w, h)
	out := image.NewNRGBA(image.Rect(0, 0, sw, sh))
	for y := range sh {
		for x := range sw {
			ux, uy := at(x, y)
			out.Set(x, y, img.At(ux, uy))
		}
	}
	return out
}

// tiffOrientation is the smallest EXIF block.
func tiffOrientation(o orientation, order binary.AppendByteOrder) []byte {
	tiff := []byte("II*\x00")
	if order == binary.BigEndian {
		tiff = []byte("MM\x00*")
	}
	tiff = order.AppendUint32(tiff, 8)
	tiff = order.AppendUint16(tiff, 1)
	tiff = order.AppendUint16(tiff, 0x0112)
	tiff = order.AppendUint16(tiff, 3)
	tiff = order.AppendUint32(tiff, 1)
	tiff = order.AppendUint16(tiff, uint16(o))
	return append(tiff, 0, 0, 0, 0, 0, 0)
}

// withSegment puts a JPEG segment behind SOI.
func withSegment(jpg []byte, marker byte, data string) []byte {
	out := append([]byte{0xff, 0xd8, 0xff, marker, byte((len(data) + 2) >> 8), byte(len(data) + 2)}, data...)
	return append(out, jpg[2:]...)
}

func withExif(jpg []byte, o orientation) []byte {
	return withSegment(jpg, 0xe1, "Exif\x00\x00"+string(tiffOrientation(o, binary.BigEndian)))
}

const xmpSegment = "http://ns.adobe.com/xap/1.0/\x00<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><!-- no orientation here --></x:xmpmeta>"

func pngChunk(kind string, data []byte) []byte {
	out := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	out = append(append(out, kind...), data...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[4:]))
}

// withPNGChunk puts a chunk behind IHDR, or before IEND.
func withPNGChunk(file []byte, kind string, data []byte, atEnd bool) []byte {
	at := len(pngSignature) + 12 + 13
	if atEnd {
		at = len(file) - 12
	}
	out := append([]byte(nil), file[:at]...)
	out = append(out, pngChunk(kind, data)...)
	return append(out, file[at:]...)
}

func mustJPEG(img image.Image) []byte {
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, img, &jpeg.Options{Quality: 85}); err != nil {
		panic(err)
	}
	return buf.Bytes()
}

func mustPNG(img image.Image) []byte {
	var buf bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&buf, img); err != nil {
		panic(err)
	}
	return buf.Bytes()
}

func opaqueRGBA(img *image.NRGBA) *image.RGBA {
	return &image.RGBA{Pix: img.Pix, Stride: img.Stride, Rect: img.Rect}
}

// deepF has a gradient that needs more than 8 bits, behind the letter.
func deepF() *image.NRGBA64 {
	flat := letterF(color.NRGBA{})
	img := image.NewNRGBA64(flat.Bounds())
	for y := range testHeight {
		for x := range testWidth {
			if c := flat.NRGBAAt(x, y); c.A != 0 {
				img.Set(x, y, c)
				continue
			}
			v := uint16(x * 65535 / (testWidth - 1))
			img.SetNRGBA64(x, y, color.NRGBA64{v, v, uint16(y * 65535 / (testHeight - 1)), 65535})
		}
	}
	return img
}

// animatedF is the letter in the first frame and plain colours in the others.
func animatedF() []byte {
	first := image.NewPaletted(image.Rect(0, 0, testWidth, testHeight), palette.WebSafe)
	draw.Draw(first, first.Rect, letterF(paper), image.Point{}, draw.Src)
	anim := &gif.GIF{Image: []*image.Paletted{first}, Delay: []int{50}}
	for _, c := range []color.NRGBA{topLeft, topRight, bottomLeft} {
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
	out := append([]byte(pngSignature), pngChunk("IHDR", ihdr)...)
	// The beginning of a deflate stream of zeros.
	out = append(out, pngChunk("IDAT", []byte{0x78, 0xda, 0xec, 0xc1, 0x01, 0x01, 0, 0, 0, 0x80, 0x90, 0xfe, 0xaf, 0xee, 8, 0x0a})...)
	return append(out, pngChunk("IEND", nil)...)
}

// madeFixtures are the files of testdata/images that the standard library can make.
func madeFixtures() map[string][]byte {
	upright := letterF(paper)
	files := map[string][]byte{
		"transparent.png":       mustPNG(letterF(color.NRGBA{})),
		"sixteen-bit.png":       mustPNG(deepF()),
		"animated.gif":          animatedF(),
		"turned.png":            withPNGChunk(mustPNG(stored(upright, 6)), "eXIf", tiffOrientation(6, binary.LittleEndian), false),
		"xmp-before-exif.jpg":   withSegment(withExif(mustJPEG(opaqueRGBA(stored(upright, 6))), 6), 0xe1, xmpSegment),
		"bad/bomb-header.png":   bombHeader(),
		"bad/zero-bytes.png":    {},
		"bad/not-a-picture.jpg": []byte("Dear colleague, this is a letter and no photograph, whatever its name says.\n"),
	}
	grey := image.NewGray(upright.Rect)
	draw.Draw(grey, grey.Rect, upright, image.Point{}, draw.Src)
	files["grey.jpg"] = mustJPEG(grey)
	names := []string{
		"1-upright", "2-mirrored", "3-upside-down", "4-mirrored-upside-down",
		"5-mirrored-turned-left", "6-turned-left", "7-mirrored-turned-right", "8-turned-right",
	}
	for i, name := range names {
		o := orientation(i + 1)
		files["orientation-"+name+".jpg"] = withExif(mustJPEG(opaqueRGBA(stored(upright, o))), o)
	}
	files["display-p3.png"] = withPNGChunk(mustPNG(upright), "iCCP", append([]byte("Display P3\x00\x00"), deflated(p3Profile())...), false)
	// Two pictures in one file, the second a map of brightness, as telephones write them.
	files["gain-map.jpg"] = append(withSegment(mustJPEG(opaqueRGBA(upright)), 0xe2, "MPF\x00"+"MM\x00*\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00"), mustJPEG(image.NewGray(image.Rect(0, 0, 120, 80)))...)
	whole := files["orientation-1-upright.jpg"]
	files["bad/truncated.jpg"] = whole[:len(whole)/2]
	return files
}

func TestFixturesAreWhatTheyWereMadeAs(t *testing.T) {
	for name, want := range madeFixtures() {
		path := filepath.Join(imagesDir, name)
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Errorf("%v; go test ./thumbnail -run TestFixtures -update makes it", err)
			continue
		}
		if !sameFile(got, want) {
			t.Errorf("%s is not what this test makes; -update rewrites it", name)
		}
	}
}

// sameFile compares pixels where bytes differ: another Go version may encode the same picture otherwise.
func sameFile(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, _, err := image.Decode(bytes.NewReader(a))
	if err != nil {
		return false
	}
	y, _, err := image.Decode(bytes.NewReader(b))
	return err == nil && meanDifference(x, y) < 0.5
}

// meanDifference is the mean over pixels and channels, in 8-bit steps; a difference of size counts as 255. Colours count
// by their opacity: what colour nothing has does not matter.
func meanDifference(a, b image.Image) float64 {
	ra, rb := a.Bounds(), b.Bounds()
	if ra.Size() != rb.Size() {
		return 255
	}
	var sum float64
	for y := range ra.Dy() {
		for x := range ra.Dx() {
			c := color.RGBAModel.Convert(a.At(ra.Min.X+x, ra.Min.Y+y)).(color.RGBA)
			d := color.RGBAModel.Convert(b.At(rb.Min.X+x, rb.Min.Y+y)).(color.RGBA)
			sum += absDiff(c.R, d.R) + absDiff(c.G, d.G) + absDiff(c.B, d.B) + absDiff(c.A, d.A)
		}
	}
	return sum / float64(4*ra.Dx()*ra.Dy())
}

func absDiff(a, b uint8) float64 {
	if a > b {
		return float64(a - b)
	}
	return float64(b - a)
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
