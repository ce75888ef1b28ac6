package thumbnail

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unicode/utf8"

	"sluice/thumbnail/internal/codec"
	"sluice/thumbnail/internal/png"
)

// sniffLen is the number of bytes that sniff reads: an SVG may begin with a
// comment.
const sniffLen = 1024

// magicLen is the number of bytes by which a picture is known.
const magicLen = 12

// describedLen is the number of first bytes that an error shows.
const describedLen = 16

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
	return "", &UnsupportedError{Reason: "first bytes are " + describe(head[:min(len(head), describedLen)])}
}

// otherFormat names common formats that are not read, for the error.
func otherFormat(head []byte) string {
	switch {
	case hasMagic(head, "II*\x00"), hasMagic(head, "MM\x00*"), hasMagic(head, "II+\x00"), hasMagic(head, "MM\x00+"):
		return "TIFF"
	case isBMP(head):
		return "BMP"
	case isIcon(head, 1):
		return "ICO (icon)"
	case isIcon(head, 2):
		return "CUR (cursor)"
	case len(head) >= 12 && string(head[4:8]) == "ftyp":
		return isoMedia(head)
	case hasMagic(head, "\x00\x00\x00\x0cJXL "), hasMagic(head, "\xff\x0a"):
		return "JPEG XL"
	case hasMagic(head, "\x00\x00\x00\x0cjP  "), hasMagic(head, "\xff\x4f\xff\x51"):
		return "JPEG 2000"
	case hasMagic(head, "%PDF-"):
		return "PDF"
	case hasMagic(head, "8BPS"):
		return "Photoshop (PSD)"
	case isSVG(head):
		return "SVG"
	case hasMagic(head, "PK\x03\x04"):
		return "ZIP"
	}
	return ""
}

// isBMP checks the size of the second header: text may begin with BM too. The
// reserved words before it may have any value.
func isBMP(head []byte) bool {
	if !hasMagic(head, "BM") || len(head) < 18 {
		return false
	}
	switch binary.LittleEndian.Uint32(head[14:]) {
	case 12, 16, 40, 52, 56, 64, 108, 124:
		return true
	}
	return false
}

// isIcon reports whether the head is that of an icon (kind 1) or a cursor (2)
// with at least one picture: four reserved or fixed bytes, a number, and an
// entry whose fourth byte is 0.
func isIcon(head []byte, kind byte) bool {
	return len(head) >= 22 && hasMagic(head, "\x00\x00"+string([]byte{kind})+"\x00") && (head[4] != 0 || head[5] != 0) && head[9] == 0
}

// isSVG reports whether an XML text has svg as its first element, behind a
// declaration, comments and a document type.
func isSVG(head []byte) bool {
	head = bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))
	for {
		head = bytes.TrimLeft(head, " \t\r\n")
		end := ">"
		switch {
		case hasMagic(head, "<svg"):
			return true
		case hasMagic(head, "<!DOCTYPE svg"):
			return true
		case hasMagic(head, "<!--"):
			end = "-->"
		case hasMagic(head, "<?"):
			end = "?>"
		default:
			return false
		}
		_, rest, ok := bytes.Cut(head, []byte(end))
		if !ok {
			return bytes.Contains(head, []byte("<svg"))
		}
		head = rest
	}
}

// isoMedia names a file of ISO base media by the brands of its ftyp box. The
// general brands of HEIF say nothing of the coding, so the compatible brands
// decide.
func isoMedia(head []byte) string {
	box := head[8:min(len(head), max(12, int(binary.BigEndian.Uint32(head))))]
	heif := false
	for at := 0; at+4 <= len(box); at += 4 {
		if at == 4 {
			continue // the minor version
		}
		switch string(box[at : at+4]) {
		case "avif", "avis":
			return "AVIF"
		case "heic", "heix", "heim", "heis", "hevc", "hevx":
			return "HEIC"
		case "avci", "avcs":
			return "HEIF with AVC (AVCI)"
		case "vvic", "vvis":
			return "HEIF with VVC (VVIC)"
		case "jpeg", "jpgs":
			return "HEIF with JPEG"
		case "crx ":
			return "Canon raw (CR3)"
		case "mif1", "mif2", "mif3", "msf1", "miaf":
			heif = true
		}
	}
	if heif {
		return "HEIF"
	}
	return "video (ISO media)"
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
