// Package png reads PNG. Rows are inflated, unfiltered and reduced one after
// the other, so that memory depends on a row and on the result.
//
// A stored row is predicted from its neighbours, byte by byte: with a on the
// left, b above and c above on the left, the prediction is 0, a, b, (a+b)/2, or
// Paeth's, the one of a, b and c that is nearest to a+b-c. An interlaced
// picture comes in the seven passes of Adam7, each a picture of its own with
// every 8th, 4th or 2nd pixel.
package png

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"sluice/thumbnail/internal/codec"
	"sluice/thumbnail/internal/exif"

	"sluice/thumbnail/internal/raster"

	"sluice/thumbnail/internal/icc"
)

// Signature begins every PNG.
const Signature = "\x89PNG\r\n\x1a\n"

// Open reads the chunks before the picture's data. The rows are reduced as they
// are decoded, so that memory depends on a row and on the result; see rows.
func Open(r *bufio.Reader) (*codec.Header, error) {
	if _, err := r.Discard(len(Signature)); err != nil {
		return nil, err
	}
	h := &codec.Header{LateOrientation: true}
	c := &chunks{r: r, header: h}
	kind, n, err := c.begin()
	if err != nil {
		return nil, err
	}
	if kind == "CgBI" {
		return nil, codec.Unsupported(codec.PNG, "it is Apple's iPhone variant (CgBI)")
	}
	if kind != "IHDR" || n != 13 {
		return nil, codec.Corrupt(codec.PNG, "PNG does not begin with its size")
	}
	ihdr, err := c.body(kind, n)
	if err != nil {
		return nil, err
	}
	form, err := parseIHDR(ihdr)
	if err != nil {
		return nil, err
	}
	h.Width, h.Height = form.w, form.h
	if err := c.toData(form); err != nil {
		return nil, err
	}
	h.Decoder = &decoder{chunks: c, form: form}
	return h, nil
}

// decoder is the picture behind a header.
type decoder struct {
	chunks *chunks
	form   *form
}

func (d *decoder) MemoryBytes(ratio float64) int64 {
	return d.form.memory(raster.ReductionFor(ratio, d.form.w, d.form.h))
}

func (d *decoder) Decode(ratio float64) (*raster.Raster, error) {
	return decode(d.chunks, d.form, raster.ReductionFor(ratio, d.form.w, d.form.h))
}

// form is how a PNG's pixels are stored.
type form struct {
	w, h       int
	depth      int // bits a sample
	colour     byte
	interlaced bool
	palette    [256][4]byte // RGBA; entries beyond those given are opaque black
	colours    int          // entries given
	clear      bool         // some palette entry, or the key, is transparent
	key        [3]uint16    // the one transparent colour of grey and RGB pictures
}

// The colour types.
const (
	colourGrey      = 0
	colourRGB       = 2
	colourPalette   = 3
	colourGreyAlpha = 4
	colourRGBA      = 6
)

func parseIHDR(b []byte) (*form, error) {
	w, h := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	if w > 1<<31-1 || h > 1<<31-1 || w == 0 || h == 0 {
		return nil, codec.Corrupt(codec.PNG, fmt.Sprintf("%dx%d PNG has no pixels or too many", w, h))
	}
	f := &form{w: int(w), h: int(h), depth: int(b[8]), colour: b[9], interlaced: b[12] == 1}
	allowed := map[byte][]int{colourGrey: {1, 2, 4, 8, 16}, colourRGB: {8, 16}, colourPalette: {1, 2, 4, 8}, colourGreyAlpha: {8, 16}, colourRGBA: {8, 16}}
	known := false
	for _, d := range allowed[f.colour] {
		known = known || d == f.depth
	}
	if !known || b[10] != 0 || b[11] != 0 || b[12] > 1 {
		return nil, codec.Unsupported(codec.PNG, fmt.Sprintf("it has colour type %d, %d bits, methods %d, %d, %d", b[9], b[8], b[10], b[11], b[12]))
	}
	for i := range f.palette {
		f.palette[i][3] = 255
	}
	return f, nil
}

