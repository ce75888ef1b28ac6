package scaledjpeg

import (
	"cmp"
	"fmt"
	"io"
	"sort"
)

// Options bound and scale one decoding. The zero value decodes at full size
// without limits.
type Options struct {
	// Scale is 1, 2, 4 or 8: the planes get 1/Scale of the samples in each
	// direction. Zero is 1. Any other value is an error.
	Scale int
	// FineChroma decodes components that have fewer samples than others at
	// twice the resolution in each direction. At 1/8 of a 4:2:0 picture, chroma
	// is one sample for 16 x 16 pixels otherwise, and half as wide as luma: too
	// little for a thumbnail of a third of luma's size or more. It costs the
	// decoding of four coefficients a block instead of one; at 1/1 it means
	// nothing.
	FineChroma bool
	// MaxPixels is the most that Width*Height may be. Zero is no limit.
	MaxPixels int64
	// MaxBytes is the most working memory that decoding may take, planes,
	// coefficients and tables together; it is compared with
	// [Header.MemoryBytes] before anything is allocated. Zero is no limit. A
	// Decoder lets go of what it holds of earlier pictures where that would be
	// too much.
	MaxBytes int64
	// MaxScans is the most scans that a file may have: each costs time, and
	// 20 bytes can ask for one. Zero is 100; files in the wild have up to 20.
	MaxScans int
	// Tolerance is what AC coefficients of a progressive picture may be left
	// uncertain by: the width, dequantised, of what a value can be. Scans that
	// only tell more than that are jumped over, and the value is put in the
	// middle. A block's samples have an eighth of the coefficients' amplitude,
	// and thumbnails average samples; for planes of fewer samples than others
	// half the Tolerance holds, for fewer are averaged. At 1/4, 8 is not seen
	// in a thumbnail of half the planes' size. It spares the largest scans of
	// finely quantised pictures, and does nothing for others. Planes of DC
	// alone are exact anyway. Zero reads all.
	Tolerance int
	// Strict refuses a damaged picture at its first fault, and spends no time
	// on what lies behind it: Decode returns the error alone.
	Strict bool
}

// Defaults.
const (
	defaultMaxScans    = 100
	defaultMaxMetadata = 4 << 20
	maxDimension       = 65535
)

// Decoder decodes pictures one after the other and keeps its memory from one
// to the next. The zero value is ready. A Decoder is not safe for concurrent
// use, and must not be copied after its first use.
type Decoder struct {
	// MaxMetadata is the most that the ICC profile may have in bytes. Zero is
	// 4 MiB. A larger profile is left out, and Header.ICCErr says so.
	MaxMetadata int

	src   source
	bits  entropy
	hdr   Header
	ready bool // a header is read, its picture is not

	comps    [4]component
	quant    [4][64]uint16
	quantSet [4]bool
	dc, ac   [4]huffTable
	tables   bool // the file has defined one
	interval int  // MCUs between restart markers, 0 for none

	framed     bool // the frame header was seen
	jfif       bool
	adobe      bool
	adobeColor byte
	icc        iccParts

	scale   int
	rows    int // pixel rows that the planes have room for
	opts    Options
	scans   int
	damage  error // the first fault that left a usable picture
	started bool  // a scan had a byte of data
	block   [64]int32
	places  [2]placement // of the scale, and of finer components
	cur     scan
	walks   [maxMCUBlocks]walkBlock
	walkAt  [2]int // the MCU that the walks stand at
}

// component is one color's share of the frame.
type component struct {
	id    byte
	h, v  int
	tq    byte
	bw    int // blocks that hold samples, in each direction:
	bh    int // what a scan of this component alone has
	pw    int // the same with the padding to whole MCUs
	ph    int
	seen  bool // a scan had it
	quant [64]uint16
	deq   dequant
	pred  int       // DC predictor
	low   [64]uint8 // progressive: the lowest bit known of a coefficient

	n      int // samples of a block, in each direction: 1, 2, 4 or 8
	place  *placement
	pix    []byte
	stride int
	coef   []int16  // progressive: kept coefficients, block by block
	nz     []uint64 // progressive: which coefficients of a block are not zero
	dc     []byte   // progressive at 1/8: coefficients, 2 bytes each
}

// DecodeHeader reads the header of r, up to its first scan.
func DecodeHeader(r io.Reader) (Header, error) {
	return new(Decoder).ReadHeader(r)
}

