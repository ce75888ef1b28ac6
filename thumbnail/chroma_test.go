package thumbnail

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/thumbnail/internal/testpicture"

	"sluice/thumbnail/internal/jpegenc"

	"sluice/thumbnail/internal/colour"
)

// redLines draws lines that are k pixels wide, and one pixel in the thumbnail.
func redLines(k int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, 200*k, 150*k))
	draw.Draw(img, img.Rect, image.White, image.Point{}, draw.Src)
	for x := 11; x < 200; x += 20 {
		draw.Draw(img, image.Rect(x*k, 0, (x+1)*k, 150*k), image.NewUniform(color.NRGBA{255, 0, 0, 255}), image.Point{}, draw.Src)
	}
	return img
}

func chromaSampling(t *testing.T, data []byte) (*image.YCbCr, image.YCbCrSubsampleRatio) {
	t.Helper()
	res, img := makeOne(t, data, "200x200")
	ycc, ok := img.(*image.YCbCr)
	if !ok {
		t.Fatalf("got %T (%s)", img, res.Thumbnails[0].ContentType)
	}
	return ycc, ycc.SubsampleRatio
}

func TestGraphicsKeepTheirChroma(t *testing.T) {
	t.Parallel()
	full := image.NewYCbCr(image.Rect(0, 0, 1600, 1200), image.YCbCrSubsampleRatio444)
	lines := redLines(8)
	for i := range full.Y {
		p := lines.Pix[4*i:]
		full.Y[i], full.Cb[i], full.Cr[i] = color.RGBToYCbCr(p[0], p[1], p[2])
	}
	for name, data := range map[string][]byte{
		"PNG": testpicture.EncodePNG(redLines(1)), "PNG, reduced": testpicture.EncodePNG(redLines(4)), "JPEG of full chroma, 1/8": fullChromaJPEG(t, full),
	} {
		img, ratio := chromaSampling(t, data)
		if ratio != image.YCbCrSubsampleRatio444 {
			t.Errorf("%s: got %v, want 4:4:4", name, ratio)
		}
		if r, g, b, _ := img.At(111, 75).RGBA(); r>>8 < 200 || g>>8 > 60 || b>>8 > 60 {
			t.Errorf("%s: a red line is %v", name, color.NRGBAModel.Convert(img.At(111, 75)))
		}
	}
}

// fullChromaJPEG encodes at 4:4:4 by jpegenc: image/jpeg always halves chroma.
func fullChromaJPEG(t *testing.T, img *image.YCbCr) []byte {
	t.Helper()
	p := &jpegenc.Picture{W: img.Rect.Dx(), H: img.Rect.Dy(), Planes: [][]byte{img.Y, img.Cb, img.Cr}}
	return jpegenc.Encode(p, 90)
}

func TestPhotographsHaveHalfTheirChroma(t *testing.T) {
	t.Parallel()
	notUnderRace(t)
	pictures := map[string][]byte{}
	for seed := range uint64(3) {
		pictures[fmt.Sprintf("made %d", seed)] = testpicture.JPEG(testpicture.Camera(1600, 1067, seed), testpicture.JPEGOptions{})
	}
	files, err := filepath.Glob(filepath.Join(photosDir, "*.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if name := filepath.Base(f); noPictures[name] || strings.HasPrefix(name, "camera") || strings.ContainsAny(name, "_") && !strings.Contains(name, "_1.") {
			continue
		}
		if pictures[f], err = os.ReadFile(f); err != nil {
			t.Fatal(err)
		}
	}
	for f, data := range pictures {
		if _, ratio := chromaSampling(t, data); ratio != image.YCbCrSubsampleRatio420 {
			t.Errorf("%s: got %v, want 4:2:0", f, ratio)
		}
		// The same picture as PNG, and as JPEG of full chroma.
		img := onlySmall(t, data, Size{Width: 800, Height: 800})
		if n := hardShareOf(onlySmall(t, data, Size{Width: 200, Height: 200})); n > 0.001 {
			t.Errorf("%s: %.3f %% of its pixels are hard, which is near the threshold", f, 100*n)
		} else {
			t.Logf("%s: %.4f %%", f, 100*n)
		}
		if _, ratio := chromaSampling(t, testpicture.EncodePNG(img)); ratio != image.YCbCrSubsampleRatio420 {
			t.Errorf("%s as PNG: got %v, want 4:2:0", f, ratio)
		}
		full := image.NewYCbCr(img.Bounds(), image.YCbCrSubsampleRatio444)
		for i := range full.Y {
			r, g, b, _ := img.At(i%full.YStride, i/full.YStride).RGBA()
			full.Y[i], full.Cb[i], full.Cr[i] = color.RGBToYCbCr(byte(r>>8), byte(g>>8), byte(b>>8))
		}
		if _, ratio := chromaSampling(t, fullChromaJPEG(t, full)); ratio != image.YCbCrSubsampleRatio420 {
			t.Errorf("%s as JPEG of full chroma: got %v, want 4:2:0", f, ratio)
		}
	}
}

// hardShareOf is the share of a picture's pixels that are far from the mean of
// their group of four.
func hardShareOf(img image.Image) float64 {
	b := img.Bounds()
	w, h, planes := b.Dx(), b.Dy(), make([][]byte, 3)
	for i := range w * h {
		r, g, b, _ := img.At(i%w, i/w).RGBA()
		for c, v := range []uint32{r, g, b} {
			planes[c] = append(planes[c], byte(v>>8))
		}
	}
	return float64(colour.CountHard(planes, w, h)) / float64(w*h)
}