// samples is the number of samples of a stored pixel.
func (f *form) samples() int {
	switch f.colour {
	case colourRGB:
		return 3
	case colourGreyAlpha:
		return 2
	case colourRGBA:
		return 4
	}
	return 1
}

// channels is the number of bytes of a pixel handed on: grey or RGB, and alpha
// where there may be any.
func (f *form) channels() int {
	n := 1
	if f.colour == colourRGB || f.colour == colourRGBA || f.colour == colourPalette {
		n = 3
	}
	if f.alpha() {
		n++
	}
	return n
}

func (f *form) alpha() bool { return f.colour == colourGreyAlpha || f.colour == colourRGBA || f.clear }

// rowBytes is the length of a stored row of w pixels without its filter byte.
func (f *form) rowBytes(w int64) int64 { return (w*int64(f.samples()*f.depth) + 7) / 8 }

// memory is what decode allocates: two stored rows, one row handed on, the
// inflater's window and buffers, and the result; interlaced pictures keep sums
// of four bytes for a sample, see raster.Cells.
func (f *form) memory(reduction int) int64 {
	w, h, k := int64(f.w), int64(f.h), int64(reduction)
	rows := 2*f.rowBytes(w) + w*int64(f.channels()) + 256<<10
	kept := raster.ReducerBytes(w, h, int64(f.channels()), k)
	if f.interlaced {
		kept = raster.MulBytes(raster.MulBytes((w+k-1)/k, (h+k-1)/k), 5*int64(f.channels()))
	}
	return rows + kept
}

// chunks walks through the chunks of a file, and returns the data of the IDAT
// chunks as one stream.
type chunks struct {
	r      *bufio.Reader
	header *codec.Header
	left   int64 // of the present IDAT
	inData bool
	kind   string // of the chunk that followed the data
	next   int64  // its length
	crc    uint32
}

func (c *chunks) begin() (kind string, n int64, err error) {
	var head [8]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return "", 0, err
	}
	n = int64(binary.BigEndian.Uint32(head[:]))
	if n > 1<<31-1 {
		return "", 0, codec.Corrupt(codec.PNG, fmt.Sprintf("PNG chunk %q has no valid length", head[4:]))
	}
	return string(head[4:]), n, nil
}

// ancillary is the bit in the name of a chunk that the picture can be shown
// without.
const ancillary = 0x20

// errDamagedNote says that an ancillary chunk does not match its checksum. It
// is ignored, as by libpng.
var errDamagedNote = errors.New("damaged")

// body reads a short chunk whole and checks it.
func (c *chunks) body(kind string, n int64) ([]byte, error) {
	data, err := codec.ReadClaimed(c.r, n+4)
	if err != nil {
		return nil, err
	}
	crc := crc32.Update(crc32.ChecksumIEEE([]byte(kind)), crc32.IEEETable, data[:n])
	if crc != binary.BigEndian.Uint32(data[n:]) {
		if kind[0]&ancillary != 0 {
			return nil, errDamagedNote
		}
		return nil, codec.Corrupt(codec.PNG, fmt.Sprintf("PNG chunk %q does not match its checksum", kind))
	}
	return data[:n], nil
}

func (c *chunks) skip(n int64) error {
	_, err := io.CopyN(io.Discard, c.r, n+4)
	return err
}