// Decode decodes the first picture of r.
//
// When the file is damaged behind its header, Decode returns both what could be
// decoded and an error for the first fault: [ErrTruncated] where bytes are
// missing, [ErrCorrupt] where they are wrong. Samples that were not decoded are
// 128; of those behind the fault some may be wrong. The image is nil when no
// byte of its data was read, when the picture is refused, when r itself failed,
// and with Options.Strict.
func Decode(r io.Reader, o Options) (*Image, error) {
	d := new(Decoder)
	if _, err := d.ReadHeader(r); err != nil {
		return nil, err
	}
	return d.Decode(o)
}

// ReadHeader begins a picture: it reads up to the first scan. The header's
// EXIF and ICC are the caller's own. [Decoder.Decode] goes on from there, so
// the header can decide the scale of a stream that is read only once.
func (d *Decoder) ReadHeader(r io.Reader) (Header, error) {
	d.src.reset(r)
	d.hdr = Header{}
	d.ready, d.framed, d.jfif, d.adobe = false, false, false, false
	d.icc = iccParts{max: cmp.Or(d.MaxMetadata, defaultMaxMetadata)}
	d.interval, d.tables = 0, false
	d.quantSet = [4]bool{}
	for i := range 4 {
		// The tables stay, but the file must name them again.
		d.dc[i].current, d.ac[i].current = false, false
		d.dc[i].bad, d.ac[i].bad = nil, nil
	}
	var soi [2]byte
	if !d.src.readFull(soi[:]) {
		if err := d.src.failed(); err != nil {
			return Header{}, err
		}
		return Header{}, &Error{Offset: d.src.offset(), Detail: "no picture", Err: ErrTruncated}
	}
	if soi != [2]byte{0xff, mSOI} {
		return Header{}, &Error{Offset: 0, Detail: "does not begin as a JPEG", Err: ErrCorrupt}
	}
	m, err := d.segments(d.src.nextMarker(true))
	if err != nil {
		return Header{}, err
	}
	switch {
	case m == markerEOF:
		return Header{}, d.src.short("no scan")
	case m == mEOI || !d.framed:
		return Header{}, d.corrupt("no frame before %s", markerName(m))
	}
	d.hdr.ICC, d.hdr.ICCErr = d.icc.join()
	d.setColorModel()
	d.ready = true
	return d.hdr, nil
}

// Decode decodes the picture that ReadHeader began. The image's planes belong
// to the Decoder and are overwritten by its next Decode. Errors are those of
// [Decode].
func (d *Decoder) Decode(o Options) (*Image, error) {
	if !d.ready {
		return nil, fmt.Errorf("decode: no header was read")
	}
	d.ready = false
	d.scale = cmp.Or(o.Scale, 1)
	if !validScale(d.scale) {
		return nil, fmt.Errorf("decode: scale 1/%d: must be 1, 2, 4 or 8", o.Scale)
	}
	o.MaxScans = cmp.Or(o.MaxScans, defaultMaxScans)
	d.opts = o
	d.scans = 0
	d.damage = nil
	d.started = false
	if err := d.allocate(); err != nil {
		return nil, err
	}
	if err := d.decodeScans(); err != nil {
		return nil, err
	}
	if d.stopped() || !d.started && d.damage != nil {
		return nil, d.damage
	}
	if d.hdr.Height == 0 {
		return nil, cmp.Or(d.damage, d.corrupt("no height"))
	}
	if d.hdr.Progressive {
		d.finishProgressive()
	}
	return d.image(), d.damage
}

// decodeScans decodes scan after scan. The source stands behind the first SOS
// marker. An error means there is no picture.
func (d *Decoder) decodeScans() error {
	for {
		m, err := d.scan()
		if err != nil || d.stopped() {
			return err
		}
		if d.hdr.Height == 0 && m != mDNL {
			return cmp.Or(d.damage, d.corrupt("no height, and no DNL marker after the first scan"))
		}
		if d.complete() && m != mDNL {
			return nil
		}
		m, err = d.segments(m)
		if err != nil {
			if errIsRead(err) || d.hdr.Height == 0 {
				return err
			}
			d.damaged(err)
			return nil
		}
		switch m {
		case mSOS:
			if d.complete() {
				return nil
			}
		case markerEOF:
			if err := d.src.failed(); err != nil {
				return err
			}
			if d.hdr.Progressive || !d.allSeen() {
				d.damaged(d.src.short("no end of image"))
			}
			return nil
		default: // EOI
			if !d.allSeen() {
				d.damaged(d.corrupt("a component has no scan"))
			}
			return nil
		}
	}
}

