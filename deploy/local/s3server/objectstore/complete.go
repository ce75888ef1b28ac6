package objectstore

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"strings"

	"sluice/deploy/local/s3server/checksum"
	"sluice/deploy/local/s3server/s3error"
	"sluice/deploy/local/store"
)

// MinPartBytes is S3's limit for every part but the last.
const MinPartBytes = 5 << 20

// Completion is what a client states about an upload when it completes it.
type Completion struct {
	Bucket, Key string
	UploadID    string
	Parts       []CompletedPart // in ascending order
	Checksum    checksum.Sum    // of the object; zero if the client did not state it
	Size        int64           // of the object; -1 if the client did not state it
	Conditions  Conditions
	Requester   Requester
}

// CompletedPart is a part that the client lists.
type CompletedPart struct {
	Number int
	ETag   string            // without quotes
	Sums   map[string]string // additional checksums by algorithm
}

// etag returns the ETag that the object has if the client lists its parts
// correctly.
func (c *Completion) etag() (string, error) {
	h := md5.New()
	for _, p := range c.Parts {
		sum, err := hex.DecodeString(p.ETag)
		if err != nil || len(sum) != md5.Size {
			return "", s3error.InvalidPart
		}
		h.Write(sum)
	}
	return fmt.Sprintf("%x-%d", h.Sum(nil), len(c.Parts)), nil
}

// CompleteUpload makes an object of the parts of an upload, and returns it. When it
// returns, the object and its S3 event are on the disk. A repeated completion
// returns the ETag of the first; its other fields are zero.
func (s *Store) CompleteUpload(ctx context.Context, c Completion) (*Object, error) {
	etag, err := c.etag()
	if err != nil {
		return nil, err
	}
	leave, err := s.completions.enter(ctx, c.UploadID, func() { s.opt.step("completion waits") })
	if err != nil {
		return nil, err
	}
	defer leave()
	u, parts, err := s.listedParts(c)
	if err != nil {
		return nil, err
	}
	if u.ETag != "" {
		if u.ETag == etag {
			return &Object{ETag: etag}, nil // completed before, and the response was lost
		}
		return nil, s3error.NoSuchUpload
	}
	if err := s.precheck(c.Bucket, c.Key, c.Conditions); err != nil {
		return nil, err
	}
	// A client that gives up here repeats the request and finds the upload completed.
	ctx = context.WithoutCancel(ctx)
	o := &Object{ETag: etag, Metadata: u.Metadata}
	if err := s.assemble(o, c, u, parts); err != nil {
		return nil, err
	}
	return o, s.commit(ctx, change{
		bucket: c.Bucket, key: c.Key, object: o, conditions: c.Conditions, event: createdComplete, by: c.Requester,
		also: func(x index) ([]string, error) { return s.finishUpload(x, c, u, parts, etag) },
	})
}

// finishUpload marks an upload as completed and removes its parts, if they are
// still the ones that the object was made of.
func (s *Store) finishUpload(x index, c Completion, u *upload, parts []*Part, etag string) (bodies []string, err error) {
	if err := x.checkParts(c, parts); err != nil {
		return nil, store.Unchanged(err)
	}
	if bodies, err = x.dropParts(c.UploadID); err != nil {
		return nil, err
	}
	done := *u
	done.ETag, done.Started, done.Metadata = etag, s.opt.Now().UTC(), Metadata{}
	return bodies, put(x.uploads(), []byte(c.UploadID), &done)
}

// checkParts checks that parts are still the parts of the upload.
func (x index) checkParts(c Completion, parts []*Part) error {
	if _, err := x.activeUpload(c.UploadID, c.Bucket, c.Key); err != nil {
		return err
	}
	for _, p := range parts {
		raw := x.parts().Get(partKey(c.UploadID, p.Number))
		if raw == nil {
			return s3error.InvalidPart
		}
		now, err := decode[Part](raw)
		if err != nil {
			return err
		}
		if now.Body != p.Body {
			return s3error.InvalidPart.WithMessage("Part %d was uploaded again meanwhile.", p.Number)
		}
	}
	return nil
}

