package raster

// Cells averages pixels that come in any order, which a Reducer cannot. It
// keeps the sum of each cell of k x k pixels, so the memory of an interlaced
// picture, too, depends on the result only.
type Cells struct {
	k, w, h, channels int
	cellsW, cellsH    int
	sums              []uint32 // by cell, then channel; 256 x 256 x 255 fits
}

func NewCells(w, h, channels, k int) *Cells {
	k = max(1, min(k, maxReduction))
	s := &Cells{k: k, w: w, h: h, channels: channels, cellsW: (w + k - 1) / k, cellsH: (h + k - 1) / k}
	s.sums = make([]uint32, s.cellsW*s.cellsH*channels)
	return s
}

// add adds a row: pixels from x on, dx apart.
func (s *Cells) Add(row []byte, x, y, dx int) {
	base := y / s.k * s.cellsW * s.channels
	for ; len(row) >= s.channels; row = row[s.channels:] {
		cell := s.sums[base+x/s.k*s.channels:]
		for c := range s.channels {
			cell[c] += uint32(row[c])
		}
		x += dx
	}
}

// Raster divides the sums by the pixels of their cells; the last column and row
// have fewer.
func (s *Cells) Raster(alpha bool) *Raster {
	r := NewReducer(s.cellsW, s.cellsH, s.channels, 1)
	row := make([]byte, s.cellsW*s.channels)
	for y := range s.cellsH {
		rows := min(s.k, s.h-y*s.k)
		for x := range s.cellsW {
			n := uint32(rows * min(s.k, s.w-x*s.k))
			at := (y*s.cellsW + x) * s.channels
			for c := range s.channels {
				row[x*s.channels+c] = byte((s.sums[at+c] + n/2) / n)
			}
		}
		r.Add(row)
	}
	for i := range r.Planes {
		r.Planes[i].ExtentW, r.Planes[i].ExtentH = float64(s.w)/float64(s.k), float64(s.h)/float64(s.k)
	}
	out := r.Raster(alpha)
	out.Droop = DroopOf(s.k)
	return out
}
