package scaledjpeg

import (
	"errors"
	"fmt"
)

func markerName(m byte) string {
	switch m {
	case mEOI:
		return "EOI"
	case mSOS:
		return "SOS"
	case mDHT:
		return "DHT"
	case mDQT:
		return "DQT"
	}
	return fmt.Sprintf("marker %#02x", m)
}

// errIsRead reports whether err is the reader's and not the picture's.
func errIsRead(err error) bool {
	return !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrTruncated) &&
		!errors.Is(err, ErrUnsupported) && !errors.Is(err, ErrLimit)
}

// segments reads marker segments from marker m on, up to the next SOS or EOI
// or the end of the stream, and returns that marker.
func (d *Decoder) segments(m byte) (byte, error) {
	for {
		switch {
		case m == mSOS || m == mEOI || m == markerEOF:
			return m, nil
		case m == mSOI || m == mTEM || m >= mRST0 && m <= mRST7 || m < mSOF0:
			// No segment follows. A second SOI, a stray restart marker and
			// garbage are skipped, as in libjpeg.
		default:
			if err := d.segment(m); err != nil {
				return 0, err
			}
		}
		m = d.src.nextMarker(true)
	}
}

// segment reads one segment, length included.
func (d *Decoder) segment(m byte) error {
	at := d.src.offset() - 2
	var b [2]byte
	if !d.src.readFull(b[:]) {
		return d.src.short(markerName(m))
	}
	n := int(b[0])<<8 + int(b[1]) - 2
	if n < 0 && (m >= mAPP0 && m <= mAPP0+15 || m == mCOM) {
		n = 0 // libjpeg accepts such an empty segment
	}
	if n < 0 {
		return &Error{Offset: at, Detail: markerName(m) + ": impossible length", Err: ErrCorrupt}
	}
	if what := unsupportedFrame(m); what != "" {
		return &Error{Offset: at, Detail: what, Err: ErrUnsupported}
	}
	// left counts the bytes that the handler did not read.
	left, err := n, error(nil)
	switch m {
	case mSOF0, mSOF1, mSOF2:
		left, err = d.frame(m, n)
	case mDHT:
		left, err = d.huffmanTables(n)
	case mDQT:
		left, err = d.quantTables(n)
	case mDRI:
		if n < 2 {
			err = d.corrupt("DRI of %d bytes", n)
		} else if !d.src.readFull(b[:]) {
			err = d.src.short("DRI")
		} else {
			d.interval, left = int(b[0])<<8+int(b[1]), n-2
		}
	case mDNL:
		left, err = d.lateHeight(n)
	case mAPP0, mAPP1, mAPP2, mAPPE:
		left, err = d.application(m, n)
	}
	if err != nil {
		return err
	}
	if !d.src.skip(left) {
		return d.src.short(markerName(m))
	}
	return nil
}

// frame reads a frame header (T.81, B.2.2).
func (d *Decoder) frame(m byte, n int) (left int, err error) {
	if d.framed {
		return 0, d.corrupt("a second frame")
	}
	var b [6]byte
	if n < 6 {
		return 0, d.corrupt("frame header of %d bytes", n)
	}
	if !d.src.readFull(b[:]) {
		return 0, d.src.short("frame header")
	}
	if b[0] != 8 {
		return 0, &Error{Offset: d.src.offset(), Detail: fmt.Sprintf("%d-bit samples", b[0]), Err: ErrUnsupported}
	}
	h := &d.hdr
	h.Height = int(b[1])<<8 + int(b[2])
	h.Width = int(b[3])<<8 + int(b[4])
	h.Components = int(b[5])
	h.Progressive = m == mSOF2
	if h.Width == 0 {
		return 0, d.corrupt("no width")
	}
	if c := h.Components; c != 1 && c != 3 && c != 4 {
		return 0, &Error{Offset: d.src.offset(), Detail: fmt.Sprintf("%d components", c), Err: ErrUnsupported}
	}
	if n < 6+3*h.Components {
		return 0, d.corrupt("frame header too short for %d components", h.Components)
	}
	for i := range h.Components {
		if !d.src.readFull(b[:3]) {
			return 0, d.src.short("frame header")
		}
		c := &d.comps[i]
		c.id, c.tq = b[0], b[2]
		s := Sampling{H: b[1] >> 4, V: b[1] & 15}
		if s.H < 1 || s.H > 4 || s.V < 1 || s.V > 4 {
			return 0, d.corrupt("component %d: sampling %dx%d", c.id, s.H, s.V)
		}
		if c.tq > 3 {
			return 0, d.corrupt("component %d: quantisation table %d", c.id, c.tq)
		}
		if h.Components == 1 {
			s = Sampling{1, 1} // a single component has no ratio to another
		}
		h.Sampling[i] = s
	}
	d.framed = true
	return n - 6 - 3*h.Components, nil
}

