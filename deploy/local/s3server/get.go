package s3server

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/johannesboyne/gofakes3"
	"go.etcd.io/bbolt"
)

// openBody is a body, or a part of it, on its way out.
type openBody struct {
	io.Reader
	io.Closer
}

// read finds an object's record.
func (s *Service) read(bucket, key string) (rec *record, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		rec, err = tables(tx).object(bucket, key)
		return err
	})
	return rec, err
}

// open finds an object and opens its body. Between the two an overwrite may take the body away; then there is a new record.
func (s *Service) open(bucket, key string) (*record, *os.File, error) {
	for last := ""; ; {
		rec, err := s.read(bucket, key)
		if err != nil {
			return nil, nil, err
		}
		s.opt.step("record read")
		f, err := s.bodies.open(rec.Body, rec.Size)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return rec, f, err
		}
		if rec.Body == last {
			return nil, nil, fmt.Errorf("the body of %q in bucket %q is missing: %w", key, bucket, err)
		}
		last = rec.Body
	}
}

// judge decides conditions and range for the object that a GET or HEAD found.
func (c *call) judge(rec *record) (err error) {
	c.found = rec
	if err := readConditions(c.r.Header, "", rec); err != nil {
		return err
	}
	header := c.r.Header.Get("Range")
	if cond := c.r.Header.Get("If-Range"); cond != "" && !etagIn(cond, rec.ETag) && cond != httpTime(rec.Modified) {
		header = ""
	}
	if c.query.Has("partNumber") {
		if header != "" {
			return errInvalidRequest.because("Cannot specify both Range header and partNumber query parameter.")
		}
		n, err := partNumber(c.query.Get("partNumber"))
		if err != nil {
			return err
		}
		c.window, err = rec.part(int64(n))
		if err != nil || c.window.length == 0 { // an empty range has no form
			c.window = nil
		}
		return err
	}
	c.window, err = parseRange(header, rec.Size)
	return err
}

// GetObject is called by the layer. The object that it opens stays whole while it is read, also when it is replaced meanwhile.
func (c *call) GetObject(bucket, key string, _ *gofakes3.ObjectRangeRequest) (*gofakes3.Object, error) {
	rec, f, err := c.s.open(bucket, key)
	if err != nil {
		return nil, c.fail(err)
	}
	if err := c.judge(rec); err != nil {
		_ = f.Close() // only read
		return nil, c.fail(err)
	}
	o := c.layerObject(rec)
	body := &openBody{Reader: f, Closer: f}
	if w := c.window; w != nil {
		if _, err := f.Seek(w.start, io.SeekStart); err != nil {
			_ = f.Close() // only read
			return nil, c.fail(err)
		}
		body.Reader = io.LimitReader(f, w.length)
		o.Range = &gofakes3.ObjectRange{Start: w.start, Length: w.length}
	}
	o.Contents = body
	return o, nil
}

// HeadObject is called by the layer, for a HEAD and for the source of a copy.
func (c *call) HeadObject(bucket, key string) (*gofakes3.Object, error) {
	if c.action == copyObject { // the source was parsed by our own rules
		bucket, key = c.source.bucket, c.source.key
	}
	rec, err := c.s.read(bucket, key)
	if err == nil && c.action == headObject {
		err = c.judge(rec)
	}
	if err != nil {
		return nil, c.fail(err)
	}
	return c.layerObject(rec), nil
}

func (c *call) layerObject(rec *record) *gofakes3.Object {
	return &gofakes3.Object{Name: c.key, Metadata: rec.metadata(), Size: rec.Size, Contents: io.NopCloser(io.MultiReader())}
}
