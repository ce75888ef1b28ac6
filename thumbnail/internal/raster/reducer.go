package raster

import "encoding/binary"

// maxReduction is the greatest factor of a reducer: 257 rows of 255 still fit
// into 16 bits.
const maxReduction = 256

// ReductionFor is the factor by which rows are averaged while they are decoded.
// The result has at least twice the pixels of each thumbnail along a side, and
// four times as many where that is little work. Two are enough for the eye;
// four are nearer to the exact filter by 2 to 4 dB.
func ReductionFor(ratio float64, w, h int) int {
	const little = 1 << 20
	k := max(1, min(int(ratio/4), maxReduction))
	if (w/k)*(h/k) > little {
		k = max(1, min(int(ratio/2), maxReduction))
	}
	return k
}

// MulBytes multiplies without overflow.
func MulBytes(a, b int64) int64 {
	const most = 1 << 60
	if a != 0 && b > most/a {
		return most
	}
	return a * b
}

// Reducer averages k x k samples while rows arrive, so that a picture of any
// height needs memory for its reduced form and one row. Rows are first added
// up, eight bytes at a time in lanes of 16 bits, and only every k-th row is
// summed along its length: the work for a byte is an eighth of summing each k x
// k block by itself.
type Reducer struct {
	K        int
	channels int // interleaved in a row, one plane each
	W, h     int
	Planes   []Plane
	lanes    []uint64 // even bytes of eight, then odd ones
	sums     []uint16 // the same, byte by byte
	rows     int      // added since the last reduced row
	y        int      // reduced rows done
	Done     int      // rows added in all
}

func NewReducer(w, h, channels, k int) *Reducer {
	k = max(1, min(k, maxReduction))
	r := &Reducer{K: k, channels: channels, W: w, h: h, Planes: make([]Plane, channels)}
	for i := range r.Planes {
		p := NewPlane((w+k-1)/k, (h+k-1)/k)
		p.ExtentW, p.ExtentH = float64(w)/float64(k), float64(h)/float64(k)
		r.Planes[i] = p
	}
	if k > 1 {
		words := (w*channels + 7) / 8
		r.lanes = make([]uint64, 2*words)
		r.sums = make([]uint16, 8*words)
	}
	return r
}

// ReducerBytes is the memory that a reducer allocates.
func ReducerBytes(w, h, channels, k int64) int64 {
	n := MulBytes(MulBytes((w+k-1)/k, (h+k-1)/k), channels)
	if k > 1 {
		n += 32*(w*channels/8) + 32
	}
	return n
}

// add takes the next row: w*channels bytes. Rows beyond the height are ignored.
func (r *Reducer) Add(row []byte) {
	if r.Done == r.h {
		return
	}
	r.Done++
	if r.K == 1 {
		r.split(row)
		r.y++
		return
	}
	const even = 0x00ff00ff00ff00ff
	lanes := r.lanes
	for len(row) >= 8 && len(lanes) >= 2 {
		v := binary.LittleEndian.Uint64(row)
		lanes[0] += v & even
		lanes[1] += v >> 8 & even
		row, lanes = row[8:], lanes[2:]
	}
	if len(row) > 0 {
		var last [8]byte
		copy(last[:], row)
		v := binary.LittleEndian.Uint64(last[:])
		lanes[0] += v & even
		lanes[1] += v >> 8 & even
	}
	r.rows++
	if r.rows == r.K || r.Done == r.h {
		r.flush()
	}
}

// split copies a row into the planes.
func (r *Reducer) split(row []byte) {
	if r.channels == 1 {
		copy(r.Planes[0].Row(r.y), row)
		return
	}
	for c := range r.Planes {
		out := r.Planes[c].Row(r.y)
		for x, i := 0, c; x < len(out); x, i = x+1, i+r.channels {
			out[x] = row[i]
		}
	}
}

// flush makes a reduced row of the rows added. The last row and column may be
// means of fewer samples.
func (r *Reducer) flush() {
	for i := 0; i < len(r.lanes); i += 2 {
		a, b := r.lanes[i], r.lanes[i+1]
		s := r.sums[4*i : 4*i+8 : 4*i+8]
		s[0], s[2], s[4], s[6] = uint16(a), uint16(a>>16), uint16(a>>32), uint16(a>>48)
		s[1], s[3], s[5], s[7] = uint16(b), uint16(b>>16), uint16(b>>32), uint16(b>>48)
	}
	clear(r.lanes)
	n := r.K * r.rows
	// Means by multiplication: sums are at most 255·n ≤ 2²⁴, so a factor of
	// 2⁴⁰/n is exact after rounding.
	factor := (uint64(1)<<40 + uint64(n) - 1) / uint64(n)
	whole := r.W / r.K
	for c := range r.Planes {
		out := r.Planes[c].Row(r.y)
		i := c
		for x := range whole {
			var sum uint32
			for range r.K {
				sum += uint32(r.sums[i])
				i += r.channels
			}
			out[x] = byte((uint64(sum) + uint64(n/2)) * factor >> 40)
		}
		if whole < len(out) {
			left := r.W - whole*r.K
			var sum int
			for range left {
				sum += int(r.sums[i])
				i += r.channels
			}
			out[whole] = byte((sum + left*r.rows/2) / (left * r.rows))
		}
	}
	r.rows = 0
	r.y++
}

// Raster returns the planes: grey or RGB by their number, with alpha the last
// one.
func (r *Reducer) Raster(alpha bool) *Raster {
	out := &Raster{Planes: r.Planes, Model: RGB, Droop: DroopOf(r.K)}
	if alpha {
		out.Planes, out.Alpha = r.Planes[:len(r.Planes)-1], &r.Planes[len(r.Planes)-1]
	}
	if len(out.Planes) == 1 {
		out.Model = Grey
	}
	return out
}

// Premultiply multiplies the colours of a row by its alpha, the last of its
// channels.
func Premultiply(row []byte, channels int) {
	switch channels {
	case 2:
		for ; len(row) >= 2; row = row[2:] {
			row[0] = Scale(row[0], row[1])
		}
	case 4:
		for ; len(row) >= 4; row = row[4:] {
			if a := row[3]; a != 255 {
				row[0], row[1], row[2] = Scale(row[0], a), Scale(row[1], a), Scale(row[2], a)
			}
		}
	}
}

// Scale is v*a/255, rounded.
func Scale(v, a byte) byte {
	t := uint32(v)*uint32(a) + 128
	return byte((t + t>>8) >> 8)
}

// Unscale is v*255/a, rounded. The filter may have left v above a.
func Unscale(v, a byte) byte {
	if v >= a {
		return 255
	}
	return byte((int(v)*255 + int(a)/2) / int(a))
}

// Clamp limits v to 0 … 255.
func Clamp(v int32) byte {
	if uint32(v) > 255 {
		return byte(^v >> 31)
	}
	return byte(v)
}
