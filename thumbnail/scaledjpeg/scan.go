package scaledjpeg

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// scan is one scan's header and the layout of its MCUs.
type scan struct {
	n          int // components
	comps      [4]*component
	dcTab      [4]*huffTable
	acTab      [4]*huffTable
	ss, se     int // zig-zag band
	ah, al     int // successive approximation
	mcux, mcuy int
	plan       [maxMCUBlocks]mcuBlock
	blocks     int
	walked     int // blocks that give one sample, see planWalks
	eobrun     int
}

// mcuBlock is one block of an MCU: component, tables, and the place of the
// block in the MCU's grid of that component.
type mcuBlock struct {
	c      *component
	dc, ac *huffTable
	h, v   int // blocks that an MCU has in each direction
	x, y   int
}

// scan reads the header and data of a scan after its SOS marker, and returns the
// marker that follows. An error means that there is no picture.
func (d *Decoder) scan() (byte, error) {
	d.scans++
	if d.scans > d.opts.MaxScans {
		return 0, &LimitError{
			Setting: "MaxScans", Need: int64(d.scans), Limit: int64(d.opts.MaxScans), Offset: d.src.offset(),
		}
	}
	s := &d.cur
	if err := d.scanHeader(s); err != nil {
		if errIsRead(err) || d.scans == 1 {
			return 0, err
		}
		if d.damaged(err); d.stopped() {
			return 0, err
		}
		return d.pass(), nil
	}
	s.noteSent()
	if d.hdr.Progressive && !d.wanted(s) {
		return d.pass(), nil
	}
	for i := range s.n {
		c := s.comps[i]
		if !c.seen {
			c.seen = true
			c.quant = d.quant[c.tq]
			c.deq.set(&c.quant, c.n)
			c.low = [64]uint8{}
		}
		for k := s.ss; k <= s.se; k++ {
			c.low[k] = uint8(s.al)
		}
	}
	return d.mcuRuns(s)
}

// noteSent marks the coefficients of the scan as sent to their last bit, or not.
func (s *scan) noteSent() {
	band := ^uint64(0) << s.ss & (^uint64(0) >> (63 - s.se))
	for _, c := range s.comps[:s.n] {
		if c.unsent &^= band; s.al > 0 {
			c.unsent |= band
		}
	}
}

// pass skips a scan's data and returns the marker that ends it.
func (d *Decoder) pass() byte {
	for {
		if m := d.src.nextMarker(false); endsScan(m) {
			return m
		}
	}
}

// scanHeader reads a scan header (T.81, B.2.3) and checks it against the frame
// and the tables.
func (d *Decoder) scanHeader(s *scan) error {
	var b [2 + 1 + 8 + 3]byte
	if !d.src.readFull(b[:3]) {
		return d.src.short("scan header")
	}
	n := int(b[2])
	if n < 1 || n > 4 || int(b[0])<<8+int(b[1]) != 6+2*n {
		return d.corrupt("scan header of %d components", n)
	}
	if !d.src.readFull(b[3 : 6+2*n]) {
		return d.src.short("scan header")
	}
	p := b[3+2*n:]
	s.n = n
	s.ss, s.se, s.ah, s.al = int(p[0]), int(p[1]), int(p[2]>>4), int(p[2]&15)
	if d.hdr.Progressive {
		switch {
		case s.ss > s.se || s.se > 63 || s.ss == 0 && s.se != 0 || s.ss > 0 && n > 1:
			return d.corrupt("scan of coefficients %d to %d, %d components", s.ss, s.se, n)
		case s.al > 13 || s.ah != 0 && s.ah != s.al+1:
			return d.corrupt("scan of bits %d to %d", s.ah, s.al)
		}
	} else {
		// Some writers leave these fields empty.
		s.ss, s.se, s.ah, s.al = 0, 63, 0, 0
	}
	for i := range n {
		id, tables := b[3+2*i], b[4+2*i]
		var c *component
		for j := range d.hdr.Components {
			// Of components with equal ids each scan takes the next, as in
			// libjpeg.
			if d.comps[j].id == id && (c == nil || slices.Contains(s.comps[:i], c)) {
				c = &d.comps[j]
			}
		}
		if c == nil {
			return d.corrupt("scan of an unknown component %d", id)
		}
		for j := range i {
			if s.comps[j] == c {
				return d.corrupt("scan has component %d twice", id)
			}
		}
		td, ta := tables>>4, tables&15
		if td > 3 || ta > 3 {
			return d.corrupt("scan with Huffman tables %d and %d", td, ta)
		}
		s.comps[i], s.dcTab[i], s.acTab[i] = c, &d.dc[td], &d.ac[ta]
		if !d.tables && !d.hdr.Progressive {
			d.useStandardTables()
		}
		if needDC := s.ss == 0 && s.ah == 0; needDC && !s.dcTab[i].current {
			return d.noTable(s.dcTab[i], "DC", td)
		}
		if needAC := s.se > 0; needAC && !s.acTab[i].current {
			return d.noTable(s.acTab[i], "AC", ta)
		}
		if !c.seen && !d.quantSet[c.tq] {
			return d.corrupt("quantisation table %d is missing", c.tq)
		}
	}
	d.layout(s)
	return nil
}

