package icc

import (
	"math"
	"sync"

	"sluice/thumbnail/internal/raster"
)

// whiteD50 is the white of profiles.
var whiteD50 = [3]float64{0.9642, 1, 0.8249}

// xyzToSRGB takes XYZ under D50 to linear sRGB: the inverse of sRGB's
// primaries, adapted to D50 (Bradford).
var xyzToSRGB = [3][3]float64{
	{3.1338561, -1.6168667, -0.4906146},
	{-0.9787684, 1.9161415, 0.0334540},
	{0.0719453, -0.2289914, 1.4052427},
}

// srgbSteps is the resolution of linear light in encodeSRGB: near black, where
// the curve is steepest, a step is a fifth of a grey level.
const srgbSteps = 1 << 14

// encodeSRGB returns the byte for linear light of i/srgbSteps.
var encodeSRGB = sync.OnceValue(func() *[srgbSteps + 1]byte {
	var table [srgbSteps + 1]byte
	for i := range table {
		v := float64(i) / srgbSteps
		if v <= 0.0031308 {
			v *= 12.92
		} else {
			v = 1.055*math.Pow(v, 1/2.4) - 0.055
		}
		table[i] = byte(v*255 + 0.5)
	}
	return &table
})

// decodeSRGB is the light of an encoded value from 0 to 1.
func decodeSRGB(v float64) float64 {
	if v <= 0.04045 {
		return v / 12.92
	}
	return math.Pow((v+0.055)/1.055, 2.4)
}

func labToXYZ(l, a, b float64) [3]float64 {
	fy := (l + 16) / 116
	inverse := func(t float64) float64 {
		if t > 6.0/29 {
			return t * t * t
		}
		return 3 * 36.0 / 841 * (t - 4.0/29)
	}
	return [3]float64{whiteD50[0] * inverse(fy+a/500), whiteD50[1] * inverse(fy), whiteD50[2] * inverse(fy-b/200)}
}

// Transform converts a thumbnail's colours to sRGB. It works on the small
// picture: there are a thousand times fewer pixels, and filtering before or
// after makes no visible difference.
type Transform struct {
	space  string
	curves [3]*[256]float64
	matrix [3][3]float64 // to linear sRGB, after the curves
	table  *table        // instead of curves and matrix
	lab    bool
	print  bool // the table's black is that of a print, see perceptualBlack
	grey   *[256]byte
}

// NewTransform returns nil when the profile is absent, not usable, of another
// kind than the picture, or sRGB itself.
func NewTransform(profile []byte, model raster.Model) *Transform {
	if profile == nil {
		return nil
	}
	p, err := parseProfile(profile)
	if err != nil {
		return nil
	}
	var t *Transform
	switch {
	case p.space == "RGB " && (model == raster.RGB || model == raster.YCC):
		if t, err = tableTransform(p, 3); err != nil {
			t, err = matrixTransform(p)
		}
	case p.space == "GRAY" && model == raster.Grey:
		t, err = greyTransform(p)
	case p.space == "CMYK" && (model == raster.CMYK || model == raster.YCCK):
		t, err = tableTransform(p, 4)
	}
	if err != nil {
		return nil
	}
	return t
}

func matrixTransform(p *profile) (*Transform, error) {
	t := &Transform{space: p.space}
	var columns [3][3]float64
	for i, c := range []string{"r", "g", "b"} {
		var err error
		if columns[i], err = p.xyz(c + "XYZ"); err != nil {
			return nil, err
		}
		if t.curves[i], err = p.curve(c + "TRC"); err != nil {
			return nil, err
		}
	}
	same := true
	for i := range 3 {
		for j := range 3 {
			for k := range 3 {
				t.matrix[i][j] += xyzToSRGB[i][k] * columns[j][k]
			}
			want := 0.0
			if i == j {
				want = 1
			}
			same = same && math.Abs(t.matrix[i][j]-want) < 0.005
		}
	}
	for i := range 256 {
		for _, c := range t.curves {
			same = same && math.Abs(c[i]-decodeSRGB(float64(i)/255)) < 0.005
		}
	}
	if same {
		return nil, nil
	}
	return t, nil
}

func tableTransform(p *profile, inputs int) (*Transform, error) {
	table, err := parseTable(p.tags["A2B0"], inputs)
	if err != nil {
		return nil, err
	}
	return &Transform{space: p.space, table: table, lab: p.lab, print: p.four}, nil
}

func greyTransform(p *profile) (*Transform, error) {
	curve, err := p.curve("kTRC")
	if err != nil {
		return nil, err
	}
	t := &Transform{space: p.space, grey: new([256]byte)}
	same := true
	for i, v := range curve {
		t.grey[i] = encodeSRGB()[int(v*srgbSteps+0.5)]
		d := int(t.grey[i]) - i
		same = same && max(d, -d) <= 1
	}
	if same {
		return nil, nil
	}
	return t, nil
}

// apply converts in place. Colours that are multiplied by alpha are divided
// first, and multiplied again. Of four inks the first three planes are red,
// green and blue afterwards.
func (t *Transform) Apply(planes [][]byte, alpha []byte) {
	n := len(planes)
	var in [4]byte
	for i := range planes[0] {
		a := byte(255)
		if alpha != nil {
			if a = alpha[i]; a == 0 {
				continue
			}
		}
		for c := range n {
			in[c] = planes[c][i]
			if a != 255 {
				in[c] = raster.Unscale(in[c], a)
			}
		}
		out := t.convert(in)
		for c := range min(n, 3) {
			planes[c][i] = out[c]
			if a != 255 {
				planes[c][i] = raster.Scale(out[c], a)
			}
		}
	}
}

func (t *Transform) convert(in [4]byte) [3]byte {
	if t.grey != nil {
		return [3]byte{t.grey[in[0]]}
	}
	var linear [3]float64
	if t.table != nil {
		var v [4]float64
		for i := range t.table.inputs {
			v[i] = float64(in[i]) / 255
		}
		xyz := t.table.xyz(t.table.at(v[:]), t.lab)
		if t.print {
			xyz = withoutBlack(xyz)
		}
		linear = multiply(&xyzToSRGB, xyz)
	} else {
		linear = multiply(&t.matrix, [3]float64{t.curves[0][in[0]], t.curves[1][in[1]], t.curves[2][in[2]]})
	}
	encode := encodeSRGB()
	var out [3]byte
	for i, v := range linear {
		out[i] = encode[int(min(max(v, 0), 1)*srgbSteps+0.5)]
	}
	return out
}

func multiply(m *[3][3]float64, v [3]float64) (out [3]float64) {
	for i := range out {
		out[i] = m[i][0]*v[0] + m[i][1]*v[1] + m[i][2]*v[2]
	}
	return out
}
