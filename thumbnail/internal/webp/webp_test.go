package webp

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/iotest"

	"sluice/thumbnail/internal/codec"
	"sluice/thumbnail/internal/testpicture"
)

// riff is a WebP file of chunks.
func riff(chunks ...[]byte) []byte {
	body := slices.Concat(chunks...)
	out := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body)+4))
	return append(append(out, "WEBP"...), body...)
}

func chunk(kind string, data []byte) []byte {
	out := binary.LittleEndian.AppendUint32([]byte(kind), uint32(len(data)))
	return append(append(out, data...), make([]byte, len(data)&1)...)
}

// canvas is a VP8X chunk.
func canvas(flags byte, w, h int) []byte {
	data := appendUint24(appendUint24([]byte{flags, 0, 0, 0}, w-1), h-1)
	return chunk("VP8X", data)
}

// dataOf returns the data of the first chunk of a fixture with the name.
func dataOf(t *testing.T, file, kind string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../../../testdata/images", file))
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(data, []byte(kind))
	if at < 0 {
		t.Fatalf("%s has no chunk %q", file, kind)
	}
	n := int(binary.LittleEndian.Uint32(data[at+4:]))
	return data[at+8 : at+8+n]
}

// decode reads a file whole, by a ratio.
func decode(data []byte, ratio float64) (*codec.Header, error) {
	h, err := Open(bufio.NewReader(bytes.NewReader(data)))
	if err != nil {
		return nil, err
	}
	_, err = h.Decoder.Decode(ratio)
	return h, err
}

// An EXIF chunk is found whatever the parity of the chunks before it.
func TestOrientationBehindChunksOfOddLength(t *testing.T) {
	t.Parallel()
	tiff := testpicture.EXIF(6, binary.LittleEndian)
	const w, h = testpicture.LetterWidth, testpicture.LetterHeight
	lossless, lossy := dataOf(t, "lossless.webp", "VP8L"), dataOf(t, "lossy.webp", "VP8 ")
	alpha, colours := dataOf(t, "transparent.webp", "ALPH"), dataOf(t, "transparent.webp", "VP8 ")
	for extra := range 2 {
		more := func(b []byte) []byte { return append(slices.Clone(b), make([]byte, extra)...) }
		for name, picture := range map[string][]byte{
			"lossless":               chunk("VP8L", more(lossless)),
			"lossy":                  chunk("VP8 ", more(lossy)),
			"transparent":            slices.Concat(chunk("ALPH", alpha), chunk("VP8 ", more(colours))),
			"transparency, odd":      slices.Concat(chunk("ALPH", more(alpha)), chunk("VP8 ", colours)),
			"profile":                slices.Concat(chunk("ICCP", more(make([]byte, 40))), chunk("VP8L", lossless)),
			"unknown chunk":          slices.Concat(chunk("NEWS", more(nil)), chunk("VP8L", lossless)),
			"unknown chunk behind":   slices.Concat(chunk("VP8L", lossless), chunk("XMP ", more([]byte("x")))),
			"orientation before":     slices.Concat(chunk("EXIF", more(tiff)), chunk("VP8L", lossless)),
			"chunk between and data": slices.Concat(chunk("ALPH", alpha), chunk("NEWS", more(nil)), chunk("VP8 ", colours)),
		} {
			for _, ratio := range []float64{1, 2, 8} {
				data := riff(canvas(flagEXIF|0x10, w, h), picture, chunk("EXIF", tiff))
				got, err := decode(data, ratio)
				if err != nil {
					t.Errorf("%s, %d more bytes, ratio %g: %v", name, extra, ratio, err)
				} else if got.Orientation != 6 {
					t.Errorf("%s, %d more bytes, ratio %g: orientation is %d, want 6", name, extra, ratio, got.Orientation)
				}
			}
		}
	}
}

func TestPaddingAtTheEndMayBeMissing(t *testing.T) {
	t.Parallel()
	lossless := dataOf(t, "lossless.webp", "VP8L")
	if len(lossless)%2 == 0 {
		lossless = append(slices.Clone(lossless), 0)
	}
	data := riff(chunk("VP8L", lossless))
	for name, data := range map[string][]byte{"whole": data, "without padding": data[:len(data)-1]} {
		if _, err := decode(data, 1); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestContainersThatAreRefused(t *testing.T) {
	t.Parallel()
	lossless := chunk("VP8L", testpicture.OneGroup(4, 4))
	long := slices.Clone(lossless)
	binary.LittleEndian.PutUint32(long[4:], 1<<20)
	frame := chunk("ANMF", make([]byte, 16))
	for name, data := range map[string][]byte{
		"no chunk":                       riff(),
		"chunk longer than the file":     riff(long),
		"canvas of 9 bytes":              riff(chunk("VP8X", make([]byte, 9)), lossless),
		"two canvases":                   riff(canvas(0, 4, 4), canvas(0, 4, 4), lossless),
		"frame of a still":               riff(canvas(0, 4, 4), frame),
		"frame without its head":         riff(canvas(flagAnimated, 4, 4), chunk("ANMF", make([]byte, 8))),
		"another size than the canvas":   riff(canvas(0, 5, 4), lossless),
		"transparency without a canvas":  riff(chunk("ALPH", make([]byte, 8)), lossless),
		"lossless data without its mark": riff(chunk("VP8L", make([]byte, 12))),
		"lossy data without its mark":    riff(chunk("VP8 ", make([]byte, 12))),
	} {
		if _, err := decode(data, 1); !codec.IsCorrupt(err) {
			t.Errorf("%s: got %v, want a refusal", name, err)
		}
	}
}

// A file that is cut is never read as whole, and the reader's own error stays.
func TestCutFilesAndLostConnections(t *testing.T) {
	t.Parallel()
	lost := errors.New("connection lost")
	data := riff(canvas(flagEXIF, 4, 4), chunk("VP8L", testpicture.OneGroup(4, 4)))
	for n := range data {
		if _, err := decode(data[:n], 1); err == nil && n < len(data)-1 {
			t.Errorf("cut to %d of %d bytes: got no error", n, len(data))
		}
		r := io.MultiReader(bytes.NewReader(data[:n]), iotest.ErrReader(lost))
		h, err := Open(bufio.NewReader(r))
		if err == nil {
			_, err = h.Decoder.Decode(1)
		}
		if n < len(data)-1 && !errors.Is(err, lost) {
			t.Errorf("lost after %d bytes: got %v", n, err)
		}
	}
}

func TestMemoryGrowsWithThePicture(t *testing.T) {
	t.Parallel()
	var before int64
	for _, side := range []int{4, 64, 512} {
		h, err := Open(bufio.NewReader(bytes.NewReader(testpicture.WebPFile(testpicture.OneGroup(side, side)))))
		if err != nil {
			t.Fatal(err)
		}
		got := h.Decoder.MemoryBytes(1)
		if got < int64(9*side*side) || got <= before {
			t.Errorf("%s: got %d bytes", fmt.Sprint(side), got)
		}
		before = got
	}
}
