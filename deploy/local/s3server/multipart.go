package s3server

import (
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/johannesboyne/gofakes3"
	"go.etcd.io/bbolt"

	"sluice/deploy/local/store"
)

const maxPartNumber = 10000

// upload is a multipart upload under way, or the memory of one that was completed, for a client that asks again because the
// answer was lost.
type upload struct {
	Bucket    string            `json:"bucket"`
	Key       string            `json:"key"`
	Started   time.Time         `json:"started"`
	Header    map[string]string `json:"header,omitempty"`
	Meta      map[string]string `json:"meta,omitempty"`
	Algorithm string            `json:"algorithm,omitempty"` // of the checksums, lower case
	Type      string            `json:"type,omitempty"`      // of the object's checksum
	ETag      string            `json:"etag,omitempty"`      // once it is completed
}

// part is one part of an upload, durable.
type part struct {
	Number   int       `json:"number"`
	Body     string    `json:"body"`
	Size     int64     `json:"size"`
	MD5      string    `json:"md5"`
	Modified time.Time `json:"modified"`
	Checksum checksum  `json:"checksum,omitzero"`
}

// upload returns errNoSuchUpload for one that is not known for this key, or is completed.
func (t tablesIn) upload(id, bucket, key string) (*upload, error) {
	raw := t.root.Bucket(tableUploads).Get([]byte(id))
	if raw == nil {
		return nil, errNoSuchUpload
	}
	u, err := decode[upload](raw)
	if err == nil && (u.Bucket != bucket || u.Key != key) {
		err = errNoSuchUpload
	}
	return u, err
}

// parts calls f for the parts of an upload, by number.
func (t tablesIn) eachPart(id string, f func(*part) error) error {
	c := t.root.Bucket(tableParts).Cursor()
	for k, v := c.Seek(partKey(id, 0)); k != nil && strings.HasPrefix(string(k), id); k, v = c.Next() {
		p, err := decode[part](v)
		if err != nil {
			return err
		}
		if err := f(p); err != nil {
			return err
		}
	}
	return nil
}

// dropParts forgets the parts of an upload and returns their bodies.
func (t tablesIn) dropParts(id string) (bodies []string, err error) {
	var keys [][]byte
	err = t.eachPart(id, func(p *part) error {
		bodies, keys = append(bodies, p.Body), append(keys, partKey(id, p.Number))
		return nil
	})
	for _, k := range keys {
		if err == nil {
			err = t.root.Bucket(tableParts).Delete(k)
		}
	}
	return bodies, err
}

// dropUploads forgets the uploads that which picks, and returns the bodies of their parts.
func (t tablesIn) dropUploads(which func(id string, u *upload) bool) (bodies []string, err error) {
	var ids []string
	if err := t.eachUpload(func(id string, u *upload) {
		if which(id, u) {
			ids = append(ids, id)
		}
	}); err != nil {
		return nil, err
	}
	for _, id := range ids {
		more, err := t.dropParts(id)
		if err != nil {
			return nil, err
		}
		bodies = append(bodies, more...)
		if err := t.root.Bucket(tableUploads).Delete([]byte(id)); err != nil {
			return nil, err
		}
	}
	return bodies, nil
}

func (t tablesIn) eachUpload(f func(id string, u *upload)) error {
	return t.root.Bucket(tableUploads).ForEach(func(k, v []byte) error {
		u, err := decode[upload](v)
		if err == nil {
			f(string(k), u)
		}
		return err
	})
}

// newUpload reads what an upload's first request says.
func newUpload(h http.Header, bucket, key string, now time.Time) (*upload, error) {
	var rec record
	if err := readMetadata(h, &rec); err != nil {
		return nil, err
	}
	u := &upload{Bucket: bucket, Key: key, Started: now.UTC(), Header: rec.Header, Meta: rec.Meta}
	u.Algorithm = strings.ToLower(h.Get("X-Amz-Checksum-Algorithm"))
	if u.Algorithm == "" {
		return u, nil
	}
	if _, err := newChecksum(u.Algorithm); err != nil {
		return nil, err
	}
	isCRC := strings.HasPrefix(u.Algorithm, "crc")
	switch t := h.Get("X-Amz-Checksum-Type"); {
	case t == "" && u.Algorithm == "crc64nvme":
		u.Type = fullObject
	case t == "":
		u.Type = composite
	case t == fullObject && isCRC, t == composite && u.Algorithm != "crc64nvme":
		u.Type = t
	default:
		return nil, errInvalidRequest.because("The %s checksum type cannot be used with the %s checksum algorithm.", t, u.Algorithm)
	}
	return u, nil
}

