package thumbnail

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
)

// ftyp is the first box of a file of ISO base media.
func ftyp(brands ...string) string {
	body := "ftyp" + brands[0] + "\x00\x00\x00\x00" + strings.Join(brands[1:], "")
	return string(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4))) + body + "\x00\x00\x00\x08mdat avif"
}

func TestRefusalsNameTheFormatAndAWayOut(t *testing.T) {
	t.Parallel()
	bmp := "BM\x00\x00\x00\x00\x01\x02\x03\x04\x36\x00\x00\x00\x28\x00\x00\x00\x01\x00\x00\x00"
	icon := "\x00\x00\x01\x00\x02\x00\x10\x10\x00\x00\x01\x00\x20\x00\x68\x04\x00\x00\x26\x00\x00\x00"
	for data, want := range map[string]string{
		icon:                          "ICO (icon)",
		"\x00\x00\x02\x00" + icon[4:]: "CUR (cursor)",
		bmp:                           "BMP",
		"<svg xmlns='http://www.w3.org/2000/svg'/>":                      "SVG",
		"<?xml version='1.0'?>\n<svg/>":                                  "SVG",
		"\xef\xbb\xbf<?xml version='1.0'?><!-- drawn > by --> \n <svg/>": "SVG",
		"<!-- <svg in a comment --><!DOCTYPE svg PUBLIC '-//W3C'>":       "SVG",
		ftyp("avif", "mif1"):                                             "AVIF",
		ftyp("mif1", "avif", "miaf"):                                     "AVIF",
		ftyp("mif1", "heic"):                                             "HEIC",
		ftyp("heic", "mif1"):                                             "HEIC",
		ftyp("mif1"):                                                     "HEIF",
		ftyp("mif3"):                                                     "HEIF",
		ftyp("mif3", "avif"):                                             "AVIF",
		ftyp("avci", "mif1"):                                             "HEIF with AVC (AVCI)",
		ftyp("vvic", "mif1"):                                             "HEIF with VVC (VVIC)",
		ftyp("crx ", "isom"):                                             "Canon raw (CR3)",
		ftyp("isom", "mp42"):                                             "video (ISO media)",
		"8BPS\x00\x01":                                                   "Photoshop (PSD)",
		"\xff\x0a\x00":                                                   "JPEG XL",
		"\x00\x00\x00\x0cJXL \r\n":                                       "JPEG XL",
		"\xff\x4f\xff\x51":                                               "JPEG 2000",
		"\x00\x00\x00\x0cjP  \r\n":                                       "JPEG 2000",
	} {
		_, err := Open(strings.NewReader(data), Options{Sizes: []Size{{Width: 10, Height: 10}}})
		got, ok := errors.AsType[*UnsupportedError](err)
		if !ok || got.Format != want || got.Reason != "use JPEG, PNG, GIF or WebP" {
			t.Errorf("%.40q: got %v, want %s refused with a way out", data, err, want)
		}
	}
}

func TestTextIsNoPicture(t *testing.T) {
	t.Parallel()
	for _, data := range []string{
		"BMW and other cars, a list", "<?xml version='1.0'?><html><svg/></html>", "<!-- svg -->", "\x00\x00\x01\x00", "<html>",
	} {
		_, err := Open(strings.NewReader(data), Options{Sizes: []Size{{Width: 10, Height: 10}}})
		if got, ok := errors.AsType[*UnsupportedError](err); !ok || got.Format != "" {
			t.Errorf("%q: got %v, want: not a picture", data, err)
		}
	}
}