// lateHeight reads a DNL segment. It applies only where the frame header has
// height 0.
func (d *Decoder) lateHeight(n int) (left int, err error) {
	if d.hdr.Height != 0 || d.scans != 1 {
		return n, nil
	}
	var b [2]byte
	if n < 2 {
		return 0, d.corrupt("DNL of %d bytes", n)
	}
	if !d.src.readFull(b[:]) {
		return 0, d.src.short("DNL")
	}
	height := int(b[0])<<8 + int(b[1])
	if height == 0 {
		return 0, d.corrupt("DNL: no height")
	}
	if height > d.rows {
		if err := d.fits(height, true); err != nil {
			return 0, err
		}
	}
	d.hdr.Height = height
	d.setRows(height, true)
	return n - 2, nil
}

// quantTables reads a DQT segment (T.81, B.2.4.1).
func (d *Decoder) quantTables(n int) (left int, err error) {
	for n > 0 {
		pt, ok := d.src.readByte()
		if !ok {
			return 0, d.src.short("DQT")
		}
		wide, id := pt>>4, pt&15
		if wide > 1 || id > 3 {
			return 0, d.corrupt("DQT: table %d, precision %d", id, wide)
		}
		var b [128]byte
		size := 64 << wide
		if n -= 1 + size; n < 0 {
			return 0, d.corrupt("DQT: too short")
		}
		if !d.src.readFull(b[:size]) {
			return 0, d.src.short("DQT")
		}
		for k := range 64 {
			if wide == 0 {
				d.quant[id][k] = uint16(b[k])
			} else {
				d.quant[id][k] = uint16(b[2*k])<<8 | uint16(b[2*k+1])
			}
		}
		d.quantSet[id] = true
	}
	return 0, nil
}

// huffmanTables reads a DHT segment (T.81, B.2.4.2).
func (d *Decoder) huffmanTables(n int) (left int, err error) {
	for n > 0 {
		var b [17]byte
		if n -= len(b); n < 0 {
			return 0, d.corrupt("DHT: too short")
		}
		if !d.src.readFull(b[:]) {
			return 0, d.src.short("DHT")
		}
		class, id := b[0]>>4, b[0]&15
		if class > 1 || id > 3 {
			return 0, d.corrupt("DHT: class %d, table %d", class, id)
		}
		counts := [16]uint8(b[1:])
		total := 0
		for _, c := range counts {
			total += int(c)
		}
		if total > 256 {
			return 0, d.corrupt("DHT: %d codes", total)
		}
		var vals [256]uint8
		if n -= total; n < 0 {
			return 0, d.corrupt("DHT: too short")
		}
		if !d.src.readFull(vals[:total]) {
			return 0, d.src.short("DHT")
		}
		table := &d.dc[id]
		if class == 1 {
			table = &d.ac[id]
		}
		d.tables = true
		// A fault is reported by a scan that uses the table.
		if table.set(class == 1, &counts, vals[:total]) != nil {
			table.badAt = d.src.offset()
		}
	}
	return 0, nil
}
