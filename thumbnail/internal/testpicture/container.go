package testpicture

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
)

// PNGSignature begins every PNG.
const PNGSignature = "\x89PNG\r\n\x1a\n"

// XMPSegment is the data of an APP1 segment that is not EXIF.
const XMPSegment = "http://ns.adobe.com/xap/1.0/\x00<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><!-- no orientation here --></x:xmpmeta>"

// EXIF returns the smallest EXIF block that holds an orientation.
func EXIF(orientation int, order binary.AppendByteOrder) []byte {
	tiff := []byte("II*\x00")
	if order == binary.BigEndian {
		tiff = []byte("MM\x00*")
	}
	tiff = order.AppendUint32(tiff, 8)
	tiff = order.AppendUint16(tiff, 1)
	tiff = order.AppendUint16(tiff, 0x0112)
	tiff = order.AppendUint16(tiff, 3)
	tiff = order.AppendUint32(tiff, 1)
	tiff = order.AppendUint16(tiff, uint16(orientation))
	return append(tiff, 0, 0, 0, 0, 0, 0)
}

// WithSegment returns a JPEG with a segment inserted behind SOI.
func WithSegment(jpg []byte, marker byte, data string) []byte {
	out := append([]byte{0xff, 0xd8, 0xff, marker, byte((len(data) + 2) >> 8), byte(len(data) + 2)}, data...)
	return append(out, jpg[2:]...)
}

// WithEXIF returns a JPEG with an EXIF segment behind SOI.
func WithEXIF(jpg []byte, orientation int) []byte {
	return WithSegment(jpg, 0xe1, "Exif\x00\x00"+string(EXIF(orientation, binary.BigEndian)))
}

// PNGChunk returns a chunk with its length and checksum.
func PNGChunk(kind string, data []byte) []byte {
	out := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	out = append(append(out, kind...), data...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[4:]))
}

// WithPNGChunk returns a PNG with a chunk inserted behind IHDR, or before IEND.
func WithPNGChunk(file []byte, kind string, data []byte, atEnd bool) []byte {
	at := len(PNGSignature) + 12 + 13
	if atEnd {
		at = len(file) - 12
	}
	out := append([]byte(nil), file[:at]...)
	out = append(out, PNGChunk(kind, data)...)
	return append(out, file[at:]...)
}

// WithPNGProfile returns a PNG with a colour profile.
func WithPNGProfile(file, profile []byte) []byte {
	return WithPNGChunk(file, "iCCP", append([]byte("profile\x00\x00"), Deflate(profile)...), false)
}

// Deflate packs data as zlib does.
func Deflate(data []byte) []byte {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	z.Write(data)
	z.Close()
	return b.Bytes()
}

// EncodeJPEG encodes with the standard library, at quality 85.
func EncodeJPEG(img image.Image) []byte {
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, img, &jpeg.Options{Quality: 85}); err != nil {
		panic(err)
	}
	return buf.Bytes()
}

// EncodePNG encodes with the standard library.
func EncodePNG(img image.Image) []byte {
	var buf bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&buf, img); err != nil {
		panic(err)
	}
	return buf.Bytes()
}

// EncodeGIF encodes with the standard library.
func EncodeGIF(g *gif.GIF) []byte {
	var buf bytes.Buffer
	if err := gif.EncodeAll(&buf, g); err != nil {
		panic(err)
	}
	return buf.Bytes()
}

// LargePNG returns an RGB PNG of w x h grey-blue rows, with interlace 1 in the
// seven passes of Adam7.
func LargePNG(w, h int, interlace byte) []byte {
	ihdr := binary.BigEndian.AppendUint32(nil, uint32(w))
	ihdr = binary.BigEndian.AppendUint32(ihdr, uint32(h))
	out := append([]byte(PNGSignature), PNGChunk("IHDR", append(ihdr, 8, 2, 0, 0, interlace))...)
	var data bytes.Buffer
	z := zlib.NewWriter(&data)
	passes := []struct{ x, y, dx, dy int }{
		{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2},
	}
	if interlace == 0 {
		passes = passes[:1]
		passes[0].dx, passes[0].dy = 1, 1
	}
	for _, p := range passes {
		row := make([]byte, 1+3*((w-p.x+p.dx-1)/p.dx))
		for y := p.y; y < h; y += p.dy {
			for i := range row[1:] {
				row[1+i] = byte(y + i/3)
			}
			z.Write(row)
		}
	}
	z.Close()
	out = append(out, PNGChunk("IDAT", data.Bytes())...)
	return append(out, PNGChunk("IEND", nil)...)
}
