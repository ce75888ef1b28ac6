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

// maxReconciles is how often a picture that keeps changing is started over before
// its S3 event is retried.
const maxReconciles = 5

// sourceETag is the metadata of a thumbnail with the ETag of its source.
const sourceETag = "source-etag"

// state identifies the content of an object. The zero state means that the object
// is gone.
type state struct {
	exists          bool
	etag, versionID string
}

func newState(etag, versionID *string) state {
	return state{true, strings.Trim(aws.ToString(etag), `"`), aws.ToString(versionID)}
}

// outcome is the result of reconcile.
type outcome struct {
	state
	picture *schema.Picture // nil if the object is gone or rejected
	reason  string          // of a rejection
}

// picture reconciles the thumbnails with the object as it is now, whatever the S3
// event says, and repeats it if the object has changed meanwhile. The last writer
// has therefore seen the content that its thumbnails show, so they converge
// whatever the order of events.
//
// A removal whose object exists was followed by a creation with an S3 event of its
// own, so nothing is left to do. The removal of a version or of a delete marker
// is different: the older version that it uncovers has no other S3 event.
func (w *Worker) picture(ctx context.Context, e lambdaevent.S3Event) error {
	if e.Type == lambdaevent.Removed && !uncovers(e) && firstDelivery(ctx) {
		seen, err := w.head(ctx, e.Bucket, e.Key)
		if err != nil {
			return err
		}
		if seen.exists {
			w.log.InfoContext(ctx, "object was created again", "bucket", e.Bucket, "key", e.Key)
			return nil
		}
	}
	for range maxReconciles {
		done, err := w.reconcile(ctx, e.Bucket, e.Key)
		if err != nil {
			return err
		}
		seen, err := w.head(ctx, e.Bucket, e.Key)
		if err != nil {
			return err
		}
		if seen == done.state {
			return w.report(ctx, e, done)
		}
		w.log.InfoContext(ctx, "object changed, starting over", "bucket", e.Bucket, "key", e.Key)
	}
	return fmt.Errorf("the object changed %d times while its thumbnails were made: retry", maxReconciles)
}

// uncovers reports whether a removal can have uncovered an older version.
func uncovers(e lambdaevent.S3Event) bool {
	return e.Type == lambdaevent.Removed && e.VersionID != "" && !e.DeleteMarker
}

// firstDelivery reports whether the record is delivered for the first time. An
// earlier delivery may have written thumbnails without checking the object
// afterwards, so a later one cannot leave them to other S3 events.
func firstDelivery(ctx context.Context) bool {
	r, ok := pipeline.RecordFrom(ctx)
	return ok && r.Attempt == 1
}

// report announces the outcome if it is the one of the S3 event. The event of a
// creation whose object is gone leaves that to the event of the removal, and the
// reverse, unless the removal uncovered the present version.
func (w *Worker) report(ctx context.Context, e lambdaevent.S3Event, done outcome) error {
	src := source(e, done.etag)
	if done.exists && (done.versionID != "" || uncovers(e)) {
		src.VersionID = done.versionID // instead of the removed one
	}
	switch removed := e.Type == lambdaevent.Removed; {
	case removed && !done.exists:
		return w.announce(ctx, e, schema.TypeImageRemoved, schema.ImageRemoved{Source: src})
	case removed && !uncovers(e) || !done.exists:
		return nil
	case done.picture == nil:
		return w.announce(ctx, e, schema.TypeImageRejected, schema.ImageRejected{Source: src, Reason: done.reason})
	default:
		return w.announce(ctx, e, schema.TypeImageProcessed, schema.ImageProcessed{Source: src, Picture: *done.picture})
	}
}

// reconcile makes the thumbnails of the object as it is now. It removes them if the
// object is gone or is not a picture.
func (w *Worker) reconcile(ctx context.Context, bucket, key string) (outcome, error) {
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

// checkKeys returns an error if the key of a thumbnail is too long for S3.
func (w *Worker) checkKeys(bucket, key string) error {
	for _, size := range w.options.Sizes {
		if out := w.template.key(size.Name(), bucket, key); len(out) > maxKeyBytes {
			return &keyTooLongError{size.String(), len(out)}
		}
	}
	return nil
}

// keyTooLongError reports a thumbnail's key that is longer than S3 accepts.
type keyTooLongError struct {
	size  string
	bytes int
}

func (e *keyTooLongError) Error() string {
	return fmt.Sprintf("key of the %s thumbnail: got %d bytes, want %d at most: shorten the object's key or THUMBNAIL_KEY", e.size, e.bytes, maxKeyBytes)
}

// thumbnails decodes the object as it streams in. All pictures in progress share
// the worker's memory, by the costs that their headers imply.
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
		// The planes of a large picture are a few large allocations. They are freed
		// before the next picture is decoded, so that both need not fit.
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
			continue // no thumbnail was written
		}
		_, err := w.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &w.config.ThumbnailBucket, Key: &out})
		if err != nil && !isNotFound(err) {
			problems = append(problems, fmt.Errorf("remove thumbnail %q: %w", w.config.ThumbnailBucket+"/"+out, err))
		}
	}
	return errors.Join(problems...)
}

// head returns the present state of the object.
func (w *Worker) head(ctx context.Context, bucket, key string) (state, error) {
	head, err := w.s3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: &key})
	if isNotFound(err) {
		return state{}, nil
	}
	if err != nil {
		return state{}, readError(bucket, key, err)
	}
	return newState(head.ETag, head.VersionId), nil
}

// isRejection reports whether retrying cannot make thumbnails of the object.
func isRejection(err error) bool {
	_, unsupported := errors.AsType[*thumbnail.UnsupportedError](err)
	_, tooLarge := errors.AsType[*thumbnail.TooLargeError](err)
	_, corrupt := errors.AsType[*thumbnail.CorruptError](err)
	_, keyTooLong := errors.AsType[*keyTooLongError](err)
	return unsupported || tooLarge || corrupt || keyTooLong
}

// rejection returns the reason of a rejection. It names a limit by the worker's
// environment variable.
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
