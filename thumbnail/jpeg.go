package thumbnail

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
)

// maxHeaderBytes bounds what is kept of a header. Real ones have a few KB besides metadata.
const maxHeaderBytes = 1 << 20

// openJPEG reads the segments before the first scan. It keeps what a decoder needs, drops the metadata, and reads
// the orientation from any APP1 that holds one: cameras and editors write XMP, another APP1, before or after it.
func openJPEG(r *bufio.Reader) (*header, error) {
	h := &header{}
	kept := new(bytes.Buffer)
	if _, err := io.CopyN(kept, r, 2); err != nil { // SOI
		return nil, err
	}
	var frame *jpegFrame
	for {
		marker, err := nextMarker(r)
		if err != nil {
			return nil, err
		}
		var head [2]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return nil, err
		}
		n := int(head[0])<<8 | int(head[1]) - 2
		if n < 0 {
			return nil, &CorruptError{Format: formatJPEG, Reason: fmt.Sprintf("JPEG segment %#x has no length", marker)}
		}
		if isMetadata(marker) {
			if err := h.readMetadata(r, marker, n); err != nil {
				return nil, err
			}
			continue
		}
		if kept.Len()+n > maxHeaderBytes {
			return nil, &CorruptError{Format: formatJPEG, Reason: "JPEG header is over 1 MiB besides metadata"}
		}
		kept.Write([]byte{0xff, marker, head[0], head[1]})
		start := kept.Len()
		if _, err := io.CopyN(kept, r, int64(n)); err != nil {
			return nil, err
		}
		switch {
		case marker == 0xda: // SOS
			if frame == nil {
				return nil, &CorruptError{Format: formatJPEG, Reason: "JPEG has a scan before its size"}
			}
			h.width, h.height, h.bytes = frame.width, frame.height, frame.decodedBytes()
			h.decode = func() (image.Image, error) { return decodeJPEG(io.MultiReader(kept, r)) }
			return h, nil
		case isFrame(marker):
			if frame != nil {
				return nil, &CorruptError{Format: formatJPEG, Reason: "JPEG has two sizes"}
			}
			if frame, err = parseFrame(marker, kept.Bytes()[start:]); err != nil {
				return nil, err
			}
		}
	}
}

// nextMarker skips to the next marker that has a segment. Between segments decoders tolerate padding.
func nextMarker(r *bufio.Reader) (byte, error) {
	for {
		c, err := r.ReadByte()
		if err != nil {
			return 0, err
		}
		if c != 0xff {
			continue
		}
		for c == 0xff {
			if c, err = r.ReadByte(); err != nil {
				return 0, err
			}
		}
		switch {
		case c == 0xd9:
			return 0, &CorruptError{Format: formatJPEG, Reason: "JPEG ends before its picture"}
		case c == 0x00, c == 0x01, c >= 0xd0 && c <= 0xd8:
			// Stuffing, TEM, restarts and a second SOI stand alone.
		default:
			return c, nil
		}
	}
}

// isMetadata tells what a decoder does not need: APP1 to APP13, APP15 and COM. APP0 and APP14 decide about colours.
func isMetadata(marker byte) bool {
	return marker > 0xe0 && marker <= 0xef && marker != 0xee || marker == 0xfe
}

func (h *header) readMetadata(r io.Reader, marker byte, n int) error {
	const exif = "Exif\x00"
	if marker == 0xe1 && h.orientation == 0 {
		data := make([]byte, n) // at most 64 KB
		if _, err := io.ReadFull(r, data); err != nil {
			return err
		}
		// One padding byte of any value follows the name.
		if hasMagic(data, exif) && len(data) > len(exif) {
			h.orientation = exifOrientation(data[len(exif)+1:])
		}
		return nil
	}
	_, err := io.CopyN(io.Discard, r, int64(n))
	return err
}

// isFrame tells the SOFn markers from DHT, JPG and DAC, which lie among them.
func isFrame(marker byte) bool {
	return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc
}

// jpegFrame is what SOFn says.
type jpegFrame struct {
	width, height int
	progressive   bool
	sampling      []byte // horizontal factor << 4 | vertical, by component
}

func parseFrame(marker byte, data []byte) (*jpegFrame, error) {
	switch {
	case marker > 0xc2 && marker < 0xc9:
		return nil, &UnsupportedError{Format: formatJPEG, Reason: "it is lossless or hierarchical"}
	case marker > 0xc8:
		return nil, &UnsupportedError{Format: formatJPEG, Reason: "it is arithmetic-coded"}
	case len(data) < 6:
		return nil, &CorruptError{Format: formatJPEG, Reason: "JPEG size is cut short"}
	case data[0] != 8:
		return nil, &UnsupportedError{Format: formatJPEG, Reason: fmt.Sprintf("it has %d bits a sample, not 8", data[0])}
	}
	f := &jpegFrame{
		height:      int(data[1])<<8 | int(data[2]),
		width:       int(data[3])<<8 | int(data[4]),
		progressive: marker == 0xc2,
	}
	n := int(data[5])
	if len(data) < 6+3*n {
		return nil, &CorruptError{Format: formatJPEG, Reason: "JPEG size is cut short"}
	}
	if n != 1 && n != 3 && n != 4 {
		return nil, &UnsupportedError{Format: formatJPEG, Reason: fmt.Sprintf("it has %d components", n)}
	}
	if f.height == 0 {
		return nil, &UnsupportedError{Format: formatJPEG, Reason: "its height follows the data (DNL)"}
	}
	for i := range n {
		f.sampling = append(f.sampling, data[6+3*i+1])
	}
	return f, nil
}

// decodedBytes is what image/jpeg allocates: planes of whole units, for progressive pictures four more bytes a
// sample for the coefficients, for CMYK a copy.
func (f *jpegFrame) decodedBytes() int64 {
	hMax, vMax := 1, 1
	for _, s := range f.sampling {
		hMax, vMax = max(hMax, int(s>>4)), max(vMax, int(s&15))
	}
	unitsX := int64(f.width+8*hMax-1) / int64(8*hMax)
	unitsY := int64(f.height+8*vMax-1) / int64(8*vMax)
	var samples int64
	for _, s := range f.sampling {
		samples += unitsX * unitsY * 64 * int64(s>>4) * int64(s&15)
	}
	n := samples
	if f.progressive {
		n += 4 * samples
	}
	if len(f.sampling) == 4 {
		n += 2 * 4 * int64(f.width) * int64(f.height)
	}
	return n
}

func decodeJPEG(r io.Reader) (image.Image, error) {
	img, err := jpeg.Decode(r)
	if unsupported, ok := errors.AsType[jpeg.UnsupportedError](err); ok {
		return nil, &UnsupportedError{Format: formatJPEG, Reason: string(unsupported)}
	}
	return img, err
}
