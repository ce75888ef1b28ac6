package objectstore

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"sluice/deploy/local/s3server/s3error"
)

// The package's buckets in the local file:
//
//	objects/buckets   name → bucketRecord
//	objects/keys/NAME key → Object
//	objects/uploads   upload id → upload
//	objects/parts     upload id, part number (4 bytes, big endian) → Part
//
// The sequence of objects/ is the sequencer.
var (
	indexRoot    = []byte("objects")
	indexBuckets = []byte("buckets")
	indexKeys    = []byte("keys")
	indexUploads = []byte("uploads")
	indexParts   = []byte("parts")
)

// bucketRecord is the stored form of a bucket.
type bucketRecord struct {
	Created time.Time `json:"created"`
	Objects int64     `json:"objects"`
	Bytes   int64     `json:"bytes"`
}

func createIndex(tx *bbolt.Tx) error {
	root, err := tx.CreateBucketIfNotExists(indexRoot)
	if err != nil {
		return err
	}
	for _, name := range [][]byte{indexBuckets, indexKeys, indexUploads, indexParts} {
		if _, err := root.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	return nil
}

// index is the package's part of the local file within one transaction.
type index struct{ root *bbolt.Bucket }

func indexOf(tx *bbolt.Tx) index { return index{tx.Bucket(indexRoot)} }

func (x index) buckets() *bbolt.Bucket { return x.root.Bucket(indexBuckets) }
func (x index) uploads() *bbolt.Bucket { return x.root.Bucket(indexUploads) }
func (x index) parts() *bbolt.Bucket   { return x.root.Bucket(indexParts) }

// keys holds the objects of an S3 bucket. It is nil if there is no such bucket.
func (x index) keys(bucket string) *bbolt.Bucket {
	return x.root.Bucket(indexKeys).Bucket([]byte(bucket))
}

// nextSequencer returns a string that is greater than those of all earlier changes.
func (x index) nextSequencer() (string, error) {
	n, err := x.root.NextSequence()
	return fmt.Sprintf("%018X", n), err
}

// bucket returns nil if there is no such bucket.
func (x index) bucket(name string) *bucketRecord {
	raw := x.buckets().Get([]byte(name))
	if raw == nil {
		return nil
	}
	b, err := decode[bucketRecord](raw)
	if err != nil {
		return &bucketRecord{} // the bucket exists; only its figures are lost
	}
	return b
}

func (x index) addBucket(name string, at time.Time) error {
	if _, err := x.root.Bucket(indexKeys).CreateBucketIfNotExists([]byte(name)); err != nil {
		return err
	}
	return put(x.buckets(), []byte(name), bucketRecord{Created: at.UTC()})
}

func (x index) removeBucket(name string) error {
	if err := x.root.Bucket(indexKeys).DeleteBucket([]byte(name)); err != nil {
		return err
	}
	return x.buckets().Delete([]byte(name))
}

// eachBucket calls f for the buckets, in the order of their names.
func (x index) eachBucket(f func(name string, b *bucketRecord)) error {
	return x.buckets().ForEach(func(k, v []byte) error {
		b, err := decode[bucketRecord](v)
		if err == nil {
			f(string(k), b)
		}
		return err
	})
}

// object returns NoSuchBucket or NoSuchKey if the object does not exist.
func (x index) object(bucket, key string) (*Object, error) {
	keys := x.keys(bucket)
	if keys == nil {
		return nil, s3error.NoSuchBucket
	}
	raw := keys.Get([]byte(key))
	if raw == nil {
		return nil, s3error.NoSuchKey
	}
	return decode[Object](raw)
}

// setObject replaces old by o and updates the figures of the bucket. old is nil if
// the key is new, o is nil if it is removed.
func (x index) setObject(bucket, key string, old, o *Object) error {
	b := x.bucket(bucket)
	if old != nil {
		b.Objects, b.Bytes = b.Objects-1, b.Bytes-old.Size
	}
	keys := x.keys(bucket)
	if o == nil {
		if err := keys.Delete([]byte(key)); err != nil {
			return err
		}
	} else {
		b.Objects, b.Bytes = b.Objects+1, b.Bytes+o.Size
		if err := put(keys, []byte(key), o); err != nil {
			return err
		}
	}
	return put(x.buckets(), []byte(bucket), b)
}

func partKey(uploadID string, number int) []byte {
	return binary.BigEndian.AppendUint32([]byte(uploadID), uint32(number))
}

func put(b *bbolt.Bucket, key []byte, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return b.Put(key, raw)
}

func decode[T any](raw []byte) (*T, error) {
	v := new(T)
	if err := json.Unmarshal(raw, v); err != nil {
		return nil, fmt.Errorf("objects: a record in the local file is damaged: %w", err)
	}
	return v, nil
}
