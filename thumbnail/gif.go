package thumbnail

import (
	"bufio"
	"compress/lzw"
	"encoding/binary"
	"fmt"
	"image"
	"io"

	"sluice/thumbnail/internal/raster"
)

// openGIF reads the screen's size. The first frame is the picture; further ones are read only for an animation.
func openGIF(r *bufio.Reader, o *Options) (*header, error) {
	g := &gifReader{r: r, maxPixels: o.MaxPixels}
	if err := g.readScreen(); err != nil {
		return nil, err
	}
	h := &header{width: g.w, height: g.h}
	w, ht := int64(g.w), int64(g.h)
	h.memory = func(ratio float64) int64 {
		k := int64(raster.ReductionFor(ratio, g.w, g.h))
		// A row of the screen, and what is kept of it. Rows of an interlaced frame come in any order: sums of four bytes.
		n := 5*w + raster.ReducerBytes(w, ht, 4, k) + 16*((w+k-1)/k)*((ht+k-1)/k)
		if o.MaxFrames > 1 {
			n += 2*4*w*ht + o.animationBytes(g.w, g.h) // the screen, and as it was before the frame
		}
		return n
	}
	h.decode = func(ratio float64) (*raster.Raster, error) {
		f, err := g.nextFrame()
		if err != nil {
			return nil, err
		}
		if f == nil {
			return nil, &CorruptError{Format: formatGIF, Reason: "GIF holds no picture"}
		}
		return g.still(f, raster.ReductionFor(ratio, g.w, g.h))
	}
	if o.MaxFrames > 1 {
		h.loop = func() int { return g.loop }
		h.animate = func(ratio float64, show func(*raster.Raster, int) error) error {
			return g.animate(raster.ReductionFor(ratio, g.w, g.h), show)
		}
	}
	return h, nil
}

// gifReader reads a GIF block by block.
type gifReader struct {
	r         *bufio.Reader
	w, h      int
	maxPixels int64       // of a frame
	palette   *gifPalette // of the screen; nil where there is none
	loop      int         // as image/gif counts: 0 for ever, -1 once
	control   gifControl  // for the next frame
}

// gifPalette are colours as RGBA. What lies beyond those given shows nothing.
type gifPalette [256][4]byte

// gifControl is how a frame is shown.
type gifControl struct {
	delay       int // hundredths of a second
	disposal    byte
	transparent int // index, -1 for none
}

// gifFrame is a frame whose pixels are about to be read.
type gifFrame struct {
	gifControl
	rect       image.Rectangle // may reach beyond the screen
	onScreen   int             // rows, from the first on, that are not below the screen
	interlaced bool
	palette    gifPalette
	pixels     io.Reader // indices
	blocks     *gifBlocks
}

func (g *gifReader) readScreen() error {
	var head [13]byte
	if _, err := io.ReadFull(g.r, head[:]); err != nil {
		return err
	}
	g.w, g.h = int(binary.LittleEndian.Uint16(head[6:])), int(binary.LittleEndian.Uint16(head[8:]))
	g.loop, g.control.transparent = -1, -1
	if head[10]&0x80 != 0 {
		g.palette = new(gifPalette)
		return g.palette.read(g.r, head[10])
	}
	return nil
}

// read reads as many colours as the flags say.
func (p *gifPalette) read(r io.Reader, flags byte) error {
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
func (g *gifReader) nextFrame() (*gifFrame, error) {
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
			return nil, &CorruptError{Format: formatGIF, Reason: fmt.Sprintf("GIF block %#x is not known", kind)}
		}
	}
}

