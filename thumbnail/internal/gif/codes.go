package gif

import (
	"errors"
	"io"
)

// maxCodeBits is the length of the longest LZW code.
const maxCodeBits = 12

// errCode is the error for an LZW code that is not in the table yet.
var errCode = errors.New("LZW code is not in the table")

// codes decodes LZW of the code sizes that compress/lzw does not know: 1, and 9
// to 11. An index has a byte; higher bits do not count, as in libnsgif.
//
// The table begins with the literals, a code that clears it and a code that
// ends the data. Each code after the first adds an entry: the string of the
// previous code and the first byte of the present one.
type codes struct {
	r      io.ByteReader
	size   int // bits of a literal
	acc    uint32
	bits   int // valid bits of acc, the lowest first
	width  int // bits of the next code
	next   int // the next entry; 1<<maxCodeBits when the table is full
	last   int // the previous code, -1 after a clear
	prefix [1 << maxCodeBits]uint16
	suffix [1 << maxCodeBits]byte
	out    []byte // of the present code, not yet returned
	buf    [1 << maxCodeBits]byte
	err    error
}

func newCodes(r io.ByteReader, size int) *codes {
	c := &codes{r: r, size: size}
	c.clear()
	return c
}

func (c *codes) clear() { c.width, c.next, c.last = c.size+1, 1<<c.size+2, -1 }

// Read returns indices.
func (c *codes) Read(p []byte) (int, error) {
	for len(c.out) == 0 && len(p) > 0 {
		if c.err == nil {
			c.err = c.step()
		}
		if c.err != nil {
			return 0, c.err
		}
	}
	n := copy(p, c.out)
	c.out = c.out[n:]
	return n, nil
}

// step decodes a code.
func (c *codes) step() error {
	for c.bits < c.width {
		b, err := c.r.ReadByte()
		if err != nil {
			return noEOF(err)
		}
		c.acc |= uint32(b) << c.bits
		c.bits += 8
	}
	code := int(c.acc & (1<<c.width - 1))
	c.acc >>= c.width
	c.bits -= c.width
	end := 1<<c.size + 1
	switch {
	case code == end-1:
		c.clear()
		return nil
	case code == end:
		return io.EOF
	case code > c.next, code == c.next && c.last < 0, code > end && c.last < 0:
		return errCode
	}
	at, n := code, len(c.buf)
	if code == c.next { // the entry that this code adds
		n--
		at = c.last
	}
	for at > end {
		n--
		c.buf[n] = c.suffix[at]
		at = int(c.prefix[at])
	}
	n--
	c.buf[n] = byte(at)
	if code == c.next {
		c.buf[len(c.buf)-1] = byte(at)
	}
	if c.last >= 0 && c.next < 1<<maxCodeBits {
		c.prefix[c.next], c.suffix[c.next] = uint16(c.last), byte(at)
		c.next++
	}
	// With literals of one bit the first code already needs it.
	if c.next >= 1<<c.width && c.width < maxCodeBits {
		c.width++
	}
	c.last = code
	c.out = c.buf[n:]
	return nil
}
