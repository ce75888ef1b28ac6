package s3server

import (
	"time"

	"go.etcd.io/bbolt"
)

// Stats are figures for a console.
type Stats struct {
	Buckets   []BucketStats // by name
	Uploads   int           // multipart uploads under way
	FreeBytes int64         // on the disk, -1 if it is not known
}

// BucketStats are the figures of one bucket.
type BucketStats struct {
	Name    string
	Created time.Time
	Objects int64
	Bytes   int64
}

// Object is an entry of [Service.List].
type Object struct {
	Key         string
	Size        int64 // bytes
	ETag        string
	ContentType string
	Modified    time.Time
}

// Stats reads the figures, which are kept up to date: it does not walk the objects.
func (s *Service) Stats() (Stats, error) {
	st := Stats{FreeBytes: -1}
	err := s.db.View(func(tx *bbolt.Tx) error {
		t := tables(tx)
		if err := t.eachUpload(func(_ string, u *upload) {
			if u.ETag == "" {
				st.Uploads++
			}
		}); err != nil {
			return err
		}
		return t.eachBucket(func(name string, b *bucketRecord) {
			st.Buckets = append(st.Buckets, BucketStats{Name: name, Created: b.Created, Objects: b.Objects, Bytes: b.Bytes})
		})
	})
	if free, known := s.bodies.free(s.bodies.dir); known {
		st.FreeBytes = free
	}
	return st, err
}

// List returns up to limit objects of a bucket whose keys begin with prefix and come after a key, by key. The error is an [*Error]
// if there is no such bucket.
func (s *Service) List(bucket, prefix, after string, limit int) ([]Object, error) {
	var list []Object
	err := s.db.View(func(tx *bbolt.Tx) error {
		list = nil
		p, err := tables(tx).list(bucket, prefix, "", after, limit)
		for _, it := range p.items {
			list = append(list, Object{it.name, it.rec.Size, it.rec.ETag, it.rec.Header["Content-Type"], it.rec.Modified})
		}
		return err
	})
	return list, err
}