// noTable is the error for a table that a scan uses and that the picture has not
// defined, or has defined wrongly.
func (d *Decoder) noTable(t *huffTable, name string, id byte) error {
	if t.bad != nil {
		return &Error{Offset: t.badAt, Detail: fmt.Sprintf("DHT: %s table %d: %v", name, id, t.bad), Err: ErrCorrupt}
	}
	return d.corrupt("%s table %d is missing", name, id)
}

// layout fills in the scan's MCU: one block where the component is alone, else
// the blocks of each component in turn (T.81, A.2.3).
func (d *Decoder) layout(s *scan) {
	s.blocks = 0
	if s.n == 1 {
		c := s.comps[0]
		s.mcux, s.mcuy = c.bw, c.bh
		s.plan[0] = mcuBlock{c: c, dc: s.dcTab[0], ac: s.acTab[0], h: 1, v: 1}
		s.blocks = 1
		return
	}
	hmax, vmax := d.hdr.maxSampling()
	s.mcux, s.mcuy = ceilDiv(d.hdr.Width, 8*hmax), ceilDiv(d.rows, 8*vmax)
	for i, c := range s.comps[:s.n] {
		for y := range c.v {
			for x := range c.h {
				s.plan[s.blocks] = mcuBlock{c: c, dc: s.dcTab[i], ac: s.acTab[i], h: c.h, v: c.v, x: x, y: y}
				s.blocks++
			}
		}
	}
}

// mcuRuns decodes the scan's MCUs in runs that cross neither a row of MCUs nor a
// restart marker. It returns the marker that ends the scan.
func (d *Decoder) mcuRuns(s *scan) (byte, error) {
	d.needTables(s)
	if !d.hdr.Progressive {
		d.planWalks(s)
	}
	e := &d.bits
	e.start(s.blocks)
	d.resetPredictors(s)
	interval := d.interval
	next := byte(0) // number of the next restart marker
	done := 0       // MCUs
	left := interval
	lost := 0 // missing intervals, by the last restart marker
	open := d.hdr.Height == 0
	total := s.mcux * s.mcuy
	for {
		if done >= total {
			if !open || e.ended(&d.src) && e.marker == mDNL {
				break
			}
			more, err := d.grow()
			if err != nil {
				return 0, err
			}
			if !more {
				break
			}
			d.layout(s)
			total = s.mcux * s.mcuy
			continue
		}
		if open && done%s.mcux == 0 && e.spent() && e.marker == mDNL {
			break
		}
		x, y := done%s.mcux, done/s.mcux
		n := s.mcux - x
		if interval > 0 {
			n = min(n, left)
		}
		err := d.run(s, x, y, n)
		d.started = d.started || e.end > 0
		done += n
		left -= n
		if err != nil {
			if rerr := d.src.failed(); rerr != nil {
				return 0, rerr
			}
			if open && e.marker == mDNL {
				break
			}
			d.damaged(err)
			if d.stopped() {
				return 0, d.damage
			}
			if interval == 0 {
				break // no restart markers: the place cannot be found again
			}
			done += left
			left = 0
		}
		if interval == 0 || left > 0 || done >= total && !open {
			continue
		}
		var ok bool
		lost, ok = d.restart(&next, lost)
		if rerr := d.src.failed(); rerr != nil && !ok {
			return 0, rerr
		}
		if !ok {
			if d.stopped() {
				return 0, d.damage
			}
			if open && e.marker == mDNL {
				break
			}
			switch {
			case d.damage != nil:
			case e.marker == markerEOF:
				d.damaged(d.src.short("scan"))
			default:
				d.damaged(d.corrupt("scan ends early"))
			}
			break
		}
		done += lost * interval
		left = interval
		e.start(s.blocks)
		d.resetPredictors(s)
	}
	m := e.finish(&d.src)
	if err := d.src.failed(); err != nil && m == markerEOF {
		return 0, err
	}
	return m, nil
}

