package thumbnail

import (
	"bytes"
	"image"
	"image/color"
	"testing"

	"sluice/thumbnail/internal/testpicture"

	"sluice/thumbnail/internal/raster"
)

func TestProfilesOfRGB(t *testing.T) {
	t.Parallel()
	if newColourTransform(testpicture.SRGBProfile(), raster.RGB) != nil {
		t.Error("sRGB is converted to sRGB")
	}
	// Known pairs: colours that both spaces have.
	for _, tt := range []struct {
		name    string
		profile []byte
		in      [3]byte
		want    [3]byte
	}{
		{"P3 white", testpicture.P3Profile(), [3]byte{255, 255, 255}, [3]byte{255, 255, 255}},
		{"P3 black", testpicture.P3Profile(), [3]byte{0, 0, 0}, [3]byte{0, 0, 0}},
		{"P3 grey", testpicture.P3Profile(), [3]byte{128, 128, 128}, [3]byte{128, 128, 128}},
		{"P3 form of sRGB red", testpicture.P3Profile(), [3]byte{234, 51, 35}, [3]byte{255, 0, 0}},
		{"P3 form of sRGB green", testpicture.P3Profile(), [3]byte{117, 251, 76}, [3]byte{0, 255, 0}},
		{"P3 form of sRGB blue", testpicture.P3Profile(), [3]byte{0, 0, 245}, [3]byte{0, 0, 255}},
		{"P3 red is clipped", testpicture.P3Profile(), [3]byte{255, 0, 0}, [3]byte{255, 0, 0}},
		{"Adobe white", testpicture.AdobeProfile(), [3]byte{255, 255, 255}, [3]byte{255, 255, 255}},
		{"Adobe form of sRGB red", testpicture.AdobeProfile(), [3]byte{219, 0, 0}, [3]byte{255, 0, 0}},
		{"Adobe form of sRGB green", testpicture.AdobeProfile(), [3]byte{144, 255, 60}, [3]byte{0, 255, 0}},
		{"Adobe form of a blue", testpicture.AdobeProfile(), [3]byte{61, 96, 157}, [3]byte{32, 96, 160}},
	} {
		tr := newColourTransform(tt.profile, raster.RGB)
		if tr == nil {
			t.Fatalf("%s: the profile is not used", tt.name)
		}
		got := tr.convert([4]byte{tt.in[0], tt.in[1], tt.in[2]})
		for i := range got {
			// Where the curve is steep a byte of input is many of output.
			if testpicture.AbsDiff(got[i], tt.want[i]) > 12 || tt.want[i] > 0 && testpicture.AbsDiff(got[i], tt.want[i]) > 3 {
				t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
				break
			}
		}
	}
}

func TestProfilesOfCMYK(t *testing.T) {
	t.Parallel()
	for _, sixteen := range []bool{false, true} {
		profile := testpicture.Profile("CMYK", "Lab ", map[string][]byte{"A2B0": testpicture.CMYKTable(sixteen)})
		tr := newColourTransform(profile, raster.CMYK)
		if tr == nil {
			t.Fatal("the profile is not used")
		}
		for _, tt := range []struct{ black, want byte }{{0, 255}, {255, 0}, {128, 118}, {64, 185}} {
			got := tr.convert([4]byte{10, 20, 30, tt.black})
			for _, v := range got {
				if testpicture.AbsDiff(v, tt.want) > 2 {
					t.Errorf("sixteen bits %t, black %d: got %v, want grey %d", sixteen, tt.black, got, tt.want)
					break
				}
			}
		}
	}
}

func TestProfilesOfGrey(t *testing.T) {
	t.Parallel()
	linear := []byte("curv\x00\x00\x00\x00\x00\x00\x00\x00")
	tr := newColourTransform(testpicture.Profile("GRAY", "XYZ ", map[string][]byte{"kTRC": linear}), raster.Grey)
	if tr == nil {
		t.Fatal("the profile is not used")
	}
	for _, tt := range []struct{ in, want byte }{{0, 0}, {255, 255}, {55, 128}} {
		if got := tr.convert([4]byte{tt.in}); testpicture.AbsDiff(got[0], tt.want) > 1 {
			t.Errorf("%d: got %d, want %d", tt.in, got[0], tt.want)
		}
	}
}

func TestBadProfilesAreLeftOut(t *testing.T) {
	t.Parallel()
	good := testpicture.P3Profile()
	cmyk := testpicture.Profile("CMYK", "Lab ", map[string][]byte{"A2B0": testpicture.CMYKTable(true)})
	for n := range good {
		newColourTransform(good[:n], raster.RGB) // must not panic
	}
	for n := 0; n < len(cmyk); n += 3 {
		newColourTransform(cmyk[:n], raster.CMYK)
	}
	for i := range good {
		b := bytes.Clone(good)
		b[i] ^= 0xff
		if tr := newColourTransform(b, raster.RGB); tr != nil {
			tr.convert([4]byte{1, 128, 255})
		}
	}
	for i := range cmyk[:200] {
		b := bytes.Clone(cmyk)
		b[i] ^= 0xff
		if tr := newColourTransform(b, raster.CMYK); tr != nil {
			tr.convert([4]byte{1, 128, 255, 9})
		}
	}
	if newColourTransform(good, raster.Grey) != nil || newColourTransform(cmyk, raster.RGB) != nil {
		t.Error("a profile of another kind of picture is used")
	}
}

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

func TestPhotographsWithProfiles(t *testing.T) {
	t.Parallel()
	// p3.png shows colours that sRGB has not: what it holds must become more saturated, not stay.
	data := photo(t, "p3.png")
	p := onlySmall(t, data, Size{8, 8, false})
	plain, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if d := testpicture.MeanDifference(p, plain); d < 1 {
		t.Errorf("p3.png differs by %.2f from its numbers as they are: the profile was not applied", d)
	}

	// What Little CMS makes of some pixels, perceptual intent. The profile is U.S. Web Coated (SWOP) v2.
	img := onlySmall(t, photo(t, "Channel_digital_image_CMYK_color.jpg"), Size{500, 333, false})
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
