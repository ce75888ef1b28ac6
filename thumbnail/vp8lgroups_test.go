package thumbnail

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"golang.org/x/image/webp"
)

// vp8lWriter writes bits, the lowest of a byte first.
type vp8lWriter struct {
	out []byte
	n   int
}

func (w *vp8lWriter) bits(n, v int) {
	for i := range n {
		if w.n%8 == 0 {
			w.out = append(w.out, 0)
		}
		w.out[w.n/8] |= byte(v>>i&1) << (w.n % 8)
		w.n++
	}
}

// code writes a symbol of n bits, whose code is its number.
func (w *vp8lWriter) code(n, symbol int) {
	for i := n - 1; i >= 0; i-- {
		w.bits(1, symbol>>i)
	}
}

// one says that a code has one symbol, which takes no bits.
func (w *vp8lWriter) one(symbol int) {
	w.bits(1, 1)
	w.bits(1, 0)
	w.bits(1, 1)
	w.bits(8, symbol)
}

// even says that a code's first 1 << n symbols have n bits each. It takes some 60 bits, however many they are.
func (w *vp8lWriter) even(n int) {
	order := []int{17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	w.bits(1, 0)
	at := bytes.IndexByte([]byte{17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11}, byte(n))
	w.bits(4, at+1-4)
	for _, length := range order[:at+1] {
		w.bits(3, map[bool]int{true: 1}[length == n])
	}
	w.bits(1, 1)
	w.bits(3, 5)
	w.bits(12, 1<<n-2)
}

// manyGroups is a lossless WebP of w x h whose tiles of 4 x 4 pixels have groups of codes, each as large as can be, and a colour
// cache of 1 << cacheBits. The tiles' groups are counted up to groups and begin again.
func manyGroups(w, h, groups, cacheBits int) []byte {
	b := &vp8lWriter{}
	b.bits(8, 0x2f)
	b.bits(14, w-1)
	b.bits(14, h-1)
	b.bits(4, 0)
	// A predictor, whose picture is of one colour, and one that has no data.
	b.bits(1, 1)
	b.bits(2, 0)
	b.bits(3, 0)
	b.bits(1, 0)
	for _, v := range []int{0, 0, 0, 255, 0} {
		b.one(v)
	}
	b.bits(1, 1)
	b.bits(2, 2)
	b.bits(1, 0)

	b.bits(1, 1)
	b.bits(4, cacheBits)
	b.bits(1, 1)
	b.bits(3, 0)
	b.bits(1, 0)
	b.even(8) // the groups' low bytes
	b.even(8) // the high ones
	for range 3 {
		b.one(0)
	}
	for i := range vp8lTiles(w, 2) * vp8lTiles(h, 2) {
		group := i % groups
		b.code(8, group&255)
		b.code(8, group>>8)
	}
	for range groups {
		b.even(11)
		b.even(8)
		b.even(8)
		b.even(8)
		b.even(5)
	}
	for range w * h {
		b.bits(11+3*8, 0)
	}
	return webpFile(b.out)
}

// webpFile puts lossless data into a file.
func webpFile(data []byte) []byte {
	n := len(data)
	out := append([]byte("RIFF\x00\x00\x00\x00WEBPVP8L"), binary.LittleEndian.AppendUint32(nil, uint32(n))...)
	out = append(out, data...)
	out = append(out, make([]byte, n&1)...)
	binary.LittleEndian.PutUint32(out[4:], uint32(len(out)-8))
	return out
}

// Not parallel: it measures the process.
func TestHuffmanGroupsOfWebPCount(t *testing.T) {
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
		data := manyGroups(tt.w, tt.h, tt.groups, tt.cache)
		if tt.cache < 11 {
			data = webpFile(oneGroup(tt.w, tt.h))
		}
		if _, err := webp.Decode(bytes.NewReader(data)); err != nil {
			t.Fatalf("%s: the test's own file: %v", tt.name, err)
		}
		var p *Picture
		opened := allocated(func() {
			var err error
			if p, err = Open(bytes.NewReader(data), Options{Sizes: []Size{{100, 100, false}}}); err != nil {
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
	_, err := Open(bytes.NewReader(manyGroups(204, 204, 2600, 11)), Options{Sizes: []Size{{100, 100, false}}, MemoryBytes: 64 << 20})
	if kindOf(err) != "too large" {
		t.Errorf("got %v, want a refusal by memory", err)
	}
}

// oneGroup is a lossless picture of one colour, without a cache and tiles.
func oneGroup(w, h int) []byte {
	b := &vp8lWriter{}
	b.bits(8, 0x2f)
	b.bits(14, w-1)
	b.bits(14, h-1)
	b.bits(4, 0)
	b.bits(3, 0)
	for _, v := range []int{9, 8, 7, 255, 0} {
		b.one(v)
	}
	return b.out
}

// The transparency of a lossy picture may be a lossless one: the same data behind one byte instead of five.
func TestHuffmanGroupsOfTransparencyCount(t *testing.T) {
	t.Parallel()
	lossless := manyGroups(204, 204, 2600, 11)[20+5:]
	chunk := func(kind string, data []byte) []byte {
		out := append([]byte(kind), binary.LittleEndian.AppendUint32(nil, uint32(len(data)))...)
		return append(append(out, data...), make([]byte, len(data)&1)...)
	}
	canvas := append([]byte{1 << 4, 0, 0, 0}, appendUint24(appendUint24(nil, 203), 203)...)
	for _, tt := range []struct {
		packed byte
		large  bool
	}{{1, true}, {0, false}} {
		file := append([]byte("RIFF\x00\x00\x00\x00WEBP"), chunk("VP8X", canvas)...)
		file = append(file, chunk("ALPH", append([]byte{tt.packed}, lossless...))...)
		binary.LittleEndian.PutUint32(file[4:], uint32(len(file)-8))
		p, err := Open(bytes.NewReader(file), Options{Sizes: []Size{{100, 100, false}}})
		if err != nil {
			t.Fatal(err)
		}
		if (p.Cost() > 130<<20) != tt.large {
			t.Errorf("transparency packed by %d: the cost is %d", tt.packed, p.Cost())
		}
	}
}

func TestLookingAheadInWebPLosesNothing(t *testing.T) {
	t.Parallel()
	lost := errors.New("connection lost")
	data := manyGroups(40, 40, 90, 11)
	whole, _ := makeOne(t, data, "20x20")
	for _, r := range []io.Reader{iotest.OneByteReader(bytes.NewReader(data)), iotest.DataErrReader(bytes.NewReader(data))} {
		got, err := Make(t.Context(), r, Options{Sizes: []Size{{20, 20, false}}})
		if err != nil || !bytes.Equal(got.Thumbnails[0].Data, whole.Thumbnails[0].Data) {
			t.Errorf("%v, or other bytes", err)
		}
	}
	for n := 13; n < len(data); n += len(data) / 23 {
		_, err := Make(t.Context(), io.MultiReader(bytes.NewReader(data[:n]), iotest.ErrReader(lost)), Options{Sizes: []Size{{20, 20, false}}})
		if !errors.Is(err, lost) {
			t.Errorf("after %d bytes: got %v, want the reader's error", n, err)
		}
		if _, err := Make(t.Context(), bytes.NewReader(data[:n]), Options{Sizes: []Size{{20, 20, false}}}); kindOf(err) != "corrupt" {
			t.Errorf("cut after %d bytes: got %v", n, err)
		}
	}
}

// What is not understood is taken for the worst: a flipped bit may make the look ahead fail where the decoder does not.
func FuzzVP8LGroups(f *testing.F) {
	f.Add(oneGroup(20, 20)[5:], 20, 20)
	f.Add(manyGroups(20, 20, 7, 11)[25:], 20, 20)
	f.Fuzz(func(t *testing.T, data []byte, w, h int) {
		if w < 1 || h < 1 || w > 1<<14 || h > 1<<14 {
			return
		}
		g, taken := readVP8LGroups(bytes.NewReader(data), w, h)
		if g.count < 1 || g.count > maxVP8LTiles || g.cacheBits > 11 || !bytes.HasPrefix(data, taken) {
			t.Fatalf("got %+v after %d bytes", g, len(taken))
		}
	})
}
