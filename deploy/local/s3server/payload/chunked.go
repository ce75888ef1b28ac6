package payload

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"hash"
	"io"
	"strconv"
	"strings"

	"sluice/deploy/local/s3server/s3error"
	"sluice/deploy/local/sigv4"
)

const (
	maxChunkLine    = 1 << 10 // a chunk's length and signature, or one trailer
	maxTrailerBytes = 8 << 10
)

// chunkedReader decodes a body in AWS's chunks:
//
//	SIZE[;chunk-signature=SIG]\r\n DATA \r\n … 0[;chunk-signature=SIG]\r\n [NAME:VALUE\r\n …] \r\n
//
// SIZE is hexadecimal. The reader returns data before it has verified the chunk's
// signature, so only io.EOF says that the data can be trusted.
type chunkedReader struct {
	in      *bufio.Reader
	left    int64 // bytes of the decoded body
	signed  bool
	trailer bool
	verify  *sigv4.ChunkVerifier // nil: signatures are read and not verified

	chunk     int64 // bytes left of the current chunk
	open      bool  // whether the current chunk is not closed yet
	signature string
	sum       hash.Hash
	trailers  map[string]string // after EOF; names in lower case
}

func newChunkedReader(r io.Reader, length int64, signed, trailer bool) *chunkedReader {
	return &chunkedReader{in: bufio.NewReaderSize(r, 32<<10), left: length, signed: signed, trailer: trailer, sum: sha256.New()}
}

func malformedChunk(reason string) error {
	return s3error.IncompleteBody.WithMessage("The chunked body is malformed: %s.", reason)
}

// Read returns an [*s3error.Error] for an invalid body.
func (c *chunkedReader) Read(b []byte) (int, error) {
	for !c.open || c.chunk == 0 {
		if c.open {
			if err := c.closeChunk(); err != nil {
				return 0, err
			}
		}
		if err := c.openChunk(); err != nil {
			return 0, err
		}
		if c.chunk == 0 {
			return 0, c.finish()
		}
	}
	n, err := c.in.Read(b[:min(int64(len(b)), c.chunk)])
	c.chunk -= int64(n)
	c.left -= int64(n)
	if c.verify != nil {
		c.sum.Write(b[:n])
	}
	if err == io.EOF {
		err = malformedChunk("it ends inside a chunk")
	}
	return n, err
}

// openChunk reads a chunk's first line.
func (c *chunkedReader) openChunk() error {
	line, err := c.line()
	if err == io.EOF {
		err = malformedChunk("its last chunk is missing")
	}
	if err != nil {
		return err
	}
	size, ext, hasExt := strings.Cut(line, ";")
	n, err := strconv.ParseUint(size, 16, 63)
	if err != nil {
		return malformedChunk("the size of a chunk is not a hexadecimal number")
	}
	if int64(n) > c.left {
		return malformedChunk("it is longer than x-amz-decoded-content-length")
	}
	signature, isSigned := strings.CutPrefix(ext, "chunk-signature=")
	if c.signed && !isSigned || !c.signed && hasExt {
		return malformedChunk("its chunk signatures contradict x-amz-content-sha256")
	}
	c.chunk, c.open, c.signature = int64(n), true, signature
	return nil
}

// closeChunk verifies the chunk that was just read, and reads the line break after
// it.
func (c *chunkedReader) closeChunk() error {
	if err := c.checkSignature(); err != nil {
		return err
	}
	c.open = false
	return c.lineBreak()
}

func (c *chunkedReader) checkSignature() error {
	if c.verify != nil && !c.verify.Chunk(c.signature, [sha256.Size]byte(c.sum.Sum(nil))) {
		return s3error.SignatureDoesNotMatch
	}
	c.sum.Reset()
	return nil
}

// finish reads the trailers after the empty chunk. It returns io.EOF if they are
// valid.
func (c *chunkedReader) finish() error {
	if err := c.checkSignature(); err != nil {
		return err
	}
	c.trailers = map[string]string{}
	var signed bytes.Buffer // the canonical form of the trailers
	signature := ""
	for total := 0; ; {
		line, err := c.line()
		if err == io.EOF || err == nil && line == "" {
			break // some clients omit the last line break
		}
		if err != nil {
			return err
		}
		if total += len(line); total > maxTrailerBytes {
			return s3error.MalformedTrailer
		}
		name, value, ok := strings.Cut(line, ":")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		if _, twice := c.trailers[name]; !ok || twice || !c.trailer {
			return s3error.MalformedTrailer
		}
		if name == "x-amz-trailer-signature" && c.signed {
			signature = value
			continue
		}
		c.trailers[name] = value
		signed.WriteString(name + ":" + value + "\n")
	}
	if c.trailer && c.verify != nil && !c.verify.Trailer(signature, signed.Bytes()) {
		return s3error.SignatureDoesNotMatch
	}
	return io.EOF
}

// line reads a line and returns it without its line break.
func (c *chunkedReader) line() (string, error) {
	var line []byte
	for {
		part, err := c.in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxChunkLine:
			return "", malformedChunk("a line is too long")
		case err == nil:
			line = bytes.TrimSuffix(line[:len(line)-1], []byte("\r"))
			return string(line), nil
		case err == io.EOF && len(line) == 0:
			return "", io.EOF
		case err == io.EOF:
			return "", malformedChunk("it ends inside a line")
		case err != bufio.ErrBufferFull:
			return "", err
		}
	}
}

func (c *chunkedReader) lineBreak() error {
	line, err := c.line()
	if err == io.EOF || err == nil && line != "" {
		err = malformedChunk("a chunk does not have its stated size")
	}
	return err
}
