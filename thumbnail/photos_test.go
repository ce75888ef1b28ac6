package thumbnail

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"math"
	"testing"

	"sluice/thumbnail/internal/testpicture"
)

func TestPhotographsInEveryOrientation(t *testing.T) {
	t.Parallel()
	upright := map[string]image.Image{}
	for name, dim := range map[string][2]int{"Landscape": {901, 600}, "Portrait": {603, 900}} {
		upright[name] = testpicture.Camera(dim[0], dim[1], 3)
	}
	for name, img := range upright {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var files [8][]byte
			for i := range files {
				files[i] = testpicture.WithEXIF(testpicture.EncodeJPEG(testpicture.Turned(img, i+1)), i+1)
			}
			checkAlike(t, files)
			for i := range files {
				data, ok := photo(t, fmt.Sprintf("%s_%d.jpg", name, i+1))
				if !ok {
					return
				}
				files[i] = data
			}
			checkAlike(t, files)
		})
	}
}

// checkAlike expects the same thumbnail of a picture in its eight orientations.
func checkAlike(t *testing.T, files [8][]byte) {
	t.Helper()
	_, want := makeOne(t, files[0], "200x200")
	for i, data := range files[1:] {
		_, got := makeOne(t, data, "200x200")
		if d := testpicture.MeanDifference(got, want); d > 6 {
			t.Errorf("orientation %d differs by %.1f grey levels", i+2, d)
		}
	}
}

func TestOddPictures(t *testing.T) {
	t.Parallel()
	whole := camera(1500, 1001, testpicture.JPEGOptions{})
	faint := testpicture.Camera(300, 245, 8)
	for i, v := range faint.Y {
		faint.Y[i] = 100 + v/16
	}
	badHeader := bytes.Clone(whole)
	badHeader[bytes.Index(whole, []byte{0xff, 0xc0})+11] = 0 // the sampling of luma
	for _, tt := range []struct {
		file                    string
		made                    []byte
		kind, size, contentType string
	}{
		{"baseline", whole, "no error", "200x133", "image/jpeg"},
		{"progressive, turned", camera(1500, 1001, testpicture.JPEGOptions{Progressive: true, Orientation: 6}), "no error", "133x200", "image/jpeg"},
		{"low contrast", testpicture.JPEG(faint, testpicture.JPEGOptions{}), "no error", "200x163", "image/jpeg"},
		{"4:4:4", testpicture.JPEG(testpicture.FullChroma(faint), testpicture.JPEGOptions{}), "no error", "200x163", "image/jpeg"},
		{"P3", camera(640, 360, testpicture.JPEGOptions{Profile: testpicture.P3Profile()}), "no error", "200x113", "image/jpeg"},
		{"bad header", badHeader, "corrupt", "", ""},
		{"truncated", whole[:len(whole)*2/3], "corrupt", "", ""},
		{"16-bit-grey-alpha.png", nil, "no error", "109x96", "image/png"},
		{"2569067123_aca715a2ee_o.jpg", nil, "no error", "200x163", "image/jpeg"},
		{"4.webp", nil, "no error", "200x151", "image/jpeg"},
		{"5_webp_a.webp", nil, "no error", "200x200", "image/png"},
		{"Channel_digital_image_CMYK_color.jpg", nil, "no error", "200x133", "image/jpeg"},
		{"gain-map.jpg", nil, "no error", "200x113", "image/jpeg"},
		{"low-contrast.jpg", nil, "no error", "200x163", "image/jpeg"},
		{"p3.png", nil, "no error", "8x8", "image/jpeg"},
		{"rotating-squares.gif", nil, "no error", "80x80", "image/png"},
		{"tbgn2c16.png", nil, "no error", "32x32", "image/png"},
		{"corrupt-header.jpg", nil, "corrupt", "", ""},
		{"truncated.jpg", nil, "corrupt", "", ""},
	} {
		data := tt.made
		if data == nil {
			var ok bool
			if data, ok = photo(t, tt.file); !ok {
				continue
			}
		}
		t.Run(tt.file, func(t *testing.T) {
			t.Parallel()
			res, err := Make(t.Context(), bytes.NewReader(data), Options{Sizes: []Size{{Width: 200, Height: 200}}})
			if got := kindOf(err); got != tt.kind {
				t.Fatalf("got %s (%v), want %s", got, err, tt.kind)
			}
			if err != nil {
				return
			}
			got := res.Thumbnails[0]
			if size := fmt.Sprintf("%dx%d", got.Width, got.Height); size != tt.size || got.ContentType != tt.contentType {
				t.Errorf("got %s %s, want %s %s", size, got.ContentType, tt.size, tt.contentType)
			}
		})
	}
}

