package s3server

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"strings"

	"github.com/johannesboyne/gofakes3"
	"go.etcd.io/bbolt"

	"sluice/deploy/local/store"
)

// minPartBytes is S3's limit for every part but the last.
const minPartBytes = 5 << 20

// completion is what a client says of an upload when it completes it.
type completion struct {
	parts    []completedPart
	checksum checksum // of the whole object, if the client sent one
	size     int64    // of the whole object, -1 if it did not say
}

type completedPart struct {
	Number int
	ETag   string
	Sums   map[string]string // additional checksums by algorithm
}

func newCompletion(h http.Header) (completion, error) {
	c := completion{size: -1}
	algorithm, value, err := headerChecksum(h)
	if err != nil {
		return c, err
	}
	c.checksum = checksum{Algorithm: algorithm, Value: value, Type: h.Get("X-Amz-Checksum-Type")}
	if text := h.Get("X-Amz-Mp-Object-Size"); text != "" {
		if c.size, err = strconv.ParseInt(text, 10, 64); err != nil || c.size < 0 {
			return c, errInvalidArgument.because("x-amz-mp-object-size is no size.")
		}
	}
	return c, nil
}

// dropChecksums takes a request's checksum headers away.
func dropChecksums(h http.Header) {
	for name := range h {
		if strings.HasPrefix(name, "X-Amz-Checksum-") {
			h.Del(name)
		}
	}
}

// parse reads the list of parts.
func (c *completion) parse(body []byte) error {
	var in struct {
		Parts []struct {
			PartNumber int
			ETag       string
			Rest       []struct {
				XMLName xml.Name
				Value   string `xml:",chardata"`
			} `xml:",any"`
		} `xml:"Part"`
	}
	if err := xml.Unmarshal(body, &in); err != nil || len(in.Parts) == 0 || len(in.Parts) > maxPartNumber {
		return errMalformedXML
	}
	for i, p := range in.Parts {
		if i > 0 && p.PartNumber <= in.Parts[i-1].PartNumber {
			return errInvalidPartOrder
		}
		done := completedPart{Number: p.PartNumber, ETag: strings.Trim(p.ETag, `"`), Sums: map[string]string{}}
		for _, e := range p.Rest {
			if name, ok := strings.CutPrefix(e.XMLName.Local, "Checksum"); ok {
				done.Sums[strings.ToLower(name)] = strings.TrimSpace(e.Value)
			}
		}
		c.parts = append(c.parts, done)
	}
	return nil
}

// etag is what the ETag of the object will be, if the client is right about its parts.
func (c *completion) etag() (string, error) {
	h := md5.New()
	for _, p := range c.parts {
		sum, err := hex.DecodeString(p.ETag)
		if err != nil || len(sum) != md5.Size {
			return "", errInvalidPart
		}
		h.Write(sum)
	}
	return fmt.Sprintf("%x-%d", h.Sum(nil), len(c.parts)), nil
}

// CompleteMultipartUpload is called by the layer. When it returns nil, the object and its notice are on the disk.
func (c *call) CompleteMultipartUpload(bucket, key string, id gofakes3.UploadID, _ *gofakes3.CompleteMultipartUploadRequest) (gofakes3.VersionID, string, error) {
	etag, err := c.complete(bucket, key, string(id))
	return "", quote(etag), c.fail(err)
}

func (c *call) complete(bucket, key, id string) (string, error) {
	cond, err := newWriteConditions(c.r.Header)
	if err != nil {
		return "", err
	}
	etag, err := c.completed.etag()
	if err != nil {
		return "", err
	}
	leave, err := c.s.completions.enter(c.ctx(), id, func() { c.s.opt.step("completion waits") })
	if err != nil {
		return "", err
	}
	defer leave()
	u, parts, err := c.chosenParts(bucket, key, id)
	if err != nil {
		return "", err
	}
	if u.ETag != "" {
		if u.ETag == etag {
			return etag, nil // done before, and the answer was lost
		}
		return "", errNoSuchUpload
	}
	if err := c.precheck(bucket, key, cond); err != nil {
		return "", err
	}
	// From here on it is done even if nobody waits for it any more: whoever asks again finds it done.
	c.r = c.r.WithContext(context.WithoutCancel(c.ctx()))
	rec := &record{ETag: etag, Header: u.Header, Meta: u.Meta}
	if err := c.assemble(rec, u, parts); err != nil {
		return "", err
	}
	err = c.commit(change{bucket: bucket, key: key, rec: rec, cond: cond, event: createdComplete, also: func(t tablesIn) ([]string, error) {
		if err := t.sameParts(id, bucket, key, parts); err != nil {
			return nil, store.Unchanged(err)
		}
		bodies, err := t.dropParts(id)
		if err != nil {
			return nil, err
		}
		done := *u
		done.ETag, done.Started, done.Header, done.Meta = etag, c.s.opt.Now().UTC(), nil, nil
		return bodies, put(t.root.Bucket(tableUploads), []byte(id), &done)
	}})
	if err != nil {
		return "", err
	}
	return etag, nil
}

