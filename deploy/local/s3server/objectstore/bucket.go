package objectstore

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"sluice/deploy/local/s3server/s3error"
	"sluice/deploy/local/store"
)

// Bucket is a bucket and its figures.
type Bucket struct {
	Name    string
	Created time.Time
	Objects int64
	Bytes   int64
}

// Buckets returns the buckets in the order of their names.
func (s *Store) Buckets() (list []Bucket, err error) {
	err = s.view(func(x index) error {
		list = nil
		return x.eachBucket(func(name string, b *bucketRecord) {
			list = append(list, Bucket{name, b.Created, b.Objects, b.Bytes})
		})
	})
	return list, err
}

// HasBucket returns NoSuchBucket if the bucket does not exist.
func (s *Store) HasBucket(name string) error {
	return s.view(func(x index) error {
		if x.bucket(name) == nil {
			return s3error.NoSuchBucket
		}
		return nil
	})
}

// CreateBucket creates a bucket. It returns BucketAlreadyOwnedByYou if the bucket
// exists.
func (s *Store) CreateBucket(ctx context.Context, name string) error {
	if err := checkBucketName(name); err != nil {
		return err
	}
	return s.db.Update(ctx, func(tx *bbolt.Tx) error {
		if indexOf(tx).bucket(name) != nil {
			return store.Unchanged(s3error.BucketAlreadyOwned)
		}
		return indexOf(tx).addBucket(name, s.opt.Now())
	})
}

// EnsureBucket creates a bucket unless it exists.
func (s *Store) EnsureBucket(ctx context.Context, name string) error {
	// On a full disk an existing bucket is still found.
	if err := s.HasBucket(name); !errors.Is(err, s3error.NoSuchBucket) {
		return err
	}
	err := s.CreateBucket(ctx, name)
	if err == nil || errors.Is(err, s3error.BucketAlreadyOwned) {
		return nil
	}
	return fmt.Errorf("bucket %q: %w", name, err)
}

// DeleteBucket removes an empty bucket and aborts its multipart uploads.
func (s *Store) DeleteBucket(ctx context.Context, name string) error {
	var bodies []string
	err := s.db.UpdateEvenIfFull(ctx, func(tx *bbolt.Tx) (err error) {
		bodies = nil
		x := indexOf(tx)
		keys := x.keys(name)
		if keys == nil {
			return store.Unchanged(s3error.NoSuchBucket)
		}
		if k, _ := keys.Cursor().First(); k != nil {
			return store.Unchanged(s3error.BucketNotEmpty)
		}
		if err := x.removeBucket(name); err != nil {
			return err
		}
		bodies, err = x.dropUploads(func(_ string, u *upload) bool { return u.Bucket == name })
		return err
	})
	if err == nil {
		s.bodies.remove(bodies...)
	}
	return err
}

var bucketLabel = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

// checkBucketName applies S3's naming rules.
func checkBucketName(name string) error {
	if len(name) < 3 || len(name) > 63 {
		return s3error.InvalidBucketName.WithMessage("The bucket name %q has %d characters; want 3 to 63.", name, len(name))
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return s3error.InvalidBucketName.WithMessage("The bucket name %q must not be an IP address.", name)
	}
	for label := range strings.SplitSeq(name, ".") {
		if !bucketLabel.MatchString(label) {
			return s3error.InvalidBucketName.WithMessage(
				"The bucket name %q must have lower-case letters, digits, dots and hyphens only, and a letter or digit at each end and beside each dot.", name)
		}
	}
	return nil
}
