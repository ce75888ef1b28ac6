package testpicture

import (
	"encoding/binary"
	"image/color"
	"math"
	"slices"
)

// Profile builds an ICC profile from its tags.
func Profile(space, connection string, tags map[string][]byte) []byte {
	head := make([]byte, 132)
	copy(head[12:], "mntr"+space+connection)
	copy(head[36:], "acsp")
	binary.BigEndian.PutUint32(head[128:], uint32(len(tags)))
	var body []byte
	table := head
	var names []string
	for name := range tags {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		table = append(table, name...)
		table = binary.BigEndian.AppendUint32(table, uint32(132+12*len(tags)+len(body)))
		table = binary.BigEndian.AppendUint32(table, uint32(len(tags[name])))
		body = append(body, tags[name]...)
	}
	out := append(table, body...)
	binary.BigEndian.PutUint32(out, uint32(len(out)))
	return out
}

// S15Fixed16 appends numbers of type s15Fixed16Number.
func S15Fixed16(v ...float64) (b []byte) {
	for _, f := range v {
		b = binary.BigEndian.AppendUint32(b, uint32(int32(math.Round(f*65536))))
	}
	return b
}

// XYZTag is a tag of type XYZ.
func XYZTag(v [3]float64) []byte {
	return append([]byte("XYZ \x00\x00\x00\x00"), S15Fixed16(v[:]...)...)
}

// SRGBCurve is sRGB's tone curve, of type para, form 3.
func SRGBCurve() []byte {
	return append([]byte("para\x00\x00\x00\x00\x00\x03\x00\x00"), S15Fixed16(2.4, 1/1.055, 0.055/1.055, 1/12.92, 0.04045)...)
}

// LinearCurve is a tone curve of type curv that changes nothing.
func LinearCurve() []byte { return []byte("curv\x00\x00\x00\x00\x00\x00\x00\x00") }

// The primaries of three colour spaces, adapted to D50.
var (
	SRGBPrimaries  = [3][3]float64{{0.4360, 0.2225, 0.0139}, {0.3851, 0.7169, 0.0971}, {0.1431, 0.0606, 0.7141}}
	P3Primaries    = [3][3]float64{{0.5151, 0.2412, -0.0011}, {0.2920, 0.6922, 0.0419}, {0.1571, 0.0666, 0.7841}}
	AdobePrimaries = [3][3]float64{{0.6097, 0.3111, 0.0195}, {0.2053, 0.6257, 0.0609}, {0.1492, 0.0632, 0.7446}}
)

// MatrixProfile is an RGB profile of a curve and primaries.
func MatrixProfile(curve []byte, p [3][3]float64) []byte {
	return Profile("RGB ", "XYZ ", map[string][]byte{
		"rXYZ": XYZTag(p[0]), "gXYZ": XYZTag(p[1]), "bXYZ": XYZTag(p[2]),
		"rTRC": curve, "gTRC": curve, "bTRC": curve,
	})
}

// SRGBProfile is the profile of sRGB.
func SRGBProfile() []byte { return MatrixProfile(SRGBCurve(), SRGBPrimaries) }

// P3Profile is the profile of Display P3.
func P3Profile() []byte { return MatrixProfile(SRGBCurve(), P3Primaries) }

// AdobeProfile is the profile of Adobe RGB (1998).
func AdobeProfile() []byte {
	gamma := []byte("curv\x00\x00\x00\x00\x00\x00\x00\x01\x02\x33") // 563/256
	return MatrixProfile(gamma, AdobePrimaries)
}

// CMYKTable is a tag of type mft1 or mft2 (sixteen) whose Lab lightness falls
// linearly with black and does not depend on the other inks.
func CMYKTable(sixteen bool) []byte {
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

// CMYKProfile is a profile of [CMYKTable].
func CMYKProfile(sixteen bool) []byte {
	return Profile("CMYK", "Lab ", map[string][]byte{"A2B0": CMYKTable(sixteen)})
}

// The matrices from linear light of wide colour spaces to that of sRGB, from
// their primaries' chromaticities under D65. No profile is involved.
var (
	P3ToSRGB    = [3][3]float64{{1.2249402, -0.2249402, 0}, {-0.0420570, 1.0420570, 0}, {-0.0196376, -0.0786360, 1.0982736}}
	AdobeToSRGB = [3][3]float64{{1.3983557, -0.3983557, 0}, {0, 1, 0}, {0, -0.0429290, 1.0429290}}
)

// SRGBToLinear is the light of an sRGB value, both from 0 to 1.
func SRGBToLinear(v float64) float64 {
	if v <= 0.04045 {
		return v / 12.92
	}
	return math.Pow((v+0.055)/1.055, 2.4)
}

// LinearToSRGB is the sRGB value of a light, both from 0 to 1.
func LinearToSRGB(v float64) float64 {
	if v <= 0.0031308 {
		return v * 12.92
	}
	return 1.055*math.Pow(v, 1/2.4) - 0.055
}

// WideToSRGB converts a colour as the specifications of the spaces define it:
// to linear light, by a matrix, and back by sRGB's curve.
func WideToSRGB(in [3]byte, toLinear func(float64) float64, m [3][3]float64) color.NRGBA {
	var light [3]float64
	for i, v := range in {
		light[i] = toLinear(float64(v) / 255)
	}
	var out [3]byte
	for i, row := range m {
		out[i] = byte(math.Round(255 * LinearToSRGB(row[0]*light[0]+row[1]*light[1]+row[2]*light[2])))
	}
	return color.NRGBA{out[0], out[1], out[2], 255}
}
