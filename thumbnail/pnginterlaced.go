package thumbnail

// adam7 are the seven passes of an interlaced picture: where each begins, and how far its pixels lie apart.
var adam7 = [7]struct{ x, y, dx, dy int }{
	{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2},
}

// pngSums averages pixels that come in any order, which a reducer cannot: it keeps the sum of each cell of k x k
// pixels. So an interlaced picture, too, needs memory for its result only, not for itself.
type pngSums struct {
	k, w, h, channels int
	cellsW, cellsH    int
	sums              []uint32 // by cell, then channel; 256 x 256 x 255 fits
}

// interlaced reads the passes.
func (p *pngRows) interlaced(reduction int) (*raster, error) {
	f := p.form
	k := max(1, min(reduction, maxReduction))
	s := &pngSums{k: k, w: f.w, h: f.h, channels: f.channels(), cellsW: (f.w + k - 1) / k, cellsH: (f.h + k - 1) / k}
	s.sums = make([]uint32, s.cellsW*s.cellsH*s.channels)
	for _, pass := range adam7 {
		w, h := (f.w-pass.x+pass.dx-1)/pass.dx, (f.h-pass.y+pass.dy-1)/pass.dy
		if w <= 0 || h <= 0 {
			continue
		}
		p.begin(w)
		for y := range h {
			row, err := p.next(w)
			if err != nil {
				return nil, err
			}
			s.add(row, pass.x, pass.y+y*pass.dy, pass.dx)
		}
	}
	return s.raster(f.alpha()), nil
}

// add adds a pass's row: pixels from x on, dx apart.
func (s *pngSums) add(row []byte, x, y, dx int) {
	base := y / s.k * s.cellsW * s.channels
	for ; len(row) >= s.channels; row = row[s.channels:] {
		cell := s.sums[base+x/s.k*s.channels:]
		for c := range s.channels {
			cell[c] += uint32(row[c])
		}
		x += dx
	}
}

// raster divides the sums by the pixels of their cells; the last column and row have fewer.
func (s *pngSums) raster(alpha bool) *raster {
	r := newReducer(s.cellsW, s.cellsH, s.channels, 1)
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
		r.add(row)
	}
	for i := range r.planes {
		r.planes[i].extentW, r.planes[i].extentH = float64(s.w)/float64(s.k), float64(s.h)/float64(s.k)
	}
	out := r.raster(alpha)
	out.droop = droopOf(s.k)
	return out
}