// sameParts checks that the parts an object was made of are still the upload's.
func (t tablesIn) sameParts(id, bucket, key string, parts []*part) error {
	u, err := t.upload(id, bucket, key)
	if err != nil {
		return err
	}
	if u.ETag != "" {
		return errNoSuchUpload
	}
	for _, p := range parts {
		raw := t.root.Bucket(tableParts).Get(partKey(id, p.Number))
		if raw == nil {
			return errInvalidPart
		}
		now, err := decode[part](raw)
		if err != nil {
			return err
		}
		if now.Body != p.Body {
			return errInvalidPart.because("Part %d was uploaded again meanwhile.", p.Number)
		}
	}
	return nil
}

// chosenParts finds the parts that the client lists and holds them to what it says of them.
func (c *call) chosenParts(bucket, key, id string) (u *upload, parts []*part, err error) {
	err = c.s.db.View(func(tx *bbolt.Tx) error {
		if u, err = tables(tx).upload(id, bucket, key); err != nil || u.ETag != "" {
			return err
		}
		for i, want := range c.completed.parts {
			raw := tables(tx).root.Bucket(tableParts).Get(partKey(id, want.Number))
			if raw == nil {
				return errInvalidPart.because("Part %d was not uploaded.", want.Number)
			}
			p, err := decode[part](raw)
			if err != nil {
				return err
			}
			if p.MD5 != want.ETag {
				return errInvalidPart.because("Part %d has another ETag.", want.Number)
			}
			if sum, ok := want.Sums[p.Checksum.Algorithm]; ok && sum != p.Checksum.Value {
				return errInvalidPart.because("Part %d has another checksum.", want.Number)
			}
			if i < len(c.completed.parts)-1 && p.Size < minPartBytes {
				return errEntityTooSmall.because("Part %d has %d bytes; every part but the last must have %d.", p.Number, p.Size, minPartBytes)
			}
			parts = append(parts, p)
		}
		return nil
	})
	return u, parts, err
}

// assemble writes the parts into one durable body and fills in what that tells of the object.
func (c *call) assemble(rec *record, u *upload, parts []*part) error {
	for _, p := range parts {
		rec.Size += p.Size
		rec.addPart(p.Size)
	}
	switch {
	case rec.Size > c.s.opt.MaxObjectBytes:
		return errEntityTooLarge.because("The object would have %d bytes and %d is the maximum.", rec.Size, c.s.opt.MaxObjectBytes)
	case c.completed.size >= 0 && c.completed.size != rec.Size:
		return errInvalidRequest.because("The provided 'x-amz-mp-object-size' header value %d does not match what was computed: %d", c.completed.size, rec.Size)
	}
	d, err := c.s.bodies.create(rec.Size)
	if err != nil {
		return err
	}
	if err := c.concatenate(d, rec, u, parts); err != nil {
		d.discard()
		return err
	}
	rec.Body = d.name
	return nil
}

func (c *call) concatenate(d *draft, rec *record, u *upload, parts []*part) error {
	whole := md5.New()
	also := []io.Writer{whole}
	sum, ofParts, err := newSums(u)
	if err != nil {
		return err
	}
	if sum != nil {
		also = append(also, sum)
	}
	for _, p := range parts {
		f, err := c.s.bodies.open(p.Body, p.Size)
		if errors.Is(err, fs.ErrNotExist) {
			return errInvalidPart.because("Part %d was uploaded again meanwhile.", p.Number)
		}
		if err != nil {
			return err
		}
		_, err = d.fill(f, also...)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		if ofParts != nil {
			raw, err := base64.StdEncoding.DecodeString(p.Checksum.Value)
			if err != nil || p.Checksum.Algorithm != u.Algorithm {
				return errInvalidPart.because("Part %d has no %s checksum.", p.Number, u.Algorithm)
			}
			ofParts.Write(raw)
		}
	}
	rec.MD5 = hex.EncodeToString(whole.Sum(nil))
	rec.Checksum = checksum{Algorithm: u.Algorithm, Type: u.Type}
	switch {
	case sum != nil:
		rec.Checksum.Value = base64.StdEncoding.EncodeToString(sum.Sum(nil))
	case ofParts != nil:
		rec.Checksum.Value = fmt.Sprintf("%s-%d", base64.StdEncoding.EncodeToString(ofParts.Sum(nil)), len(parts))
	}
	if want := c.completed.checksum; want.Algorithm != "" && want.Algorithm == u.Algorithm && want.Value != rec.Checksum.Value {
		return errBadDigest.because("The %s you specified did not match the calculated checksum.", strings.ToUpper(want.Algorithm))
	}
	return d.seal()
}
