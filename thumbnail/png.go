package thumbnail

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
)

const pngSignature = "\x89PNG\r\n\x1a\n"

// maxExifBytes bounds an EXIF block in PNG and WebP. In JPEG a segment is at most 64 KB.
const maxExifBytes = 1 << 20

// openPNG reads the chunks before the picture's data.
func openPNG(r *bufio.Reader) (*header, error) {
	h := &header{}
	chunks := &pngChunks{r: r, orientation: &h.orientation}
	if _, err := io.CopyN(&chunks.out, r, int64(len(pngSignature))); err != nil {
		return nil, err
	}
	for chunks.kind != "IDAT" {
		if err := chunks.next(); err != nil {
			return nil, err
		}
		if chunks.out.Len() > maxHeaderBytes {
			return nil, &CorruptError{Format: formatPNG, Reason: "PNG header is over 1 MiB besides metadata"}
		}
	}
	ihdr := chunks.out.Bytes()[len(pngSignature):]
	if len(ihdr) < 8+13 || string(ihdr[4:8]) != "IHDR" {
		return nil, &CorruptError{Format: formatPNG, Reason: "PNG does not begin with its size"}
	}
	ihdr = ihdr[8:]
	w, ht := binary.BigEndian.Uint32(ihdr), binary.BigEndian.Uint32(ihdr[4:])
	if w > 1<<31-1 || ht > 1<<31-1 {
		return nil, &CorruptError{Format: formatPNG, Reason: fmt.Sprintf("PNG size %dx%d is not valid", w, ht)}
	}
	h.width, h.height = int(w), int(ht)
	h.bytes = pngBytes(int64(w), int64(ht), ihdr[8], ihdr[9], ihdr[12] == 1)
	h.decode = func() (image.Image, error) {
		img, err := png.Decode(chunks)
		if unsupported, ok := errors.AsType[png.UnsupportedError](err); ok {
			return nil, &UnsupportedError{Format: formatPNG, Reason: string(unsupported)}
		}
		if err != nil {
			return nil, err
		}
		return img, nil
	}
	return h, nil
}

// pngBytes is what image/png allocates. An interlaced picture needs its largest pass as well.
func pngBytes(w, h int64, depth, colour byte, interlaced bool) int64 {
	perPixel := int64(1)
	switch colour {
	case 2, 4, 6: // RGB, grey with alpha, RGB with alpha
		perPixel = 4
	case 3: // palette
		perPixel = 1
	}
	if depth == 16 {
		perPixel = 8
	}
	pixels := limitedMul(w, h)
	n := limitedMul(pixels, perPixel)
	if interlaced {
		n += n / 2
	}
	return n
}

// limitedMul multiplies sides of at most 31 bits by small factors without overflow.
func limitedMul(a, b int64) int64 {
	const most = 1 << 62
	if a != 0 && b > most/a {
		return most
	}
	return a * b
}

// pngChunks reads chunks from r and hands on those that decide about pixels. The orientation is taken from eXIf, which
// may stand before or after the data. An error in what is dropped does not matter, its length does.
type pngChunks struct {
	r           *bufio.Reader
	out         bytes.Buffer // what Read gives first
	left        int64        // then this much of r
	kind        string       // of the chunk last begun
	orientation *orientation
	ended       bool
}

// Read gives the filtered file.
func (c *pngChunks) Read(p []byte) (int, error) {
	for c.out.Len() == 0 && c.left == 0 {
		if c.ended {
			return 0, io.EOF
		}
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	if c.out.Len() > 0 {
		return c.out.Read(p)
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// next begins the next chunk that is handed on; those before it are dropped.
func (c *pngChunks) next() error {
	for {
		var head [8]byte
		if _, err := io.ReadFull(c.r, head[:]); err != nil {
			return err
		}
		n := int64(binary.BigEndian.Uint32(head[:]))
		c.kind = string(head[4:])
		switch c.kind {
		case "CgBI":
			return &UnsupportedError{Format: formatPNG, Reason: "it is Apple's iPhone variant (CgBI)"}
		case "IDAT":
			c.out.Write(head[:])
			c.left = n + 4
			return nil
		case "IHDR", "PLTE", "tRNS", "IEND":
			if n > 4096 {
				return &CorruptError{Format: formatPNG, Reason: fmt.Sprintf("PNG chunk %s has %d bytes", c.kind, n)}
			}
			c.out.Write(head[:])
			_, err := io.CopyN(&c.out, c.r, n+4)
			c.ended = c.kind == "IEND"
			return err
		case "eXIf":
			if n <= maxExifBytes && *c.orientation == 0 {
				exif := make([]byte, n+4)
				if _, err := io.ReadFull(c.r, exif); err != nil {
					return err
				}
				*c.orientation = exifOrientation(exif[:n])
				continue
			}
		}
		if _, err := io.CopyN(io.Discard, c.r, n+4); err != nil {
			return err
		}
	}
}
