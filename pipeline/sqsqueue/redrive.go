package sqsqueue

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"sluice/pipeline"
)

// maxObjectBytes limits the object of a body. No record exceeds the payload limit
// of Lambda.
const maxObjectBytes = 6 << 20

// Open is the innermost middleware of a worker. It decodes the body of a redriven
// dead letter, so that the handler receives the original one. Other records pass
// unchanged.
//
// Anyone who can send to the queue can set attributes, so Open only reads objects
// that Write creates: those of Worker in Bucket. A dead letter that cannot be
// decoded is Permanent. A failure to read the object is retried.
func (d DeadLetters) Open(next pipeline.Handler) pipeline.Handler {
	return func(ctx context.Context, r pipeline.Record) error {
		encoding := r.Attrs[AttrEncoding]
		if encoding == "" {
			return next(ctx, r)
		}
		body, err := d.open(ctx, encoding, r.Body)
		if err != nil {
			return fmt.Errorf("open dead letter: %w", err)
		}
		r.Body, r.Attrs = body, maps.Clone(r.Attrs)
		delete(r.Attrs, AttrEncoding)
		return next(ctx, r)
	}
}

func (d DeadLetters) open(ctx context.Context, encoding string, body []byte) ([]byte, error) {
	switch encoding {
	case EncodingBase64:
		raw, err := base64.StdEncoding.AppendDecode(nil, body)
		if err != nil {
			return nil, pipeline.Permanentf("%s is %q, but the body is not base64: %w", AttrEncoding, encoding, err)
		}
		return raw, nil
	case EncodingS3:
		var p DeadLetterPointer
		if err := pipeline.DecodeJSON(body, &p); err != nil {
			return nil, pipeline.Permanentf("%s is %q, but the body is not a pointer: %w", AttrEncoding, encoding, err)
		}
		if err := d.check(p); err != nil {
			return nil, pipeline.Permanent(err)
		}
		return d.read(ctx, p)
	}
	return nil, pipeline.Permanentf("%s is %q, want %q or %q", AttrEncoding, encoding, EncodingBase64, EncodingS3)
}

// check returns an error if Write cannot have written p.
func (d DeadLetters) check(p DeadLetterPointer) error {
	if d.Bucket == "" {
		return fmt.Errorf("body in bucket %q, but this worker has no bucket for dead letters", p.Bucket)
	}
	digest, ok := strings.CutPrefix(p.Key, objectPrefix(d.Worker))
	if p.Bucket != d.Bucket || !ok || !isDigest(digest) {
		return fmt.Errorf("pointer: got %q, want a dead letter under %q", p.Bucket+"/"+p.Key, d.Bucket+"/"+objectPrefix(d.Worker))
	}
	if p.Bytes < 1 || p.Bytes > maxObjectBytes {
		return fmt.Errorf("pointer: got %d bytes, want 1 to %d", p.Bytes, maxObjectBytes)
	}
	return nil
}

// isDigest reports whether s has the form of a pipeline.DeriveID.
func isDigest(s string) bool {
	return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == ""
}

func (d DeadLetters) read(ctx context.Context, p DeadLetterPointer) ([]byte, error) {
	name := p.Bucket + "/" + p.Key
	object, err := d.Objects.GetObject(ctx, &s3.GetObjectInput{Bucket: &p.Bucket, Key: &p.Key})
	if _, gone := errors.AsType[*s3types.NoSuchKey](err); gone {
		return nil, pipeline.Permanentf("body %q is gone", name)
	}
	if err != nil {
		return nil, fmt.Errorf("read body %q: %w", name, err)
	}
	defer object.Body.Close()
	body, err := io.ReadAll(io.LimitReader(object.Body, int64(p.Bytes)+1))
	if err != nil {
		return nil, fmt.Errorf("read body %q: %w", name, err)
	}
	if len(body) != p.Bytes {
		return nil, pipeline.Permanentf("body %q: got another size than the %d bytes that were written", name, p.Bytes)
	}
	return body, nil
}