// toData reads the chunks up to the first IDAT.
func (c *chunks) toData(f *form) error {
	for {
		kind, n, err := c.begin()
		if err != nil {
			return err
		}
		switch {
		case kind == "IDAT":
			if f.colour == colourPalette && f.colours == 0 {
				return codec.Corrupt(codec.PNG, "PNG has no palette")
			}
			c.startData(n)
			return nil
		case kind == "IEND":
			return codec.Corrupt(codec.PNG, "PNG holds no picture")
		case kind == "PLTE" && n <= 768, kind == "tRNS" && n <= 256, kind == "eXIf" && n <= exif.MaxBytes, kind == "iCCP" && n <= icc.MaxBytes:
			data, err := c.body(kind, n)
			if errors.Is(err, errDamagedNote) {
				continue
			}
			if err != nil {
				return err
			}
			switch kind {
			case "PLTE":
				err = f.readPalette(data)
			case "tRNS":
				err = f.readTransparency(data)
			case "eXIf":
				c.header.NoteEXIF(data)
			case "iCCP":
				c.header.PackedProfile = icc.FromPNG(data)
			}
			if err != nil {
				return err
			}
		case kind == "PLTE" || kind == "tRNS" || kind == "IHDR":
			return codec.Corrupt(codec.PNG, fmt.Sprintf("PNG chunk %q of %d bytes is not valid here", kind, n))
		case kind[0]&ancillary == 0:
			return codec.Unsupported(codec.PNG, fmt.Sprintf("it needs a reader that knows %q", kind))
		default:
			if err := c.skip(n); err != nil {
				return err
			}
		}
	}
}

func (c *chunks) startData(n int64) {
	c.inData, c.left = true, n
	c.crc = crc32.ChecksumIEEE([]byte("IDAT"))
}

// Read returns the data of the IDAT chunks.
func (c *chunks) Read(p []byte) (int, error) {
	for c.left == 0 {
		if !c.inData {
			return 0, io.EOF
		}
		var sum [4]byte
		if _, err := io.ReadFull(c.r, sum[:]); err != nil {
			return 0, err
		}
		if binary.BigEndian.Uint32(sum[:]) != c.crc {
			return 0, codec.Corrupt(codec.PNG, "PNG data does not match its checksum")
		}
		kind, n, err := c.begin()
		if err != nil {
			return 0, err
		}
		if kind != "IDAT" {
			c.inData, c.kind, c.next = false, kind, n
			return 0, io.EOF
		}
		c.startData(n)
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	c.crc = crc32.Update(c.crc, crc32.IEEETable, p[:n])
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// finish reads the rest of the data, the orientation and the end. A file that
// is cut there has its picture whole.
func (c *chunks) finish() error {
	// Compared, not tested with errors.Is: the error of a reader that lost its
	// connection may wrap these.
	if err := c.readTail(); err != io.EOF && err != io.ErrUnexpectedEOF {
		return err
	}
	return nil
}

func (c *chunks) readTail() error {
	if _, err := io.Copy(io.Discard, c); err != nil {
		return err
	}
	for kind, n := c.kind, c.next; kind != "IEND"; {
		if kind == "eXIf" && n <= exif.MaxBytes {
			data, err := c.body(kind, n)
			if err == nil {
				c.header.NoteEXIF(data)
			} else if !errors.Is(err, errDamagedNote) {
				return err
			}
		} else if err := c.skip(n); err != nil {
			return err
		}
		var err error
		if kind, n, err = c.begin(); err != nil {
			return err
		}
	}
	return nil
}

func (f *form) readPalette(data []byte) error {
	if len(data)%3 != 0 || len(data) == 0 || f.colours > 0 {
		return codec.Corrupt(codec.PNG, fmt.Sprintf("PNG palette of %d bytes is not valid", len(data)))
	}
	f.colours = len(data) / 3
	for i := range f.colours {
		copy(f.palette[i][:3], data[3*i:])
	}
	return nil
}

func (f *form) readTransparency(data []byte) error {
	switch {
	case f.colour == colourPalette && f.colours > 0:
		// There may be more of them than colours: the others belong to black.
		for i, a := range data {
			e := &f.palette[i]
			e[3] = a
			f.clear = f.clear || a != 255
			raster.Premultiply(e[:], 4)
		}
		return nil
	case f.colour == colourGrey && len(data) == 2, f.colour == colourRGB && len(data) == 6:
		f.clear = true
		for i := range len(data) / 2 {
			// Bits above the depth do not count, as in libpng.
			f.key[i] = binary.BigEndian.Uint16(data[2*i:]) & (1<<f.depth - 1)
		}
		return nil
	}
	return codec.Corrupt(codec.PNG, fmt.Sprintf("PNG transparency of %d bytes is not valid", len(data)))
}