// CreateMultipartUpload is called by the layer.
func (c *call) CreateMultipartUpload(bucket, key string, _ map[string]string) (gofakes3.UploadID, error) {
	c.s.sweepSometimes(c.ctx())
	u, err := newUpload(c.r.Header, bucket, key, c.s.opt.Now())
	if err != nil {
		return "", c.fail(err)
	}
	id := rand.Text()
	err = c.s.db.Update(c.ctx(), func(tx *bbolt.Tx) error {
		if tables(tx).bucket(bucket) == nil {
			return store.Unchanged(errNoSuchBucket)
		}
		return put(tables(tx).root.Bucket(tableUploads), []byte(id), u)
	})
	if u.Algorithm != "" {
		c.answer.Header().Set("X-Amz-Checksum-Algorithm", strings.ToUpper(u.Algorithm))
		c.answer.Header().Set("X-Amz-Checksum-Type", u.Type)
	}
	return gofakes3.UploadID(id), c.fail(err)
}

func partNumber(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > maxPartNumber {
		return 0, errInvalidArgument.because("Part number must be an integer between 1 and %d, inclusive", maxPartNumber)
	}
	return n, nil
}

// UploadPart is called by the layer. When it returns nil, the part is on the disk.
func (c *call) UploadPart(bucket, key string, id gofakes3.UploadID, _ int, _ int64, input io.Reader) (string, error) {
	number, err := partNumber(c.query.Get("partNumber"))
	if err != nil {
		return "", c.fail(err)
	}
	p, err := c.storePart(bucket, key, string(id), number, input, c.payload.length)
	if err != nil {
		return "", c.fail(err)
	}
	p.Checksum.setHeader(c.answer.Header())
	c.answer.Header().Del("X-Amz-Checksum-Type") // S3 says it of objects only
	return quote(p.MD5), nil
}

