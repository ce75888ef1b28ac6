package thumbnail

import (
	"bytes"
	"encoding/binary"
	"go/ast"
	"go/parser"
	"go/token"
	"image"
	"image/color"
	"image/gif"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/disintegration/imaging"

	"sluice/thumbnail/internal/testpicture"
)

// nineFields has a colour of its own in each of nine fields, 90 x 60 each.
func nineFields() *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, 270, 180))
	for i := range 270 * 180 {
		copy(img.Pix[4*i:], []byte{byte(40 + i%270/90*80), byte(40 + i/270/60*80), 100, 255})
	}
	return img
}

func TestEveryGravityIsThatOfImaging(t *testing.T) {
	t.Parallel()
	img := nineFields()
	for gravity, anchor := range map[Gravity]imaging.Anchor{
		Center: imaging.Center, TopLeft: imaging.TopLeft, Top: imaging.Top, TopRight: imaging.TopRight, Left: imaging.Left,
		Right: imaging.Right, BottomLeft: imaging.BottomLeft, Bottom: imaging.Bottom, BottomRight: imaging.BottomRight,
	} {
		for _, dim := range [][2]int{{60, 60}, {100, 30}, {20, 90}, {30, 30}} {
			size := Size{Width: dim[0], Height: dim[1], Fill: true, Gravity: gravity}
			want := imaging.Fill(img, dim[0], dim[1], anchor, imaging.Lanczos)
			for o := 1; o <= 8; o++ {
				// Stored in every orientation; the gravity is that of the
				// upright picture.
				data := testpicture.WithPNGChunk(testpicture.EncodePNG(testpicture.Turned(img, o)), "eXIf", testpicture.EXIF(o, binary.BigEndian), o%2 == 0)
				got := onlySmall(t, data, size)
				if got.Bounds().Size() != want.Rect.Size() {
					t.Errorf("%s, orientation %d: got %v, want %v", size, o, got.Bounds().Size(), want.Rect.Size())
				} else if d := testpicture.MeanDifference(got, want); d > 2.5 {
					t.Errorf("%s, orientation %d: differs by %.2f grey levels from imaging's", size, o, d)
				}
			}
		}
	}
}

func TestGravityOverridesSmartCrop(t *testing.T) {
	t.Parallel()
	data := plainWith(300, 100, image.Rect(250, 20, 290, 80), func(x, y int) color.NRGBA { return color.NRGBA{byte(x * 40), byte(y * 70), 0, 255} })
	for _, gravity := range []Gravity{"", Center, Left} {
		res, err := Make(t.Context(), bytes.NewReader(data), Options{Sizes: []Size{{Width: 50, Height: 50, Fill: true, Gravity: gravity}}, SmartCrop: true})
		if err != nil {
			t.Fatal(err)
		}
		img, _, err := image.Decode(bytes.NewReader(res.Thumbnails[0].Data))
		if err != nil {
			t.Fatal(err)
		}
		if holds(img) != (gravity == "") {
			t.Errorf("gravity %q: shows the detail on the right: %t", gravity, holds(img))
		}
	}
}

// at decodes a thumbnail of one size and returns it with its content type.
func at(t *testing.T, data []byte, size string) (image.Image, string) {
	t.Helper()
	res, img := makeOne(t, data, size)
	thumb := res.Thumbnails[0]
	if b := img.Bounds().Size(); thumb.Width != b.X || thumb.Height != b.Y {
		t.Errorf("%s: the data is %v, the thumbnail says %dx%d", size, b, thumb.Width, thumb.Height)
	}
	return img, thumb.ContentType
}

