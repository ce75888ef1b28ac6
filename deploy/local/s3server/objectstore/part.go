package objectstore

import (
	"bytes"
	"context"
	"errors"
	"time"

	"go.etcd.io/bbolt"

	"sluice/deploy/local/s3server/checksum"
	"sluice/deploy/local/store"
)

// MaxParts is the largest number of a part.
const MaxParts = 10000

// Part is a part of a multipart upload. Its JSON is the stored form.
type Part struct {
	Number   int          `json:"number"`
	Body     string       `json:"body"` // file name
	Size     int64        `json:"size"` // bytes
	MD5      string       `json:"md5"`  // hex
	Modified time.Time    `json:"modified"`
	Checksum checksum.Sum `json:"checksum,omitzero"`
}

// UploadPart is an upload of a part.
type UploadPart struct {
	Bucket, Key string
	UploadID    string
	Number      int // 1 to [MaxParts]
	Body        Body
}

// PutPart stores a part in place of the one that had its number. When it returns,
// the part is on the disk.
func (s *Store) PutPart(ctx context.Context, in UploadPart) (*Part, error) {
	var u *upload
	err := s.view(func(x index) (err error) {
		u, err = x.activeUpload(in.UploadID, in.Bucket, in.Key)
		return err
	})
	if err != nil {
		return nil, err
	}
	if u.Algorithm != "" {
		if err := in.Body.Compute(u.Algorithm); err != nil {
			return nil, err
		}
	}
	p := &Part{Number: in.Number, Size: in.Body.Size()}
	if p.Body, p.MD5, err = s.receive(in.Body); err != nil {
		return nil, err
	}
	p.Checksum = in.Body.Checksum()
	if u.Algorithm != "" {
		p.Checksum = checksum.Sum{Algorithm: u.Algorithm, Value: in.Body.Sum(u.Algorithm), Type: checksum.FullObject}
	}
	return p, s.commitPart(ctx, in, p)
}

// commitPart records a part whose body is sealed, and removes the body of the part
// that it replaces.
func (s *Store) commitPart(ctx context.Context, in UploadPart, p *Part) error {
	var garbage string
	s.opt.step("before commit")
	err := s.db.Update(ctx, func(tx *bbolt.Tx) error {
		garbage = ""
		x := indexOf(tx)
		if _, err := x.activeUpload(in.UploadID, in.Bucket, in.Key); err != nil {
			return store.Unchanged(err)
		}
		k := partKey(in.UploadID, in.Number)
		if raw := x.parts().Get(k); raw != nil {
			old, err := decode[Part](raw)
			if err != nil {
				return store.Unchanged(err)
			}
			garbage = old.Body
		}
		p.Modified = s.opt.Now().UTC()
		return put(x.parts(), k, p)
	})
	s.opt.step("committed")
	if err == nil {
		s.bodies.remove(garbage)
	} else if _, unknown := errors.AsType[*store.BrokenError](err); !unknown {
		s.bodies.remove(p.Body)
	}
	return err
}

// Parts returns the parts of an upload in the order of their numbers.
func (s *Store) Parts(bucket, key, uploadID string) (list []*Part, err error) {
	err = s.view(func(x index) error {
		list = nil
		if _, err := x.activeUpload(uploadID, bucket, key); err != nil {
			return err
		}
		return x.eachPart(uploadID, func(p *Part) { list = append(list, p) })
	})
	return list, err
}

// eachPart calls f for the parts of an upload, in the order of their numbers.
func (x index) eachPart(uploadID string, f func(*Part)) error {
	c := x.parts().Cursor()
	for k, v := c.Seek(partKey(uploadID, 0)); k != nil && bytes.HasPrefix(k, []byte(uploadID)); k, v = c.Next() {
		p, err := decode[Part](v)
		if err != nil {
			return err
		}
		f(p)
	}
	return nil
}

// dropParts removes the parts of an upload and returns their bodies.
func (x index) dropParts(uploadID string) (bodies []string, err error) {
	var keys [][]byte
	err = x.eachPart(uploadID, func(p *Part) {
		bodies, keys = append(bodies, p.Body), append(keys, partKey(uploadID, p.Number))
	})
	for _, k := range keys {
		if err == nil {
			err = x.parts().Delete(k)
		}
	}
	return bodies, err
}
