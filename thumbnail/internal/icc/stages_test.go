package icc

import (
	"bytes"
	"encoding/binary"
	"image/color"
	"testing"

	"sluice/thumbnail/internal/testpicture"

	"sluice/thumbnail/internal/raster"
)

// stagesTag is a table of type mAB that does what a matrix profile does: M
// curves, and the matrix of the primaries. With grid, A curves and a grid of so
// many points that changes nothing stand before.
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
	matrix := NewTransform(testpicture.P3Profile(), raster.RGB)
	for name, tag := range map[string][]byte{
		"without a grid":         stagesTag(testpicture.SRGBCurve(), testpicture.P3Primaries[0], testpicture.P3Primaries[1], testpicture.P3Primaries[2], [3]byte{}, 0),
		"with a grid of bytes":   stagesTag(testpicture.SRGBCurve(), testpicture.P3Primaries[0], testpicture.P3Primaries[1], testpicture.P3Primaries[2], [3]byte{2, 4, 6}, 1),
		"with a grid of 16 bits": stagesTag(testpicture.SRGBCurve(), testpicture.P3Primaries[0], testpicture.P3Primaries[1], testpicture.P3Primaries[2], [3]byte{9, 2, 3}, 2),
	} {
		tr := NewTransform(stagesProfile(2, map[string][]byte{"A2B0": tag}), raster.RGB)
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
				if tr := NewTransform(stagesProfile(2, map[string][]byte{"A2B0": tag}), raster.RGB); tr != nil {
					tr.convert([4]byte{1, 128, 255})
				}
			}
		}
	}
}

func TestTableOverridesTheMatrix(t *testing.T) {
	t.Parallel()
	tags := map[string][]byte{"A2B0": stagesTag(testpicture.SRGBCurve(), testpicture.P3Primaries[0], testpicture.P3Primaries[1], testpicture.P3Primaries[2], [3]byte{}, 0)}
	for i, c := range []string{"r", "g", "b"} {
		v := [][3]float64{{0.4360, 0.2225, 0.0139}, {0.3851, 0.7169, 0.0971}, {0.1431, 0.0606, 0.7141}}[i]
		tags[c+"XYZ"], tags[c+"TRC"] = testpicture.XYZTag(v), testpicture.SRGBCurve()
	}
	tr := NewTransform(stagesProfile(2, tags), raster.RGB)
	if tr == nil {
		t.Fatal("the matrix, which is sRGB's, was taken")
	}
	if got, want := tr.convert([4]byte{180, 120, 90}), testpicture.WideToSRGB([3]byte{180, 120, 90}, testpicture.SRGBToLinear, testpicture.P3ToSRGB); !testpicture.Near(color.NRGBA{got[0], got[1], got[2], 255}, want, 2) {
		t.Errorf("got %v, want %v by the table", got, want)
	}
	// The matrix applies when the table cannot be used.
	tags["A2B0"] = []byte("mAB \x00\x00\x00\x00\x03\x03\x00\x00")
	if NewTransform(stagesProfile(2, tags), raster.RGB) != nil {
		t.Error("the matrix, which is sRGB's, was not taken")
	}
}

// The black of version 4's perceptual tables is a print's, and becomes a
// screen's.
func TestBlackOfPerceptualTablesBecomesScreenBlack(t *testing.T) {
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
		tr := NewTransform(stagesProfile(tt.version, map[string][]byte{"A2B0": grey(1)}), raster.RGB)
		if black := tr.convert([4]byte{}); testpicture.AbsDiff(black[1], tt.want) > 1 {
			t.Errorf("version %d: black is %v, want %d", tt.version, black, tt.want)
		}
		if white := tr.convert([4]byte{255, 255, 255}); testpicture.AbsDiff(white[1], 255) > 1 {
			t.Errorf("version %d: white is %v", tt.version, white)
		}
	}
}
