package thumbnail

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"sluice/thumbnail/internal/codec"
	"sluice/thumbnail/internal/png"
)

// sniffLen is the number of bytes that sniff reads.
const sniffLen = 16

// sniff names the format by the first bytes. The name and the content type of
// an upload do not count.
func sniff(head []byte) (string, error) {
	switch {
	case len(head) == 0:
		return "", &CorruptError{Reason: "the file is empty (0 bytes)"}
	case hasMagic(head, "\xff\xd8\xff"):
		return codec.JPEG, nil
	case hasMagic(head, png.Signature):
		return codec.PNG, nil
	case hasMagic(head, "GIF87a"), hasMagic(head, "GIF89a"):
		return codec.GIF, nil
	case hasMagic(head, "RIFF") && len(head) >= 12 && string(head[8:12]) == "WEBP":
		return codec.WebP, nil
	}
	if name := otherFormat(head); name != "" {
		return "", &UnsupportedError{Format: name, Reason: "use JPEG, PNG, GIF or WebP"}
	}
	return "", &UnsupportedError{Reason: "first bytes are " + describe(head)}
}

// otherFormat names common formats that are not read, for the error.
func otherFormat(head []byte) string {
	switch {
	case hasMagic(head, "II*\x00"), hasMagic(head, "MM\x00*"), hasMagic(head, "II+\x00"), hasMagic(head, "MM\x00+"):
		return "TIFF"
	case hasMagic(head, "BM") && len(head) >= 10 && bytes.Equal(head[6:10], make([]byte, 4)):
		return "BMP"
	case len(head) >= 12 && string(head[4:8]) == "ftyp":
		switch string(head[8:12]) {
		case "avif", "avis":
			return "AVIF"
		case "heic", "heix", "hevc", "mif1", "msf1":
			return "HEIC"
		}
		return "video (ISO media)"
	case hasMagic(head, "\x00\x00\x00\x0cJXL "), hasMagic(head, "\xff\x0a"):
		return "JPEG XL"
	case hasMagic(head, "\x00\x00\x00\x0cjP  "), hasMagic(head, "\xff\x4f\xff\x51"):
		return "JPEG 2000"
	case hasMagic(head, "%PDF-"):
		return "PDF"
	case hasMagic(head, "8BPS"):
		return "Photoshop (PSD)"
	case hasMagic(head, "<svg"):
		return "SVG"
	case hasMagic(head, "PK\x03\x04"):
		return "ZIP"
	}
	return ""
}

func hasMagic(head []byte, magic string) bool {
	return len(head) >= len(magic) && string(head[:len(magic)]) == magic
}

// describe quotes text, and writes other data in hexadecimal.
func describe(head []byte) string {
	if utf8.Valid(head) && bytes.IndexFunc(head, func(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' }) < 0 {
		return fmt.Sprintf("%q", head)
	}
	return fmt.Sprintf("% x", head)
}
