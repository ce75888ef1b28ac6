package uploads

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"sluice/pipeline"
	"sluice/pipeline/lambdaevent"
	"sluice/thumbnail"
	"sluice/workers/schema"
)

// lookAgain bounds how often a picture that keeps changing is started over
// before its notice goes back to the queue.
const lookAgain = 5

// sourceETag is the metadata that a thumbnail carries: what it was made of.
const sourceETag = "source-etag"

// state is what was seen of an object. The zero state is an object that is gone.
type state struct {
	exists          bool
	etag, versionID string
}

func newState(etag, versionID *string) state {
	return state{true, strings.Trim(aws.ToString(etag), `"`), aws.ToString(versionID)}
}

// outcome is what the thumbnails were brought to.
type outcome struct {
	state
	picture *schema.Picture // nil: gone or rejected
	reason  string          // of a rejected one
}

// picture brings the thumbnails to what the object is now, whatever the notice
// said, and looks again until it has not changed meanwhile. So the last writer
// always saw what it wrote, and thumbnails converge however notices come.
//
// A removal whose object stands was followed by a creation, which has a notice of
// its own: there is nothing to do. Not so the removal of one version, or of a
// delete marker: what it leaves, an older version, has no other notice.
func (w *Worker) picture(ctx context.Context, n lambdaevent.S3Event) error {
	if n.Type == lambdaevent.Removed && !uncovers(n) && firstDelivery(ctx) {
		seen, err := w.look(ctx, n.Bucket, n.Key)
		if err != nil {
			return err
		}
		if seen.exists {
			w.log.InfoContext(ctx, "object was created again", "bucket", n.Bucket, "key", n.Key)
			return nil
		}
	}
	for range lookAgain {
		done, err := w.bring(ctx, n.Bucket, n.Key)
		if err != nil {
			return err
		}
		seen, err := w.look(ctx, n.Bucket, n.Key)
		if err != nil {
			return err
		}
		if seen == done.state {
			return w.tell(ctx, n, done)
		}
		w.log.InfoContext(ctx, "object changed meanwhile", "bucket", n.Bucket, "key", n.Key)
	}
	return fmt.Errorf("the object changed %d times while its thumbnails were made", lookAgain)
}

// uncovers reports whether a removal can have uncovered an older version.
func uncovers(n lambdaevent.S3Event) bool {
	return n.Type == lambdaevent.Removed && n.VersionID != "" && !n.DeleteMarker
}

// firstDelivery reports whether nobody has worked on the record before. What an
// earlier delivery wrote, and did not live to look at again, must be brought
// right, so it may not be left to the notices of others.
func firstDelivery(ctx context.Context) bool {
	r, ok := pipeline.RecordFrom(ctx)
	return ok && r.Attempt == 1
}

// tell announces the outcome if it is the notice's own: a notice of a creation
// whose object is gone leaves it to the removal's notice to say so, and the
// other way round, unless the removal uncovered what stands now.
func (w *Worker) tell(ctx context.Context, n lambdaevent.S3Event, done outcome) error {
	src := source(n, done.etag)
	if done.exists && (done.versionID != "" || uncovers(n)) {
		src.VersionID = done.versionID // not the one that went
	}
	switch removed := n.Type == lambdaevent.Removed; {
	case removed && !done.exists:
		return w.announce(ctx, n, schema.TypeImageRemoved, schema.ImageRemoved{Source: src})
	case removed && !uncovers(n) || !done.exists:
		return nil
	case done.picture == nil:
		return w.announce(ctx, n, schema.TypeImageRejected, schema.ImageRejected{Source: src, Reason: done.reason})
	default:
		return w.announce(ctx, n, schema.TypeImageProcessed, schema.ImageProcessed{Source: src, Picture: *done.picture})
	}
}

// bring makes the thumbnails of the object as it is now, or removes them where
// it is gone or no picture.
func (w *Worker) bring(ctx context.Context, bucket, key string) (outcome, error) {
	object, err := w.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if isNotFound(err) {
		return outcome{}, w.removeThumbnails(ctx, bucket, key)
	}
	if err != nil {
		return outcome{}, readError(bucket, key, err)
	}
	defer object.Body.Close()
	seen := newState(object.ETag, object.VersionId)

	var made *thumbnail.Result
	if err = w.checkKeys(bucket, key); err == nil {
		made, err = w.thumbnails(ctx, object)
	}
	if isRejection(err) {
		reason := rejection(err)
		w.log.InfoContext(ctx, "picture rejected", "bucket", bucket, "key", key, "reason", reason)
		return outcome{state: seen, reason: reason}, w.removeThumbnails(ctx, bucket, key)
	}
	if err != nil {
		return outcome{}, err
	}
	p := &schema.Picture{Format: made.Format, Width: made.Width, Height: made.Height, Bytes: aws.ToInt64(object.ContentLength)}
	for _, t := range made.Thumbnails {
		put, err := w.putThumbnail(ctx, bucket, key, seen, t)
		if err != nil {
			return outcome{}, err
		}
		p.Thumbnails = append(p.Thumbnails, put)
	}
	return outcome{state: seen, picture: p}, nil
}

