package scaledjpeg

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// segment is an application segment.
func segment(m byte, body string) []byte {
	n := len(body) + 2
	return append([]byte{0xff, m, byte(n >> 8), byte(n)}, body...)
}

func icc(number, total int, body string) []byte {
	return segment(mAPP2, nameICC+string([]byte{byte(number), byte(total)})+body)
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func TestMetadata(t *testing.T) {
	t.Parallel()
	xmp := segment(mAPP1, "http://ns.adobe.com/xap/1.0/\x00<x/>")
	tests := []struct {
		name      string
		extra     []byte
		max       int
		exif, icc string
		iccErr    string
	}{
		{name: "none"},
		{name: "exif", extra: segment(mAPP1, nameExif+"II*\x00"), exif: "II*\x00"},
		{name: "exif behind XMP", extra: join(xmp, segment(mAPP1, nameExif+"MM\x00*")), exif: "MM\x00*"},
		{name: "first of two exif", extra: join(segment(mAPP1, nameExif+"one"), segment(mAPP1, nameExif+"two")), exif: "one"},
		{name: "short APP1", extra: segment(mAPP1, "Ex")},
		{name: "empty APPs", extra: join(segment(mAPP0, ""), segment(mAPP1, ""), segment(mAPP2, ""), segment(mAPPE, ""))},
		{name: "icc", extra: icc(1, 1, "profile"), icc: "profile"},
		{name: "icc in order of number", extra: join(icc(2, 3, "b"), icc(3, 3, "c"), xmp, icc(1, 3, "a")), icc: "abc"},
		{name: "icc part missing", extra: join(icc(1, 3, "a"), icc(3, 3, "c")), iccErr: "2 of 3 parts"},
		{name: "icc part twice", extra: join(icc(1, 2, "a"), icc(1, 2, "c")), iccErr: "part 1 twice"},
		{name: "icc part 0", extra: icc(0, 1, "a"), iccErr: "part 0 of 1"},
		{name: "icc totals differ", extra: join(icc(1, 2, "a"), icc(2, 3, "a")), iccErr: "part 2 of 3"},
		{name: "icc at the limit", extra: join(icc(1, 2, "12345"), icc(2, 2, "12345")), max: 10, icc: "1234512345"},
		{name: "icc over the limit", extra: join(icc(1, 2, "12345"), icc(2, 2, "123456")), max: 10, iccErr: "over 10 bytes"},
		{name: "MPF is no profile", extra: segment(mAPP2, "MPF\x00MM\x00*\x00\x00\x00\x08")},
	}
	p := newPicture(9, 9, sampling420, 1)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := Decoder{MaxMetadata: tt.max}
			h, err := d.ReadHeader(bytes.NewReader(p.encode(writeOptions{extra: tt.extra})))
			if err != nil {
				t.Fatal(err)
			}
			if string(h.EXIF) != tt.exif || string(h.ICC) != tt.icc {
				t.Errorf("got EXIF %q, ICC %q, want %q, %q", h.EXIF, h.ICC, tt.exif, tt.icc)
			}
			if got := fmt.Sprint(h.ICCErr); tt.iccErr == "" && h.ICCErr != nil || !strings.Contains(got, tt.iccErr) {
				t.Errorf("got ICCErr %v, want one with %q", h.ICCErr, tt.iccErr)
			}
			m, err := d.Decode(Options{Scale: 2})
			if err != nil {
				t.Fatal(err)
			}
			checkPlanes(t, p, m)
		})
	}
}

func TestColorModel(t *testing.T) {
	t.Parallel()
	ids := func(s string) []byte { return []byte(s) }
	tests := []struct {
		name     string
		comps    int
		ids      []byte
		o        writeOptions
		want     ColorModel
		inverted bool
	}{
		{name: "one component", comps: 1, want: Gray},
		{name: "one component and Adobe", comps: 1, o: writeOptions{adobe: 1}, want: Gray},
		{name: "nothing said", comps: 3, want: YCbCr},
		{name: "JFIF", comps: 3, o: writeOptions{jfif: true}, want: YCbCr},
		{name: "Adobe 1", comps: 3, o: writeOptions{adobe: 2}, want: YCbCr},
		{name: "Adobe 0", comps: 3, o: writeOptions{adobe: 1}, want: RGB},
		{name: "JFIF before Adobe 0", comps: 3, o: writeOptions{jfif: true, adobe: 1}, want: YCbCr},
		{name: "named RGB", comps: 3, ids: ids("RGB"), want: RGB},
		{name: "named RGB, JFIF", comps: 3, ids: ids("RGB"), o: writeOptions{jfif: true}, want: YCbCr},
		{name: "named RGB, Adobe 1", comps: 3, ids: ids("RGB"), o: writeOptions{adobe: 2}, want: YCbCr},
		{name: "four", comps: 4, want: CMYK, inverted: true},
		{name: "four, Adobe 0", comps: 4, o: writeOptions{adobe: 1}, want: CMYK, inverted: true},
		{name: "four, Adobe 1", comps: 4, o: writeOptions{adobe: 2}, want: YCCK, inverted: true},
		{name: "four, Adobe 3", comps: 4, o: writeOptions{adobe: 4}, want: YCCK, inverted: true},
		{name: "four, Adobe 2", comps: 4, o: writeOptions{adobe: 3}, want: YCCK, inverted: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPicture(8, 8, [][2]int{{1, 1}, {1, 1}, {1, 1}, {1, 1}}[:tt.comps], 3)
			for i, id := range tt.ids {
				p.comps[i].id = id
			}
			h, err := DecodeHeader(bytes.NewReader(p.encode(tt.o)))
			if err != nil {
				t.Fatal(err)
			}
			if h.ColorModel != tt.want || h.Inverted != tt.inverted {
				t.Errorf("got %v inverted %v, want %v %v", h.ColorModel, h.Inverted, tt.want, tt.inverted)
			}
		})
	}
}
