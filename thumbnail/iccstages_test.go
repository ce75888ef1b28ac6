package thumbnail

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"math"
	"testing"

	"sluice/thumbnail/internal/testpicture"

	"sluice/thumbnail/internal/raster"
)

// wideToSRGB is how the specifications of the spaces have it: to linear light, by a matrix that comes from the primaries' chromaticities under D65,
// and back by sRGB's curve. No profile is in it.
func wideToSRGB(in [3]byte, decode func(float64) float64, m [3][3]float64) color.NRGBA {
	var light [3]float64
	for i, v := range in {
		light[i] = decode(float64(v) / 255)
	}
	var out [3]byte
	for i, v := range multiply(&m, light) {
		if v <= 0.0031308 {
			v *= 12.92
		} else {
			v = 1.055*math.Pow(v, 1/2.4) - 0.055
		}
		out[i] = byte(math.Round(v * 255))
	}
	return color.NRGBA{out[0], out[1], out[2], 255}
}

var (
	p3ToSRGB    = [3][3]float64{{1.2249402, -0.2249402, 0}, {-0.0420570, 1.0420570, 0}, {-0.0196376, -0.0786360, 1.0982736}}
	adobeToSRGB = [3][3]float64{{1.3983557, -0.3983557, 0}, {0, 1, 0}, {0, -0.0429290, 1.0429290}}
)

// Colours that sRGB has, so that nothing is clipped.
func TestWideColoursThatSRGBHas(t *testing.T) {
	t.Parallel()
	for _, space := range []struct {
		name    string
		profile []byte
		decode  func(float64) float64
		matrix  [3][3]float64
	}{
		{"Display P3", testpicture.P3Profile(), decodeSRGB, p3ToSRGB},
		{"Adobe RGB", testpicture.AdobeProfile(), func(v float64) float64 { return math.Pow(v, 563.0/256) }, adobeToSRGB},
	} {
		for _, in := range [][3]byte{{180, 120, 90}, {90, 140, 170}, {120, 160, 100}, {210, 170, 190}, {60, 70, 50}} {
			picture := image.NewNRGBA(image.Rect(0, 0, 64, 64))
			for i := 0; i < len(picture.Pix); i += 4 {
				copy(picture.Pix[i:], []byte{in[0], in[1], in[2], 255})
			}
			want := wideToSRGB(in, space.decode, space.matrix)
			if testpicture.Near(want, color.NRGBA{in[0], in[1], in[2], 255}, 2) {
				t.Errorf("%s: %v is hardly another colour in sRGB, and proves nothing", space.name, in)
			}
			for name, data := range map[string][]byte{
				"JPEG": testpicture.WithSegment(testpicture.EncodeJPEG(testpicture.Opaque(picture)), 0xe2, "ICC_PROFILE\x00\x01\x01"+string(space.profile)),
				"PNG":  testpicture.WithPNGChunk(testpicture.EncodePNG(picture), "iCCP", append([]byte("p\x00\x00"), testpicture.Deflate(space.profile)...), false),
			} {
				// JPEG rounds to luma and chroma on the way in.
				tolerance := map[string]float64{"JPEG": 4, "PNG": 1}[name]
				if got := onlySmall(t, data, Size{20, 20, false}).At(10, 10); !testpicture.Near(got, want, tolerance) {
					t.Errorf("%s as %s: %v became %v, want %v", space.name, name, in, got, want)
				}
			}
		}
	}
}

// stagesTag is a table of type mAB that does what a matrix profile does: M curves, and the matrix of the primaries. With grid, A curves
// and a grid of so many points that changes nothing stand before.
func stagesTag(curve []byte, r, g, b [3]float64, grid [3]byte, size byte) []byte {
	linear := []byte("curv\x00\x00\x00\x00\x00\x00\x00\x00")
	out := append([]byte("mAB \x00\x00\x00\x00\x03\x03\x00\x00"), make([]byte, 20)...)
	add := func(at int, data []byte) {
		binary.BigEndian.PutUint32(out[at:], uint32(len(out)))
		out = append(out, data...)
		out = append(out, make([]byte, (4-len(out)%4)%4)...)
	}
	three := func(c []byte) []byte { return bytes.Repeat(append(c, make([]byte, (4-len(c)%4)%4)...), 3) }
	add(12, three(linear))
	const unit = 1 + 32767.0/32768 // what 1 means in XYZ
	var m []float64
	for i := range 3 {
		m = append(m, r[i]/unit, g[i]/unit, b[i]/unit)
	}
	add(16, testpicture.S15Fixed16(append(m, 0, 0, 0)...))
	add(20, three(curve))
	if size == 0 {
		return out
	}
	points := append([]byte{grid[0], grid[1], grid[2]}, make([]byte, 13)...)
	points = append(points, size, 0, 0, 0)
	for x := range int(grid[0]) {
		for y := range int(grid[1]) {
			for z := range int(grid[2]) {
				for i, v := range []int{x, y, z} {
					if size == 2 {
						points = binary.BigEndian.AppendUint16(points, uint16(v*65535/(int(grid[i])-1)))
					} else {
						points = append(points, byte(v*255/(int(grid[i])-1)))
					}
				}
			}
		}
	}
	add(24, points)
	add(28, three(linear))
	return out
}

