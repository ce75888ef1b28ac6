package s3server

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
)

// The store's part that is ours:
//
//	objects/buckets   name → bucketRecord
//	objects/keys/NAME key → record
//	objects/uploads   upload id → upload
//	objects/parts     upload id, part number (4 bytes, big endian) → part
//
// The sequence of objects/ is the sequencer.
var (
	tableRoot    = []byte("objects")
	tableBuckets = []byte("buckets")
	tableKeys    = []byte("keys")
	tableUploads = []byte("uploads")
	tableParts   = []byte("parts")
)

type bucketRecord struct {
	Created time.Time `json:"created"`
	Objects int64     `json:"objects"`
	Bytes   int64     `json:"bytes"`
}

// record is an object but for its body.
type record struct {
	Body      string            `json:"body"` // file name
	Size      int64             `json:"size"`
	ETag      string            `json:"etag"`
	MD5       string            `json:"md5,omitempty"` // hex, when the ETag is not it
	Modified  time.Time         `json:"modified"`
	Sequencer string            `json:"sequencer"`
	Header    map[string]string `json:"header,omitempty"` // Content-Type and its like
	Meta      map[string]string `json:"meta,omitempty"`   // x-amz-meta-*, without the prefix
	Checksum  checksum          `json:"checksum,omitzero"`
	Parts     []partRun         `json:"parts,omitempty"` // if it was uploaded in parts
}

// md5 is the hash of the content in hex.
func (r *record) md5() string {
	if r.MD5 != "" {
		return r.MD5
	}
	return r.ETag
}

func makeTables(tx *bbolt.Tx) error {
	root, err := tx.CreateBucketIfNotExists(tableRoot)
	if err != nil {
		return err
	}
	for _, name := range [][]byte{tableBuckets, tableKeys, tableUploads, tableParts} {
		if _, err := root.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	return nil
}

// tablesIn are our tables as one transaction sees them.
type tablesIn struct{ root *bbolt.Bucket }

func tables(tx *bbolt.Tx) tablesIn { return tablesIn{tx.Bucket(tableRoot)} }

// nextSequencer mints a text that orders the changes of a key, as S3's do: compare as text.
func (t tablesIn) nextSequencer() (string, error) {
	n, err := t.root.NextSequence()
	return fmt.Sprintf("%018X", n), err
}

// bucket is nil if there is no such bucket.
func (t tablesIn) bucket(name string) *bucketRecord {
	raw := t.root.Bucket(tableBuckets).Get([]byte(name))
	if raw == nil {
		return nil
	}
	b, err := decode[bucketRecord](raw)
	if err != nil {
		return &bucketRecord{} // it exists; only its figures are lost
	}
	return b
}

func (t tablesIn) addBucket(name string, at time.Time) error {
	if _, err := t.root.Bucket(tableKeys).CreateBucketIfNotExists([]byte(name)); err != nil {
		return err
	}
	return put(t.root.Bucket(tableBuckets), []byte(name), bucketRecord{Created: at.UTC()})
}

// eachBucket calls f for the buckets, by name.
func (t tablesIn) eachBucket(f func(name string, b *bucketRecord)) error {
	return t.root.Bucket(tableBuckets).ForEach(func(k, v []byte) error {
		b, err := decode[bucketRecord](v)
		if err == nil {
			f(string(k), b)
		}
		return err
	})
}

// keys are the objects of an S3 bucket, nil if there is no such bucket.
func (t tablesIn) keys(bucket string) *bbolt.Bucket {
	return t.root.Bucket(tableKeys).Bucket([]byte(bucket))
}

// object returns errNoSuchBucket or errNoSuchKey if it is not there.
func (t tablesIn) object(bucket, key string) (*record, error) {
	keys := t.keys(bucket)
	if keys == nil {
		return nil, errNoSuchBucket
	}
	raw := keys.Get([]byte(key))
	if raw == nil {
		return nil, errNoSuchKey
	}
	return decode[record](raw)
}

// setObject writes now, or removes the key if now is nil, and keeps the bucket's figures. old is what was there before, or nil.
func (t tablesIn) setObject(bucket, key string, old, now *record) error {
	b := t.bucket(bucket)
	if old != nil {
		b.Objects, b.Bytes = b.Objects-1, b.Bytes-old.Size
	}
	keys := t.keys(bucket)
	if now == nil {
		if err := keys.Delete([]byte(key)); err != nil {
			return err
		}
	} else {
		b.Objects, b.Bytes = b.Objects+1, b.Bytes+now.Size
		if err := put(keys, []byte(key), now); err != nil {
			return err
		}
	}
	return put(t.root.Bucket(tableBuckets), []byte(bucket), b)
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
		return nil, fmt.Errorf("objects: a record in the store is damaged: %w", err)
	}
	return v, nil
}