func TestPaddedBoxes(t *testing.T) {
	t.Parallel()
	opaque := testpicture.EncodeJPEG(testpicture.Opaque(testpicture.Letter(testpicture.Paper)))
	clear := testpicture.EncodePNG(testpicture.Letter(color.NRGBA{}))
	tiny := testpicture.EncodePNG(testpicture.Opaque(testpicture.Letter(testpicture.Paper).SubImage(image.Rect(0, 0, 20, 10)).(*image.NRGBA)))
	white, teal, none := color.NRGBA{255, 255, 255, 255}, color.NRGBA{0, 128, 128, 255}, color.NRGBA{}
	for _, tt := range []struct {
		name, size, contentType string
		data                    []byte
		w, h                    int
		border, inside          color.NRGBA // at the top, and in a gap of the letter
	}{
		{"white in a JPEG", "200x200:pad", "image/jpeg", opaque, 200, 200, white, testpicture.Paper},
		{"a colour in a JPEG", "200x200:pad:008080", "image/jpeg", opaque, 200, 200, teal, testpicture.Paper},
		{"capital digits", "200x200:pad:FFFFFF", "image/jpeg", opaque, 200, 200, white, testpicture.Paper},
		{"transparent in a PNG", "200x200:pad", "image/png", clear, 200, 200, none, none},
		{"a colour behind a transparent picture", "200x200:pad:008080", "image/jpeg", clear, 200, 200, teal, teal},
		{"sharpened", "200x200:pad:008080:sharpen", "image/jpeg", opaque, 200, 200, teal, testpicture.Paper},
		{"a box that the picture does not reach", "100x90:pad", "image/jpeg", tiny, 100, 90, white, white},
		{"a long thin box", "300x5:pad:008080", "image/jpeg", opaque, 300, 5, teal, teal},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			img, contentType := at(t, tt.data, tt.size)
			if contentType != tt.contentType || img.Bounds().Size() != (image.Point{tt.w, tt.h}) {
				t.Errorf("got %s of %v, want %s of %dx%d", contentType, img.Bounds().Size(), tt.contentType, tt.w, tt.h)
			}
			if got := img.At(1, 1); !testpicture.Near(got, tt.border, 6) {
				t.Errorf("border: got %v, want %v", got, tt.border)
			}
			if tt.w == 200 {
				// (260, 240) of the letter is beside its stem.
				if got := img.At(260*200/480, 33+240*133/320); !testpicture.Near(got, tt.inside, 12) {
					t.Errorf("inside: got %v, want %v", got, tt.inside)
				}
				if got := img.At(200*200/480, 33+240*133/320); !testpicture.Near(got, testpicture.Ink, 16) {
					t.Errorf("stem: got %v, want %v", got, testpicture.Ink)
				}
			}
		})
	}
}

// All thumbnails of a picture have one format; a padded box follows it.
func TestPaddedBoxesBesideOtherSizes(t *testing.T) {
	t.Parallel()
	sizes, err := ParseSizes("50x50, 60x60:pad, 60x60:pad:ffffff")
	if err != nil {
		t.Fatal(err)
	}
	res, err := Make(t.Context(), bytes.NewReader(testpicture.EncodePNG(testpicture.Letter(color.NRGBA{}))), Options{Sizes: sizes})
	if err != nil {
		t.Fatal(err)
	}
	for i, wantAlpha := range []uint32{0, 0, 0xffff} {
		img, _, err := image.Decode(bytes.NewReader(res.Thumbnails[i].Data))
		if err != nil || res.Thumbnails[i].Ext != "png" {
			t.Fatalf("%s: %v, %s", sizes[i], err, res.Thumbnails[i].Ext)
		}
		// The upper left corner of the border, or for the first size the gap
		// of the letter.
		x, y := 1, 1
		if i == 0 {
			x, y = 27, 25
		}
		if _, _, _, a := img.At(x, y).RGBA(); a != wantAlpha {
			t.Errorf("%s: alpha is %d, want %d", sizes[i], a, wantAlpha)
		}
	}
}

func TestSharpenRaisesContrastAndKeepsFlatParts(t *testing.T) {
	t.Parallel()
	data := testpicture.JPEG(testpicture.Camera(900, 600, 4), testpicture.JPEGOptions{})
	contrast := func(size string) float64 {
		s, err := ParseSize(size)
		if err != nil {
			t.Fatal(err)
		}
		img := onlySmall(t, data, s).(*image.NRGBA)
		sum := 0.0
		for i := 4; i < len(img.Pix); i += 4 {
			sum += testpicture.AbsDiff(img.Pix[i-4], img.Pix[i])
		}
		return sum
	}
	for _, size := range []string{"150x150", "100x100:fill", "100x100:fill:left"} {
		plain, sharp := contrast(size), contrast(size+":sharpen")
		if sharp < 1.05*plain || sharp > 2*plain {
			t.Errorf("%s: contrast is %.0f, sharpened %.0f", size, plain, sharp)
		}
	}
	flat := image.NewNRGBA(image.Rect(0, 0, 300, 300))
	for i := range flat.Pix {
		flat.Pix[i] = []byte{120, 130, 140, 255}[i%4]
	}
	if got := onlySmall(t, testpicture.EncodePNG(flat), Size{Width: 50, Height: 50, Sharpen: true}); testpicture.MeanDifference(got, flat.SubImage(image.Rect(0, 0, 50, 50))) > 0.5 {
		t.Errorf("a flat picture becomes %v", got.At(25, 25))
	}
}

func TestGreyStaysGreyWhenFinished(t *testing.T) {
	t.Parallel()
	for size, grey := range map[string]bool{
		"100x100:sharpen": true, "100x100:fill:top": true, "100x100:pad": true, "100x100:pad:808080": true, "100x100:pad:ff0000": false,
	} {
		img, _ := at(t, fixture(t, "grey.jpg"), size)
		if _, got := img.(*image.Gray); got != grey {
			t.Errorf("%s: got %T, want one channel: %t", size, img, grey)
		}
	}
}