func stagesProfile(version byte, tags map[string][]byte) []byte {
	p := testpicture.Profile("RGB ", "XYZ ", tags)
	p[8] = version
	return p
}

func TestTablesOfStages(t *testing.T) {
	t.Parallel()
	matrix := newColourTransform(testpicture.P3Profile(), raster.RGB)
	for name, tag := range map[string][]byte{
		"without a grid":         stagesTag(testpicture.SRGBCurve(), testpicture.P3Primaries[0], testpicture.P3Primaries[1], testpicture.P3Primaries[2], [3]byte{}, 0),
		"with a grid of bytes":   stagesTag(testpicture.SRGBCurve(), testpicture.P3Primaries[0], testpicture.P3Primaries[1], testpicture.P3Primaries[2], [3]byte{2, 4, 6}, 1),
		"with a grid of 16 bits": stagesTag(testpicture.SRGBCurve(), testpicture.P3Primaries[0], testpicture.P3Primaries[1], testpicture.P3Primaries[2], [3]byte{9, 2, 3}, 2),
	} {
		tr := newColourTransform(stagesProfile(2, map[string][]byte{"A2B0": tag}), raster.RGB)
		if tr == nil {
			t.Errorf("%s: the table is not used", name)
			continue
		}
		for _, in := range [][4]byte{{0, 0, 0}, {255, 255, 255}, {180, 120, 90}, {10, 200, 100}, {90, 140, 170}} {
			got, want := tr.convert(in), matrix.convert(in)
			for i := range got {
				if testpicture.AbsDiff(got[i], want[i]) > 2 {
					t.Errorf("%s: %v became %v, want %v as by a matrix", name, in, got, want)
					break
				}
			}
		}
		// Damaged ones are left out, and never panic.
		for i := range tag {
			bad := bytes.Clone(tag)
			bad[i] ^= 0xff
			for _, tag := range [][]byte{bad, tag[:i]} {
				if tr := newColourTransform(stagesProfile(2, map[string][]byte{"A2B0": tag}), raster.RGB); tr != nil {
					tr.convert([4]byte{1, 128, 255})
				}
			}
		}
	}
}

func TestATableStandsOverTheMatrix(t *testing.T) {
	t.Parallel()
	tags := map[string][]byte{"A2B0": stagesTag(testpicture.SRGBCurve(), testpicture.P3Primaries[0], testpicture.P3Primaries[1], testpicture.P3Primaries[2], [3]byte{}, 0)}
	for i, c := range []string{"r", "g", "b"} {
		v := [][3]float64{{0.4360, 0.2225, 0.0139}, {0.3851, 0.7169, 0.0971}, {0.1431, 0.0606, 0.7141}}[i]
		tags[c+"XYZ"], tags[c+"TRC"] = testpicture.XYZTag(v), testpicture.SRGBCurve()
	}
	tr := newColourTransform(stagesProfile(2, tags), raster.RGB)
	if tr == nil {
		t.Fatal("the matrix, which is sRGB's, was taken")
	}
	if got, want := tr.convert([4]byte{180, 120, 90}), wideToSRGB([3]byte{180, 120, 90}, decodeSRGB, p3ToSRGB); !testpicture.Near(color.NRGBA{got[0], got[1], got[2], 255}, want, 2) {
		t.Errorf("got %v, want %v by the table", got, want)
	}
	// A table that cannot be used leaves it to the matrix.
	tags["A2B0"] = []byte("mAB \x00\x00\x00\x00\x03\x03\x00\x00")
	if newColourTransform(stagesProfile(2, tags), raster.RGB) != nil {
		t.Error("the matrix, which is sRGB's, was not taken")
	}
}

// The black of version 4's perceptual tables is a print's, and becomes a screen's.
func TestTheBlackOfPerceptualTables(t *testing.T) {
	t.Parallel()
	grey := func(offset float64) []byte {
		tag := stagesTag([]byte("curv\x00\x00\x00\x00\x00\x00\x00\x00"), [3]float64{}, [3]float64{}, [3]float64{}, [3]byte{}, 0)
		const unit = 1 + 32767.0/32768
		at := int(binary.BigEndian.Uint32(tag[16:]))
		var m [12]float64
		for i := range 3 {
			m[3*i] = (whiteD50[i] - offset*perceptualBlack[i]) / unit
			m[9+i] = offset * perceptualBlack[i] / unit
		}
		copy(tag[at:], testpicture.S15Fixed16(m[:]...))
		return tag
	}
	for _, tt := range []struct {
		version byte
		want    byte
	}{{4, 0}, {2, 11}} {
		tr := newColourTransform(stagesProfile(tt.version, map[string][]byte{"A2B0": grey(1)}), raster.RGB)
		if black := tr.convert([4]byte{}); testpicture.AbsDiff(black[1], tt.want) > 1 {
			t.Errorf("version %d: black is %v, want %d", tt.version, black, tt.want)
		}
		if white := tr.convert([4]byte{255, 255, 255}); testpicture.AbsDiff(white[1], 255) > 1 {
			t.Errorf("version %d: white is %v", tt.version, white)
		}
	}
}
