package thumbnail

import (
	"bytes"
	"image"
	"image/draw"
	"os"
	"path/filepath"
	"testing"
)

// noPictures are the photographs that are no good ones.
var noPictures = map[string]bool{"corrupt-header.jpg": true, "truncated.jpg": true}

// TestContactSheet puts all thumbnails of testdata/images on one sheet, and of the photographs on another, to be looked at:
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
			res, err := Make(t.Context(), bytes.NewReader(data), Options{Sizes: []Size{{160, 160, false}, {160, 160, true}}, SmartCrop: true})
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
		if err := os.WriteFile(filepath.Join(t.ArtifactDir(), name), mustPNG(sheet(pictures)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// sheet lays pictures out on a chequered ground, which shows what is transparent.
func sheet(pictures []image.Image) *image.NRGBA {
	const cell, columns = 172, 10
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
