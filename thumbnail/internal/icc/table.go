package icc

import "encoding/binary"

// table is a look-up table of type mft1, mft2 or mAB: a curve for each input, a
// grid of outputs, and a curve for each output; in mAB curves and a matrix may
// stand before the last curves, and the grid may be absent.
type table struct {
	inputs  int
	points  [4]int       // of the grid, along each input
	curves  [][]float64  // of the inputs
	grid    []float32    // three outputs at each point; the last input runs fastest. nil: the inputs are the outputs
	middle  [][]float64  // curves after the grid; nil where there are none
	matrix  *[12]float64 // three rows of three, then three offsets; nil for none
	results [][]float64  // curves of the outputs
	// labScale turns an output of 1 into L*; a* and b* follow. Eight and
	// sixteen bits encode Lab differently.
	sixteen bool
}

// maxGridPoints bounds a table: 33 points for CMYK are more than any profile
// has.
const maxGridPoints = 33 * 33 * 33 * 33

func parseTable(b []byte, inputs int) (*table, error) {
	if len(b) >= 32 && string(b[:4]) == "mAB " {
		return parseStages(b, inputs)
	}
	if len(b) < 52 || int(b[8]) != inputs || b[9] != 3 || b[10] < 2 {
		return nil, errProfile
	}
	points := int(b[10])
	t := &table{inputs: inputs, points: [4]int{points, points, points, points}}
	entriesIn, entriesOut, at, size := 256, 256, 48, 1
	switch string(b[:4]) {
	case "mft1":
	case "mft2":
		t.sixteen = true
		entriesIn, entriesOut = int(binary.BigEndian.Uint16(b[48:])), int(binary.BigEndian.Uint16(b[50:]))
		at, size = 52, 2
	default:
		return nil, errProfile
	}
	cells := 1
	for range inputs {
		cells *= points
	}
	if cells > maxGridPoints || entriesIn < 2 || entriesOut < 2 || len(b)-at < size*(inputs*entriesIn+3*cells+3*entriesOut) {
		return nil, errProfile
	}
	b = b[at:]
	value := func(i int) float64 {
		if t.sixteen {
			return float64(binary.BigEndian.Uint16(b[2*i:])) / 65535
		}
		return float64(b[i]) / 255
	}
	next := 0
	curves := func(count, entries int) [][]float64 {
		out := make([][]float64, count)
		for c := range out {
			out[c] = make([]float64, entries)
			for i := range out[c] {
				out[c][i] = value(next)
				next++
			}
		}
		return out
	}
	t.curves = curves(inputs, entriesIn)
	t.grid = make([]float32, 3*cells)
	for i := range t.grid {
		t.grid[i] = float32(value(next))
		next++
	}
	t.results = curves(3, entriesOut)
	return t, nil
}

// at returns the outputs, from 0 to 1, for inputs from 0 to 1: linear between
// the grid's points in every direction.
func (t *table) at(in []float64) [3]float64 {
	out := t.gridAt(in)
	apply := func(curves [][]float64) {
		for o, c := range curves {
			out[o] = interpolate(len(c), out[o], func(k int) float64 { return c[k] })
		}
	}
	apply(t.middle)
	if m := t.matrix; m != nil {
		v := out
		for o := range out {
			out[o] = m[3*o]*v[0] + m[3*o+1]*v[1] + m[3*o+2]*v[2] + m[9+o]
		}
	}
	apply(t.results)
	return out
}

func (t *table) gridAt(in []float64) (out [3]float64) {
	if t.grid == nil {
		copy(out[:], in)
		return out
	}
	var index [4][2]int
	var fraction [4]float64
	stride := 3
	for i := t.inputs - 1; i >= 0; i-- {
		c := t.curves[i]
		x := interpolate(len(c), in[i], func(k int) float64 { return c[k] }) * float64(t.points[i]-1)
		low := min(int(x), t.points[i]-1)
		index[i] = [2]int{low * stride, min(low+1, t.points[i]-1) * stride}
		fraction[i] = x - float64(low)
		stride *= t.points[i]
	}
	for corner := range 1 << t.inputs {
		weight, at := 1.0, 0
		for i := range t.inputs {
			bit := corner >> i & 1
			at += index[i][bit]
			if bit == 1 {
				weight *= fraction[i]
			} else {
				weight *= 1 - fraction[i]
			}
		}
		if weight == 0 {
			continue
		}
		for o := range out {
			out[o] += weight * float64(t.grid[at+o])
		}
	}
	return out
}

// xyz decodes a result of at, see ISO 15076-1, 6.3.4 and 10.10.
func (t *table) xyz(v [3]float64, lab bool) [3]float64 {
	if !lab {
		for i := range v {
			v[i] *= 1 + 32767.0/32768
		}
		return v
	}
	scale, half := 1.0, 255.0
	if t.sixteen {
		// FF00 is 100, not FFFF.
		scale, half = 65535.0/65280, 65535.0/256
	}
	return labToXYZ(v[0]*100*scale, v[1]*half-128, v[2]*half-128)
}
