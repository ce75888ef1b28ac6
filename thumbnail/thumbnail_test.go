package thumbnail

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	_ "image/jpeg"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"sluice/thumbnail/internal/codec"
	"sluice/thumbnail/internal/testpicture"

	"sluice/thumbnail/internal/raster"
)

// makeOne makes one thumbnail and decodes it.
func makeOne(tb testing.TB, data []byte, size string) (*Result, image.Image) {
	tb.Helper()
	s, err := ParseSize(size)
	if err != nil {
		tb.Fatal(err)
	}
	res, err := Make(tb.Context(), bytes.NewReader(data), Options{Sizes: []Size{s}})
	if err != nil {
		tb.Fatal(err)
	}
	img, _, err := image.Decode(bytes.NewReader(res.Thumbnails[0].Data))
	if err != nil {
		tb.Fatalf("thumbnail does not decode: %v", err)
	}
	return res, img
}

// checkUpright expects letterF: its corners, and the letter's stem, arms and
// free places.
func checkUpright(t *testing.T, img image.Image, background color.NRGBA, tolerance float64) {
	t.Helper()
	b := img.Bounds()
	for _, at := range []struct {
		what string
		x, y int // in letterF's pixels
		want color.NRGBA
	}{
		{"top left", 40, 40, testpicture.TopLeft},
		{"top right", 440, 40, testpicture.TopRight},
		{"bottom left", 40, 280, testpicture.BottomLeft},
		{"bottom right", 440, 280, testpicture.BottomRight},
		{"stem", 200, 240, testpicture.Ink},
		{"upper arm", 300, 70, testpicture.Ink},
		{"lower arm", 260, 160, testpicture.Ink},
		{"beside the stem", 260, 240, background},
		{"right of the lower arm", 310, 160, background},
	} {
		x, y := at.x*b.Dx()/testpicture.LetterWidth, at.y*b.Dy()/testpicture.LetterHeight
		if got := img.At(b.Min.X+x, b.Min.Y+y); !testpicture.Near(got, at.want, tolerance) {
			t.Errorf("%s (%d, %d of %v): got %v, want %v", at.what, x, y, b.Size(), color.NRGBAModel.Convert(got), at.want)
		}
	}
}

func TestThumbnailsAreUprightAndHaveTheRightColours(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		file, format string
		background   color.NRGBA
		contentType  string
		tolerance    float64
	}{
		{"orientation-1-upright.jpg", "JPEG", testpicture.Paper, "image/jpeg", 12},
		{"orientation-2-mirrored.jpg", "JPEG", testpicture.Paper, "image/jpeg", 12},
		{"orientation-3-upside-down.jpg", "JPEG", testpicture.Paper, "image/jpeg", 12},
		{"orientation-4-mirrored-upside-down.jpg", "JPEG", testpicture.Paper, "image/jpeg", 12},
		{"orientation-5-mirrored-turned-left.jpg", "JPEG", testpicture.Paper, "image/jpeg", 12},
		{"orientation-6-turned-left.jpg", "JPEG", testpicture.Paper, "image/jpeg", 12},
		{"orientation-7-mirrored-turned-right.jpg", "JPEG", testpicture.Paper, "image/jpeg", 12},
		{"orientation-8-turned-right.jpg", "JPEG", testpicture.Paper, "image/jpeg", 12},
		{"xmp-before-exif.jpg", "JPEG", testpicture.Paper, "image/jpeg", 12},
		{"progressive.jpg", "JPEG", testpicture.Paper, "image/jpeg", 12},
		{"cmyk.jpg", "JPEG", testpicture.Paper, "image/jpeg", 14},
		{"transparent.png", "PNG", color.NRGBA{}, "image/png", 2},
		{"turned.png", "PNG", testpicture.Paper, "image/jpeg", 12},
		{"animated.gif", "GIF", color.NRGBA{0xff, 0xff, 0xff, 0xff}, "image/jpeg", 32}, // 216 colours
		{"lossy.webp", "WebP", testpicture.Paper, "image/jpeg", 14},
		{"lossless.webp", "WebP", color.NRGBA{}, "image/png", 2},
		{"transparent.webp", "WebP", color.NRGBA{}, "image/png", 14},
		{"animated.webp", "WebP", testpicture.Paper, "image/jpeg", 14},
		{"turned.webp", "WebP", testpicture.Paper, "image/jpeg", 14},
	} {
		t.Run(tt.file, func(t *testing.T) {
			t.Parallel()
			res, img := makeOne(t, fixture(t, tt.file), "200x200")
			if res.Format != tt.format || res.Width != testpicture.LetterWidth || res.Height != testpicture.LetterHeight {
				t.Errorf("got %s %dx%d, want %s %dx%d", res.Format, res.Width, res.Height, tt.format, testpicture.LetterWidth, testpicture.LetterHeight)
			}
			got := res.Thumbnails[0]
			if got.ContentType != tt.contentType || "image/"+strings.Replace(got.Ext, "jpg", "jpeg", 1) != tt.contentType {
				t.Errorf("got %s (%s), want %s", got.ContentType, got.Ext, tt.contentType)
			}
			if size := img.Bounds().Size(); size != (image.Point{200, 133}) || got.Width != 200 || got.Height != 133 {
				t.Errorf("got %v, said %dx%d, want 200x133", size, got.Width, got.Height)
			}
			checkUpright(t, img, tt.background, tt.tolerance)
		})
	}
}