func (d *Decoder) allSeen() bool {
	for i := range d.hdr.Components {
		if !d.comps[i].seen {
			return false
		}
	}
	return true
}

// complete reports whether what is left of the picture cannot change the
// planes: of a progressive one where nothing but DC counts, and all of it is
// known.
func (d *Decoder) complete() bool {
	for i := range d.hdr.Components {
		if c := &d.comps[i]; !c.seen || d.hdr.Progressive && (c.n > 1 || c.low[0] > 0) {
			return false
		}
	}
	return true
}

// damaged remembers the first fault that leaves a picture.
func (d *Decoder) damaged(err error) {
	if d.damage == nil {
		d.damage = err
	}
}

// stopped reports whether a fault ends the decoding.
func (d *Decoder) stopped() bool { return d.opts.Strict && d.damage != nil }

func (d *Decoder) corrupt(format string, args ...any) error {
	return &Error{Offset: d.src.offset(), Detail: fmt.Sprintf(format, args...), Err: ErrCorrupt}
}

// allocate checks the limits and gets the memory for the planes. Without a
// height it takes a few rows; grow gets more.
func (d *Decoder) allocate() error {
	for i := range d.hdr.Components {
		c := &d.comps[i]
		c.seen = false
		c.n = d.hdr.blockSize(i, d.scale, d.opts.FineChroma)
		c.place = &d.places[0]
		if c.n != 8/d.scale {
			c.place = &d.places[1]
		}
		c.place.set(c.n)
	}
	d.rows = d.hdr.Height
	if d.rows == 0 {
		_, vmax := d.hdr.maxSampling()
		d.rows = min(32*8*vmax, maxDimension)
		if pixels := d.opts.MaxPixels; pixels > 0 {
			d.rows = max(1, min(d.rows, int(pixels/int64(d.hdr.Width))))
		}
	}
	if err := d.fits(d.rows, false); err != nil {
		return err
	}
	// The memory of larger pictures before may be more than this one is allowed.
	if limit := d.opts.MaxBytes; limit > 0 && d.memory(d.rows, true, false) > limit {
		d.Trim(0)
	}
	d.setRows(d.rows, false)
	return nil
}

// grow doubles the rows of a picture of unknown height, or takes as many as the
// limits allow. It returns false when there can be no more.
func (d *Decoder) grow() (bool, error) {
	if d.rows == maxDimension {
		return false, nil
	}
	rows := min(2*d.rows, maxDimension)
	if err := d.fits(rows, true); err != nil {
		// The most that fits lies between what is there and what does not.
		more := sort.Search(rows-d.rows, func(i int) bool { return d.fits(d.rows+1+i, true) != nil })
		if more == 0 {
			return false, err
		}
		rows = d.rows + more
	}
	d.setRows(rows, true)
	return true, nil
}

// setRows sets the height of the planes and gets the memory. With keep, the
// samples that were there stay. New ones are 128.
func (d *Decoder) setRows(rows int, keep bool) {
	d.rows = rows
	for i := range d.hdr.Components {
		d.comps[i].shape(&d.hdr, i, rows)
		d.comps[i].resize(d.hdr.Progressive, keep)
	}
}

// fits holds planes of that many rows against the limits. With keep they grow
// out of those that are there.
func (d *Decoder) fits(rows int, keep bool) error {
	at := d.src.offset()
	if limit, need := d.opts.MaxPixels, int64(d.hdr.Width)*int64(rows); limit > 0 && need > limit {
		return &LimitError{Setting: "MaxPixels", Need: need, Limit: limit, Offset: at}
	}
	if limit, need := d.opts.MaxBytes, d.memory(rows, keep, keep); limit > 0 && need > limit {
		return &LimitError{Setting: "MaxBytes", Need: need, Limit: limit, Offset: at}
	}
	return nil
}

