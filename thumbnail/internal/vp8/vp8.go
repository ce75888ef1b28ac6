// Package vp8 decodes the frame of a lossy WebP, a VP8 key frame (RFC 6386),
// for thumbnails: row by row, into planes that are reduced at once, and without
// the loop filter.
//
// The filter smooths the steps that quantisation leaves at block edges, by
// moving a little from one side to the other. Prediction inside a frame uses
// the samples before the filter, so nothing depends on it, and averaging four
// samples or more does the same and better. The filter is 44 % of the time of
// golang.org/x/image/vp8, which serves larger thumbnails and transparent
// pictures.
//
// A block of 4 x 4 samples is a prediction from its neighbours plus the inverse
// transform of its coefficients, a product of two transforms of four points:
//
//	a = c0 + c2      u = sin·c1 - cos·c3      s0 = a + v   s3 = a - v
//	b = c0 - c2      v = cos·c1 + sin·c3      s1 = b + u   s2 = b - u
//
// with sin = √2·sin(π/8) and cos = √2·cos(π/8). The luma DCs of a macroblock
// pass through a Walsh-Hadamard transform first. Bits are coded arithmetically,
// see boolDecoder.
package vp8

import (
	"errors"
	"math"

	"sluice/thumbnail/internal/raster"
)

// Picture is a frame that is decoded macroblock by macroblock, of 16 x 16
// pixels.
type Picture struct {
	w, h       int // of the picture
	unitsX     int // macroblocks of 16 x 16
	unitsY     int
	head       boolDecoder   // the first partition: settings, and how each macroblock is predicted
	tokens     []boolDecoder // the others: coefficients; macroblock rows take turns
	probs      tokenProbs
	quant      [4]quantiser // by segment
	segmented  bool
	mapped     bool // each macroblock names its segment
	segment    [3]uint8
	skipping   bool // macroblocks may say that they have no coefficients
	skipProb   uint8
	reducers   [3]*raster.Reducer
	luma       channel
	chroma     [2]channel
	above      []neighbour // of each column
	left       neighbour
	macroblock macroblock
}

// tokenProbs are by block type, band, context and branch.
type tokenProbs [4][8][3][11]uint8

// quantiser are a segment's quantiser steps, DC and AC.
type quantiser struct{ y, y2, uv [2]int32 }

// neighbour holds what the macroblocks below and on the right need of a
// macroblock.
type neighbour struct {
	modes  [4]uint8 // of the four 4 x 4 blocks at that side
	luma   [4]uint8 // 1 where a block had coefficients
	chroma [2][2]uint8
	y2     uint8
}

// macroblock is the one being decoded.
type macroblock struct {
	segment uint8
	skip    bool
	whole   bool // luma is predicted as a whole, by mode; otherwise by modes
	mode    uint8
	modes   [16]uint8
	uvMode  uint8
	coeff   [25][16]int16 // 16 luma, 4 + 4 chroma, then the luma DCs
	last    [25]uint8     // 1 + index of the last coefficient
}

var errCorrupt = errors.New("invalid VP8 data")

// New reads the settings. The data is the whole frame; the reducers' factor is
// reduction.
func New(data []byte, reduction int) (*Picture, error) {
	const frameHead = 10
	if len(data) < frameHead || data[0]&1 != 0 || data[3] != 0x9d || data[4] != 0x01 || data[5] != 0x2a {
		return nil, errCorrupt
	}
	first := int(data[0])>>5 | int(data[1])<<3 | int(data[2])<<11
	p := &Picture{w: int(data[6]) | int(data[7]&0x3f)<<8, h: int(data[8]) | int(data[9]&0x3f)<<8}
	data = data[frameHead:]
	if p.w == 0 || p.h == 0 || first > len(data) {
		return nil, errCorrupt
	}
	p.unitsX, p.unitsY = (p.w+15)/16, (p.h+15)/16
	p.head = newBoolDecoder(data[:first])
	if err := p.readHead(data[first:]); err != nil {
		return nil, err
	}
	cw, ch := (p.w+1)/2, (p.h+1)/2
	p.reducers = [3]*raster.Reducer{raster.NewReducer(p.w, p.h, 1, reduction), raster.NewReducer(cw, ch, 1, reduction), raster.NewReducer(cw, ch, 1, reduction)}
	p.luma = newChannel(16, p.unitsX)
	p.chroma = [2]channel{newChannel(8, p.unitsX), newChannel(8, p.unitsX)}
	p.above = make([]neighbour, p.unitsX)
	return p, nil
}

