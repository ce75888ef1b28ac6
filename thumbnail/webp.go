package thumbnail

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"io"

	"golang.org/x/image/webp"

	"sluice/thumbnail/internal/exif"

	"sluice/thumbnail/internal/raster"

	"sluice/thumbnail/internal/icc"

	"sluice/thumbnail/internal/vp8"

	"sluice/thumbnail/internal/vp8l"
)

// VP8X flags.
const (
	webpAnimated = 1 << 1
	webpExif     = 1 << 3
)

// openWebP walks the container to the first frame's data. Of an animation the first frame is the picture.
func openWebP(r *bufio.Reader, _ *Options) (*header, error) {
	var head [12]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	w := &webpReader{r: r, left: int64(binary.LittleEndian.Uint32(head[4:])) - 4}
	h := &header{lateOrientation: true}
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
			h.profile = profile
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

// webpReader reads a WebP file chunk by chunk. golang.org/x/image/webp knows one still frame, so it gets the frame's
// chunks in a file of our making; the container around them is read here.
type webpReader struct {
	r     *bufio.Reader
	left  int64 // of the file by its own account
	flags byte
	// frame is where an animation's first frame lies on the canvas, else empty.
	frame  image.Rectangle
	groups vp8l.Groups // of the lossless picture, or of lossless transparency
}

func (w *webpReader) chunk() (kind string, n int64, err error) {
	var head [8]byte
	if w.left < int64(len(head)) {
		return "", 0, &CorruptError{Format: formatWebP, Reason: "WebP holds no picture"}
	}
	if _, err := io.ReadFull(w.r, head[:]); err != nil {
		return "", 0, err
	}
	w.left -= int64(len(head))
	n = int64(binary.LittleEndian.Uint32(head[4:]))
	if n > w.left {
		return "", 0, &CorruptError{Format: formatWebP, Reason: fmt.Sprintf("WebP chunk %q is longer than its file", head[:4])}
	}
	return string(head[:4]), n, nil
}

// skip leaves out n bytes and the padding to an even length.
func (w *webpReader) skip(n int64) error {
	n = min(n+n&1, w.left)
	w.left -= n
	_, err := io.CopyN(io.Discard, w.r, n)
	return err
}

func (w *webpReader) read(n int64) ([]byte, error) {
	data := make([]byte, n)
	if _, err := io.ReadFull(w.r, data); err != nil {
		return nil, err
	}
	w.left -= n
	return data, w.skip(n & 1)
}

func (w *webpReader) readCanvas(n int64, h *header) error {
	if n != 10 || h.width != 0 {
		return &CorruptError{Format: formatWebP, Reason: "WebP canvas is not valid"}
	}
	data, err := w.read(n)
	if err != nil {
		return err
	}
	w.flags = data[0]
	h.width, h.height = 1+uint24(data[4:]), 1+uint24(data[7:])
	return nil
}

// readFrame reads the head of an animation's frame; its chunks follow.
func (w *webpReader) readFrame(n int64) error {
	if n < 16 || w.flags&webpAnimated == 0 {
		return &CorruptError{Format: formatWebP, Reason: "WebP frame is not valid"}
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

func (w *webpReader) readExif(n int64, h *header) error {
	if n > exif.MaxBytes || h.orientation != 0 {
		return w.skip(n)
	}
	data, err := w.read(n)
	if err != nil {
		return err
	}
	// The chunk is a bare TIFF structure; some writers keep the name it has in JPEG.
	h.orientation = exif.Parse(bytes.TrimPrefix(data, []byte("Exif\x00\x00")))
	return nil
}

// begin reads the frame's own size and prepares decoding. The reader stands behind the head of the frame's first chunk.
func (w *webpReader) begin(h *header, kind string, n int64) error {
	width, height := h.width, h.height
	if !w.frame.Empty() {
		if !w.frame.In(image.Rect(0, 0, width, height)) {
			return &CorruptError{Format: formatWebP, Reason: "WebP frame lies outside the canvas"}
		}
		width, height = w.frame.Dx(), w.frame.Dy()
	}
	if kind != "ALPH" {
		fw, fh, err := w.frameSize(kind, n)
		if err != nil {
			return err
		}
		if width == 0 {
			h.width, h.height, width, height = fw, fh, fw, fh
		}
		if fw != width || fh != height {
			return &CorruptError{Format: formatWebP, Reason: fmt.Sprintf("WebP frame is %dx%d on a canvas of %dx%d", fw, fh, width, height)}
		}
	} else if width == 0 {
		return &CorruptError{Format: formatWebP, Reason: "WebP transparency comes before its size"}
	}
	w.lookAhead(kind, n, width, height)
	h.memory = func(ratio float64) int64 {
		reduction := int64(raster.ReductionFor(ratio, h.width, h.height))
		if ratio >= unfilteredRatio && kind == "VP8 " && w.frame.Empty() {
			return n + vp8.MemoryBytes(int64(width)) + raster.ReducerBytes(int64(width), int64(height), 2, reduction)
		}
		return webpBytes(kind, int64(width), int64(height), n) + w.groups.Bytes() + 4*int64(h.width) + raster.ReducerBytes(int64(h.width), int64(h.height), 4, reduction)
	}
	at := image.Pt(0, 0)
	if !w.frame.Empty() {
		at = w.frame.Min
	}
	h.decode = func(ratio float64) (*raster.Raster, error) {
		reduction := raster.ReductionFor(ratio, h.width, h.height)
		if ratio >= unfilteredRatio && kind == "VP8 " && w.frame.Empty() {
			return w.decodeReduced(h, n, reduction)
		}
		img, err := w.decode(kind, n, width, height)
		if err != nil {
			return nil, err
		}
		if err := w.readTail(h); err != nil {
			return nil, err
		}
		if img, ok := img.(*image.YCbCr); ok && w.frame.Empty() {
			return reduceYCC(img, reduction), nil
		}
		return reduceOnCanvas(img, at, h.width, h.height, reduction)
	}
	return nil
}

// frameSize looks at the head of a frame's data.
func (w *webpReader) frameSize(kind string, n int64) (int, int, error) {
	const vp8Head, vp8lHead = 10, 5
	if kind == "VP8L" {
		data, err := w.r.Peek(vp8lHead)
		if err != nil {
			return 0, 0, err
		}
		if n < vp8lHead || data[0] != 0x2f {
			return 0, 0, &CorruptError{Format: formatWebP, Reason: "WebP frame does not begin as one"}
		}
		bits := binary.LittleEndian.Uint32(data[1:])
		return 1 + int(bits&0x3fff), 1 + int(bits>>14&0x3fff), nil
	}
	data, err := w.r.Peek(vp8Head)
	if err != nil {
		return 0, 0, err
	}
	if n < vp8Head || data[0]&1 != 0 || string(data[3:6]) != "\x9d\x01\x2a" {
		return 0, 0, &CorruptError{Format: formatWebP, Reason: "WebP frame does not begin as one"}
	}
	return int(binary.LittleEndian.Uint16(data[6:]) & 0x3fff), int(binary.LittleEndian.Uint16(data[8:]) & 0x3fff), nil
}

// lookAhead counts the Huffman codes of a lossless picture. What it reads is put back.
func (w *webpReader) lookAhead(kind string, n int64, width, height int) {
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

// webpBytes is what decoding allocates: lossy ones 4:2:0 planes of whole macroblocks and a copy of the data; lossless ones pixels, a
// transformed copy, and transforms of tiles that are at least 4 x 4 pixels; transparency beside lossy data another lossless picture and the
// plane taken from it. The Huffman codes of lossless ones come to it, see vp8lGroups.
func webpBytes(kind string, w, h, n int64) int64 {
	switch kind {
	case "VP8L":
		return 9 * w * h
	case "ALPH":
		return 2*(w+15)*(h+15) + 10*w*h + n
	}
	return 2*(w+15)*(h+15) + n
}

func (w *webpReader) decode(kind string, n int64, width, height int) (image.Image, error) {
	file := new(bytes.Buffer)
	file.WriteString("RIFF\xfe\xff\xff\x7fWEBP")
	first := &webpBody{w: w}
	if kind == "ALPH" {
		const alpha = 1 << 4
		file.WriteString("VP8X\x0a\x00\x00\x00")
		file.Write([]byte{alpha, 0, 0, 0})
		file.Write(appendUint24(appendUint24(nil, width-1), height-1))
	}
	file.WriteString(kind)
	file.Write(binary.LittleEndian.AppendUint32(nil, uint32(n)))
	first.left = n + n&1
	first.rest = kind == "ALPH" // the colours' chunk follows
	img, err := webp.Decode(io.MultiReader(file, first))
	if err != nil {
		return nil, err
	}
	return img, w.skip(first.left)
}

// unfilteredRatio is how many pixels a thumbnail must take for one of its own, along a side, for vp8Picture to do: from there on its
// result is within a grey level of the filtered one's.
const unfilteredRatio = 4

// decodeReduced decodes a plain lossy frame at the size that is wanted.
func (w *webpReader) decodeReduced(h *header, n int64, reduction int) (*raster.Raster, error) {
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

// readTail reads the orientation, which stands behind the data. An animation's is not looked for behind its other frames. A file
// that is cut or damaged there has its picture whole.
func (w *webpReader) readTail(h *header) error {
	err := w.findExif(h)
	if _, damaged := err.(*CorruptError); damaged || err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil
	}
	return err
}

func (w *webpReader) findExif(h *header) error {
	if !w.frame.Empty() || w.flags&webpExif == 0 || h.orientation != 0 {
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

// webpBody hands on the data of a chunk, and with rest also the chunks up to the colours.
type webpBody struct {
	w    *webpReader
	left int64
	rest bool
	head []byte // of the chunk just begun
}

func (b *webpBody) Read(p []byte) (int, error) {
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
		b.left = n + n&1
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

// limitedBytes gives the next bytes of r, and does not read ahead.
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