// needTables builds the forms of the Huffman tables that the scan reads.
func (d *Decoder) needTables(s *scan) {
	for i := range s.n {
		var dc, ac tableForm
		switch n := s.comps[i].n; {
		case d.hdr.Progressive && s.ss > 0:
			ac = formCodes
		case d.hdr.Progressive:
			if s.ah == 0 {
				dc = formDiffs
			}
		case n == 1:
			dc, ac = formDiffs, formWalk
		case n == 8:
			dc, ac = formDiffs, formPairs
		default:
			dc, ac = formDiffs, formPairs|formWalk
		}
		s.dcTab[i].need(dc)
		s.acTab[i].need(ac)
	}
}

func (d *Decoder) resetPredictors(s *scan) {
	for _, c := range s.comps[:s.n] {
		c.pred = 0
	}
	s.eobrun = 0
}

// restart reads the next restart marker. A marker one or two numbers too high
// means that intervals are lost. One or two too low means that an interval came
// twice or a marker was damaged, so the following marker is used. Any other
// number is not trusted. After two intervals were counted as lost, three too low
// counts as low, because they may still come. Markers that cannot end a scan are
// skipped. It returns the number of lost intervals, and false where the scan
// ends.
func (d *Decoder) restart(next *byte, before int) (lost int, ok bool) {
	m := d.bits.finish(&d.src)
	for {
		if m < mRST0 || m > mRST7 {
			if endsScan(m) {
				d.bits.marker = m
				return 0, false
			}
			if d.damage == nil {
				d.damaged(d.corrupt("%s in a scan", markerName(m)))
			}
			m = d.src.nextMarker(true)
			continue
		}
		off := (m - mRST0 - *next) & 7
		if off != 0 && d.damage == nil {
			d.damaged(d.corrupt("restart marker %d where %d is due", m-mRST0, *next))
		}
		switch {
		case d.stopped():
			return 0, false
		case off == 1 || off == 2:
			*next = (m - mRST0 + 1) & 7
			return int(off), true
		case off >= 6 || off == 5 && before == 2:
			m = d.src.nextMarker(true)
		default:
			*next = (*next + 1) & 7
			return 0, true
		}
	}
}

// errAgain is any fault after the first. It is not reported, so it has no
// detail: in a file full of faults, describing them would cost more than
// decoding.
var errAgain = errors.New("more damage")

// badCode is the error for bits that match no code of their table.
func (d *Decoder) badCode() error {
	if d.damage != nil {
		return errAgain
	}
	return &Error{Offset: d.bits.offset(), Detail: "no such Huffman code", Err: ErrCorrupt}
}

// overrun is the error for a segment that ended inside an MCU.
func (d *Decoder) overrun() error {
	if d.damage != nil {
		return errAgain
	}
	if d.bits.marker == markerEOF {
		return cmp.Or(d.src.failed(), error(&Error{Offset: d.src.offset(), Detail: "scan", Err: ErrTruncated}))
	}
	return &Error{
		Offset: d.bits.tail, Detail: fmt.Sprintf("scan data ends early, at %s", markerName(d.bits.marker)), Err: ErrCorrupt,
	}
}