// listedParts returns the upload and the parts that the client lists. The parts
// must match what the client states about them.
func (s *Store) listedParts(c Completion) (u *upload, parts []*Part, err error) {
	err = s.view(func(x index) error {
		if u, err = x.upload(c.UploadID, c.Bucket, c.Key); err != nil || u.ETag != "" {
			return err
		}
		for i, want := range c.Parts {
			raw := x.parts().Get(partKey(c.UploadID, want.Number))
			if raw == nil {
				return s3error.InvalidPart.WithMessage("Part %d was not uploaded.", want.Number)
			}
			p, err := decode[Part](raw)
			if err != nil {
				return err
			}
			if p.MD5 != want.ETag {
				return s3error.InvalidPart.WithMessage("Part %d has another ETag.", want.Number)
			}
			if sum, ok := want.Sums[p.Checksum.Algorithm]; ok && sum != p.Checksum.Value {
				return s3error.InvalidPart.WithMessage("Part %d has another checksum.", want.Number)
			}
			if i < len(c.Parts)-1 && p.Size < MinPartBytes {
				return s3error.EntityTooSmall.WithMessage("Part %d has %d bytes; every part but the last must have at least %d.", p.Number, p.Size, MinPartBytes)
			}
			parts = append(parts, p)
		}
		return nil
	})
	return u, parts, err
}

// assemble writes the parts into one durable body and completes o.
func (s *Store) assemble(o *Object, c Completion, u *upload, parts []*Part) error {
	for _, p := range parts {
		o.Size += p.Size
		o.addPart(p.Size)
	}
	switch {
	case o.Size > s.opt.maxObjectBytes:
		return s3error.EntityTooLarge.WithMessage("The object would have %d bytes, and %d is the maximum.", o.Size, s.opt.maxObjectBytes)
	case c.Size >= 0 && c.Size != o.Size:
		return s3error.InvalidRequest.WithMessage("The provided 'x-amz-mp-object-size' header value %d does not match what was computed: %d", c.Size, o.Size)
	}
	d, err := s.bodies.create(o.Size)
	if err != nil {
		return err
	}
	if err = s.concatenate(d, o, u, parts); err == nil {
		if want := c.Checksum; want.Algorithm != "" && want.Algorithm == u.Algorithm && want.Value != o.Checksum.Value {
			err = s3error.BadDigest.WithMessage("The %s you specified did not match the calculated checksum.", strings.ToUpper(want.Algorithm))
		}
	}
	if err == nil {
		err = d.seal()
	}
	if err != nil {
		d.discard()
		return err
	}
	o.Body = d.name
	return nil
}

// concatenate copies the parts to d and computes the MD5 and the checksum of o.
func (s *Store) concatenate(d *draft, o *Object, u *upload, parts []*Part) error {
	content := md5.New()
	hashes := []hash.Hash{content}
	whole, ofParts, err := u.hashes()
	if err != nil {
		return err
	}
	if whole != nil {
		hashes = append(hashes, whole)
	}
	for _, p := range parts {
		f, err := s.bodies.open(p.Body, p.Size)
		if errors.Is(err, fs.ErrNotExist) {
			return s3error.InvalidPart.WithMessage("Part %d was uploaded again meanwhile.", p.Number)
		}
		if err != nil {
			return err
		}
		_, err = d.fill(f, hashes...)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		if ofParts != nil {
			raw, err := base64.StdEncoding.DecodeString(p.Checksum.Value)
			if err != nil || p.Checksum.Algorithm != u.Algorithm {
				return s3error.InvalidPart.WithMessage("Part %d has no %s checksum.", p.Number, u.Algorithm)
			}
			ofParts.Write(raw)
		}
	}
	o.MD5 = hex.EncodeToString(content.Sum(nil))
	o.Checksum = checksum.Sum{Algorithm: u.Algorithm, Type: u.Type}
	switch {
	case whole != nil:
		o.Checksum.Value = base64.StdEncoding.EncodeToString(whole.Sum(nil))
	case ofParts != nil:
		o.Checksum.Value = fmt.Sprintf("%s-%d", base64.StdEncoding.EncodeToString(ofParts.Sum(nil)), len(parts))
	}
	return nil
}

// hashes returns the hash for the checksum of the object: one over all bytes, or
// one over the checksums of the parts. Both are nil without a checksum.
func (u *upload) hashes() (whole, ofParts hash.Hash, err error) {
	if u.Algorithm == "" {
		return nil, nil, nil
	}
	h, err := checksum.New(u.Algorithm)
	if u.Type == checksum.Composite {
		return nil, h, err
	}
	return h, nil, err
}
