package gif

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"sluice/thumbnail/internal/codec"
	"sluice/thumbnail/internal/raster"
)

// packer writes LZW codes of any size, lowest bit first.
type packer struct {
	out       []byte
	acc, bits uint32
}

func (p *packer) code(v, width int) {
	p.acc |= uint32(v) << p.bits
	for p.bits += uint32(width); p.bits >= 8; p.bits -= 8 {
		p.out = append(p.out, byte(p.acc))
		p.acc >>= 8
	}
}

// pack encodes indices below 1<<size as GIF does, with a clear code first and,
// where the table is full, either another one or none.
func pack(indices []int, size int, clearWhenFull bool) []byte {
	p := &packer{}
	clearCode := 1 << size
	table := map[string]int{}
	width, next := size+1, clearCode+2
	reset := func() {
		p.code(clearCode, width)
		clear(table)
		width, next = size+1, clearCode+2
	}
	key := func(s []int) string {
		var b []byte
		for _, v := range s {
			b = binary.LittleEndian.AppendUint16(b, uint16(v))
		}
		return string(b)
	}
	lookup := func(s []int) (int, bool) {
		if len(s) == 1 {
			return s[0], true
		}
		c, ok := table[key(s)]
		return c, ok
	}
	reset()
	for len(indices) > 0 {
		n := 1
		for n < len(indices) {
			if _, ok := lookup(indices[:n+1]); !ok {
				break
			}
			n++
		}
		c, _ := lookup(indices[:n])
		p.code(c, width)
		if n < len(indices) && next < 1<<maxCodeBits {
			table[key(indices[:n+1])] = next
			// The decoder is one entry behind.
			if next == 1<<width && width < maxCodeBits {
				width++
			}
			next++
		} else if n < len(indices) && clearWhenFull {
			reset()
		}
		indices = indices[n:]
	}
	if next == 1<<width && width < maxCodeBits {
		width++
	}
	p.code(clearCode+1, width)
	p.code(0, 7)
	return p.out
}

// file is a GIF of one frame.
type file struct {
	screenW, screenH int
	x, y, w, h       int
	palette          [][3]byte // of the screen; nil for none
	size             int       // of the codes
	indices          []int
}

func (f file) bytes() []byte {
	le := binary.LittleEndian
	out := le.AppendUint16(le.AppendUint16([]byte("GIF89a"), uint16(f.screenW)), uint16(f.screenH))
	if f.palette == nil {
		out = append(out, 0, 0, 0)
	} else {
		out = append(out, 0x87, 0, 0)
		colours := make([]byte, 3*256)
		for i, c := range f.palette {
			copy(colours[3*i:], c[:])
		}
		out = append(out, colours...)
	}
	out = append(out, 0x2c)
	for _, v := range []int{f.x, f.y, f.w, f.h} {
		out = le.AppendUint16(out, uint16(v))
	}
	out = append(out, 0, byte(f.size))
	for block := range slices.Chunk(pack(f.indices, f.size, true), 255) {
		out = append(append(out, byte(len(block))), block...)
	}
	return append(out, 0, 0x3b)
}

var twoColours = [][3]byte{{200, 40, 40}, {10, 20, 30}}

func open(t *testing.T, data []byte) (*codec.Header, *raster.Raster) {
	t.Helper()
	h, err := Open(bufio.NewReader(bytes.NewReader(data)), Options{MaxPixels: 1e6})
	if err != nil {
		t.Fatal(err)
	}
	r, err := h.Decoder.Decode(1)
	if err != nil {
		t.Fatal(err)
	}
	return h, r
}

// rgba returns a pixel.
func rgba(r *raster.Raster, x, y int) (c [4]byte) {
	for i := range 3 {
		c[i] = r.Planes[i].Row(y)[x]
	}
	c[3] = r.Alpha.Row(y)[x]
	return c
}

func TestCodesOfEverySizeRoundTrip(t *testing.T) {
	t.Parallel()
	for size := 1; size < maxCodeBits; size++ {
		for _, clearWhenFull := range []bool{true, false} {
			for _, n := range []int{1, 2, 3, 100, 60_000} {
				rng := rand.New(rand.NewPCG(uint64(size), uint64(n)))
				indices, want := make([]int, n), make([]byte, n)
				for i := range indices {
					if i > 0 && rng.IntN(3) > 0 { // runs use the code that is just added
						indices[i] = indices[i-1]
					} else {
						indices[i] = rng.IntN(1 << size)
					}
					want[i] = byte(indices[i])
				}
				got, err := io.ReadAll(newCodes(bytes.NewReader(pack(indices, size, clearWhenFull)), size))
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("size %d, %d indices, clear %t: got %d, %v, equal %t", size, n, clearWhenFull, len(got), err, bytes.Equal(got, want))
				}
			}
		}
	}
}