// readHead reads the first partition's settings (section 9.3 and following).
// rest are the other partitions.
func (p *Picture) readHead(rest []byte) error {
	b := &p.head
	b.flag() // colour space: there is one
	b.flag() // clamping: it does no harm where it is not needed
	var quant [4]int
	absolute := false
	p.segment = [3]uint8{255, 255, 255}
	if p.segmented = b.flag(); p.segmented {
		p.mapped = b.flag()
		if b.flag() {
			absolute = b.flag()
			for i := range quant {
				quant[i] = b.optional(7)
			}
			for range 4 {
				b.optional(6) // filter strength
			}
		}
		if p.mapped {
			for i := range p.segment {
				if b.flag() {
					p.segment[i] = uint8(b.number(8))
				}
			}
		}
	}
	b.number(1 + 6 + 3) // filter: type, level, sharpness
	if adjusted := b.flag(); adjusted {
		if changed := b.flag(); changed {
			for range 8 {
				b.optional(6)
			}
		}
	}
	if err := p.splitTokens(1<<b.number(2), rest); err != nil {
		return err
	}
	p.readQuant(quant, absolute)
	b.flag() // whether probabilities outlive the frame
	p.probs = defaultProbs
	for t := range p.probs {
		for band := range p.probs[t] {
			for ctx := range p.probs[t][band] {
				for i := range p.probs[t][band][ctx] {
					if b.bit(tokenUpdates[t][band][ctx][i]) == 1 {
						p.probs[t][band][ctx][i] = uint8(b.number(8))
					}
				}
			}
		}
	}
	if p.skipping = b.flag(); p.skipping {
		p.skipProb = uint8(b.number(8))
	}
	return nil
}

// splitTokens finds the n partitions of coefficients. The sizes of all but the
// last stand before them.
func (p *Picture) splitTokens(n int, rest []byte) error {
	sizes := 3 * (n - 1)
	if len(rest) < sizes {
		return errCorrupt
	}
	data := rest[sizes:]
	for i := range n {
		size := len(data)
		if i < n-1 {
			size = int(rest[3*i]) | int(rest[3*i+1])<<8 | int(rest[3*i+2])<<16
		}
		if size > len(data) {
			return errCorrupt
		}
		p.tokens = append(p.tokens, newBoolDecoder(data[:size]))
		data = data[size:]
	}
	return nil
}

// readQuant reads the quantiser indices and looks up the steps of each segment
// (section 9.6).
func (p *Picture) readQuant(segments [4]int, absolute bool) {
	b := &p.head
	base := b.number(7)
	yDC, y2DC, y2AC, uvDC, uvAC := b.optional(4), b.optional(4), b.optional(4), b.optional(4), b.optional(4)
	step := func(table *[128]uint16, q int) int32 { return int32(table[min(max(q, 0), 127)]) }
	for i := range p.quant {
		q := base
		if p.segmented {
			q = segments[i]
			if !absolute {
				q += base
			}
		}
		q = min(max(q, 0), 127)
		p.quant[i] = quantiser{
			y:  [2]int32{step(&dcSteps, q+yDC), step(&acSteps, q)},
			y2: [2]int32{2 * step(&dcSteps, q+y2DC), max(8, step(&acSteps, q+y2AC)*155/100)},
			uv: [2]int32{min(132, step(&dcSteps, q+uvDC)), step(&acSteps, q+uvAC)},
		}
	}
}

// decode decodes and reduces all rows.
func (p *Picture) Decode() (*raster.Raster, error) {
	for y := range p.unitsY {
		p.left = neighbour{}
		p.luma.begin(y)
		p.chroma[0].begin(y)
		p.chroma[1].begin(y)
		tokens := &p.tokens[y%len(p.tokens)]
		for x := range p.unitsX {
			p.readModes(x)
			p.readCoefficients(tokens, x)
			p.reconstruct(x, y)
		}
		// Bits read ahead may lie beyond the end, those of a whole macroblock
		// may not.
		if p.head.beyond > 8 || tokens.beyond > 8 {
			return nil, errCorrupt
		}
		p.luma.emit(p.reducers[0])
		p.chroma[0].emit(p.reducers[1])
		p.chroma[1].emit(p.reducers[2])
	}
	out := &raster.Raster{Model: raster.YCC, Droop: raster.DroopOf(p.reducers[0].K)}
	for i, r := range p.reducers {
		plane := r.Planes[0]
		if i > 0 {
			// Of an odd side the last chroma sample covers half a step only.
			plane.ExtentW, plane.ExtentH = float64(p.w)/2/float64(r.K), float64(p.h)/2/float64(r.K)
		}
		out.Planes = append(out.Planes, plane)
	}
	FullRange(out)
	return out, nil
}

// MemoryBytes is the memory that decoding allocates besides the data and the
// result.
func MemoryBytes(w int64) int64 {
	units := (w + 15) / 16
	return int64(math.Round(float64(units)*(17*16+2*9*8+16))) + 64<<10
}