// storePart makes size bytes of input a part, in place of the one that had its number.
func (c *call) storePart(bucket, key, id string, number int, input io.Reader, size int64) (*part, error) {
	open := func(tx *bbolt.Tx) (*upload, error) {
		u, err := tables(tx).upload(id, bucket, key)
		if err == nil && u.ETag != "" {
			err = errNoSuchUpload
		}
		return u, err
	}
	var u *upload
	err := c.s.db.View(func(tx *bbolt.Tx) (err error) {
		u, err = open(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	sums := c.payload
	if sums == nil { // a copy: there is no body to verify, but a checksum to keep
		sums = &payload{body: input, length: size, left: size}
		input = sums
	}
	if err := sums.also(u.Algorithm); err != nil {
		return nil, err
	}
	p := &part{Number: number, Size: size}
	if p.Body, p.MD5, err = c.receive(input, size); err != nil {
		return nil, err
	}
	p.Checksum = sums.sum
	if u.Algorithm != "" {
		p.Checksum = checksum{u.Algorithm, sums.sumOf(u.Algorithm), fullObject}
	}
	var garbage string
	c.s.opt.step("before commit")
	err = c.s.db.Update(c.ctx(), func(tx *bbolt.Tx) error {
		garbage = ""
		if _, err := open(tx); err != nil {
			return store.Unchanged(err)
		}
		parts, k := tables(tx).root.Bucket(tableParts), partKey(id, number)
		if raw := parts.Get(k); raw != nil {
			old, err := decode[part](raw)
			if err != nil {
				return store.Unchanged(err)
			}
			garbage = old.Body
		}
		p.Modified = c.s.opt.Now().UTC()
		return put(parts, k, p)
	})
	c.s.opt.step("committed")
	if err == nil {
		c.s.bodies.remove(garbage)
	} else if _, unknown := errors.AsType[*store.BrokenError](err); !unknown {
		c.s.bodies.remove(p.Body)
	}
	return p, err
}

// AbortMultipartUpload is called by the layer.
func (c *call) AbortMultipartUpload(bucket, key string, id gofakes3.UploadID) error {
	var bodies []string
	err := c.s.db.UpdateEvenIfFull(c.ctx(), func(tx *bbolt.Tx) error {
		t := tables(tx)
		u, err := t.upload(string(id), bucket, key)
		if err == nil && u.ETag != "" {
			err = errNoSuchUpload
		}
		if err != nil {
			return store.Unchanged(err)
		}
		if bodies, err = t.dropParts(string(id)); err != nil {
			return err
		}
		return t.root.Bucket(tableUploads).Delete([]byte(id))
	})
	if err == nil {
		c.s.bodies.remove(bodies...)
	}
	return c.fail(err)
}

// ListParts is called by the layer.
func (c *call) ListParts(bucket, key string, id gofakes3.UploadID, marker int, limit int64) (*gofakes3.ListMultipartUploadPartsResult, error) {
	out := &gofakes3.ListMultipartUploadPartsResult{
		Bucket: bucket, Key: key, UploadID: id, PartNumberMarker: marker, MaxParts: limit,
		Initiator: owner(), Owner: owner(),
	}
	err := c.s.db.View(func(tx *bbolt.Tx) error {
		u, err := tables(tx).upload(string(id), bucket, key)
		if err == nil && u.ETag != "" {
			err = errNoSuchUpload
		}
		if err != nil {
			return err
		}
		return tables(tx).eachPart(string(id), func(p *part) error {
			switch {
			case p.Number <= marker:
			case int64(len(out.Parts)) == limit:
				out.IsTruncated = true
			default:
				out.Parts = append(out.Parts, gofakes3.ListMultipartUploadPartItem{
					PartNumber: p.Number, LastModified: gofakes3.NewContentTime(p.Modified), ETag: quote(p.MD5), Size: p.Size,
				})
				out.NextPartNumberMarker = p.Number
			}
			return nil
		})
	})
	return out, c.fail(err)
}

// ListMultipartUploads is called by the layer.
func (c *call) ListMultipartUploads(bucket string, marker *gofakes3.UploadListMarker, prefix gofakes3.Prefix, limit int64) (*gofakes3.ListMultipartUploadsResult, error) {
	out := &gofakes3.ListMultipartUploadsResult{Bucket: bucket, Prefix: prefix.Prefix, Delimiter: prefix.Delimiter, MaxUploads: limit}
	if marker != nil {
		out.KeyMarker, out.UploadIDMarker = marker.Object, marker.UploadID
	}
	var all []gofakes3.ListMultipartUploadItem
	err := c.s.db.View(func(tx *bbolt.Tx) error {
		return tables(tx).eachUpload(func(id string, u *upload) {
			if u.Bucket == bucket && u.ETag == "" && strings.HasPrefix(u.Key, prefix.Prefix) {
				all = append(all, gofakes3.ListMultipartUploadItem{
					Key: u.Key, UploadID: gofakes3.UploadID(id), Initiated: gofakes3.NewContentTime(u.Started),
					Initiator: owner(), Owner: owner(),
				})
			}
		})
	})
	if err != nil {
		return nil, c.fail(err)
	}
	slices.SortFunc(all, func(a, b gofakes3.ListMultipartUploadItem) int {
		return strings.Compare(a.Key+"\x00"+string(a.UploadID), b.Key+"\x00"+string(b.UploadID))
	})
	for _, u := range all {
		if marker != nil && (u.Key < marker.Object || u.Key == marker.Object && (marker.UploadID == "" || u.UploadID <= marker.UploadID)) {
			continue
		}
		shared := commonPrefix(u.Key, prefix.Prefix, prefix.Delimiter)
		if n := len(out.CommonPrefixes); shared != "" && n > 0 && out.CommonPrefixes[n-1].Prefix == shared {
			out.NextKeyMarker, out.NextUploadIDMarker = u.Key, u.UploadID
			continue
		}
		if int64(len(out.Uploads)+len(out.CommonPrefixes)) == limit {
			out.IsTruncated = true
			break
		}
		if shared != "" {
			out.CommonPrefixes = append(out.CommonPrefixes, gofakes3.CommonPrefix{Prefix: shared})
		} else {
			out.Uploads = append(out.Uploads, u)
		}
		out.NextKeyMarker, out.NextUploadIDMarker = u.Key, u.UploadID
	}
	if !out.IsTruncated {
		out.NextKeyMarker, out.NextUploadIDMarker = "", ""
	}
	return out, nil
}

func owner() *gofakes3.UserInfo { return &gofakes3.UserInfo{ID: "sluice", DisplayName: "sluice"} }