func TestCodesRefuseWhatTheTableLacks(t *testing.T) {
	t.Parallel()
	for name, codes := range map[string][]int{
		"an entry after the clear code": {2, 4},
		"an entry beyond the next":      {2, 0, 3 + 4},
	} {
		p := &packer{}
		width := 2
		for i, c := range codes {
			if i == 2 {
				width = 3
			}
			p.code(c, width)
		}
		p.code(0, 7)
		if got, err := io.ReadAll(newCodes(bytes.NewReader(p.out), 1)); err == nil {
			t.Errorf("%s: got %v and no error", name, got)
		}
	}
	p := &packer{}
	p.code(2, 2)
	p.code(0, 2)
	if _, err := io.ReadAll(newCodes(bytes.NewReader(p.out), 1)); err != io.ErrUnexpectedEOF {
		t.Errorf("cut data: got %v, want io.ErrUnexpectedEOF", err)
	}
}

func TestCodeSizesBeyondThoseOfTheStandardLibrary(t *testing.T) {
	t.Parallel()
	for size := 1; size < maxCodeBits; size++ {
		_, r := open(t, file{screenW: 2, screenH: 2, w: 2, h: 2, palette: twoColours, size: size, indices: []int{0, 1, 1, 0}}.bytes())
		if got, want := rgba(r, 1, 0), [4]byte{10, 20, 30, 255}; got != want {
			t.Errorf("size %d: got %v, want %v", size, got, want)
		}
	}
	for _, size := range []byte{0, maxCodeBits, 255} {
		data := file{screenW: 2, screenH: 2, w: 2, h: 2, palette: twoColours, size: 2, indices: []int{0, 1, 1, 0}}.bytes()
		data[13+768+10] = size
		if _, err := Open(bufio.NewReader(bytes.NewReader(data)), Options{MaxPixels: 100}); !codec.IsCorrupt(err) {
			t.Errorf("size %d: got %v, want a refusal", size, err)
		}
	}
}

func TestFirstFrameEnlargesTheScreen(t *testing.T) {
	t.Parallel()
	indices := []int{0, 0, 0, 0, 0, 1}
	for _, tt := range []struct{ screenW, screenH, x, y, w, h int }{
		{2, 2, 0, 0, 3, 2}, {2, 1, 0, 0, 3, 2}, {0, 0, 0, 0, 3, 2}, {3, 2, 1, 2, 4, 4}, {5, 9, 0, 0, 5, 9},
	} {
		h, r := open(t, file{screenW: tt.screenW, screenH: tt.screenH, x: tt.x, y: tt.y, w: 3, h: 2, palette: twoColours, size: 2, indices: indices}.bytes())
		if h.Width != max(tt.w, tt.screenW) || h.Height != max(tt.h, tt.screenH) {
			t.Errorf("%+v: got %dx%d", tt, h.Width, h.Height)
			continue
		}
		if got, want := rgba(r, tt.x+2, tt.y+1), [4]byte{10, 20, 30, 255}; got != want {
			t.Errorf("%+v: the last pixel is %v, want %v", tt, got, want)
		}
	}
}

func TestFrameWithoutPaletteIsBlackAndWhite(t *testing.T) {
	t.Parallel()
	_, r := open(t, file{screenW: 3, screenH: 1, w: 3, h: 1, size: 2, indices: []int{0, 1, 2}}.bytes())
	for x, want := range [][4]byte{{0, 0, 0, 255}, {255, 255, 255, 255}, {}} {
		if got := rgba(r, x, 0); got != want {
			t.Errorf("index %d: got %v, want %v", x, got, want)
		}
	}
}

func TestEmptyFirstFrameLeavesTheScreenTransparent(t *testing.T) {
	t.Parallel()
	for _, dim := range [][2]int{{0, 0}, {0, 2}, {2, 0}} {
		h, r := open(t, file{screenW: 3, screenH: 2, w: dim[0], h: dim[1], palette: twoColours, size: 2}.bytes())
		if got := rgba(r, 1, 1); h.Width != 3 || h.Height != 2 || got != [4]byte{} {
			t.Errorf("%v: got %v of %dx%d, want transparent 3x2", dim, got, h.Width, h.Height)
		}
	}
}

func TestFileWithoutFrameHoldsNoPicture(t *testing.T) {
	t.Parallel()
	h, err := Open(bufio.NewReader(bytes.NewReader([]byte("GIF89a\x02\x00\x02\x00\x00\x00\x00\x3b"))), Options{MaxPixels: 100})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Decoder.Decode(1); !codec.IsCorrupt(err) {
		t.Errorf("got %v, want a refusal", err)
	}
}
