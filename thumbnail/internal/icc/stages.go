package icc

import (
	"encoding/binary"
	"math"
)

// stageSteps is the resolution of mAB's curves; values between are
// interpolated.
const stageSteps = 1 << 10

// parseStages reads a table of type mAB (ISO 15076-1, 10.12): A curves, grid, M
// curves, matrix, B curves. Each part but the last may be absent, the grid only
// together with the A curves.
func parseStages(b []byte, inputs int) (*table, error) {
	if int(b[8]) != inputs || b[9] != 3 {
		return nil, errProfile
	}
	t := &table{inputs: inputs}
	// part returns the data at the offset that the head holds at a place; nil
	// for none.
	part := func(at int) ([]byte, error) {
		offset := binary.BigEndian.Uint32(b[at:])
		if offset == 0 {
			return nil, nil
		}
		if uint64(offset) > uint64(len(b)) {
			return nil, errProfile
		}
		return b[offset:], nil
	}
	var parts [5][]byte // B, matrix, M, grid, A
	for i := range parts {
		var err error
		if parts[i], err = part(12 + 4*i); err != nil {
			return nil, err
		}
	}
	var err error
	if t.results, err = stageCurves(parts[0], 3); err != nil {
		return nil, err
	}
	if m := parts[1]; m != nil {
		if len(m) < 48 {
			return nil, errProfile
		}
		t.matrix = new([12]float64)
		for i := range t.matrix {
			t.matrix[i] = fixed16(m[4*i:])
		}
	}
	if parts[2] != nil {
		if t.middle, err = stageCurves(parts[2], 3); err != nil {
			return nil, err
		}
	}
	if (parts[3] == nil) != (parts[4] == nil) || parts[3] == nil && inputs != 3 {
		return nil, errProfile
	}
	if parts[3] == nil {
		return t, nil
	}
	if t.curves, err = stageCurves(parts[4], inputs); err != nil {
		return nil, err
	}
	return t, t.readGrid(parts[3])
}

// readGrid reads 16 numbers of points, the bytes of a value, and the values.
func (t *table) readGrid(b []byte) error {
	if len(b) < 20 {
		return errProfile
	}
	cells := 1
	for i := range t.inputs {
		t.points[i] = int(b[i])
		cells *= t.points[i]
		if t.points[i] < 2 || cells > maxGridPoints {
			return errProfile
		}
	}
	size := int(b[16])
	if b = b[20:]; size < 1 || size > 2 || len(b) < 3*cells*size {
		return errProfile
	}
	t.grid = make([]float32, 3*cells)
	for i := range t.grid {
		if size == 1 {
			t.grid[i] = float32(b[i]) / 255
		} else {
			t.grid[i] = float32(binary.BigEndian.Uint16(b[2*i:])) / 65535
		}
	}
	return nil
}

// stageCurves reads curves that follow each other, each from a multiple of four
// bytes on.
func stageCurves(b []byte, n int) ([][]float64, error) {
	out := make([][]float64, n)
	for i := range out {
		f, size, err := parseCurve(b)
		if err != nil {
			return nil, err
		}
		b = b[min((size+3)&^3, len(b)):]
		out[i] = make([]float64, stageSteps+1)
		for k := range out[i] {
			v := min(max(f(float64(k)/stageSteps), 0), 1)
			if math.IsNaN(v) {
				return nil, errProfile
			}
			out[i][k] = v
		}
	}
	return out, nil
}

// perceptualBlack is the black of version 4's perceptual tables: that of a good
// print (ISO 15076-1, 6.3.3). A screen's black is zero, so it is subtracted, as
// by other tools.
var perceptualBlack = [3]float64{0.00336, 0.0034731, 0.00287}

// withoutBlack maps perceptualBlack to zero and white to itself.
func withoutBlack(v [3]float64) [3]float64 {
	for i, black := range perceptualBlack {
		v[i] = (v[i] - black) / (whiteD50[i] - black) * whiteD50[i]
	}
	return v
}
