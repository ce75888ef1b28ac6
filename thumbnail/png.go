package thumbnail

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"sluice/thumbnail/internal/exif"

	"sluice/thumbnail/internal/raster"

	"sluice/thumbnail/internal/icc"
)

const pngSignature = "\x89PNG\r\n\x1a\n"

// openPNG reads the chunks before the picture's data. The rows are reduced as they are decoded, so
// that memory depends on a row and on the result; see pngRows.
func openPNG(r *bufio.Reader, _ *Options) (*header, error) {
	if _, err := r.Discard(len(pngSignature)); err != nil {
		return nil, err
	}
	h := &header{lateOrientation: true}
	c := &pngChunks{r: r, header: h}
	kind, n, err := c.begin()
	if err != nil {
		return nil, err
	}
	if kind == "CgBI" {
		return nil, &UnsupportedError{Format: formatPNG, Reason: "it is Apple's iPhone variant (CgBI)"}
	}
	if kind != "IHDR" || n != 13 {
		return nil, &CorruptError{Format: formatPNG, Reason: "PNG does not begin with its size"}
	}
	ihdr, err := c.body(kind, n)
	if err != nil {
		return nil, err
	}
	form, err := parseIHDR(ihdr)
	if err != nil {
		return nil, err
	}
	h.width, h.height = form.w, form.h
	if err := c.toData(form); err != nil {
		return nil, err
	}
	h.memory = func(ratio float64) int64 { return form.memory(raster.ReductionFor(ratio, form.w, form.h)) }
	h.decode = func(ratio float64) (*raster.Raster, error) {
		return decodePNG(c, form, raster.ReductionFor(ratio, form.w, form.h))
	}
	return h, nil
}

// pngForm is how a PNG's pixels are stored.
type pngForm struct {
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
	pngGrey      = 0
	pngRGB       = 2
	pngPalette   = 3
	pngGreyAlpha = 4
	pngRGBA      = 6
)

func parseIHDR(b []byte) (*pngForm, error) {
	w, h := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	if w > 1<<31-1 || h > 1<<31-1 || w == 0 || h == 0 {
		return nil, &CorruptError{Format: formatPNG, Reason: fmt.Sprintf("%dx%d PNG has no pixels or too many", w, h)}
	}
	f := &pngForm{w: int(w), h: int(h), depth: int(b[8]), colour: b[9], interlaced: b[12] == 1}
	allowed := map[byte][]int{pngGrey: {1, 2, 4, 8, 16}, pngRGB: {8, 16}, pngPalette: {1, 2, 4, 8}, pngGreyAlpha: {8, 16}, pngRGBA: {8, 16}}
	known := false
	for _, d := range allowed[f.colour] {
		known = known || d == f.depth
	}
	if !known || b[10] != 0 || b[11] != 0 || b[12] > 1 {
		return nil, &UnsupportedError{Format: formatPNG, Reason: fmt.Sprintf("it has colour type %d, %d bits, methods %d, %d, %d", b[9], b[8], b[10], b[11], b[12])}
	}
	for i := range f.palette {
		f.palette[i][3] = 255
	}
	return f, nil
}

// samples is the number of samples of a stored pixel.
func (f *pngForm) samples() int {
	switch f.colour {
	case pngRGB:
		return 3
	case pngGreyAlpha:
		return 2
	case pngRGBA:
		return 4
	}
	return 1
}

// channels is the number of bytes of a pixel handed on: grey or RGB, and alpha where there may be any.
func (f *pngForm) channels() int {
	n := 1
	if f.colour == pngRGB || f.colour == pngRGBA || f.colour == pngPalette {
		n = 3
	}
	if f.alpha() {
		n++
	}
	return n
}

func (f *pngForm) alpha() bool { return f.colour == pngGreyAlpha || f.colour == pngRGBA || f.clear }

// rowBytes is the length of a stored row of w pixels without its filter byte.
func (f *pngForm) rowBytes(w int64) int64 { return (w*int64(f.samples()*f.depth) + 7) / 8 }

// memory is what decodePNG allocates: two stored rows, one row handed on, the inflater's window and buffers, and what is kept; interlaced
// ones keep sums of four bytes for a sample, see cells.
func (f *pngForm) memory(reduction int) int64 {
	w, h, k := int64(f.w), int64(f.h), int64(reduction)
	rows := 2*f.rowBytes(w) + w*int64(f.channels()) + 256<<10
	kept := raster.ReducerBytes(w, h, int64(f.channels()), k)
	if f.interlaced {
		kept = raster.MulBytes(raster.MulBytes((w+k-1)/k, (h+k-1)/k), 5*int64(f.channels()))
	}
	return rows + kept
}

// pngChunks walks through the chunks of a file, and gives the data of those called IDAT as one stream.
type pngChunks struct {
	r      *bufio.Reader
	header *header
	left   int64 // of the present IDAT
	inData bool
	kind   string // of the chunk that followed the data
	next   int64  // its length
	crc    uint32
}