func TestFillCropsTheCentre(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"orientation-1-upright.jpg", "orientation-6-turned-left.jpg", "orientation-7-mirrored-turned-right.jpg", "turned.png", "lossy.webp"} {
		_, img := makeOne(t, fixture(t, file), "160x160:fill")
		if img.Bounds().Size() != (image.Point{160, 160}) {
			t.Errorf("%s: got %v, want 160x160", file, img.Bounds())
		}
		// The middle 320 of 480 columns: 16 pixels of each corner are left, the
		// letter stands whole.
		for _, at := range []struct {
			x, y int
			want color.NRGBA
		}{{3, 3, testpicture.TopLeft}, {156, 3, testpicture.TopRight}, {3, 156, testpicture.BottomLeft}, {156, 156, testpicture.BottomRight}, {60, 120, testpicture.Ink}, {110, 35, testpicture.Ink}} {
			if got := img.At(at.x, at.y); !testpicture.Near(got, at.want, 30) {
				t.Errorf("%s at %d,%d: got %v, want %v", file, at.x, at.y, got, at.want)
			}
		}
	}
}

func TestGreyStaysGrey(t *testing.T) {
	t.Parallel()
	_, img := makeOne(t, fixture(t, "grey.jpg"), "200x200")
	if _, ok := img.(*image.Gray); !ok {
		t.Errorf("got %T, want one channel", img)
	}
}

func TestSixteenBitsKeepTheGradient(t *testing.T) {
	t.Parallel()
	_, img := makeOne(t, fixture(t, "sixteen-bit.png"), "200x200")
	for _, x := range []int{60, 140, 199} {
		want := uint8(x * 255 / 199)
		if got := color.NRGBAModel.Convert(img.At(x, 80)).(color.NRGBA); x > 130 && testpicture.AbsDiff(got.R, want) > 8 {
			t.Errorf("red at %d: got %v, want %d", x, got, want)
		}
	}
}

func TestThumbnailsFollowTheOrderOfSizes(t *testing.T) {
	t.Parallel()
	sizes, err := ParseSizes("40x40,200x200,100x100:fill,4000x4000")
	if err != nil {
		t.Fatal(err)
	}
	res, err := Make(t.Context(), bytes.NewReader(fixture(t, "orientation-8-turned-right.jpg")), Options{Sizes: sizes})
	if err != nil {
		t.Fatal(err)
	}
	want := [][2]int{{40, 27}, {200, 133}, {100, 100}, {480, 320}}
	for i, got := range res.Thumbnails {
		if got.Size != sizes[i] || got.Width != want[i][0] || got.Height != want[i][1] {
			t.Errorf("thumbnail %d: got %v of %dx%d, want %v of %v", i, got.Size, got.Width, got.Height, sizes[i], want[i])
		}
		if c, _, err := image.DecodeConfig(bytes.NewReader(got.Data)); err != nil || c.Width != got.Width || c.Height != got.Height {
			t.Errorf("thumbnail %d: data is %dx%d, %v, want %dx%d", i, c.Width, c.Height, err, got.Width, got.Height)
		}
	}
}