// lanczos is the reference, simple and slow: each pixel is a weighted mean of
// the source's pixels, in floating point, with weights by alpha, and edges cut
// off.
func lanczos(img image.Image, w, h int) *image.NRGBA {
	b := img.Bounds()
	weights := func(i, n, size int) (from int, ws []float64) {
		scale := float64(size) / float64(n)
		centre, support := (float64(i)+0.5)*scale, 3*max(scale, 1)
		from = max(0, int(math.Ceil(centre-support-0.5)))
		to := min(size-1, int(math.Floor(centre+support-0.5)))
		var sum float64
		for k := from; k <= to; k++ {
			x := (float64(k) + 0.5 - centre) / max(scale, 1)
			v := 1.0
			if x != 0 {
				v = math.Sin(math.Pi*x) / (math.Pi * x) * math.Sin(math.Pi*x/3) / (math.Pi * x / 3)
			}
			ws = append(ws, v)
			sum += v
		}
		for k := range ws {
			ws[k] /= sum
		}
		return from, ws
	}
	out := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		y0, wy := weights(y, h, b.Dy())
		for x := range w {
			x0, wx := weights(x, w, b.Dx())
			var sum [4]float64
			for j, fy := range wy {
				for i, fx := range wx {
					c := color.NRGBA64Model.Convert(img.At(b.Min.X+x0+i, b.Min.Y+y0+j)).(color.NRGBA64)
					a := fx * fy * float64(c.A)
					sum[0] += a * float64(c.R)
					sum[1] += a * float64(c.G)
					sum[2] += a * float64(c.B)
					sum[3] += a
				}
			}
			if sum[3] <= 0 {
				continue
			}
			byteOf := func(v float64) uint8 { return uint8(math.Round(min(max(v/257, 0), 255))) }
			out.SetNRGBA(x, y, color.NRGBA{byteOf(sum[0] / sum[3]), byteOf(sum[1] / sum[3]), byteOf(sum[2] / sum[3]), byteOf(sum[3])})
		}
	}
	return out
}

func TestThumbnailsMatchTheReference(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"transparent.png", "sixteen-bit.png", "grey.jpg", "orientation-1-upright.jpg"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			img, _, err := image.Decode(bytes.NewReader(fixture(t, file)))
			if err != nil {
				t.Fatal(err)
			}
			s := onlySmall(t, fixture(t, file), Size{Width: 60, Height: 60})
			// Averaging before the filter softens the hard edges of a letter a
			// little.
			if d := testpicture.MeanDifference(s, lanczos(img, 60, 40)); d > 1.2 {
				t.Errorf("differs by %.2f grey levels on average", d)
			}
		})
	}
}

// onlySmall returns a thumbnail before it is encoded.
func onlySmall(tb testing.TB, data []byte, s Size) image.Image {
	tb.Helper()
	p, err := Open(bytes.NewReader(data), Options{Sizes: []Size{s}})
	if err != nil {
		tb.Fatal(err)
	}
	images, err := p.Images(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return images[0]
}

// notUnderRace skips tests of whole photographs in floating point under the race
// detector, where they take ten times as long and use one goroutine.
func notUnderRace(t *testing.T) {
	t.Helper()
	if underRace {
		t.Skip("whole photographs in floating point: without the race detector")
	}
}
