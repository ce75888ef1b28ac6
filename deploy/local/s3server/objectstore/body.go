package objectstore

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"io"

	"sluice/deploy/local/s3server/checksum"
	"sluice/deploy/local/s3server/s3error"
)

// Body is the content of an object or a part that is uploaded.
type Body interface {
	// Read returns io.EOF only when everything that the client stated about the body
	// has been verified.
	io.Reader

	// Size returns the length of the body in bytes.
	Size() int64

	// Compute prepares a checksum that Sum returns after io.EOF. It is called before
	// the first Read.
	Compute(algorithm string) error

	// Sum returns a checksum in base64.
	Sum(algorithm string) string

	// Checksum returns the checksum that the client stated, after io.EOF.
	Checksum() checksum.Sum
}

// copiedBody is the Body of bytes that the store holds already.
type copiedBody struct {
	io.Reader
	size      int64
	algorithm string
	hash      hash.Hash
}

func (c *copiedBody) Size() int64            { return c.size }
func (c *copiedBody) Checksum() checksum.Sum { return checksum.Sum{} }

func (c *copiedBody) Compute(algorithm string) (err error) {
	if c.hash, err = checksum.New(algorithm); err != nil {
		return err
	}
	c.algorithm, c.Reader = algorithm, io.TeeReader(c.Reader, c.hash)
	return nil
}

func (c *copiedBody) Sum(algorithm string) string {
	if c.hash == nil || algorithm != c.algorithm {
		return ""
	}
	return base64.StdEncoding.EncodeToString(c.hash.Sum(nil))
}

// receive writes a body and returns the name of its durable file and its MD5 in
// hex. After an error no file is left.
func (s *Store) receive(b Body) (name, sum string, err error) {
	d, err := s.bodies.create(b.Size())
	if err != nil {
		return "", "", err
	}
	h := md5.New()
	n, err := d.fill(b, h)
	if err == nil && n != b.Size() {
		err = s3error.IncompleteBody
	}
	if err == nil {
		err = d.seal()
	}
	if err != nil {
		d.discard()
		return "", "", err
	}
	return d.name, hex.EncodeToString(h.Sum(nil)), nil
}
