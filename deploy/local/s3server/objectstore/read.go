package objectstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Stat returns an object without its body.
func (s *Store) Stat(bucket, key string) (o *Object, err error) {
	err = s.view(func(x index) error {
		o, err = x.object(bucket, key)
		return err
	})
	return o, err
}

// Open returns an object and its open body, which the caller closes. The body stays
// whole while it is read, even if the object is replaced meanwhile.
func (s *Store) Open(bucket, key string) (*Object, *os.File, error) {
	for last := ""; ; {
		o, err := s.Stat(bucket, key)
		if err != nil {
			return nil, nil, err
		}
		s.opt.step("record read")
		f, err := s.bodies.open(o.Body, o.Size)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return o, f, err
		}
		// An overwrite may have removed the body since Stat. Then the record has changed.
		if o.Body == last {
			return nil, nil, fmt.Errorf("the body of %q in bucket %q is missing: %w", key, bucket, err)
		}
		last = o.Body
	}
}
