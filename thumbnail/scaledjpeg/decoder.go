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
	// twice the resolution in each direction. Without it, chroma at 1/8 of a
	// 4:2:0 picture has one sample for 16 x 16 pixels: too few for a thumbnail
	// of a third of luma's size or more. It costs the decoding of four
	// coefficients a block instead of one. At 1/1 it has no effect.
	FineChroma bool
	// MaxPixels limits Width*Height. Zero is no limit.
	MaxPixels int64
	// MaxBytes limits the working memory of decoding: planes, coefficients and
	// tables together. It is compared with [Header.MemoryBytes] before the
	// memory is allocated. Zero is no limit. A Decoder releases the memory of
	// earlier pictures where the sum would exceed the limit.
	MaxBytes int64
	// MaxScans limits the scans of a file: each costs time, and takes as few
	// as 20 bytes. Zero is 100; common files have up to 20.
	MaxScans int
	// Tolerance is the uncertainty allowed in AC coefficients of a progressive
	// picture: the width, dequantised, of the interval that holds the value.
	// Scans that only refine further are skipped, and the value is set to the
	// middle of its interval. The samples of a block have an eighth of the
	// coefficients' amplitude, and thumbnails average samples. Half the
	// Tolerance applies to planes with fewer samples than others, because fewer
	// of them are averaged. At 1/4, a Tolerance of 8 is invisible in a
	// thumbnail of half the planes' size. It saves the largest scans of finely
	// quantised pictures, and has no effect on others. Planes of DC alone are
	// always exact. Zero reads all scans.
	Tolerance int
	// Strict stops at the first fault of a damaged picture: Decode returns the
	// error without an image.
	Strict bool
}

// Defaults.
const (
	defaultMaxScans    = 100
	defaultMaxMetadata = 4 << 20
	maxDimension       = 65535
)

// Decoder decodes pictures one after the other and reuses its memory. The zero
// value is ready to use. A Decoder is not safe for concurrent
// use, and must not be copied after its first use.
type Decoder struct {
	// MaxMetadata limits the ICC profile, in bytes. Zero is 4 MiB. A larger
	// profile is left out, and Header.ICCErr reports it.
	MaxMetadata int

	src   source
	bits  entropy
	hdr   Header
	ready bool // the header has been read and the picture has not

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
	places  [2]placement // for the scale, and for finer components
	cur     scan
	walks   [maxMCUBlocks]walkBlock
	walkAt  [2]int // the next MCU of the walks
}