func (c *pngChunks) begin() (kind string, n int64, err error) {
	var head [8]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return "", 0, err
	}
	n = int64(binary.BigEndian.Uint32(head[:]))
	if n > 1<<31-1 {
		return "", 0, &CorruptError{Format: formatPNG, Reason: fmt.Sprintf("PNG chunk %q has no valid length", head[4:])}
	}
	return string(head[4:]), n, nil
}

// ancillary is the bit of a chunk's name that says that the picture can be shown without it.
const ancillary = 0x20

// errDamagedNote says that a chunk which is not needed does not match its checksum: it is left out, as libpng does.
var errDamagedNote = errors.New("damaged")

// body reads a short chunk whole and checks it.
func (c *pngChunks) body(kind string, n int64) ([]byte, error) {
	data := make([]byte, n+4)
	if _, err := io.ReadFull(c.r, data); err != nil {
		return nil, err
	}
	crc := crc32.Update(crc32.ChecksumIEEE([]byte(kind)), crc32.IEEETable, data[:n])
	if crc != binary.BigEndian.Uint32(data[n:]) {
		if kind[0]&ancillary != 0 {
			return nil, errDamagedNote
		}
		return nil, &CorruptError{Format: formatPNG, Reason: fmt.Sprintf("PNG chunk %q does not match its checksum", kind)}
	}
	return data[:n], nil
}

func (c *pngChunks) skip(n int64) error {
	_, err := io.CopyN(io.Discard, c.r, n+4)
	return err
}

// toData reads the chunks up to the first IDAT.
func (c *pngChunks) toData(f *pngForm) error {
	for {
		kind, n, err := c.begin()
		if err != nil {
			return err
		}
		switch {
		case kind == "IDAT":
			if f.colour == pngPalette && f.colours == 0 {
				return &CorruptError{Format: formatPNG, Reason: "PNG has no palette"}
			}
			c.startData(n)
			return nil
		case kind == "IEND":
			return &CorruptError{Format: formatPNG, Reason: "PNG holds no picture"}
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
				c.header.noteExif(data)
			case "iCCP":
				c.header.packed = icc.FromPNG(data)
			}
			if err != nil {
				return err
			}
		case kind == "PLTE" || kind == "tRNS" || kind == "IHDR":
			return &CorruptError{Format: formatPNG, Reason: fmt.Sprintf("PNG chunk %q of %d bytes is not valid here", kind, n)}
		case kind[0]&ancillary == 0:
			return &UnsupportedError{Format: formatPNG, Reason: fmt.Sprintf("it needs a reader that knows %q", kind)}
		default:
			if err := c.skip(n); err != nil {
				return err
			}
		}
	}
}

func (c *pngChunks) startData(n int64) {
	c.inData, c.left = true, n
	c.crc = crc32.ChecksumIEEE([]byte("IDAT"))
}

// Read gives the data of the IDAT chunks.
func (c *pngChunks) Read(p []byte) (int, error) {
	for c.left == 0 {
		if !c.inData {
			return 0, io.EOF
		}
		var sum [4]byte
		if _, err := io.ReadFull(c.r, sum[:]); err != nil {
			return 0, err
		}
		if binary.BigEndian.Uint32(sum[:]) != c.crc {
			return 0, &CorruptError{Format: formatPNG, Reason: "PNG data does not match its checksum"}
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

// finish reads what follows the picture: rests of data, the orientation, the end. A file that is cut there has its picture whole.
func (c *pngChunks) finish() error {
	// Compared, not asked by errors.Is: the error of a reader that lost its connection is another's, and may wrap these.
	if err := c.readTail(); err != io.EOF && err != io.ErrUnexpectedEOF {
		return err
	}
	return nil
}

func (c *pngChunks) readTail() error {
	if _, err := io.Copy(io.Discard, c); err != nil {
		return err
	}
	for kind, n := c.kind, c.next; kind != "IEND"; {
		if kind == "eXIf" && n <= exif.MaxBytes {
			data, err := c.body(kind, n)
			if err == nil {
				c.header.noteExif(data)
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

func (f *pngForm) readPalette(data []byte) error {
	if len(data)%3 != 0 || len(data) == 0 || f.colours > 0 {
		return &CorruptError{Format: formatPNG, Reason: fmt.Sprintf("PNG palette of %d bytes is not valid", len(data))}
	}
	f.colours = len(data) / 3
	for i := range f.colours {
		copy(f.palette[i][:3], data[3*i:])
	}
	return nil
}

func (f *pngForm) readTransparency(data []byte) error {
	switch {
	case f.colour == pngPalette && f.colours > 0:
		// There may be more of them than colours: the others belong to black.
		for i, a := range data {
			e := &f.palette[i]
			e[3] = a
			f.clear = f.clear || a != 255
			raster.Premultiply(e[:], 4)
		}
		return nil
	case f.colour == pngGrey && len(data) == 2, f.colour == pngRGB && len(data) == 6:
		f.clear = true
		for i := range len(data) / 2 {
			f.key[i] = binary.BigEndian.Uint16(data[2*i:])
		}
		return nil
	}
	return &CorruptError{Format: formatPNG, Reason: fmt.Sprintf("PNG transparency of %d bytes is not valid", len(data))}
}
