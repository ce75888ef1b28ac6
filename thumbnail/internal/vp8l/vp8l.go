// Package vp8l counts the Huffman codes of a lossless WebP (VP8L), before
// golang.org/x/image/webp decodes it.
//
// Such a picture may divide its pixels into tiles and give each kind of tile a
// group of five Huffman codes. A code costs as little as five bytes of data and
// as much as 60 KB of tables, so neither the file's length nor its pixels bound
// the decoder's memory. A small picture before the pixels names the groups.
// This package reads as far as that and keeps nothing else: of the pictures
// before it only the number of pixels matters.
//
// See "Specification for WebP Lossless Bitstream", sections 4 to 6.
package vp8l

import (
	"cmp"
	"errors"
	"io"
	"slices"
	"sync"
)

const (
	// maxGroups is the limit of golang.org/x/image/vp8l and libwebp.
	maxGroups = 2600
	// maxTiles and maxHead bound this file's own memory and work: libwebp
	// writes at most 2,600 tiles, and some kilobytes before them. Anything
	// beyond counts as the worst case.
	maxTiles = 1 << 16
	maxHead  = 256 << 10
)

// The alphabets of a group's codes: green with lengths (and the cache's
// colours), red, blue, alpha, distances.
var alphabets = [5]int{256 + 24, 256, 256, 256, 40}

// Groups are the Huffman codes that a decoder builds.
type Groups struct {
	count     int
	cacheBits uint // of the colour cache: 1 << cacheBits more symbols of green
}

// bytes bounds their memory in golang.org/x/image/vp8l. A tree keeps a look-up
// table of 128 entries and two nodes of 8 bytes a symbol; lengths and codes of
// 4 bytes a symbol are temporary. An eighth is added for the allocator's
// rounding.
func (g Groups) Bytes() int64 {
	symbols := 0
	for _, n := range alphabets {
		symbols += n
	}
	if g.cacheBits > 0 {
		symbols += 1 << g.cacheBits
	}
	return int64(g.count) * int64(len(alphabets)*(24+4*128)+24*symbols) / 8 * 9
}

var (
	errTooLong = errors.New("the head is longer than is looked at")
	errCorrupt = errors.New("the head is not valid")
)

// ReadGroups reads from the first transform on, of a picture of w x h, and
// returns the bytes that it read.
func ReadGroups(r io.ByteReader, w, h int) (g Groups, taken []byte) {
	p := &head{r: r}
	g, err := p.groups(w, h)
	switch {
	case err == nil:
	case errors.Is(err, errCorrupt), errors.Is(err, errTooLong):
		g = Groups{count: min(maxGroups, tiles(w, 2)*tiles(h, 2)), cacheBits: 11}
	default:
		g = Groups{count: 1, cacheBits: 11} // the data ends here, for the decoder too
	}
	return g, p.taken
}

// head reads bits, the lowest of a byte first.
type head struct {
	r     io.ByteReader
	taken []byte
	acc   uint32
	n     uint
}

func (p *head) bits(n uint) (int, error) {
	for p.n < n {
		if len(p.taken) == maxHead {
			return 0, errTooLong
		}
		b, err := p.r.ReadByte()
		if err != nil {
			return 0, err
		}
		p.taken = append(p.taken, b)
		p.acc |= uint32(b) << p.n
		p.n += 8
	}
	v := p.acc & (1<<n - 1)
	p.acc >>= n
	p.n -= n
	return int(v), nil
}

func tiles(n int, bits uint) int { return (n + 1<<bits - 1) >> bits }

// groups reads the transforms, the colour cache's size, and which groups the
// tiles name.
func (p *head) groups(w, h int) (g Groups, err error) {
	for {
		more, err := p.bits(1)
		if err != nil {
			return g, err
		}
		if more == 0 {
			break
		}
		if w, err = p.transform(w, h); err != nil {
			return g, err
		}
	}
	if g.cacheBits, err = p.cache(); err != nil {
		return g, err
	}
	g.count = 1
	tiled, err := p.bits(1)
	if err != nil || tiled == 0 {
		return g, err
	}
	size, err := p.bits(3)
	if err != nil {
		return g, err
	}
	tw, th := tiles(w, uint(size)+2), tiles(h, uint(size)+2)
	if tw*th > maxTiles {
		return g, errTooLong
	}
	tiles := make([]uint32, tw*th)
	if err := p.picture(tw, th, tiles); err != nil {
		return g, err
	}
	// Groups up to the highest are built, or those that are named when that is
	// high.
	highest, named := 0, map[int]bool{}
	for _, pixel := range tiles {
		group := int(pixel >> 8 & 0xffff)
		highest = max(highest, group)
		named[group] = true
	}
	g.count = highest + 1
	if highest >= 1000 || highest >= len(tiles) {
		g.count = len(named)
	}
	return g, nil
}

