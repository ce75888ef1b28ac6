// Package icc converts a thumbnail's colours to sRGB by its colour profile (ISO
// 15076-1).
//
// A profile says what a picture's numbers mean, as XYZ or Lab under the white
// D50. Three kinds are read. Cameras, telephones and screens write RGB by a
// matrix and curves (Display P3, Adobe RGB):
//
//	(X,Y,Z) = M · (f(R), f(G), f(B))
//
// Grey has one curve. Print has look-up tables, for CMYK or RGB, of the types
// mft1, mft2 and mAB: curves for each input, a grid of outputs that is linear
// between its points in every direction, and curves for each output. In mAB
// curves and a matrix may stand before the last curves. A table overrides the
// matrix, as the standard requires. From D50 the way to sRGB is one more matrix
// and sRGB's curve. Channels that sRGB cannot show are clipped.
package icc

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"io"
	"math"
)

// errProfile is why a profile is not used. The picture is shown as if it had
// none, as other tools do.
var errProfile = errors.New("profile is not usable")

// MaxBytes bounds a colour profile. Larger ones are ignored.
const MaxBytes = 4 << 20

// profile is a profile's tags.
type profile struct {
	space string // "RGB ", "GRAY" or "CMYK"
	lab   bool   // the tables end in Lab, not XYZ
	four  bool   // of version 4
	tags  map[string][]byte
}

func parseProfile(data []byte) (*profile, error) {
	if len(data) < 132 || string(data[36:40]) != "acsp" {
		return nil, errProfile
	}
	p := &profile{space: string(data[16:20]), lab: string(data[20:24]) == "Lab ", four: data[8] >= 4, tags: map[string][]byte{}}
	table := data[132:]
	for range min(binary.BigEndian.Uint32(data[128:]), 200) {
		if len(table) < 12 {
			return nil, errProfile
		}
		from, n := uint64(binary.BigEndian.Uint32(table[4:])), uint64(binary.BigEndian.Uint32(table[8:]))
		if from+n > uint64(len(data)) {
			return nil, errProfile
		}
		p.tags[string(table[:4])] = data[from : from+n]
		table = table[12:]
	}
	return p, nil
}

func fixed16(b []byte) float64 { return float64(int32(binary.BigEndian.Uint32(b))) / 65536 }

// xyz reads a tag of three numbers.
func (p *profile) xyz(tag string) (v [3]float64, err error) {
	b := p.tags[tag]
	if len(b) < 20 || string(b[:4]) != "XYZ " {
		return v, errProfile
	}
	for i := range v {
		v[i] = fixed16(b[8+4*i:])
	}
	return v, nil
}

// curve reads a tone curve as 256 values from 0 to 1.
func (p *profile) curve(tag string) (*[256]float64, error) {
	f, _, err := parseCurve(p.tags[tag])
	if err != nil {
		return nil, err
	}
	var out [256]float64
	for i := range out {
		out[i] = min(max(f(float64(i)/255), 0), 1)
		if math.IsNaN(out[i]) {
			return nil, errProfile
		}
	}
	return &out, nil
}

// parseCurve reads a curve of type "curv" or "para", and returns its number of
// bytes.
func parseCurve(b []byte) (f func(float64) float64, size int, err error) {
	if len(b) < 12 {
		return nil, 0, errProfile
	}
	switch string(b[:4]) {
	case "curv":
		n := int(binary.BigEndian.Uint32(b[8:]))
		values := b[12:]
		size = 12 + 2*n
		switch {
		case n == 0:
			f = func(x float64) float64 { return x }
		case n < 0 || n > len(values)/2:
			return nil, 0, errProfile
		case n == 1:
			gamma := float64(binary.BigEndian.Uint16(values)) / 256
			f = func(x float64) float64 { return math.Pow(x, gamma) }
		default:
			f = func(x float64) float64 {
				return interpolate(n, x, func(i int) float64 { return float64(binary.BigEndian.Uint16(values[2*i:])) / 65535 })
			}
		}
	case "para":
		if f, err = parametricCurve(b[8:]); err != nil {
			return nil, 0, err
		}
		size = 12 + 4*parametricCounts[binary.BigEndian.Uint16(b[8:])]
	default:
		return nil, 0, errProfile
	}
	return f, size, nil
}

// parametricCounts are the parameters of the five forms of the type "para".
var parametricCounts = [5]int{1, 3, 4, 5, 7}

// parametricCurve reads one.
func parametricCurve(b []byte) (func(float64) float64, error) {
	kind := binary.BigEndian.Uint16(b)
	if int(kind) >= len(parametricCounts) || len(b) < 4+4*parametricCounts[kind] {
		return nil, errProfile
	}
	var v [7]float64 // g a b c d e f
	for i := range parametricCounts[kind] {
		v[i] = fixed16(b[4+4*i:])
	}
	g, a, off, c, d, e, f := v[0], v[1], v[2], v[3], v[4], v[5], v[6]
	switch kind {
	case 0:
		a, d = 1, math.Inf(-1)
	case 1, 2:
		if a == 0 {
			return nil, errProfile
		}
		d, e, f, c = -off/a, c, c, 0
		if kind == 1 {
			e, f = 0, 0
		}
	}
	return func(x float64) float64 {
		if x >= d {
			return math.Pow(a*x+off, g) + e
		}
		return c*x + f
	}, nil
}

// interpolate reads a table of n values at x, which runs from 0 to 1.
func interpolate(n int, x float64, at func(int) float64) float64 {
	x = min(max(x, 0), 1) * float64(n-1)
	i := min(int(x), n-1)
	j := min(i+1, n-1)
	f := x - float64(i)
	return at(i)*(1-f) + at(j)*f
}

// MemoryBytes bounds what using a profile of n bytes takes: itself where it was
// packed, and its grid and curves as floating-point numbers, at most four times
// as long as they are written.
func MemoryBytes(n int64) int64 {
	if n == 0 {
		return 0
	}
	return 5*n + 128<<10
}

// Packed is the content of a PNG's iCCP chunk, zlib data behind a name. It is
// unpacked when the picture is decoded: some kilobytes may become megabytes.
type Packed struct {
	Data []byte // nil where there is none, or none that can be used
	Size int64  // unpacked, as the profile's first bytes say
}

// FromPNG reads the chunk, and the profile as far as its length.
func FromPNG(chunk []byte) (p Packed) {
	_, packed, ok := bytes.Cut(chunk, []byte{0})
	if !ok || len(packed) < 1 || packed[0] != 0 {
		return p
	}
	r, err := zlib.NewReader(bytes.NewReader(packed[1:]))
	if err != nil {
		return p
	}
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return p
	}
	n := int64(binary.BigEndian.Uint32(size[:]))
	if n > MaxBytes {
		return p
	}
	return Packed{packed[1:], n}
}

// unpack returns the profile, nil when it is damaged or not as long as it says.
func (p Packed) Unpack() []byte {
	if p.Data == nil {
		return nil
	}
	r, err := zlib.NewReader(bytes.NewReader(p.Data))
	if err != nil {
		return nil
	}
	profile := make([]byte, p.Size)
	if _, err := io.ReadFull(r, profile); err != nil {
		return nil
	}
	return profile
}
