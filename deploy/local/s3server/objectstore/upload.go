package objectstore

import (
	"cmp"
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"sluice/deploy/local/s3server/s3error"
	"sluice/deploy/local/store"
)

// upload is the stored form of a multipart upload. A completed upload stays for a
// while, for clients that repeat the completion because its response was lost.
type upload struct {
	Bucket  string    `json:"bucket"`
	Key     string    `json:"key"`
	Started time.Time `json:"started"`
	Metadata
	Algorithm string `json:"algorithm,omitempty"` // of the checksums, in lower case
	Type      string `json:"type,omitempty"`      // of the object's checksum
	ETag      string `json:"etag,omitempty"`      // empty until it is completed
}

// NewUpload starts a multipart upload.
type NewUpload struct {
	Bucket, Key string
	Metadata    Metadata
	Algorithm   string // additional checksum of the object, in lower case; "" for none
	Type        string // [checksum.FullObject] or [checksum.Composite], with Algorithm
}

// CreateUpload starts a multipart upload and returns its id.
func (s *Store) CreateUpload(ctx context.Context, n NewUpload) (id string, err error) {
	s.sweepWhenDue(ctx)
	id = rand.Text()
	u := &upload{
		Bucket: n.Bucket, Key: n.Key, Started: s.opt.Now().UTC(), Metadata: n.Metadata, Algorithm: n.Algorithm, Type: n.Type,
	}
	return id, s.db.Update(ctx, func(tx *bbolt.Tx) error {
		x := indexOf(tx)
		if x.bucket(n.Bucket) == nil {
			return store.Unchanged(s3error.NoSuchBucket)
		}
		return put(x.uploads(), []byte(id), u)
	})
}

// AbortUpload removes an upload and its parts.
func (s *Store) AbortUpload(ctx context.Context, bucket, key, id string) error {
	var bodies []string
	err := s.db.UpdateEvenIfFull(ctx, func(tx *bbolt.Tx) error {
		x := indexOf(tx)
		if _, err := x.activeUpload(id, bucket, key); err != nil {
			return store.Unchanged(err)
		}
		var err error
		if bodies, err = x.dropParts(id); err != nil {
			return err
		}
		return x.uploads().Delete([]byte(id))
	})
	if err == nil {
		s.bodies.remove(bodies...)
	}
	return err
}

// Upload is an entry of [Store.Uploads].
type Upload struct {
	Key, ID string
	Started time.Time
}

// Uploads returns the multipart uploads in progress in a bucket whose keys begin
// with prefix, ordered by key and id.
func (s *Store) Uploads(bucket, prefix string) (list []Upload, err error) {
	err = s.view(func(x index) error {
		list = nil
		if x.bucket(bucket) == nil {
			return s3error.NoSuchBucket
		}
		return x.eachUpload(func(id string, u *upload) {
			if u.Bucket == bucket && u.ETag == "" && strings.HasPrefix(u.Key, prefix) {
				list = append(list, Upload{u.Key, id, u.Started})
			}
		})
	})
	slices.SortFunc(list, func(a, b Upload) int { return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.ID, b.ID)) })
	return list, err
}

// upload returns an upload of this key, also a completed one, or NoSuchUpload.
func (x index) upload(id, bucket, key string) (*upload, error) {
	raw := x.uploads().Get([]byte(id))
	if raw == nil {
		if x.bucket(bucket) == nil {
			return nil, s3error.NoSuchBucket
		}
		return nil, s3error.NoSuchUpload
	}
	u, err := decode[upload](raw)
	if err == nil && (u.Bucket != bucket || u.Key != key) {
		err = s3error.NoSuchUpload
	}
	return u, err
}

// activeUpload is like upload, and returns NoSuchUpload for a completed one.
func (x index) activeUpload(id, bucket, key string) (*upload, error) {
	u, err := x.upload(id, bucket, key)
	if err == nil && u.ETag != "" {
		err = s3error.NoSuchUpload
	}
	return u, err
}

func (x index) eachUpload(f func(id string, u *upload)) error {
	return x.uploads().ForEach(func(k, v []byte) error {
		u, err := decode[upload](v)
		if err == nil {
			f(string(k), u)
		}
		return err
	})
}

// dropUploads removes the uploads that which selects, and returns the bodies of
// their parts.
func (x index) dropUploads(which func(id string, u *upload) bool) (bodies []string, err error) {
	var ids []string
	if err := x.eachUpload(func(id string, u *upload) {
		if which(id, u) {
			ids = append(ids, id)
		}
	}); err != nil {
		return nil, err
	}
	for _, id := range ids {
		more, err := x.dropParts(id)
		if err != nil {
			return nil, err
		}
		bodies = append(bodies, more...)
		if err := x.uploads().Delete([]byte(id)); err != nil {
			return nil, err
		}
	}
	return bodies, nil
}
