// Package webp reads WebP: a RIFF container of chunks around a lossy frame
// (VP8), a lossless frame (VP8L), or frames of an animation, of which the first
// is the picture.
//
// A lossy frame without transparency that is reduced to a quarter or less is
// decoded by package vp8. Others are decoded whole by golang.org/x/image/webp.
// It knows one still frame, so it gets the frame's chunks in a file of its own;
// the container around them is read here.
package webp

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"io"

	"golang.org/x/image/webp"

	"sluice/thumbnail/internal/codec"
	"sluice/thumbnail/internal/exif"

	"sluice/thumbnail/internal/raster"

	"sluice/thumbnail/internal/icc"

	"sluice/thumbnail/internal/vp8"

	"sluice/thumbnail/internal/vp8l"
)

// VP8X flags.
const (
	flagAnimated = 1 << 1
	flagEXIF     = 1 << 3
)

// Open walks the container to the first frame's data. Of an animation the first
// frame is the picture.
func Open(r *bufio.Reader) (*codec.Header, error) {
	var head [12]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	w := &reader{r: r, left: int64(binary.LittleEndian.Uint32(head[4:])) - 4}
	h := &codec.Header{LateOrientation: true}
	for {
		kind, n, err := w.chunk()
		if err != nil {
			return nil, err
		}
		switch kind {
		case "VP8X":
			if err := w.readCanvas(n, h); err != nil {
				return nil, err
			}
		case "ANMF":
			if err := w.readFrame(n); err != nil {
				return nil, err
			}
		case "ICCP":
			if n > icc.MaxBytes {
				if err := w.skip(n); err != nil {
					return nil, err
				}
				continue
			}
			profile, err := w.read(n)
			if err != nil {
				return nil, err
			}
			h.Profile = profile
		case "EXIF":
			if err := w.readExif(n, h); err != nil {
				return nil, err
			}
		case "ALPH", "VP8 ", "VP8L":
			return h, w.begin(h, kind, n)
		default:
			if err := w.skip(n); err != nil {
				return nil, err
			}
		}
	}
}

// reader reads a WebP file chunk by chunk. golang.org/x/image/webp knows one
// still frame, so it gets the frame's chunks in a file of our making; the
// container around them is read here.
type reader struct {
	r     *bufio.Reader
	left  int64 // of the file by its own account
	flags byte
	// frame is where an animation's first frame lies on the canvas, else empty.
	frame  image.Rectangle
	groups vp8l.Groups // of the lossless picture, or of lossless transparency
}

func (w *reader) chunk() (kind string, n int64, err error) {
	var head [8]byte
	if w.left < int64(len(head)) {
		return "", 0, codec.Corrupt(codec.WebP, "WebP holds no picture")
	}
	if _, err := io.ReadFull(w.r, head[:]); err != nil {
		return "", 0, err
	}
	w.left -= int64(len(head))
	n = int64(binary.LittleEndian.Uint32(head[4:]))
	if n > w.left {
		return "", 0, codec.Corrupt(codec.WebP, fmt.Sprintf("WebP chunk %q is longer than its file", head[:4]))
	}
	return string(head[:4]), n, nil
}

// skip discards a chunk of n bytes and its padding to an even length.
func (w *reader) skip(n int64) error {
	if err := w.discard(n); err != nil {
		return err
	}
	return w.pad(n)
}

// pad discards the padding of a chunk of n bytes. A file may end without it.
func (w *reader) pad(n int64) error {
	if n&1 == 0 {
		return nil
	}
	if err := w.discard(1); err != io.EOF {
		return err
	}
	return nil
}

// discard discards n bytes, without padding.
func (w *reader) discard(n int64) error {
	n = min(n, w.left)
	w.left -= n
	_, err := io.CopyN(io.Discard, w.r, n)
	return err
}

func (w *reader) read(n int64) ([]byte, error) {
	data, err := codec.ReadClaimed(w.r, n)
	if err != nil {
		return nil, err
	}
	w.left -= n
	return data, w.pad(n)
}

func (w *reader) readCanvas(n int64, h *codec.Header) error {
	if n != 10 || h.Width != 0 {
		return codec.Corrupt(codec.WebP, "WebP canvas is not valid")
	}
	data, err := w.read(n)
	if err != nil {
		return err
	}
	w.flags = data[0]
	h.Width, h.Height = 1+uint24(data[4:]), 1+uint24(data[7:])
	return nil
}

// readFrame reads the head of an animation's frame; its chunks follow.
func (w *reader) readFrame(n int64) error {
	if n < 16 || w.flags&flagAnimated == 0 {
		return codec.Corrupt(codec.WebP, "WebP frame is not valid")
	}
	data := make([]byte, 16)
	if _, err := io.ReadFull(w.r, data); err != nil {
		return err
	}
	w.left -= 16
	x, y := 2*uint24(data), 2*uint24(data[3:])
	w.frame = image.Rect(x, y, x+1+uint24(data[6:]), y+1+uint24(data[9:]))
	return nil
}

