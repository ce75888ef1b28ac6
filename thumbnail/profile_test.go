package thumbnail

import (
	"bytes"
	"image"
	"image/color"
	"math"
	"testing"

	"sluice/thumbnail/internal/testpicture"
)

func TestWideGamutPicturesComeOutInSRGB(t *testing.T) {
	t.Parallel()
	picture := image.NewNRGBA(image.Rect(0, 0, 64, 64))
	for i := range picture.Pix {
		picture.Pix[i] = []byte{117, 251, 76, 255}[i%4]
	}
	profile := testpicture.P3Profile()
	part := "ICC_PROFILE\x00\x01\x01" + string(profile)
	files := map[string][]byte{
		"JPEG": testpicture.WithSegment(testpicture.EncodeJPEG(testpicture.Opaque(picture)), 0xe2, part),
		"PNG":  testpicture.WithPNGChunk(testpicture.EncodePNG(picture), "iCCP", append([]byte("P3\x00\x00"), testpicture.Deflate(profile)...), false),
	}
	half := image.NewNRGBA(picture.Rect)
	copy(half.Pix, picture.Pix)
	for i := 3; i < len(half.Pix); i += 4 {
		half.Pix[i] = 128
	}
	files["PNG, half transparent"] = testpicture.WithPNGChunk(testpicture.EncodePNG(half), "iCCP", append([]byte("P3\x00\x00"), testpicture.Deflate(profile)...), false)
	for name, data := range files {
		_, img := makeOne(t, data, "20x20")
		got := color.NRGBAModel.Convert(img.At(10, 10)).(color.NRGBA)
		if testpicture.AbsDiff(got.R, 0) > 20 || testpicture.AbsDiff(got.G, 255) > 4 || testpicture.AbsDiff(got.B, 0) > 24 {
			t.Errorf("%s: got %v, want sRGB's green", name, got)
		}
	}
}

// Profiles are applied to pictures of many colours.
func TestPicturesWithProfiles(t *testing.T) {
	t.Parallel()
	// Numbers of Display P3 become more saturated in sRGB, they do not stay.
	plain := testpicture.RGB(testpicture.Camera(160, 120, 2))
	file := testpicture.EncodePNG(plain)
	converted := onlySmall(t, testpicture.WithPNGProfile(file, testpicture.P3Profile()), Size{Width: 160, Height: 120})
	if d := testpicture.MeanDifference(converted, plain); d < 1 {
		t.Errorf("Display P3 differs by %.2f from its numbers as they are: the profile was not applied", d)
	}
	if d := testpicture.MeanDifference(onlySmall(t, testpicture.WithPNGProfile(file, testpicture.SRGBProfile()), Size{Width: 160, Height: 120}), plain); d > 0.5 {
		t.Errorf("sRGB differs by %.2f from its numbers as they are", d)
	}
	// By this profile only black ink shows, and the picture has none.
	cmyk := testpicture.WithSegment(fixture(t, "cmyk.jpg"), 0xe2, "ICC_PROFILE\x00\x01\x01"+string(testpicture.CMYKProfile(true)))
	inks := onlySmall(t, cmyk, Size{Width: 120, Height: 80})
	for _, at := range []image.Point{{5, 5}, {60, 40}, {100, 70}} {
		if got := inks.At(at.X, at.Y); !testpicture.Near(got, color.NRGBA{255, 255, 255, 255}, 3) {
			t.Errorf("CMYK at %v: got %v, want white", at, got)
		}
	}
	checkProfiledPhotographs(t)
}

func checkProfiledPhotographs(t *testing.T) {
	t.Helper()
	data, ok := photo(t, "p3.png")
	inks, okInks := photo(t, "Channel_digital_image_CMYK_color.jpg")
	if !ok || !okInks {
		return
	}
	p := onlySmall(t, data, Size{Width: 8, Height: 8})
	plain, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if d := testpicture.MeanDifference(p, plain); d < 1 {
		t.Errorf("p3.png differs by %.2f from its numbers as they are: the profile was not applied", d)
	}

	// Results of Little CMS for some pixels, with perceptual intent. The profile
	// is U.S. Web Coated (SWOP) v2.
	img := onlySmall(t, inks, Size{Width: 500, Height: 333})
	for _, tt := range []struct {
		x, y int
		want color.NRGBA
	}{
		{50, 50, color.NRGBA{153, 147, 144, 255}},
		{250, 166, color.NRGBA{169, 185, 139, 255}},
		{400, 300, color.NRGBA{132, 137, 144, 255}},
		{100, 250, color.NRGBA{30, 64, 30, 255}},
	} {
		if got := img.At(tt.x, tt.y); !testpicture.Near(got, tt.want, 3) {
			t.Errorf("CMYK at %d,%d: got %v, want %v", tt.x, tt.y, got, tt.want)
		}
	}
}

// Colours that sRGB has, so that nothing is clipped.
func TestWideGamutColoursInsideSRGBAreExact(t *testing.T) {
	t.Parallel()
	for _, space := range []struct {
		name    string
		profile []byte
		decode  func(float64) float64
		matrix  [3][3]float64
	}{
		{"Display P3", testpicture.P3Profile(), testpicture.SRGBToLinear, testpicture.P3ToSRGB},
		{"Adobe RGB", testpicture.AdobeProfile(), func(v float64) float64 { return math.Pow(v, 563.0/256) }, testpicture.AdobeToSRGB},
	} {
		for _, in := range [][3]byte{{180, 120, 90}, {90, 140, 170}, {120, 160, 100}, {210, 170, 190}, {60, 70, 50}} {
			picture := image.NewNRGBA(image.Rect(0, 0, 64, 64))
			for i := 0; i < len(picture.Pix); i += 4 {
				copy(picture.Pix[i:], []byte{in[0], in[1], in[2], 255})
			}
			want := testpicture.WideToSRGB(in, space.decode, space.matrix)
			if testpicture.Near(want, color.NRGBA{in[0], in[1], in[2], 255}, 2) {
				t.Errorf("%s: %v is hardly another colour in sRGB, and proves nothing", space.name, in)
			}
			for name, data := range map[string][]byte{
				"JPEG": testpicture.WithSegment(testpicture.EncodeJPEG(testpicture.Opaque(picture)), 0xe2, "ICC_PROFILE\x00\x01\x01"+string(space.profile)),
				"PNG":  testpicture.WithPNGChunk(testpicture.EncodePNG(picture), "iCCP", append([]byte("p\x00\x00"), testpicture.Deflate(space.profile)...), false),
			} {
				// JPEG rounds to luma and chroma on the way in.
				tolerance := map[string]float64{"JPEG": 4, "PNG": 1}[name]
				if got := onlySmall(t, data, Size{Width: 20, Height: 20}).At(10, 10); !testpicture.Near(got, want, tolerance) {
					t.Errorf("%s as %s: %v became %v, want %v", space.name, name, in, got, want)
				}
			}
		}
	}
}