// Each frame of an animation is cropped, sharpened and padded alike.
func TestAnimationsAreFinishedFrameByFrame(t *testing.T) {
	t.Parallel()
	sizes, err := ParseSizes("40x40:pad, 40x40:pad:008080, 20x20:fill:bottomright, 30x30:sharpen")
	if err != nil {
		t.Fatal(err)
	}
	in := movingGIF()
	res, err := Make(t.Context(), bytes.NewReader(testpicture.EncodeGIF(in)), Options{Sizes: sizes, MaxFrames: 10})
	if err != nil {
		t.Fatal(err)
	}
	want := composited(in)
	for i, dim := range []image.Point{{40, 40}, {40, 40}, {20, 20}, {30, 23}} {
		out, err := gif.DecodeAll(bytes.NewReader(res.Thumbnails[i].Data))
		if err != nil {
			t.Fatal(err)
		}
		frames := composited(out)
		if len(frames) != len(want) || frames[0].Rect.Size() != dim {
			t.Fatalf("%s: got %d frames of %v, want %d of %v", sizes[i], len(frames), frames[0].Rect.Size(), len(want), dim)
		}
		for n, f := range frames {
			switch i {
			case 0:
				if !testpicture.Near(f.At(20, 2), color.NRGBA{}, 0) {
					t.Errorf("%s, frame %d: border is %v, want none", sizes[i], n, f.At(20, 2))
				}
			case 1:
				if !testpicture.Near(f.At(20, 2), color.NRGBA{0, 128, 128, 255}, 8) {
					t.Errorf("%s, frame %d: border is %v", sizes[i], n, f.At(20, 2))
				}
			case 2:
				// The lower right 48 x 48 of 64 x 48.
				if !testpicture.Near(f.At(18, 18), want[n].NRGBAAt(16+18*48/20, 18*48/20), 3) {
					t.Errorf("%s, frame %d: got %v at the lower right, want %v", sizes[i], n, f.At(18, 18), want[n].NRGBAAt(59, 43))
				}
			}
		}
	}
}

func TestTinyPicturesTakeEverySize(t *testing.T) {
	t.Parallel()
	sizes, err := ParseSizes("9x5:fill:topleft, 9x5:fill:right:sharpen, 9x5:pad, 9x5:pad:00ff00:sharpen, 9x5:sharpen, 8192x1:fill:top, 1x1:pad")
	if err != nil {
		t.Fatal(err)
	}
	for _, dim := range [][2]int{{1, 1}, {1, 40}, {40, 1}, {2, 3}, {10, 10}} {
		img := image.NewNRGBA(image.Rect(0, 0, dim[0], dim[1]))
		for i := range img.Pix {
			img.Pix[i] = byte(i*37) | map[bool]byte{true: 255}[i%4 == 3]
		}
		for name, data := range map[string][]byte{"PNG": testpicture.EncodePNG(img), "JPEG": testpicture.EncodeJPEG(img)} {
			res, err := Make(t.Context(), bytes.NewReader(data), Options{Sizes: sizes})
			if err != nil {
				t.Fatalf("%s of %v: %v", name, dim, err)
			}
			for i, thumb := range res.Thumbnails {
				w, h := sizes[i].Of(dim[0], dim[1])
				if c, _, err := image.DecodeConfig(bytes.NewReader(thumb.Data)); err != nil || c.Width != w || c.Height != h || thumb.Width != w || thumb.Height != h {
					t.Errorf("%s of %v at %s: got %dx%d, data of %dx%d, %v, want %dx%d", name, dim, sizes[i], thumb.Width, thumb.Height, c.Width, c.Height, err, w, h)
				}
			}
		}
	}
}

// imaging and image.Decode pass untrusted input to decoders without limits, such
// as those of TIFF and BMP. Only the commands under bench use them, to measure
// them.
func TestUntrustedInputNeverReachesOtherDecoders(t *testing.T) {
	t.Parallel()
	forbidden := map[string][]string{
		"github.com/disintegration/imaging": {"Open", "Decode"},
		"image":                             {"Decode", "DecodeConfig"},
	}
	files := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && (name == "bench" || name == "testpicture" || strings.HasPrefix(name, ".") && name != "..") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		files++
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		names := map[string][]string{}
		for _, spec := range f.Imports {
			importPath := strings.Trim(spec.Path.Value, `"`)
			name := importPath[strings.LastIndexByte(importPath, '/')+1:]
			if spec.Name != nil {
				name = spec.Name.Name
			}
			names[name] = forbidden[importPath]
		}
		ast.Inspect(f, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			pkg, ok := sel.X.(*ast.Ident)
			if !ok {
				return true
			}
			for _, name := range names[pkg.Name] {
				if sel.Sel.Name == name {
					t.Errorf("%s uses %s.%s", path, pkg.Name, name)
				}
			}
			return true
		})
		return nil
	})
	if err != nil || files < 100 {
		t.Fatalf("%d files were read, %v", files, err)
	}
}
