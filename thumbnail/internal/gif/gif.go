// Package gif reads GIF: the first frame, reduced while its rows are decoded,
// or frame after frame of an animation as they stand on the screen.
//
// A frame covers a part of the screen, with a palette of up to 256 colours, one
// of which may be transparent. After a frame, the screen stays, or the frame's
// part becomes transparent, or the screen before the frame comes back. Pixels
// are indices in LZW (compress/lzw), in blocks of at most 255 bytes. The rows
// of an interlaced frame come in four passes: every 8th row from 0, every 8th
// from 4, every 4th from 2, every 2nd from 1.
package gif

import (
	"bufio"
	"compress/lzw"
	"encoding/binary"
	"fmt"
	"image"
	"io"

	"sluice/thumbnail/internal/codec"
	"sluice/thumbnail/internal/raster"
)

// Options bound the frames that are read.
type Options struct {
	MaxPixels int64 // width x height of a frame
	Animated  bool  // Animate will be called, not Decode
}

// Open reads the screen's size. The first frame is the picture; further
// frames are read only for an animation.
func Open(r *bufio.Reader, o Options) (*codec.Header, error) {
	g := &reader{r: r, o: o}
	if err := g.readScreen(); err != nil {
		return nil, err
	}
	f, err := g.nextFrame()
	if err != nil {
		return nil, err
	}
	if f != nil {
		// A first frame that is larger than the screen enlarges it, as in
		// Pillow, libnsgif and Wuffs.
		g.w, g.h = max(g.w, f.rect.Max.X), max(g.h, f.rect.Max.Y)
		f.onScreen = f.rect.Dy()
	}
	g.first = f
	return &codec.Header{Width: g.w, Height: g.h, Decoder: g}, nil
}

// reader reads a GIF block by block.
type reader struct {
	r       *bufio.Reader
	o       Options
	w, h    int
	palette *palette // of the screen; nil for none
	loop    int      // as image/gif counts: 0 for ever, -1 once
	control control  // of the next frame
	first   *frame   // read by Open; nil where the file has none
}

// MemoryBytes counts a row of the screen and the reduced picture. Rows of an
// interlaced frame come in any order: sums of four bytes. An animation keeps
// the screen, and the screen before the frame.
func (g *reader) MemoryBytes(ratio float64) int64 {
	w, h, k := int64(g.w), int64(g.h), int64(raster.ReductionFor(ratio, g.w, g.h))
	n := 5*w + raster.ReducerBytes(w, h, 4, k) + 16*((w+k-1)/k)*((h+k-1)/k)
	if g.o.Animated {
		n += 2 * 4 * w * h
	}
	return n
}

// Decode returns the first frame.
func (g *reader) Decode(ratio float64) (*raster.Raster, error) {
	if g.first == nil {
		return nil, codec.Corrupt(codec.GIF, "GIF holds no picture")
	}
	return g.still(g.first, raster.ReductionFor(ratio, g.w, g.h))
}

// LoopCount is how often the animation runs.
func (g *reader) LoopCount() int { return g.loop }

// palette are colours as RGBA. Entries beyond those in the file are
// transparent.
type palette [256][4]byte

// control is how a frame is shown.
type control struct {
	delay       int // hundredths of a second
	disposal    byte
	transparent int // index, -1 for none
}

// frame is a frame whose pixels are about to be read.
type frame struct {
	control
	rect       image.Rectangle // may reach beyond the screen
	onScreen   int             // rows, from the first on, that are not below the screen
	interlaced bool
	palette    palette
	pixels     io.Reader // indices
	blocks     *blocks
}

func (g *reader) readScreen() error {
	var head [13]byte
	if _, err := io.ReadFull(g.r, head[:]); err != nil {
		return err
	}
	g.w, g.h = int(binary.LittleEndian.Uint16(head[6:])), int(binary.LittleEndian.Uint16(head[8:]))
	g.loop, g.control.transparent = -1, -1
	if head[10]&0x80 != 0 {
		g.palette = new(palette)
		return g.palette.read(g.r, head[10])
	}
	return nil
}

// read reads as many colours as the flags say.
func (p *palette) read(r io.Reader, flags byte) error {
	data := make([]byte, 3<<(1+flags&7))
	if _, err := io.ReadFull(r, data); err != nil {
		return err
	}
	for i := 0; i < len(data); i += 3 {
		p[i/3] = [4]byte{data[i], data[i+1], data[i+2], 255}
	}
	return nil
}

// nextFrame reads up to a frame's pixels. It is nil at the end.
func (g *reader) nextFrame() (*frame, error) {
	for {
		kind, err := g.r.ReadByte()
		if err != nil {
			return nil, err
		}
		switch kind {
		case 0x21:
			if err := g.readExtension(); err != nil {
				return nil, err
			}
		case 0x2c:
			return g.readFrame()
		case 0x3b:
			return nil, nil
		case 0:
			// Some writers pad.
		default:
			return nil, codec.Corrupt(codec.GIF, fmt.Sprintf("GIF block %#x is not known", kind))
		}
	}
}

func (g *reader) readExtension() error {
	kind, err := g.r.ReadByte()
	if err != nil {
		return err
	}
	blocks := &blocks{r: g.r}
	var head [16]byte
	n, err := io.ReadFull(blocks, head[:])
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return err
	}
	switch {
	case kind == 0xf9 && n >= 4:
		g.control = control{delay: int(binary.LittleEndian.Uint16(head[1:])), disposal: head[0] >> 2 & 7, transparent: -1}
		if head[0]&1 != 0 {
			g.control.transparent = int(head[3])
		}
	case kind == 0xff && n >= 14 && string(head[:11]) == "NETSCAPE2.0" && head[11] == 1:
		g.loop = int(binary.LittleEndian.Uint16(head[12:]))
	}
	return blocks.end()
}

