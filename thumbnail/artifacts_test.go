package thumbnail

import (
	"bytes"
	"image"
	"image/draw"
	"image/jpeg"
	"os"
	"path/filepath"
	"testing"

	"sluice/thumbnail/internal/testpicture"
)

// noPictures are files of the photographs' folder that are not valid pictures.
var noPictures = map[string]bool{"corrupt-header.jpg": true, "truncated.jpg": true}

// TestContactSheet writes all thumbnails of testdata/images to one sheet, and of
// the photographs to another, for review:
//
//	go test ./thumbnail -run ContactSheet -artifacts -outputdir /tmp
func TestContactSheet(t *testing.T) {
	t.Parallel()
	if underRace {
		t.Skip("sheets are for the eye, and the race detector sees the same code in other tests")
	}
	for name, dir := range map[string]string{"images.png": imagesDir, "photos.png": photosDir} {
		files, err := filepath.Glob(filepath.Join(dir, "*.[gjpw]*"))
		if err != nil {
			t.Fatal(err)
		}
		var pictures []image.Image
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			res, err := Make(t.Context(), bytes.NewReader(data), Options{Sizes: []Size{{Width: 160, Height: 160}, {Width: 160, Height: 160, Fill: true}}, SmartCrop: true})
			if bad := noPictures[filepath.Base(f)]; (err != nil) != bad {
				t.Errorf("%s: got %v, want an error: %t", f, err, bad)
			}
			if err != nil {
				continue
			}
			for _, thumb := range res.Thumbnails {
				img, _, err := image.Decode(bytes.NewReader(thumb.Data))
				if err != nil {
					t.Fatalf("%s: %v", f, err)
				}
				pictures = append(pictures, img)
			}
		}
		if len(pictures) == 0 {
			continue // the photographs are not part of the project
		}
		if err := os.WriteFile(filepath.Join(t.ArtifactDir(), name), testpicture.EncodePNG(sheet(pictures, 172, 10)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// sheetFile is the sheet that README.md shows.
const sheetFile = "testdata/sheet.jpg"

// TestReadmesSheet makes the sheet from testdata/images; -update writes it.
func TestReadmesSheet(t *testing.T) {
	t.Parallel()
	orientations, err := filepath.Glob(filepath.Join(imagesDir, "orientation-*.jpg"))
	if err != nil || len(orientations) != 8 {
		t.Fatalf("%d orientations, %v", len(orientations), err)
	}
	var pictures []image.Image
	add := func(file string) {
		_, img := makeOne(t, fixture(t, file), "120x120")
		pictures = append(pictures, img)
	}
	for _, f := range orientations {
		add(filepath.Base(f))
	}
	for _, f := range []string{"cmyk.jpg", "display-p3.png", "gain-map.jpg", "sixteen-bit.png", "transparent.png", "lossless.webp", "transparent.webp", "grey.jpg"} {
		add(f)
	}
	for _, f := range composited(animate(t, fixture(t, "animated.gif"), Options{Sizes: []Size{{Width: 120, Height: 120}}, MaxFrames: 10})) {
		pictures = append(pictures, f)
	}
	for _, f := range []string{"animated.webp", "lossy.webp", "progressive.jpg", "known-colours.webp"} {
		add(f)
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, testpicture.Opaque(sheet(pictures, 132, 8)), &jpeg.Options{Quality: 80}); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(sheetFile, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(sheetFile)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) > 120<<10 {
		t.Errorf("%s has %d bytes", sheetFile, len(got))
	}
	if !sameFile(got, out.Bytes()) {
		t.Errorf("%s differs from the sheet that this test makes: run it with -update, and review the file", sheetFile)
	}
}

// sheet arranges pictures on a chequered background, which shows through
// transparent parts.
func sheet(pictures []image.Image, cell, columns int) *image.NRGBA {
	out := image.NewNRGBA(image.Rect(0, 0, cell*columns, cell*((len(pictures)+columns-1)/columns)))
	for i := range out.Pix {
		x, y := i/4%out.Rect.Dx(), i/4/out.Rect.Dx()
		out.Pix[i] = byte(170 + (x/8+y/8)%2*40)
		if i%4 == 3 {
			out.Pix[i] = 255
		}
	}
	for i, img := range pictures {
		at := image.Pt(i%columns*cell+6, i/columns*cell+6)
		r := image.Rectangle{Min: at, Max: at.Add(img.Bounds().Size())}
		draw.Draw(out, r, img, img.Bounds().Min, draw.Over)
	}
	return out
}
