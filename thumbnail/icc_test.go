package thumbnail

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"image"
	"image/color"
	"math"
	"testing"
)

// profileOf builds a profile from its tags.
func profileOf(space, pcs string, tags map[string][]byte) []byte {
	head := make([]byte, 132)
	copy(head[12:], "mntr"+space+pcs)
	copy(head[36:], "acsp")
	binary.BigEndian.PutUint32(head[128:], uint32(len(tags)))
	var body []byte
	table := head
	for name, data := range tags {
		table = append(table, name...)
		table = binary.BigEndian.AppendUint32(table, uint32(132+12*len(tags)+len(body)))
		table = binary.BigEndian.AppendUint32(table, uint32(len(data)))
		body = append(body, data...)
	}
	out := append(table, body...)
	binary.BigEndian.PutUint32(out, uint32(len(out)))
	return out
}

func s15(v ...float64) (b []byte) {
	for _, f := range v {
		b = binary.BigEndian.AppendUint32(b, uint32(int32(math.Round(f*65536))))
	}
	return b
}

func xyzTag(x, y, z float64) []byte { return append([]byte("XYZ \x00\x00\x00\x00"), s15(x, y, z)...) }

// srgbCurve is the type "para", form 3.
func srgbCurve() []byte {
	return append([]byte("para\x00\x00\x00\x00\x00\x03\x00\x00"), s15(2.4, 1/1.055, 0.055/1.055, 1/12.92, 0.04045)...)
}

func rgbProfile(curve []byte, r, g, b [3]float64) []byte {
	return profileOf("RGB ", "XYZ ", map[string][]byte{
		"rXYZ": xyzTag(r[0], r[1], r[2]), "gXYZ": xyzTag(g[0], g[1], g[2]), "bXYZ": xyzTag(b[0], b[1], b[2]),
		"rTRC": curve, "gTRC": curve, "bTRC": curve,
	})
}

// The primaries of three spaces, adapted to D50.
func srgbProfile() []byte {
	return rgbProfile(srgbCurve(), [3]float64{0.4360, 0.2225, 0.0139}, [3]float64{0.3851, 0.7169, 0.0971}, [3]float64{0.1431, 0.0606, 0.7141})
}

func p3Profile() []byte {
	return rgbProfile(srgbCurve(), [3]float64{0.5151, 0.2412, -0.0011}, [3]float64{0.2920, 0.6922, 0.0419}, [3]float64{0.1571, 0.0666, 0.7841})
}

func adobeProfile() []byte {
	gamma := []byte("curv\x00\x00\x00\x00\x00\x00\x00\x01\x02\x33") // 563/256
	return rgbProfile(gamma, [3]float64{0.6097, 0.3111, 0.0195}, [3]float64{0.2053, 0.6257, 0.0609}, [3]float64{0.1492, 0.0632, 0.7446})
}

func TestProfilesOfRGB(t *testing.T) {
	t.Parallel()
	if newColourTransform(srgbProfile(), modelRGB) != nil {
		t.Error("sRGB is converted to sRGB")
	}
	// Known pairs: colours that both spaces have.
	for _, tt := range []struct {
		name    string
		profile []byte
		in      [3]byte
		want    [3]byte
	}{
		{"P3 white", p3Profile(), [3]byte{255, 255, 255}, [3]byte{255, 255, 255}},
		{"P3 black", p3Profile(), [3]byte{0, 0, 0}, [3]byte{0, 0, 0}},
		{"P3 grey", p3Profile(), [3]byte{128, 128, 128}, [3]byte{128, 128, 128}},
		{"P3 form of sRGB red", p3Profile(), [3]byte{234, 51, 35}, [3]byte{255, 0, 0}},
		{"P3 form of sRGB green", p3Profile(), [3]byte{117, 251, 76}, [3]byte{0, 255, 0}},
		{"P3 form of sRGB blue", p3Profile(), [3]byte{0, 0, 245}, [3]byte{0, 0, 255}},
		{"P3 red is clipped", p3Profile(), [3]byte{255, 0, 0}, [3]byte{255, 0, 0}},
		{"Adobe white", adobeProfile(), [3]byte{255, 255, 255}, [3]byte{255, 255, 255}},
		{"Adobe form of sRGB red", adobeProfile(), [3]byte{219, 0, 0}, [3]byte{255, 0, 0}},
		{"Adobe form of sRGB green", adobeProfile(), [3]byte{144, 255, 60}, [3]byte{0, 255, 0}},
		{"Adobe form of a blue", adobeProfile(), [3]byte{61, 96, 157}, [3]byte{32, 96, 160}},
	} {
		tr := newColourTransform(tt.profile, modelRGB)
		if tr == nil {
			t.Fatalf("%s: the profile is not used", tt.name)
		}
		got := tr.convert([4]byte{tt.in[0], tt.in[1], tt.in[2]})
		for i := range got {
			// Where the curve is steep a byte of input is many of output.
			if absDiff(got[i], tt.want[i]) > 12 || tt.want[i] > 0 && absDiff(got[i], tt.want[i]) > 3 {
				t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
				break
			}
		}
	}
}