func TestOpaqueAlphaIsNotTransparency(t *testing.T) {
	t.Parallel()
	res, _ := makeOne(t, testpicture.EncodePNG(testpicture.Letter(testpicture.Paper)), "100x100")
	if res.Thumbnails[0].Ext != "jpg" {
		t.Errorf("got %s for an alpha channel without transparent pixels, want jpg", res.Thumbnails[0].Ext)
	}
}

func TestMetadataIsStripped(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"xmp-before-exif.jpg", "turned.png", "turned.webp"} {
		res, _ := makeOne(t, fixture(t, file), "200x200")
		for _, mark := range []string{"Exif", "eXIf", "adobe", "MM\x00*", "II*\x00"} {
			if bytes.Contains(res.Thumbnails[0].Data, []byte(mark)) {
				t.Errorf("%s: thumbnail holds %q", file, mark)
			}
		}
	}
}

func TestBadPictures(t *testing.T) {
	t.Parallel()
	noSize := append([]byte(testpicture.PNGSignature), testpicture.PNGChunk("IHDR", []byte{0, 0, 0, 0, 0, 0, 0, 9, 8, 6, 0, 0, 0})...)
	flipped := bytes.Clone(fixture(t, "transparent.png"))
	flipped[len(flipped)/2] ^= 1
	twelveBit := bytes.Replace(fixture(t, "grey.jpg"), []byte("\xff\xc0\x00\x0b\x08"), []byte("\xff\xc0\x00\x0b\x0c"), 1)
	lossless := bytes.Replace(fixture(t, "grey.jpg"), []byte("\xff\xc0\x00\x0b"), []byte("\xff\xc3\x00\x0b"), 1)
	arithmetic := bytes.Replace(fixture(t, "grey.jpg"), []byte("\xff\xc0\x00\x0b"), []byte("\xff\xc9\x00\x0b"), 1)
	half := func(name string) []byte { f := fixture(t, name); return f[:len(f)/2] }
	for _, tt := range []struct {
		name, kind string
		data       []byte
		want       string // in the message
	}{
		{"truncated JPEG", "corrupt", fixture(t, "bad/truncated.jpg"), "JPEG data ends early"},
		{"truncated PNG", "corrupt", half("transparent.png"), "PNG data ends early"},
		{"truncated GIF", "corrupt", fixture(t, "animated.gif")[:1500], "GIF data ends early"},
		{"truncated lossy WebP", "corrupt", half("lossy.webp"), "WebP data ends early"},
		{"truncated lossless WebP", "corrupt", half("lossless.webp"), "WebP data ends early"},
		{"truncated transparent WebP", "corrupt", half("transparent.webp"), "WebP data ends early"},
		{"truncated animated WebP", "corrupt", fixture(t, "animated.webp")[:500], "WebP data ends early"},
		{"text", "unsupported", fixture(t, "bad/not-a-picture.jpg"), `not a picture: first bytes are "Dear colleague, `},
		{"bytes", "unsupported", []byte{0, 1, 2, 3}, "not a picture: first bytes are 00 01 02 03"},
		{"bomb header", "too large", fixture(t, "bad/bomb-header.png"), "60000x60000 PNG has 3600000000 pixels, the limit is 1073741824 (MaxPixels)"},
		{"zero bytes", "corrupt", fixture(t, "bad/zero-bytes.png"), "the file is empty (0 bytes)"},
		{"TIFF", "unsupported", []byte("II*\x00\x08\x00\x00\x00"), "TIFF is not supported"},
		{"HEIC", "unsupported", []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00"), "HEIC is not supported"},
		{"a PNG of no width", "corrupt", noSize, "has no pixels"},
		{"a PNG with a flipped bit", "corrupt", flipped, "PNG data"},
		{"12-bit JPEG", "unsupported", twelveBit, "JPEG is not supported: 12-bit samples"},
		{"lossless JPEG", "unsupported", lossless, "JPEG is not supported: lossless"},
		{"arithmetic JPEG", "unsupported", arithmetic, "JPEG is not supported: arithmetic coding"},
		{"only a JPEG's first bytes", "corrupt", []byte("\xff\xd8\xff"), "JPEG data ends early"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Make(t.Context(), bytes.NewReader(tt.data), Options{Sizes: []Size{{Width: 200, Height: 200}}})
			if got := kindOf(err); got != tt.kind {
				t.Fatalf("got %s (%v), want %s", got, err, tt.kind)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, want %q in it", err, tt.want)
			}
		})
	}
}

