package thumbnail

// The ways to predict. The first four are also those of whole macroblocks; the order is that of vp8ModeProbs.
const (
	vp8DCMode   = iota // the mean of what is above and on the left
	vp8TrueMode        // left + above - corner
	vp8VerticalMode
	vp8HorizontalMode
	vp8RightDownMode
	vp8VerticalRightMode
	vp8LeftDownMode
	vp8VerticalLeftMode
	vp8HorizontalDownMode
	vp8HorizontalUpMode
	vp8Modes
)

// readModes reads how a macroblock is predicted (section 8.1, 11.2 and following).
func (p *vp8Picture) readModes(x int) {
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
			m.mode = [2]uint8{vp8DCMode, vp8VerticalMode}[b.bit(163)]
		default:
			m.mode = [2]uint8{vp8HorizontalMode, vp8TrueMode}[b.bit(128)]
		}
		for i := range 4 {
			above[i], left[i] = m.mode, m.mode
		}
	} else {
		for y := range 4 {
			for x := range 4 {
				mode := p.readMode(&vp8ModeProbs[above[x]][left[y]])
				m.modes[4*y+x], above[x], left[y] = mode, mode, mode
			}
		}
	}
	switch {
	case b.bit(142) == 0:
		m.uvMode = vp8DCMode
	case b.bit(114) == 0:
		m.uvMode = vp8VerticalMode
	default:
		m.uvMode = [2]uint8{vp8HorizontalMode, vp8TrueMode}[b.bit(183)]
	}
}

// readMode walks the tree of the modes of 4 x 4 samples.
func (p *vp8Picture) readMode(probs *[9]uint8) uint8 {
	b := &p.head
	switch {
	case b.bit(probs[0]) == 0:
		return vp8DCMode
	case b.bit(probs[1]) == 0:
		return vp8TrueMode
	case b.bit(probs[2]) == 0:
		return vp8VerticalMode
	}
	if b.bit(probs[3]) == 0 {
		if b.bit(probs[4]) == 0 {
			return vp8HorizontalMode
		}
		return [2]uint8{vp8RightDownMode, vp8VerticalRightMode}[b.bit(probs[5])]
	}
	if b.bit(probs[6]) == 0 {
		return vp8LeftDownMode
	}
	if b.bit(probs[7]) == 0 {
		return vp8VerticalLeftMode
	}
	return [2]uint8{vp8HorizontalDownMode, vp8HorizontalUpMode}[b.bit(probs[8])]
}
