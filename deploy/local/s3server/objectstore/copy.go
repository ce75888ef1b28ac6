package objectstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"sluice/deploy/local/s3server/checksum"
	"sluice/deploy/local/s3server/s3error"
)

// maxCopyBytes is S3's limit for a copy in one request.
const maxCopyBytes = 5 << 30

// Copy is a copy of an object within the store.
type Copy struct {
	SourceBucket, SourceKey string
	Bucket, Key             string

	// Accept refuses a source by its error. The source may be replaced during the
	// copy; then Accept is called again.
	Accept func(source *Object) error

	Metadata   *Metadata // nil keeps the source's
	Conditions Conditions
	Requester  Requester
}

// Copy copies an object. A body never changes, so the copy is a second name for the
// file where the file system has links.
func (s *Store) Copy(ctx context.Context, c Copy) (*Object, error) {
	o, err := s.linkSource(c)
	if err != nil {
		return nil, err
	}
	if c.Metadata != nil {
		o.Metadata = *c.Metadata
	}
	return o, s.commit(ctx, change{bucket: c.Bucket, key: c.Key, object: o, conditions: c.Conditions, event: createdCopy, by: c.Requester})
}

// linkSource returns a copy of the source with a durable body of its own.
func (s *Store) linkSource(c Copy) (*Object, error) {
	for {
		src, err := s.Stat(c.SourceBucket, c.SourceKey)
		if err != nil {
			return nil, err
		}
		if err := c.Accept(src); err != nil {
			return nil, err
		}
		if src.Size > maxCopyBytes {
			return nil, s3error.InvalidRequest.WithMessage("The specified copy source is larger than the maximum allowable size for a copy source: %d", maxCopyBytes)
		}
		o := &Object{Size: src.Size, ETag: src.contentMD5(), Metadata: src.Metadata}
		if src.Checksum.Type == checksum.FullObject {
			o.Checksum = src.Checksum
		}
		s.opt.step("source read")
		o.Body, err = s.duplicate(src)
		if !errors.Is(err, fs.ErrNotExist) {
			return o, err
		}
		// If the source was replaced since Stat, there is another body to link.
		if again, err2 := s.Stat(c.SourceBucket, c.SourceKey); err2 != nil || again.Body == src.Body {
			return nil, errors.Join(fmt.Errorf("the body of %q in bucket %q is missing: %w", c.SourceKey, c.SourceBucket, err), err2)
		}
	}
}

// duplicate links the body, or copies it where the file system has no links.
func (s *Store) duplicate(src *Object) (string, error) {
	f, err := s.bodies.open(src.Body, src.Size)
	if err != nil {
		return "", err
	}
	defer f.Close()
	name, err := s.bodies.link(src.Body)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return name, err
	}
	name, _, err = s.receive(&copiedBody{Reader: f, size: src.Size})
	return name, err
}

// PartCopy is a part of a multipart upload that is made of an existing object.
type PartCopy struct {
	SourceBucket, SourceKey string
	UploadPart

	// Choose returns the range to copy, or refuses the source.
	Choose func(source *Object) (Range, error)
}

// CopyPart stores a range of an object as a part. The Body of c is not used.
func (s *Store) CopyPart(ctx context.Context, c PartCopy) (*Part, error) {
	src, f, err := s.Open(c.SourceBucket, c.SourceKey)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := c.Choose(src)
	if err != nil {
		return nil, err
	}
	c.Body = &copiedBody{Reader: io.NewSectionReader(f, r.Start, r.Length), size: r.Length}
	return s.PutPart(ctx, c.UploadPart)
}