func kindOf(err error) string {
	if err == nil {
		return "no error"
	}
	if _, ok := errors.AsType[*CorruptError](err); ok {
		return "corrupt"
	}
	if _, ok := errors.AsType[*TooLargeError](err); ok {
		return "too large"
	}
	if _, ok := errors.AsType[*UnsupportedError](err); ok {
		return "unsupported"
	}
	return "other"
}

func TestLimitsNameNumberLimitAndSetting(t *testing.T) {
	t.Parallel()
	data := fixture(t, "orientation-1-upright.jpg")
	sizes := []Size{{Width: 200, Height: 200}}
	for _, tt := range []struct {
		o    Options
		want TooLargeError
	}{
		{Options{MaxPixels: testpicture.LetterWidth*testpicture.LetterHeight - 1}, TooLargeError{What: "pixels", Got: testpicture.LetterWidth * testpicture.LetterHeight, Limit: testpicture.LetterWidth*testpicture.LetterHeight - 1, Setting: "MaxPixels"}},
		{Options{MaxBytes: int64(len(data)) - 1}, TooLargeError{What: "bytes", Got: int64(len(data)), Limit: int64(len(data)) - 1, Setting: "MaxBytes"}},
		{Options{MemoryBytes: 1000}, TooLargeError{What: "memory bytes", Limit: 1000, Setting: "MemoryBytes"}},
	} {
		tt.o.Sizes = sizes
		_, err := Make(t.Context(), bytes.NewReader(data), tt.o)
		got, ok := errors.AsType[*TooLargeError](err)
		if !ok {
			t.Errorf("%+v: got %v, want a *TooLargeError", tt.o, err)
			continue
		}
		if got.What != tt.want.What || got.Limit != tt.want.Limit || got.Setting != tt.want.Setting || tt.want.Got != 0 && got.Got != tt.want.Got {
			t.Errorf("got %+v, want %+v", *got, tt.want)
		}
	}
	exact := Options{Sizes: sizes, MaxPixels: testpicture.LetterWidth * testpicture.LetterHeight, MaxBytes: int64(len(data))}
	if _, err := Make(t.Context(), bytes.NewReader(data), exact); err != nil {
		t.Errorf("exactly at the limits: %v", err)
	}
}

func TestALongThinPictureIsWeighedToo(t *testing.T) {
	t.Parallel()
	// 268 megapixels in one row: filter weights would need gigabytes.
	ihdr := []byte{0x0f, 0xff, 0, 0, 0, 0, 0, 1, 8, 0, 0, 0, 0}
	data := append([]byte(testpicture.PNGSignature), testpicture.PNGChunk("IHDR", ihdr)...)
	data = append(data, testpicture.PNGChunk("IDAT", []byte{0x78, 0xda})...)
	_, err := Make(t.Context(), bytes.NewReader(data), Options{Sizes: []Size{{Width: 200, Height: 200}}})
	if got, ok := errors.AsType[*TooLargeError](err); !ok || got.What != "memory bytes" {
		t.Errorf("got %v, want a refusal by memory", err)
	}
}

