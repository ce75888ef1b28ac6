package vp8

// The ways to predict. The first four are also those of whole macroblocks; the
// order is that of modeProbs.
const (
	dcMode   = iota // the mean of the samples above and on the left
	trueMode        // left + above - corner
	verticalMode
	horizontalMode
	rightDownMode
	verticalRightMode
	leftDownMode
	verticalLeftMode
	horizontalDownMode
	horizontalUpMode
	modeCount
)

// readModes reads how a macroblock is predicted (section 8.1, 11.2 and
// following).
func (p *Picture) readModes(x int) {
	b, m := &p.head, &p.macroblock
	m.segment = 0
	if p.mapped {
		m.segment = uint8(b.bit(p.segment[0])) * 2
		m.segment += uint8(b.bit(p.segment[1+m.segment/2]))
	}
	m.skip = p.skipping && b.bit(p.skipProb) == 1
	above, left := &p.above[x].modes, &p.left.modes
	if m.whole = b.bit(145) == 1; m.whole {
		switch {
		case b.bit(156) == 0:
			m.mode = [2]uint8{dcMode, verticalMode}[b.bit(163)]
		default:
			m.mode = [2]uint8{horizontalMode, trueMode}[b.bit(128)]
		}
		for i := range 4 {
			above[i], left[i] = m.mode, m.mode
		}
	} else {
		for y := range 4 {
			for x := range 4 {
				mode := p.readMode(&modeProbs[above[x]][left[y]])
				m.modes[4*y+x], above[x], left[y] = mode, mode, mode
			}
		}
	}
	switch {
	case b.bit(142) == 0:
		m.uvMode = dcMode
	case b.bit(114) == 0:
		m.uvMode = verticalMode
	default:
		m.uvMode = [2]uint8{horizontalMode, trueMode}[b.bit(183)]
	}
}

// readMode walks the tree of the modes of 4 x 4 samples.
func (p *Picture) readMode(probs *[9]uint8) uint8 {
	b := &p.head
	switch {
	case b.bit(probs[0]) == 0:
		return dcMode
	case b.bit(probs[1]) == 0:
		return trueMode
	case b.bit(probs[2]) == 0:
		return verticalMode
	}
	if b.bit(probs[3]) == 0 {
		if b.bit(probs[4]) == 0 {
			return horizontalMode
		}
		return [2]uint8{rightDownMode, verticalRightMode}[b.bit(probs[5])]
	}
	if b.bit(probs[6]) == 0 {
		return leftDownMode
	}
	if b.bit(probs[7]) == 0 {
		return verticalLeftMode
	}
	return [2]uint8{horizontalDownMode, horizontalUpMode}[b.bit(probs[8])]
}
