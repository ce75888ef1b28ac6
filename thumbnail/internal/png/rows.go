package png

import (
	"encoding/binary"
	"fmt"
	"io"

	"sluice/thumbnail/internal/codec"
	"sluice/thumbnail/internal/inflate"

	"sluice/thumbnail/internal/raster"
)

// decode inflates, unfilters and reduces row by row.
func decode(c *chunks, f *form, reduction int) (*raster.Raster, error) {
	inflated, err := inflate.NewReader(c)
	if err != nil {
		return nil, err
	}
	rows := &rows{form: f, r: inflated, wide: make([]byte, f.w*f.channels())}
	var out *raster.Raster
	if f.interlaced {
		out, err = rows.interlaced(reduction)
	} else {
		out, err = rows.plain(reduction)
	}
	if err != nil {
		return nil, err
	}
	return out, c.finish()
}

// rows returns the rows of a picture, or of one pass of an interlaced one.
type rows struct {
	form          *form
	r             io.Reader
	row, previous []byte // stored rows, the filter's byte first
	wide          []byte // a row of 8 bits a channel, colours multiplied by alpha
}

func (p *rows) plain(reduction int) (*raster.Raster, error) {
	red := raster.NewReducer(p.form.w, p.form.h, p.form.channels(), reduction)
	p.begin(p.form.w)
	for range p.form.h {
		row, err := p.next(p.form.w)
		if err != nil {
			return nil, err
		}
		red.Add(row)
	}
	return red.Raster(p.form.alpha()), nil
}

// adam7 are the seven passes of an interlaced picture: where each begins, and
// how far its pixels lie apart.
var adam7 = [7]struct{ x, y, dx, dy int }{
	{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2},
}

// interlaced reads the passes.
func (p *rows) interlaced(reduction int) (*raster.Raster, error) {
	f := p.form
	s := raster.NewCells(f.w, f.h, f.channels(), reduction)
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
			s.Add(row, pass.x, pass.y+y*pass.dy, pass.dx)
		}
	}
	return s.Raster(f.alpha()), nil
}

// begin starts a picture or a pass of w pixels a row: the row before the first
// counts as zeros.
func (p *rows) begin(w int) {
	n := int(p.form.rowBytes(int64(w))) + 1
	if cap(p.row) < n {
		p.row, p.previous = make([]byte, n), make([]byte, n)
	}
	p.row, p.previous = p.row[:n], p.previous[:n]
	clear(p.previous)
}

// next reads a row of w pixels. It is overwritten by the next call.
func (p *rows) next(w int) ([]byte, error) {
	if _, err := io.ReadFull(p.r, p.row); err != nil {
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil, io.ErrUnexpectedEOF
		}
		return nil, err
	}
	pixel := max(1, p.form.samples()*p.form.depth/8)
	if !unfilter(p.row[0], p.row[1:], p.previous[1:], pixel) {
		return nil, codec.Corrupt(codec.PNG, fmt.Sprintf("PNG row has unknown filter %d", p.row[0]))
	}
	wide := p.form.widen(p.wide[:w*p.form.channels()], p.row[1:], w)
	p.row, p.previous = p.previous, p.row
	return wide, nil
}

// widen returns a stored row with 8 bits a channel, colours multiplied by
// alpha. It fills dst, or returns a part of src as it is.
func (f *form) widen(dst, src []byte, w int) []byte {
	switch {
	case f.colour == colourPalette:
		f.widenPalette(dst, src)
	case f.depth < 8:
		f.widenBits(dst, src)
	case f.clear:
		f.widenKeyed(dst, src)
	case f.depth == 16:
		for i := range dst {
			dst[i] = eightBits(binary.BigEndian.Uint16(src[2*i:]))
		}
		if f.alpha() {
			raster.Premultiply(dst, f.channels())
		}
	case f.alpha():
		// The next row is predicted from src, so it must stay as it is.
		copy(dst, src)
		raster.Premultiply(dst, f.channels())
	default:
		return src[:w*f.channels()]
	}
	return dst
}

// bitsAt returns sample i of a row of 1, 2, 4 or 8 bits a sample.
func bitsAt(src []byte, i, depth int) byte {
	at := i * depth
	return src[at/8] >> (8 - depth - at%8) & (1<<depth - 1)
}

// widenPalette looks up colours. An index beyond the palette is black, as
// elsewhere.
func (f *form) widenPalette(dst, src []byte) {
	n := f.channels()
	for i := 0; n*i < len(dst); i++ {
		copy(dst[n*i:n*i+n], f.palette[bitsAt(src, i, f.depth)][:n])
	}
}

func (f *form) widenBits(dst, src []byte) {
	scale := byte(255 / (1<<f.depth - 1))
	if !f.clear {
		for i := range dst {
			dst[i] = bitsAt(src, i, f.depth) * scale
		}
		return
	}
	for i := 0; 2*i < len(dst); i++ {
		v := bitsAt(src, i, f.depth)
		dst[2*i], dst[2*i+1] = v*scale, 255
		if uint16(v) == f.key[0] {
			dst[2*i], dst[2*i+1] = 0, 0
		}
	}
}

// widenKeyed makes the one transparent colour so. It is compared with all its
// bits.
func (f *form) widenKeyed(dst, src []byte) {
	samples, step := f.samples(), f.depth/8
	for ; len(dst) > samples; dst = dst[samples+1:] {
		hit := true
		for s := range samples {
			v := uint16(src[s])
			if step == 2 {
				v = binary.BigEndian.Uint16(src[2*s:])
				dst[s] = eightBits(v)
			} else {
				dst[s] = src[s]
			}
			hit = hit && v == f.key[s]
		}
		dst[samples] = 255
		if hit {
			clear(dst[:samples+1])
		}
		src = src[samples*step:]
	}
}

// eightBits is v*255/65535, rounded. The upper byte alone would make pictures
// half a level darker.
func eightBits(v uint16) byte { return byte((uint32(v)*255 + 32895) >> 16) }
