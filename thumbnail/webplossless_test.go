package thumbnail

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"golang.org/x/image/webp"

	"sluice/thumbnail/internal/testpicture"
)

// The test is not parallel, because it measures the process.
func TestCostCountsHuffmanGroupsOfWebP(t *testing.T) {
	if underRace {
		t.Skip("the race detector allocates by itself")
	}
	const mb = 1 << 20
	for _, tt := range []struct {
		name                string
		w, h, groups, cache int
		least, most         int64
	}{
		{"as many as there may be", 204, 204, 2600, 11, 135 * mb, 260 * mb},
		{"a hundred", 204, 204, 100, 11, 6 * mb, 14 * mb},
		{"one", 204, 204, 1, 1, 0, 8 * mb},
	} {
		data := testpicture.ManyGroups(tt.w, tt.h, tt.groups, tt.cache)
		if tt.cache < 11 {
			data = testpicture.WebPFile(testpicture.OneGroup(tt.w, tt.h))
		}
		if _, err := webp.Decode(bytes.NewReader(data)); err != nil {
			t.Fatalf("%s: the test's own file: %v", tt.name, err)
		}
		var p *Picture
		opened := allocated(func() {
			var err error
			if p, err = Open(bytes.NewReader(data), Options{Sizes: []Size{{Width: 100, Height: 100}}}); err != nil {
				t.Fatal(err)
			}
		})
		// The head is kept, and a word a tile.
		if most := int64(2*mb + 4*len(data)); opened > most {
			t.Errorf("%s: Open allocates %d bytes, want at most %d", tt.name, opened, most)
		}
		got := allocated(func() {
			if _, err := p.Thumbnails(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
		if got > p.Cost() || got < tt.least || p.Cost() > tt.most {
			t.Errorf("%s: %d bytes are allocated (at least %d expected), the cost is %d, want at most %d", tt.name, got, tt.least, p.Cost(), tt.most)
		}
	}
	_, err := Open(bytes.NewReader(testpicture.ManyGroups(204, 204, 2600, 11)), Options{Sizes: []Size{{Width: 100, Height: 100}}, MemoryBytes: 64 << 20})
	if kindOf(err) != "too large" {
		t.Errorf("got %v, want a refusal by memory", err)
	}
}

// The transparency of a lossy picture may be a lossless one: the same data
// behind one byte instead of five.
func TestCostCountsHuffmanGroupsOfTransparency(t *testing.T) {
	t.Parallel()
	lossless := testpicture.ManyGroups(204, 204, 2600, 11)[20+5:]
	chunk := func(kind string, data []byte) []byte {
		out := append([]byte(kind), binary.LittleEndian.AppendUint32(nil, uint32(len(data)))...)
		return append(append(out, data...), make([]byte, len(data)&1)...)
	}
	canvas := []byte{1 << 4, 0, 0, 0, 203, 0, 0, 203, 0, 0}
	for _, tt := range []struct {
		packed byte
		large  bool
	}{{1, true}, {0, false}} {
		file := append([]byte("RIFF\x00\x00\x00\x00WEBP"), chunk("VP8X", canvas)...)
		file = append(file, chunk("ALPH", append([]byte{tt.packed}, lossless...))...)
		binary.LittleEndian.PutUint32(file[4:], uint32(len(file)-8))
		p, err := Open(bytes.NewReader(file), Options{Sizes: []Size{{Width: 100, Height: 100}}})
		if err != nil {
			t.Fatal(err)
		}
		if (p.Cost() > 130<<20) != tt.large {
			t.Errorf("transparency packed by %d: the cost is %d", tt.packed, p.Cost())
		}
	}
}

func TestLookAheadInWebPLosesNoBytes(t *testing.T) {
	t.Parallel()
	lost := errors.New("connection lost")
	data := testpicture.ManyGroups(40, 40, 90, 11)
	whole, _ := makeOne(t, data, "20x20")
	for _, r := range []io.Reader{iotest.OneByteReader(bytes.NewReader(data)), iotest.DataErrReader(bytes.NewReader(data))} {
		got, err := Make(t.Context(), r, Options{Sizes: []Size{{Width: 20, Height: 20}}})
		if err != nil || !bytes.Equal(got.Thumbnails[0].Data, whole.Thumbnails[0].Data) {
			t.Errorf("%v, or other bytes", err)
		}
	}
	for n := 13; n < len(data); n += len(data) / 23 {
		_, err := Make(t.Context(), io.MultiReader(bytes.NewReader(data[:n]), iotest.ErrReader(lost)), Options{Sizes: []Size{{Width: 20, Height: 20}}})
		if !errors.Is(err, lost) {
			t.Errorf("after %d bytes: got %v, want the reader's error", n, err)
		}
		if _, err := Make(t.Context(), bytes.NewReader(data[:n]), Options{Sizes: []Size{{Width: 20, Height: 20}}}); kindOf(err) != "corrupt" {
			t.Errorf("cut after %d bytes: got %v", n, err)
		}
	}
}