func (g *reader) readFrame() (*frame, error) {
	var head [9]byte
	if _, err := io.ReadFull(g.r, head[:]); err != nil {
		return nil, err
	}
	at := func(i int) int { return int(binary.LittleEndian.Uint16(head[i:])) }
	f := &frame{control: g.control, rect: image.Rect(at(0), at(2), at(0)+at(4), at(2)+at(6)), interlaced: head[8]&0x40 != 0}
	g.control = control{transparent: -1}
	if pixels := int64(f.rect.Dx()) * int64(f.rect.Dy()); pixels > g.o.MaxPixels {
		return nil, &codec.Error{
			Kind: codec.KindTooManyPixels, Format: codec.GIF, Got: pixels, Limit: g.o.MaxPixels,
			Reason: fmt.Sprintf("a %dx%d frame of a %dx%d GIF", f.rect.Dx(), f.rect.Dy(), g.w, g.h),
		}
	}
	f.onScreen = max(0, min(f.rect.Dy(), g.h-f.rect.Min.Y))
	switch {
	case head[8]&0x80 != 0:
		if err := f.palette.read(g.r, head[8]); err != nil {
			return nil, err
		}
	case g.palette != nil:
		f.palette = *g.palette
	default:
		// As in libnsgif; the other colours are transparent.
		f.palette = palette{{0, 0, 0, 255}, {255, 255, 255, 255}}
	}
	if f.transparent >= 0 {
		f.palette[f.transparent] = [4]byte{}
	}
	bits, err := g.r.ReadByte()
	if err != nil {
		return nil, err
	}
	if bits < 1 || bits >= maxCodeBits {
		return nil, codec.Corrupt(codec.GIF, fmt.Sprintf("GIF frame has codes of %d bits, want 1 to %d", bits, maxCodeBits-1))
	}
	f.blocks = &blocks{r: g.r}
	if bits >= 2 && bits <= 8 {
		f.pixels = lzw.NewReader(f.blocks, lzw.LSB, int(bits))
	} else {
		f.pixels = newCodes(f.blocks, int(bits))
	}
	return f, nil
}

// rows reads the frame's rows in the order they are stored and calls show for
// each with its place in the frame. It ends at the screen's last row. Rows
// below are read only where an interlaced frame's next pass follows them.
func (f *frame) rows(show func(y int, indices []byte)) error {
	passes := []struct{ first, step int }{{0, 1}}
	if f.interlaced {
		passes = []struct{ first, step int }{{0, 8}, {4, 8}, {2, 4}, {1, 2}}
	}
	row := make([]byte, f.rect.Dx())
	for i, p := range passes {
		h := f.rect.Dy()
		if i == len(passes)-1 {
			h = f.onScreen
		}
		for y := p.first; y < h; y += p.step {
			if _, err := io.ReadFull(f.pixels, row); err != nil {
				return err
			}
			show(y, row)
		}
	}
	return nil
}

// paint sets the pixels of a row of the screen, clipped at its end. Transparent
// pixels change nothing.
func (f *frame) paint(screen []byte, indices []byte) {
	x := 4 * f.rect.Min.X
	for _, v := range indices {
		if x >= len(screen) {
			return
		}
		if c := &f.palette[v]; c[3] != 0 {
			copy(screen[x:x+4], c[:])
		}
		x += 4
	}
}

// still reduces one frame on an empty screen. The part of the screen that the
// frame does not cover is transparent.
func (g *reader) still(f *frame, reduction int) (*raster.Raster, error) {
	if !f.interlaced {
		return g.stillByRows(f, reduction)
	}
	cells := raster.NewCells(g.w, g.h, 4, reduction)
	row := make([]byte, 4*g.w)
	err := f.rows(func(y int, indices []byte) {
		if y += f.rect.Min.Y; y < g.h {
			clear(row)
			f.paint(row, indices)
			cells.Add(row, 0, y, 1)
		}
	})
	if err != nil {
		return nil, err
	}
	return cells.Raster(true), nil
}

func (g *reader) stillByRows(f *frame, reduction int) (*raster.Raster, error) {
	red := raster.NewReducer(g.w, g.h, 4, reduction)
	empty, row := make([]byte, 4*g.w), make([]byte, 4*g.w)
	for range min(f.rect.Min.Y, g.h) {
		red.Add(empty)
	}
	err := f.rows(func(_ int, indices []byte) {
		clear(row)
		f.paint(row, indices)
		red.Add(row)
	})
	if err != nil {
		return nil, err
	}
	for red.Done < g.h {
		red.Add(empty)
	}
	return red.Raster(true), nil
}

// blocks reads data that is cut into blocks of at most 255 bytes; an empty one
// ends it.
type blocks struct {
	r     *bufio.Reader
	left  int
	ended bool
}

func (b *blocks) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := b.begin(); err != nil {
		return 0, err
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, noEOF(err)
}

// ReadByte keeps lzw from reading ahead.
func (b *blocks) ReadByte() (byte, error) {
	if err := b.begin(); err != nil {
		return 0, err
	}
	b.left--
	c, err := b.r.ReadByte()
	return c, noEOF(err)
}

func (b *blocks) begin() error {
	for b.left == 0 {
		if b.ended {
			return io.EOF
		}
		n, err := b.r.ReadByte()
		if err != nil {
			return noEOF(err)
		}
		b.left, b.ended = int(n), n == 0
	}
	return nil
}

// end skips the rest.
func (b *blocks) end() error {
	_, err := io.Copy(io.Discard, struct{ io.Reader }{b})
	return err
}

// noEOF turns io.EOF into io.ErrUnexpectedEOF: the file ends inside a block.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
