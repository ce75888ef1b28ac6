package icc

import (
	"bytes"
	"testing"

	"sluice/thumbnail/internal/testpicture"

	"sluice/thumbnail/internal/raster"
)

func TestProfilesOfRGB(t *testing.T) {
	t.Parallel()
	if NewTransform(testpicture.SRGBProfile(), raster.RGB) != nil {
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
		tr := NewTransform(tt.profile, raster.RGB)
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
		tr := NewTransform(profile, raster.CMYK)
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
	tr := NewTransform(testpicture.Profile("GRAY", "XYZ ", map[string][]byte{"kTRC": linear}), raster.Grey)
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
		NewTransform(good[:n], raster.RGB) // must not panic
	}
	for n := 0; n < len(cmyk); n += 3 {
		NewTransform(cmyk[:n], raster.CMYK)
	}
	for i := range good {
		b := bytes.Clone(good)
		b[i] ^= 0xff
		if tr := NewTransform(b, raster.RGB); tr != nil {
			tr.convert([4]byte{1, 128, 255})
		}
	}
	for i := range cmyk[:200] {
		b := bytes.Clone(cmyk)
		b[i] ^= 0xff
		if tr := NewTransform(b, raster.CMYK); tr != nil {
			tr.convert([4]byte{1, 128, 255, 9})
		}
	}
	if NewTransform(good, raster.Grey) != nil || NewTransform(cmyk, raster.RGB) != nil {
		t.Error("a profile of another kind of picture is used")
	}
}