func (g *gifReader) readExtension() error {
	kind, err := g.r.ReadByte()
	if err != nil {
		return err
	}
	blocks := &gifBlocks{r: g.r}
	var head [16]byte
	n, err := io.ReadFull(blocks, head[:])
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return err
	}
	switch {
	case kind == 0xf9 && n >= 4:
		g.control = gifControl{delay: int(binary.LittleEndian.Uint16(head[1:])), disposal: head[0] >> 2 & 7, transparent: -1}
		if head[0]&1 != 0 {
			g.control.transparent = int(head[3])
		}
	case kind == 0xff && n >= 14 && string(head[:11]) == "NETSCAPE2.0" && head[11] == 1:
		g.loop = int(binary.LittleEndian.Uint16(head[12:]))
	}
	return blocks.end()
}

func (g *gifReader) readFrame() (*gifFrame, error) {
	var head [9]byte
	if _, err := io.ReadFull(g.r, head[:]); err != nil {
		return nil, err
	}
	at := func(i int) int { return int(binary.LittleEndian.Uint16(head[i:])) }
	f := &gifFrame{gifControl: g.control, rect: image.Rect(at(0), at(2), at(0)+at(4), at(2)+at(6)), interlaced: head[8]&0x40 != 0}
	g.control = gifControl{transparent: -1}
	if f.rect.Empty() {
		return nil, &CorruptError{Format: formatGIF, Reason: "GIF frame has no pixels"}
	}
	if pixels := int64(f.rect.Dx()) * int64(f.rect.Dy()); pixels > g.maxPixels {
		return nil, &TooLargeError{
			What: "pixels", Got: pixels, Limit: g.maxPixels, Setting: "MaxPixels",
			Detail: fmt.Sprintf("a %dx%d frame of a %dx%d GIF", f.rect.Dx(), f.rect.Dy(), g.w, g.h),
		}
	}
	f.onScreen = min(f.rect.Dy(), g.h-f.rect.Min.Y)
	switch {
	case head[8]&0x80 != 0:
		if err := f.palette.read(g.r, head[8]); err != nil {
			return nil, err
		}
	case g.palette != nil:
		f.palette = *g.palette
	default:
		return nil, &CorruptError{Format: formatGIF, Reason: "GIF frame has no palette"}
	}
	if f.transparent >= 0 {
		f.palette[f.transparent] = [4]byte{}
	}
	bits, err := g.r.ReadByte()
	if err != nil {
		return nil, err
	}
	if bits < 1 || bits > 8 {
		return nil, &CorruptError{Format: formatGIF, Reason: fmt.Sprintf("GIF frame has pixels of %d bits", bits)}
	}
	f.blocks = &gifBlocks{r: g.r}
	f.pixels = lzw.NewReader(f.blocks, lzw.LSB, int(bits))
	return f, nil
}

// rows reads the frame's rows in the order they are stored and hands on each with its place in the frame. It ends at the last one that
// the screen has: what lies below is read only where an interlaced frame's next pass is behind it.
func (f *gifFrame) rows(show func(y int, indices []byte)) error {
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

// paint sets the pixels of a row of the screen, as far as it has them. Transparent ones stay as they are.
func (f *gifFrame) paint(screen []byte, indices []byte) {
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

// still reduces one frame on an empty screen. A frame may be smaller than the screen; what it leaves free is transparent.
func (g *gifReader) still(f *gifFrame, reduction int) (*raster.Raster, error) {
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

func (g *gifReader) stillByRows(f *gifFrame, reduction int) (*raster.Raster, error) {
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

// gifBlocks reads data that is cut into blocks of at most 255 bytes; an empty one ends it.
type gifBlocks struct {
	r     *bufio.Reader
	left  int
	ended bool
}

func (b *gifBlocks) Read(p []byte) (int, error) {
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
func (b *gifBlocks) ReadByte() (byte, error) {
	if err := b.begin(); err != nil {
		return 0, err
	}
	b.left--
	c, err := b.r.ReadByte()
	return c, noEOF(err)
}

func (b *gifBlocks) begin() error {
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

// end skips what is left.
func (b *gifBlocks) end() error {
	_, err := io.Copy(io.Discard, struct{ io.Reader }{b})
	return err
}

// noEOF is err, but the end of the file inside a block is unexpected.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
