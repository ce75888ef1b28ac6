package thumbnail

import (
	"bytes"
	"image"
	"image/color"
	"path/filepath"
	"testing"
	"time"

	"github.com/disintegration/imaging"

	"sluice/thumbnail/internal/testpicture"

	"sluice/thumbnail/internal/exif"
)

// imaging decodes and resizes whole pictures, so it is the reference here: most
// Go programs use it.
func TestThumbnailsAgainstImaging(t *testing.T) {
	t.Parallel()
	turns := map[exif.Orientation]func(image.Image) *image.NRGBA{
		1: imaging.Clone, 2: imaging.FlipH, 3: imaging.Rotate180, 4: imaging.FlipV,
		5: imaging.Transpose, 6: imaging.Rotate270, 7: imaging.Transverse, 8: imaging.Rotate90,
	}
	files, err := filepath.Glob(filepath.Join(imagesDir, "orientation-*.jpg"))
	if err != nil || len(files) != len(turns) {
		t.Fatalf("%d orientations, %v", len(files), err)
	}
	for i, f := range files {
		data := fixture(t, filepath.Base(f))
		img, _, err := image.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		upright := turns[exif.Orientation(i+1)](img)
		for _, tt := range []struct {
			size Size
			want image.Image
		}{
			{Size{Width: 120, Height: 120}, imaging.Resize(upright, 120, 80, imaging.Lanczos)},
			{Size{Width: 90, Height: 90, Fill: true}, imaging.Fill(upright, 90, 90, imaging.Center, imaging.Lanczos)},
		} {
			if d := testpicture.MeanDifference(onlySmall(t, data, tt.size), tt.want); d > 1 {
				t.Errorf("%s at %s differs by %.2f grey levels from imaging's", filepath.Base(f), tt.size, d)
			}
		}
	}
}

// The filter works on the stored values. This test records the effect that
// linear light would have: small for a photograph, and large for the finest
// stripes, which are rare in photographs.
func TestGammaAndLinearLight(t *testing.T) {
	t.Parallel()
	notUnderRace(t)
	stripes := image.NewNRGBA(image.Rect(0, 0, 160, 120))
	for i := range stripes.Pix {
		stripes.Pix[i] = byte(255 * (i / 4 % 2))
		if i%4 == 3 {
			stripes.Pix[i] = 255
		}
	}
	if got := onlySmall(t, testpicture.EncodePNG(stripes), Size{Width: 40, Height: 40}).At(20, 20); !testpicture.Near(got, color.NRGBA{128, 128, 128, 255}, 3) {
		t.Errorf("black and white stripes become %v, want the mean of the stored values", got)
	}
	if got := lanczos(linearLight(stripes), 40, 30).At(20, 15); !testpicture.Near(storedLight(got), color.NRGBA{188, 188, 188, 255}, 3) {
		t.Errorf("in linear light they become %v, want 188", storedLight(got))
	}
	source, ok := photo(t, "2569067123_aca715a2ee_o.jpg")
	if !ok {
		source = camera(1800, 1476, testpicture.JPEGOptions{})
	}
	large := onlySmall(t, source, Size{Width: 600, Height: 600})
	start := time.Now()
	light := linearLight(large)
	took := time.Since(start)
	stored, linear := lanczos(large, 100, 82), lanczos(light, 100, 82)
	for i := 0; i < len(linear.Pix); i += 4 {
		c := storedLight(color.NRGBA{linear.Pix[i], linear.Pix[i+1], linear.Pix[i+2], 255})
		copy(linear.Pix[i:], []byte{c.R, c.G, c.B})
	}
	d := testpicture.MeanDifference(stored, linear) / 3 * 4 // alpha is the same
	t.Logf("a photograph differs by %.2f grey levels; %d pixels took %v to be converted", d, large.Bounds().Dx()*large.Bounds().Dy(), took)
	if d > 6 {
		t.Errorf("a photograph differs by %.2f grey levels in linear light", d)
	}
}

// linearLight gives the light of each pixel.
func linearLight(img image.Image) *image.NRGBA64 {
	b := img.Bounds()
	out := image.NewNRGBA64(b)
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			r, g, bl, _ := img.At(x, y).RGBA()
			light := func(v uint32) uint16 { return uint16(testpicture.SRGBToLinear(float64(v)/65535)*65535 + 0.5) }
			out.SetNRGBA64(x, y, color.NRGBA64{light(r), light(g), light(bl), 65535})
		}
	}
	return out
}

// storedLight is the way back, of bytes.
func storedLight(c color.Color) color.NRGBA {
	n := color.NRGBAModel.Convert(c).(color.NRGBA)
	encode := func(v uint8) uint8 { return uint8(255*testpicture.LinearToSRGB(float64(v)/255) + 0.5) }
	return color.NRGBA{encode(n.R), encode(n.G), encode(n.B), n.A}
}