// checkKeys refuses a picture if one of its thumbnails could not be written.
func (w *Worker) checkKeys(bucket, key string) error {
	for _, size := range w.options.Sizes {
		if out := w.template.key(size.Name(), bucket, key); len(out) > maxKeyBytes {
			return &keyTooLongError{size.String(), len(out)}
		}
	}
	return nil
}

// keyTooLongError says that a thumbnail's key would be longer than S3 takes.
type keyTooLongError struct {
	size  string
	bytes int
}

func (e *keyTooLongError) Error() string {
	return fmt.Sprintf("the key of the %s thumbnail would have %d bytes, the limit is %d: the name is too long for THUMBNAIL_KEY", e.size, e.bytes, maxKeyBytes)
}

// thumbnails decodes the object as it streams in. The memory of all pictures in
// hand is weighed by what their headers say.
func (w *Worker) thumbnails(ctx context.Context, object *s3.GetObjectOutput) (*thumbnail.Result, error) {
	p, err := thumbnail.Open(object.Body, w.options)
	if err != nil {
		return nil, err
	}
	if err := w.memory.Acquire(ctx, p.Cost()); err != nil {
		return nil, fmt.Errorf("wait for %d bytes of memory: %w", p.Cost(), err)
	}
	defer w.memory.Release(p.Cost())
	made, err := p.Thumbnails(ctx)
	if p.Cost() > w.options.MemoryBytes/4 {
		// The next picture would be decoded beside this one's remains: its planes
		// are a few large pieces, which the collector sees when they are there.
		runtime.GC()
	}
	return made, err
}

func (w *Worker) putThumbnail(ctx context.Context, bucket, key string, of state, t thumbnail.Thumbnail) (schema.Thumbnail, error) {
	out := schema.Thumbnail{
		Size: t.Size.String(), Bucket: w.config.ThumbnailBucket, Key: w.template.key(t.Size.Name(), bucket, key),
		Width: t.Width, Height: t.Height, Bytes: len(t.Data), ContentType: t.ContentType,
	}
	_, err := w.s3.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &out.Bucket, Key: &out.Key, Body: bytes.NewReader(t.Data), ContentLength: aws.Int64(int64(len(t.Data))),
		ContentType: &t.ContentType, CacheControl: &w.config.CacheControl,
		Metadata: map[string]string{sourceETag: of.etag},
	})
	if err != nil {
		return out, fmt.Errorf("write thumbnail %q: %w", out.Bucket+"/"+out.Key, err)
	}
	return out, nil
}

func (w *Worker) removeThumbnails(ctx context.Context, bucket, key string) error {
	var problems []error
	for _, size := range w.options.Sizes {
		out := w.template.key(size.Name(), bucket, key)
		if len(out) > maxKeyBytes {
			continue // it was never written
		}
		_, err := w.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &w.config.ThumbnailBucket, Key: &out})
		if err != nil && !isNotFound(err) {
			problems = append(problems, fmt.Errorf("remove thumbnail %q: %w", w.config.ThumbnailBucket+"/"+out, err))
		}
	}
	return errors.Join(problems...)
}

// look tells what the object is now.
func (w *Worker) look(ctx context.Context, bucket, key string) (state, error) {
	head, err := w.s3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: &key})
	if isNotFound(err) {
		return state{}, nil
	}
	if err != nil {
		return state{}, readError(bucket, key, err)
	}
	return newState(head.ETag, head.VersionId), nil
}

// isRejection reports whether no other delivery would make thumbnails of what
// the object is.
func isRejection(err error) bool {
	_, unsupported := errors.AsType[*thumbnail.UnsupportedError](err)
	_, tooLarge := errors.AsType[*thumbnail.TooLargeError](err)
	_, corrupt := errors.AsType[*thumbnail.CorruptError](err)
	_, keyTooLong := errors.AsType[*keyTooLongError](err)
	return unsupported || tooLarge || corrupt || keyTooLong
}

// rejection is the reason of a rejection. A limit is named by the worker's own
// setting.
func rejection(err error) string {
	if e, ok := errors.AsType[*thumbnail.TooLargeError](err); ok {
		named := *e
		named.Setting = map[string]string{
			"MaxPixels": "MAX_PIXELS", "MaxBytes": "MAX_BYTES", "MemoryBytes": "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
		}[e.Setting]
		return named.Error()
	}
	return err.Error()
}