func TestOpenReadsOnlyTheHeader(t *testing.T) {
	t.Parallel()
	data := append(fixture(t, "orientation-6-turned-left.jpg"), make([]byte, 1<<20)...)
	r := bytes.NewReader(data)
	p, err := Open(r, Options{Sizes: []Size{{Width: 200, Height: 200}}})
	if err != nil {
		t.Fatal(err)
	}
	if read := len(data) - r.Len(); read > 64<<10 {
		t.Errorf("Open read %d bytes", read)
	}
	if p.Format() != "JPEG" || p.Width() != testpicture.LetterWidth || p.Height() != testpicture.LetterHeight {
		t.Errorf("got %s %dx%d, want JPEG %dx%d upright", p.Format(), p.Width(), p.Height(), testpicture.LetterWidth, testpicture.LetterHeight)
	}
	if cost := p.Cost(); cost < 200*133 || cost > 4<<20 {
		t.Errorf("cost is %d", cost)
	}
	if _, err := p.Thumbnails(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Thumbnails(t.Context()); !errors.Is(err, ErrUsed) {
		t.Errorf("second call: got %v, want ErrUsed", err)
	}
}

func TestAReadersErrorIsNotCorruption(t *testing.T) {
	t.Parallel()
	lost := errors.New("connection lost")
	for _, file := range []string{"orientation-1-upright.jpg", "transparent.png", "animated.gif", "lossy.webp", "lossless.webp", "transparent.webp"} {
		data := fixture(t, file)
		for _, n := range []int{0, 5, 100, min(len(data)/2, 1500)} {
			n = min(n, len(data)-40) // an animated GIF is read to its first frame only
			r := io.MultiReader(bytes.NewReader(data[:n]), iotest.ErrReader(lost))
			_, err := Make(t.Context(), r, Options{Sizes: []Size{{Width: 200, Height: 200}}})
			if !errors.Is(err, lost) || kindOf(err) != "other" {
				t.Errorf("%s after %d bytes: got %v (%s), want the reader's error", file, n, err, kindOf(err))
			}
		}
	}
}

func TestReadersOfAnyGrain(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"xmp-before-exif.jpg", "turned.png", "animated.gif", "turned.webp", "transparent.webp", "animated.webp"} {
		data := fixture(t, file)
		whole, _ := makeOne(t, data, "200x200")
		for name, r := range map[string]io.Reader{
			"one byte":           iotest.OneByteReader(bytes.NewReader(data)),
			"error with data":    iotest.DataErrReader(bytes.NewReader(data)),
			"half of each asked": iotest.HalfReader(bytes.NewReader(data)),
		} {
			got, err := Make(t.Context(), r, Options{Sizes: []Size{{Width: 200, Height: 200}}})
			if err != nil || !bytes.Equal(got.Thumbnails[0].Data, whole.Thumbnails[0].Data) {
				t.Errorf("%s by %s: %v, or other bytes", file, name, err)
			}
		}
	}
}

func TestACancelledContextStops(t *testing.T) {
	t.Parallel()
	why := errors.New("deadline is near")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	_, err := Make(ctx, bytes.NewReader(fixture(t, "transparent.png")), Options{Sizes: []Size{{Width: 200, Height: 200}}})
	if !errors.Is(err, why) {
		t.Errorf("got %v, want the cause", err)
	}

	// The context ends in the middle of the data.
	ctx, cancel = context.WithCancelCause(t.Context())
	data := fixture(t, "orientation-1-upright.jpg")
	r := io.MultiReader(bytes.NewReader(data[:len(data)/2]), readerFunc(func(p []byte) (int, error) {
		cancel(why)
		p[0] = 0
		return 1, nil
	}))
	if _, err = Make(ctx, r, Options{Sizes: []Size{{Width: 200, Height: 200}}}); !errors.Is(err, why) {
		t.Errorf("while reading: got %v, want the cause", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

type panicking struct{ codec.Decoder }

func (panicking) Decode(float64) (*raster.Raster, error) { panic("index out of range") }

func TestAPanicIsCorruption(t *testing.T) {
	t.Parallel()
	p, err := Open(bytes.NewReader(fixture(t, "transparent.png")), Options{Sizes: []Size{{Width: 200, Height: 200}}})
	if err != nil {
		t.Fatal(err)
	}
	p.header.Decoder = panicking{p.header.Decoder}
	_, err = p.Thumbnails(t.Context())
	corrupt, ok := errors.AsType[*CorruptError](err)
	if !ok || !strings.Contains(err.Error(), "index out of range") || !bytes.Contains(corrupt.Stack, []byte("panicking")) {
		t.Errorf("got %v, want a *CorruptError with value and stack", err)
	}
}

func TestOptionsReportEveryProblem(t *testing.T) {
	t.Parallel()
	_, err := Open(strings.NewReader(""), Options{
		Sizes: []Size{{Width: 0, Height: 5}, {Width: 200, Height: 200}, {Width: 200, Height: 200}}, Quality: 101, MaxPixels: -1, MaxBytes: -2, MemoryBytes: -3,
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"0x5", "named twice", "Quality: got 101", "MaxPixels: got -1", "MaxBytes: got -2", "MemoryBytes: got -3"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not tell of %s", err, want)
		}
	}
	if _, err := Open(strings.NewReader(""), Options{}); err == nil || !strings.Contains(err.Error(), "no sizes") {
		t.Errorf("got %v, want: no sizes", err)
	}
}