func (w *reader) readExif(n int64, h *codec.Header) error {
	if n > exif.MaxBytes || h.Orientation != 0 {
		return w.skip(n)
	}
	data, err := w.read(n)
	if err != nil {
		return err
	}
	// The chunk is a bare TIFF structure; some writers keep the name it has in
	// JPEG.
	h.Orientation = exif.Parse(bytes.TrimPrefix(data, []byte("Exif\x00\x00")))
	return nil
}

// begin reads the frame's own size and prepares decoding. The reader stands
// behind the head of the frame's first chunk.
func (w *reader) begin(h *codec.Header, kind string, n int64) error {
	width, height := h.Width, h.Height
	if !w.frame.Empty() {
		if !w.frame.In(image.Rect(0, 0, width, height)) {
			return codec.Corrupt(codec.WebP, "WebP frame lies outside the canvas")
		}
		width, height = w.frame.Dx(), w.frame.Dy()
	}
	if kind != "ALPH" {
		fw, fh, err := w.frameSize(kind, n)
		if err != nil {
			return err
		}
		if width == 0 {
			h.Width, h.Height, width, height = fw, fh, fw, fh
		}
		if fw != width || fh != height {
			return codec.Corrupt(codec.WebP, fmt.Sprintf("WebP frame is %dx%d on a canvas of %dx%d", fw, fh, width, height))
		}
	} else if width == 0 {
		return codec.Corrupt(codec.WebP, "WebP transparency comes before its size")
	}
	w.lookAhead(kind, n, width, height)
	h.Decoder = &decoder{file: w, header: h, kind: kind, n: n, width: width, height: height}
	return nil
}

// decoder is the frame whose data comes next.
type decoder struct {
	file          *reader
	header        *codec.Header
	kind          string // of the frame's first chunk
	n             int64  // its length
	width, height int    // of the frame
}

// unfiltered reports whether the frame is decoded by vp8, at the size that is
// wanted.
func (d *decoder) unfiltered(ratio float64) bool {
	return ratio >= unfilteredRatio && d.kind == "VP8 " && d.file.frame.Empty()
}

func (d *decoder) MemoryBytes(ratio float64) int64 {
	w, h := int64(d.header.Width), int64(d.header.Height)
	reduction := int64(raster.ReductionFor(ratio, d.header.Width, d.header.Height))
	if d.unfiltered(ratio) {
		return d.n + vp8.MemoryBytes(int64(d.width)) + raster.ReducerBytes(int64(d.width), int64(d.height), 2, reduction)
	}
	return decodeBytes(d.kind, int64(d.width), int64(d.height), d.n) + d.file.groups.Bytes() + 4*w + raster.ReducerBytes(w, h, 4, reduction)
}

func (d *decoder) Decode(ratio float64) (*raster.Raster, error) {
	h, w := d.header, d.file
	reduction := raster.ReductionFor(ratio, h.Width, h.Height)
	if d.unfiltered(ratio) {
		return w.decodeReduced(h, d.n, reduction)
	}
	img, err := w.decode(d.kind, d.n, d.width, d.height)
	if err != nil {
		return nil, err
	}
	if err := w.readTail(h); err != nil {
		return nil, err
	}
	if img, ok := img.(*image.YCbCr); ok && w.frame.Empty() {
		return reduceYCC(img, reduction), nil
	}
	return reduceOnCanvas(img, w.frame.Min, h.Width, h.Height, reduction)
}

// frameSize looks at the head of a frame's data.
func (w *reader) frameSize(kind string, n int64) (int, int, error) {
	const vp8Head, vp8lHead = 10, 5
	if kind == "VP8L" {
		data, err := w.r.Peek(vp8lHead)
		if err != nil {
			return 0, 0, err
		}
		if n < vp8lHead || data[0] != 0x2f {
			return 0, 0, codec.Corrupt(codec.WebP, "WebP frame does not begin as one")
		}
		bits := binary.LittleEndian.Uint32(data[1:])
		return 1 + int(bits&0x3fff), 1 + int(bits>>14&0x3fff), nil
	}
	data, err := w.r.Peek(vp8Head)
	if err != nil {
		return 0, 0, err
	}
	if n < vp8Head || data[0]&1 != 0 || string(data[3:6]) != "\x9d\x01\x2a" {
		return 0, 0, codec.Corrupt(codec.WebP, "WebP frame does not begin as one")
	}
	return int(binary.LittleEndian.Uint16(data[6:]) & 0x3fff), int(binary.LittleEndian.Uint16(data[8:]) & 0x3fff), nil
}