// transform skips a transform and returns the width of the picture behind it.
func (p *head) transform(w, h int) (int, error) {
	const predictor, crossColour, subtractGreen, colourIndex = 0, 1, 2, 3
	kind, err := p.bits(2)
	if err != nil {
		return w, err
	}
	switch kind {
	case predictor, crossColour:
		size, err := p.bits(3)
		if err != nil {
			return w, err
		}
		return w, p.picture(tiles(w, uint(size)+2), tiles(h, uint(size)+2), nil)
	case colourIndex:
		colours, err := p.bits(8)
		if err != nil {
			return w, err
		}
		colours++
		packed := uint(0)
		switch {
		case colours <= 2:
			packed = 3
		case colours <= 4:
			packed = 2
		case colours <= 16:
			packed = 1
		}
		return tiles(w, packed), p.picture(colours, 1, nil)
	}
	return w, nil // subtractGreen has no data
}

func (p *head) cache() (uint, error) {
	used, err := p.bits(1)
	if err != nil || used == 0 {
		return 0, err
	}
	n, err := p.bits(4)
	if err == nil && (n < 1 || n > 11) {
		err = errCorrupt
	}
	return uint(n), err
}

// picture reads a picture of w x h that has one group of codes. Its pixels
// (ARGB) go into pix, if that is not nil.
func (p *head) picture(w, h int, pix []uint32) error {
	cacheBits, err := p.cache()
	if err != nil {
		return err
	}
	var codes [5]*code
	for i, n := range alphabets {
		if i == 0 && cacheBits > 0 {
			n += 1 << cacheBits
		}
		if codes[i], err = p.code(n); err != nil {
			return err
		}
	}
	cache := make([]uint32, 1<<cacheBits)
	cached := 0
	for at := 0; at < w*h; {
		green, err := p.symbol(codes[0])
		if err != nil {
			return err
		}
		switch {
		case green < 256:
			pixel := uint32(green) << 8
			for _, c := range []struct{ code, shift int }{{1, 16}, {2, 0}, {3, 24}} {
				v, err := p.symbol(codes[c.code])
				if err != nil {
					return err
				}
				pixel |= uint32(v) << c.shift
			}
			if pix != nil {
				pix[at] = pixel
			}
			at++
		case green < 256+24:
			length, err := p.length(green - 256)
			if err != nil {
				return err
			}
			symbol, err := p.symbol(codes[4])
			if err != nil {
				return err
			}
			code, err := p.length(symbol)
			if err != nil {
				return err
			}
			distance := distance(code, w)
			if at < distance || at+length > w*h {
				return errCorrupt
			}
			for range length {
				if pix != nil {
					pix[at] = pix[at-distance]
				}
				at++
			}
		default:
			if green -= 256 + 24; green >= len(cache) || cacheBits == 0 {
				return errCorrupt
			}
			if pix != nil {
				for ; cached < at; cached++ {
					cache[pix[cached]*0x1e35a7bd>>(32-cacheBits)] = pix[cached]
				}
				pix[at] = cache[green]
			}
			at++
		}
	}
	return nil
}

// length reads the extra bits of a length or a distance.
func (p *head) length(symbol int) (int, error) {
	if symbol < 4 {
		return symbol + 1, nil
	}
	extra := uint(symbol-2) >> 1
	v, err := p.bits(extra)
	return (2+symbol&1)<<extra + v + 1, err
}

// distance turns a distance's code into pixels: the 120 smallest mean the
// neighbours to the left and above, the nearest first.
func distance(code, w int) int {
	near := neighbours()
	if code > len(near) {
		return code - len(near)
	}
	n := near[code-1]
	return max(1, n.x+n.y*w)
}