// cmykTable is a table of type mft1 or mft2 whose Lab lightness falls with ink: exactly linear, so that
// interpolation must find it.
func cmykTable(sixteen bool) []byte {
	kind := "mft1"
	if sixteen {
		kind = "mft2"
	}
	b := append([]byte(kind), 0, 0, 0, 0, 4, 3, 2, 0)
	b = append(b, make([]byte, 36)...)
	put := func(v float64) { // 0 to 1
		if sixteen {
			b = binary.BigEndian.AppendUint16(b, uint16(math.Round(v*65535)))
		} else {
			b = append(b, byte(math.Round(v*255)))
		}
	}
	entries := 256
	white, middle := 1.0, 128.0/255
	if sixteen {
		entries, white, middle = 2, 65280.0/65535, 32768.0/65535
		b = append(b, 0, 2, 0, 2)
	}
	curves := func(n int) {
		for range n {
			for i := range entries {
				put(float64(i) / float64(entries-1))
			}
		}
	}
	curves(4)
	for corner := range 16 { // the last input, black, runs fastest
		if corner&1 == 0 {
			put(white)
		} else {
			put(0)
		}
		put(middle)
		put(middle)
	}
	curves(3)
	return b
}

func TestProfilesOfCMYK(t *testing.T) {
	t.Parallel()
	for _, sixteen := range []bool{false, true} {
		profile := profileOf("CMYK", "Lab ", map[string][]byte{"A2B0": cmykTable(sixteen)})
		tr := newColourTransform(profile, modelCMYK)
		if tr == nil {
			t.Fatal("the profile is not used")
		}
		for _, tt := range []struct{ black, want byte }{{0, 255}, {255, 0}, {128, 118}, {64, 185}} {
			got := tr.convert([4]byte{10, 20, 30, tt.black})
			for _, v := range got {
				if absDiff(v, tt.want) > 2 {
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
	tr := newColourTransform(profileOf("GRAY", "XYZ ", map[string][]byte{"kTRC": linear}), modelGrey)
	if tr == nil {
		t.Fatal("the profile is not used")
	}
	for _, tt := range []struct{ in, want byte }{{0, 0}, {255, 255}, {55, 128}} {
		if got := tr.convert([4]byte{tt.in}); absDiff(got[0], tt.want) > 1 {
			t.Errorf("%d: got %d, want %d", tt.in, got[0], tt.want)
		}
	}
}

func TestBadProfilesAreLeftOut(t *testing.T) {
	t.Parallel()
	good := p3Profile()
	cmyk := profileOf("CMYK", "Lab ", map[string][]byte{"A2B0": cmykTable(true)})
	for n := range good {
		newColourTransform(good[:n], modelRGB) // must not panic
	}
	for n := 0; n < len(cmyk); n += 3 {
		newColourTransform(cmyk[:n], modelCMYK)
	}
	for i := range good {
		b := bytes.Clone(good)
		b[i] ^= 0xff
		if tr := newColourTransform(b, modelRGB); tr != nil {
			tr.convert([4]byte{1, 128, 255})
		}
	}
	for i := range cmyk[:200] {
		b := bytes.Clone(cmyk)
		b[i] ^= 0xff
		if tr := newColourTransform(b, modelCMYK); tr != nil {
			tr.convert([4]byte{1, 128, 255, 9})
		}
	}
	if newColourTransform(good, modelGrey) != nil || newColourTransform(cmyk, modelRGB) != nil {
		t.Error("a profile of another kind of picture is used")
	}
}

func TestWideGamutPicturesComeOutInSRGB(t *testing.T) {
	t.Parallel()
	picture := image.NewNRGBA(image.Rect(0, 0, 64, 64))
	for i := range picture.Pix {
		picture.Pix[i] = []byte{117, 251, 76, 255}[i%4]
	}
	profile := p3Profile()
	part := "ICC_PROFILE\x00\x01\x01" + string(profile)
	files := map[string][]byte{
		"JPEG": withSegment(mustJPEG(opaqueRGBA(picture)), 0xe2, part),
		"PNG":  withPNGChunk(mustPNG(picture), "iCCP", append([]byte("P3\x00\x00"), deflated(profile)...), false),
	}
	half := image.NewNRGBA(picture.Rect)
	copy(half.Pix, picture.Pix)
	for i := 3; i < len(half.Pix); i += 4 {
		half.Pix[i] = 128
	}
	files["PNG, half transparent"] = withPNGChunk(mustPNG(half), "iCCP", append([]byte("P3\x00\x00"), deflated(profile)...), false)
	for name, data := range files {
		_, img := makeOne(t, data, "20x20")
		got := color.NRGBAModel.Convert(img.At(10, 10)).(color.NRGBA)
		if absDiff(got.R, 0) > 20 || absDiff(got.G, 255) > 4 || absDiff(got.B, 0) > 24 {
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
	if d := meanDifference(p, plain); d < 1 {
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
		if got := img.At(tt.x, tt.y); !near(got, tt.want, 3) {
			t.Errorf("CMYK at %d,%d: got %v, want %v", tt.x, tt.y, got, tt.want)
		}
	}
}

func deflated(data []byte) []byte {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	z.Write(data)
	z.Close()
	return b.Bytes()
}