// component is one color channel of the frame.
type component struct {
	id   byte
	h, v int
	tq   byte
	bw   int // blocks that hold samples, in each direction:
	bh   int // what a scan of this component alone has
	pw   int // the same with the padding to whole MCUs
	ph   int
	seen bool // a scan had it
	// unsent has a bit for each coefficient of a progressive picture, by its
	// zig-zag index, that no scan has sent to its last bit.
	unsent uint64
	quant  [64]uint16
	deq    dequant
	pred   int       // DC predictor
	low    [64]uint8 // progressive: the lowest bit known of a coefficient

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
// When the file is damaged after its header, Decode returns both the decoded
// part and an error for the first fault: [ErrTruncated] where bytes are
// missing, [ErrCorrupt] where they are wrong. Samples that were not decoded are
// 128, and samples after the fault may be wrong. The image is nil when no byte
// of its data was read, when the picture is refused, when r itself failed, and
// with Options.Strict.
func Decode(r io.Reader, o Options) (*Image, error) {
	d := new(Decoder)
	if _, err := d.ReadHeader(r); err != nil {
		return nil, err
	}
	return d.Decode(o)
}

// ReadHeader begins a picture: it reads up to the first scan. The caller owns
// the header's EXIF and ICC. [Decoder.Decode] continues from there, so the
// caller can choose the scale from the header of a stream that is read once.
func (d *Decoder) ReadHeader(r io.Reader) (Header, error) {
	d.src.reset(r)
	d.hdr = Header{}
	d.ready, d.framed, d.jfif, d.adobe = false, false, false, false
	d.icc = iccParts{max: cmp.Or(d.MaxMetadata, defaultMaxMetadata)}
	d.interval, d.tables = 0, false
	d.quantSet = [4]bool{}
	for i := range 4 {
		// The tables stay allocated, but the file must define them again.
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
// to the Decoder, and its next Decode overwrites them. Errors are those of
// [Decode].
func (d *Decoder) Decode(o Options) (*Image, error) {
	if !d.ready {
		return nil, fmt.Errorf("decode: no header has been read: call ReadHeader first")
	}
	d.ready = false
	d.scale = cmp.Or(o.Scale, 1)
	if !validScale(d.scale) {
		return nil, fmt.Errorf("decode: Scale: got %d, want 1, 2, 4 or 8", o.Scale)
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

// decodeScans decodes all scans. The source is just after the first SOS marker.
// An error means that there is no picture.
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
			// A file that lacks only its end has its picture whole.
			if !d.allSeen() || d.hdr.Progressive && !d.allSent() {
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

// allSent reports whether the scans have sent every bit of every coefficient.
func (d *Decoder) allSent() bool {
	for i := range d.hdr.Components {
		if d.comps[i].unsent != 0 {
			return false
		}
	}
	return true
}

// complete reports whether the remaining data cannot change the planes: in a
// progressive picture of which only DC is used, once all bits of DC are known.
func (d *Decoder) complete() bool {
	for i := range d.hdr.Components {
		if c := &d.comps[i]; !c.seen || d.hdr.Progressive && (c.n > 1 || c.low[0] > 0) {
			return false
		}
	}
	return true
}

// damaged keeps the first fault that still leaves a picture.
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

// allocate checks the limits and allocates the planes. Without a height it
// takes a few rows; grow adds more.
func (d *Decoder) allocate() error {
	for i := range d.hdr.Components {
		c := &d.comps[i]
		c.seen = false
		c.unsent = ^uint64(0)
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
	// The memory of earlier, larger pictures may exceed the limit.
	if limit := d.opts.MaxBytes; limit > 0 && d.memory(d.rows, true, false) > limit {
		d.Trim(0)
	}
	d.setRows(d.rows, false)
	return nil
}

// grow doubles the rows of a picture of unknown height, or takes as many as the
// limits allow. It returns false when the limits allow no more.
func (d *Decoder) grow() (bool, error) {
	if d.rows == maxDimension {
		return false, nil
	}
	rows := min(2*d.rows, maxDimension)
	if err := d.fits(rows, true); err != nil {
		// The largest number that fits is between the present one and double.
		more := sort.Search(rows-d.rows, func(i int) bool { return d.fits(d.rows+1+i, true) != nil })
		if more == 0 {
			return false, err
		}
		rows = d.rows + more
	}
	d.setRows(rows, true)
	return true, nil
}

// setRows sets the height of the planes and allocates them. With keep, existing
// samples stay. New samples are 128.
func (d *Decoder) setRows(rows int, keep bool) {
	d.rows = rows
	for i := range d.hdr.Components {
		d.comps[i].shape(&d.hdr, i, rows)
		d.comps[i].resize(d.hdr.Progressive, keep)
	}
}

// fits compares planes of that many rows with the limits. With keep the present
// planes are copied into them.
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

// memory returns the bytes of planes of that many rows and of everything else.
// With held, the memory that the decoder already holds counts where it is more.
// With grow, the present memory and its replacement both count, because one is
// copied to the other.
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

// Trim releases the planes and coefficients of earlier pictures when they take
// more than most bytes. Some hundred KiB of buffers and tables remain. Call it
// before a Decoder is kept idle, so that it does not hold the memory of its
// largest picture. Images that it returned stay valid.
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

// lengths returns the lengths of pix, dc, coef and nz for the shape.
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

// resize allocates the memory for the shape.
func (c *component) resize(progressive, keep bool) {
	n := c.lengths(progressive)
	c.pix = sized(c.pix, n[0], 128, keep)
	c.dc = sized(c.dc, n[1], 0, keep)
	c.coef = sized(c.coef, n[2], 0, keep)
	c.nz = sized(c.nz, n[3], 0, keep)
}

// sized returns s with length n, in its own memory where that is enough. New
// elements are v. With keep, the elements of s stay.
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