// neighbours are the neighbours: how far to the left and how far up. By
// distance, then by how far to the side; left before right.
var neighbours = sync.OnceValue(func() (near []struct{ x, y int }) {
	for y := range 8 {
		for x := -7; x <= 8; x++ {
			if y > 0 || x > 0 {
				near = append(near, struct{ x, y int }{x, y})
			}
		}
	}
	slices.SortFunc(near, func(a, b struct{ x, y int }) int {
		return cmp.Or(a.x*a.x+a.y*a.y-b.x*b.x-b.y*b.y, max(a.x, -a.x)-max(b.x, -b.x), b.x-a.x)
	})
	return near
})

// code is a canonical Huffman code: how many codes each length has, and the
// symbols in the codes' order.
type code struct {
	counts  [16]int
	symbols []uint16
}

// newCode takes the lengths of all symbols' codes, 0 for none.
func newCode(lengths []uint8) (*code, error) {
	c := &code{}
	for _, l := range lengths {
		c.counts[l]++
	}
	c.counts[0] = 0
	for l := range uint8(16) {
		for s, n := range lengths {
			if l > 0 && n == l {
				c.symbols = append(c.symbols, uint16(s))
			}
		}
	}
	if len(c.symbols) == 0 {
		return nil, errCorrupt
	}
	return c, nil
}

// symbol reads one code. A code that has one symbol takes no bits.
func (p *head) symbol(c *code) (int, error) {
	if len(c.symbols) == 1 {
		return int(c.symbols[0]), nil
	}
	code, first, at := 0, 0, 0
	for _, n := range c.counts[1:] {
		bit, err := p.bits(1)
		if err != nil {
			return 0, err
		}
		code |= bit
		if code-first < n {
			return int(c.symbols[at+code-first]), nil
		}
		at += n
		first = (first + n) << 1
		code <<= 1
	}
	return 0, errCorrupt
}

// code reads the code of an alphabet of n symbols.
func (p *head) code(n int) (*code, error) {
	simple, err := p.bits(1)
	if err != nil {
		return nil, err
	}
	if simple == 1 {
		return p.simpleCode(n)
	}
	given, err := p.bits(4)
	if err != nil {
		return nil, err
	}
	var lengths [19]uint8
	order := [...]int{17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	for _, at := range order[:min(given+4, len(order))] {
		v, err := p.bits(3)
		if err != nil {
			return nil, err
		}
		lengths[at] = uint8(v)
	}
	of, err := newCode(lengths[:])
	if err != nil {
		return nil, err
	}
	return p.lengths(of, n)
}

// simpleCode is one or two symbols, written plainly.
func (p *head) simpleCode(n int) (*code, error) {
	two, err := p.bits(1)
	if err != nil {
		return nil, err
	}
	wide, err := p.bits(1)
	if err != nil {
		return nil, err
	}
	c := &code{}
	for i := range two + 1 {
		size := uint(8)
		if i == 0 && wide == 0 {
			size = 1
		}
		v, err := p.bits(size)
		if err != nil {
			return nil, err
		}
		if v >= n {
			return nil, errCorrupt
		}
		c.symbols = append(c.symbols, uint16(v))
	}
	c.counts[1] = len(c.symbols)
	return c, nil
}

// lengths reads the lengths of n symbols' codes, which are written in a code
// themselves.
func (p *head) lengths(of *code, n int) (*code, error) {
	limited, err := p.bits(1)
	if err != nil {
		return nil, err
	}
	most := n
	if limited == 1 {
		size, err := p.bits(3)
		if err != nil {
			return nil, err
		}
		v, err := p.bits(2 + 2*uint(size))
		if err != nil {
			return nil, err
		}
		if most = v + 2; most > n {
			return nil, errCorrupt
		}
	}
	lengths := make([]uint8, n)
	before := uint8(8)
	for at := 0; at < n && most > 0; most-- {
		v, err := p.symbol(of)
		if err != nil {
			return nil, err
		}
		if v < 16 {
			lengths[at] = uint8(v)
			at++
			if v != 0 {
				before = uint8(v)
			}
			continue
		}
		// 16 repeats the length before, 17 and 18 none.
		repeat := [3]struct {
			bits  uint
			least int
			zero  bool
		}{{2, 3, false}, {3, 3, true}, {7, 11, true}}[v-16]
		more, err := p.bits(repeat.bits)
		if err != nil {
			return nil, err
		}
		if at+repeat.least+more > n {
			return nil, errCorrupt
		}
		for range repeat.least + more {
			if !repeat.zero {
				lengths[at] = before
			}
			at++
		}
	}
	return newCode(lengths)
}