// memory is what planes of that many rows take, together with all else: with
// held, what the decoder holds already counts too, where it is more; with grow,
// what it holds and what replaces it count both, for one is copied to the
// other.
func (d *Decoder) memory(rows int, held, grow bool) int64 {
	total := int64(fixedBytes + len(d.hdr.EXIF) + len(d.hdr.ICC))
	for i := range d.comps {
		c := d.comps[i] // a copy, of another height
		has := [4]int{cap(c.pix), cap(c.dc), cap(c.coef), cap(c.nz)}
		var wants [4]int
		if i < d.hdr.Components {
			c.shape(&d.hdr, i, rows)
			wants = c.lengths(d.hdr.Progressive)
		}
		for j, size := range [4]int64{1, 1, 2, 8} {
			n := wants[j]
			switch {
			case held && has[j] >= n:
				n = has[j]
			case grow:
				n += has[j]
			}
			total += int64(n) * size
		}
	}
	return total
}

// Trim lets go of the planes and coefficients of earlier pictures when they
// take more than most bytes; what is left is some hundred KiB of buffers and
// tables. A Decoder that waits for its next picture need not hold the memory of
// its largest. Images that it returned stay as they are.
func (d *Decoder) Trim(most int64) {
	held := int64(0)
	for i := range d.comps {
		c := &d.comps[i]
		held += int64(cap(c.pix)) + int64(cap(c.dc)) + 2*int64(cap(c.coef)) + 8*int64(cap(c.nz))
	}
	if held <= most {
		return
	}
	for i := range d.comps {
		c := &d.comps[i]
		c.pix, c.dc, c.coef, c.nz = nil, nil, nil, nil
	}
}

// shape sets the geometry of component i for a picture of that many rows.
func (c *component) shape(h *Header, i, rows int) {
	hmax, vmax := h.maxSampling()
	c.h, c.v = int(h.Sampling[i].H), int(h.Sampling[i].V)
	c.bw = ceilDiv(ceilDiv(h.Width*c.h, hmax), 8)
	c.bh = ceilDiv(ceilDiv(rows*c.v, vmax), 8)
	c.pw = ceilDiv(h.Width, 8*hmax) * c.h
	c.ph = ceilDiv(rows, 8*vmax) * c.v
	c.stride = c.pw * c.n
}

// lengths is what its shape makes of pix, dc, coef and nz.
func (c *component) lengths(progressive bool) [4]int {
	blocks := c.pw * c.ph
	samples := blocks * c.n * c.n
	switch {
	case !progressive:
		return [4]int{samples, 0, 0, 0}
	case c.n == 1:
		return [4]int{0, 2 * blocks, 0, 0}
	}
	return [4]int{samples, 0, samples, blocks}
}

// resize gets the memory for the shape.
func (c *component) resize(progressive, keep bool) {
	n := c.lengths(progressive)
	c.pix = sized(c.pix, n[0], 128, keep)
	c.dc = sized(c.dc, n[1], 0, keep)
	c.coef = sized(c.coef, n[2], 0, keep)
	c.nz = sized(c.nz, n[3], 0, keep)
}

// sized returns s with length n, in its own memory where that is enough. What
// is new has the value v; with keep, what s had stays.
func sized[T any](s []T, n int, v T, keep bool) []T {
	old := len(s)
	if !keep {
		old = 0
	}
	if n <= old {
		return s[:n]
	}
	if cap(s) < n {
		t := make([]T, n)
		copy(t, s[:old])
		s = t
	}
	s = s[:n]
	fresh := s[old:]
	// A piece that stays in the cache is copied repeatedly.
	head := fresh[:min(len(fresh), 4096)]
	for i := range head {
		head[i] = v
	}
	for i := len(head); i < len(fresh); {
		i += copy(fresh[i:], head)
	}
	return s
}

// image describes the planes to the caller.
func (d *Decoder) image() *Image {
	m := &Image{Header: d.hdr, Scale: d.scale, Planes: make([]Plane, d.hdr.Components)}
	for i := range m.Planes {
		c := &d.comps[i]
		p := &m.Planes[i]
		p.Pix, p.Stride = c.pix, c.stride
		if d.hdr.Progressive && c.n == 1 {
			p.Pix = c.dc[:len(c.dc)/2]
		}
		p.Scale = 8 / c.n
		p.W, p.H = d.hdr.PlaneSize(i, p.Scale)
		p.ExtentW, p.ExtentH = d.hdr.Extent(i, p.Scale)
		p.Droop = droop(p.Scale)
	}
	return m
}
