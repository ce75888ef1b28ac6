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

// maxLetterObject bounds what is read of a letter's object: no record is longer
// than Lambda's event.
const maxLetterObject = 6 << 20

// Open wraps a worker's handler, as the innermost of what wraps it, so that a
// redriven letter's body is again what it was when it was sent. Records that are
// no such letters pass as they are.
//
// Whoever may send to the queue may set attributes. So nothing is read but what
// Write puts down: in Bucket, among the letters of Worker. A letter that cannot be
// opened, ever, is Permanent; one whose object cannot be read now is retried.
func (d DeadLetters) Open(next pipeline.Handler) pipeline.Handler {
	return func(ctx context.Context, r pipeline.Record) error {
		encoding := r.Attrs[AttrEncoding]
		if encoding == "" {
			return next(ctx, r)
		}
		body, err := d.open(ctx, encoding, r.Body)
		if err != nil {
			return fmt.Errorf("open letter: %w", err)
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
			return nil, pipeline.Permanentf("%s is %s, but the body is not: %w", AttrEncoding, encoding, err)
		}
		return raw, nil
	case EncodingS3:
		var p DeadLetterPointer
		if err := pipeline.DecodeJSON(body, &p); err != nil {
			return nil, pipeline.Permanentf("%s is %s, but the body points nowhere: %w", AttrEncoding, encoding, err)
		}
		if err := d.own(p); err != nil {
			return nil, pipeline.Permanent(err)
		}
		return d.read(ctx, p)
	}
	return nil, pipeline.Permanentf("%s is %q, known are %q and %q", AttrEncoding, encoding, EncodingBase64, EncodingS3)
}

// own reports why p is no pointer that Write could have made.
func (d DeadLetters) own(p DeadLetterPointer) error {
	if d.Bucket == "" {
		return fmt.Errorf("its body is in bucket %q, and this worker has none for letters", p.Bucket)
	}
	digest, ok := strings.CutPrefix(p.Key, letterPrefix(d.Worker))
	if p.Bucket != d.Bucket || !ok || !isDigest(digest) {
		return fmt.Errorf("it points to %q, which is no letter under %q", p.Bucket+"/"+p.Key, d.Bucket+"/"+letterPrefix(d.Worker))
	}
	if p.Bytes < 1 || p.Bytes > maxLetterObject {
		return fmt.Errorf("it points to %d bytes, 1 to %d can be", p.Bytes, maxLetterObject)
	}
	return nil
}

// isDigest reports whether s is what pipeline.DeriveID gives.
func isDigest(s string) bool {
	return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == ""
}

func (d DeadLetters) read(ctx context.Context, p DeadLetterPointer) ([]byte, error) {
	name := p.Bucket + "/" + p.Key
	object, err := d.Objects.GetObject(ctx, &s3.GetObjectInput{Bucket: &p.Bucket, Key: &p.Key})
	if _, gone := errors.AsType[*s3types.NoSuchKey](err); gone {
		return nil, pipeline.Permanentf("its body %q is gone", name)
	}
	if err != nil {
		return nil, fmt.Errorf("read its body %q: %w", name, err)
	}
	defer object.Body.Close()
	body, err := io.ReadAll(io.LimitReader(object.Body, int64(p.Bytes)+1))
	if err != nil {
		return nil, fmt.Errorf("read its body %q: %w", name, err)
	}
	if len(body) != p.Bytes {
		return nil, pipeline.Permanentf("its body %q is not of the %d bytes that were written", name, p.Bytes)
	}
	return body, nil
}