// lookAhead counts the Huffman codes of a lossless picture. The bytes read are
// put back.
func (w *reader) lookAhead(kind string, n int64, width, height int) {
	const lossless = 1 // how transparency is packed
	skip := 5
	switch kind {
	case "ALPH":
		skip = 1
		if head, err := w.r.Peek(1); err != nil || head[0]&3 != lossless {
			return
		}
	case "VP8L":
	default:
		return
	}
	head := make([]byte, skip)
	got, err := io.ReadFull(w.r, head)
	head = head[:got]
	if err == nil {
		var taken []byte
		w.groups, taken = vp8l.ReadGroups(&limitedBytes{w.r, n - int64(skip)}, width, height)
		head = append(head, taken...)
	}
	w.r = bufio.NewReader(io.MultiReader(bytes.NewReader(head), w.r))
}

// decodeBytes is the memory that decoding allocates: lossy frames 4:2:0 planes
// of whole macroblocks and a copy of the data; lossless ones pixels, a
// transformed copy, and transforms of tiles that are at least 4 x 4 pixels;
// transparency beside lossy data another lossless picture and the plane taken
// from it. The Huffman codes of lossless ones come to it, see vp8lGroups.
func decodeBytes(kind string, w, h, n int64) int64 {
	switch kind {
	case "VP8L":
		return 9 * w * h
	case "ALPH":
		return 2*(w+15)*(h+15) + 10*w*h + n
	}
	return 2*(w+15)*(h+15) + n
}

func (w *reader) decode(kind string, n int64, width, height int) (image.Image, error) {
	file := new(bytes.Buffer)
	file.WriteString("RIFF\xfe\xff\xff\x7fWEBP")
	first := &body{w: w}
	if kind == "ALPH" {
		const alpha = 1 << 4
		file.WriteString("VP8X\x0a\x00\x00\x00")
		file.Write([]byte{alpha, 0, 0, 0})
		file.Write(appendUint24(appendUint24(nil, width-1), height-1))
	}
	file.WriteString(kind)
	file.Write(binary.LittleEndian.AppendUint32(nil, uint32(n)))
	first.left, first.odd = n+n&1, n&1 == 1
	first.rest = kind == "ALPH" // the colours' chunk follows
	img, err := webp.Decode(io.MultiReader(file, first))
	if err != nil {
		return nil, err
	}
	if first.left == 1 && first.odd {
		return img, w.pad(1)
	}
	return img, w.discard(first.left)
}

// unfilteredRatio is how many pixels a thumbnail must take for one of its own,
// along a side, for vp8Picture to do: from there on its result is within a grey
// level of the filtered one's.
const unfilteredRatio = 4

// decodeReduced decodes a plain lossy frame at the size that is wanted.
func (w *reader) decodeReduced(h *codec.Header, n int64, reduction int) (*raster.Raster, error) {
	data, err := w.read(n)
	if err != nil {
		return nil, err
	}
	p, err := vp8.New(data, reduction)
	if err != nil {
		return nil, err
	}
	out, err := p.Decode()
	if err != nil {
		return nil, err
	}
	return out, w.readTail(h)
}

// readTail reads the orientation, which stands behind the data. Behind the
// other frames of an animation it is not searched for. A file that is cut or
// damaged there has its picture whole.
func (w *reader) readTail(h *codec.Header) error {
	err := w.findExif(h)
	if codec.IsCorrupt(err) || err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil
	}
	return err
}

func (w *reader) findExif(h *codec.Header) error {
	if !w.frame.Empty() || w.flags&flagEXIF == 0 || h.Orientation != 0 {
		return nil
	}
	for w.left >= 8 {
		kind, n, err := w.chunk()
		if err != nil {
			return err
		}
		if kind == "EXIF" {
			return w.readExif(n, h)
		}
		if err := w.skip(n); err != nil {
			return err
		}
	}
	return nil
}

// body reads the data of a chunk, and with rest also the chunks up to the
// colours.
type body struct {
	w    *reader
	left int64 // with the padding
	odd  bool  // the chunk has padding
	rest bool
	head []byte // of the chunk just begun
}

func (b *body) Read(p []byte) (int, error) {
	for b.left == 0 && len(b.head) == 0 {
		if !b.rest {
			return 0, io.EOF
		}
		kind, n, err := b.w.chunk()
		if err != nil {
			return 0, err
		}
		if kind != "VP8 " {
			if err := b.w.skip(n); err != nil {
				return 0, err
			}
			continue
		}
		b.rest = false
		b.head = binary.LittleEndian.AppendUint32([]byte(kind), uint32(n))
		b.left, b.odd = n+n&1, n&1 == 1
	}
	if len(b.head) > 0 {
		n := copy(p, b.head)
		b.head = b.head[n:]
		return n, nil
	}
	n, err := b.w.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	b.w.left -= int64(n)
	if err == io.EOF && b.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

func appendUint24(b []byte, v int) []byte { return append(b, byte(v), byte(v>>8), byte(v>>16)) }

// limitedBytes returns the next bytes of r, and does not read ahead.
type limitedBytes struct {
	r    io.ByteReader
	left int64
}

func (b *limitedBytes) ReadByte() (byte, error) {
	if b.left <= 0 {
		return 0, io.EOF
	}
	b.left--
	return b.r.ReadByte()
}
