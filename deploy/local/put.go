package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"sluice/deploy/local/admin"
	"sluice/deploy/local/stack"
	"sluice/pipeline"
	"sluice/workers/schema"
)

// put uploads pictures over the S3 protocol, follows each one to the end, and
// prints the report.
func (c *command) put(ctx context.Context, s *admin.Client, paths []string) error {
	pictures, skipped, err := findPictures(paths)
	if err != nil {
		return err
	}
	for _, file := range skipped {
		fmt.Fprintf(c.stderr, "skipped %s: its name is not that of a picture\n", file)
	}
	start, err := s.Changes(ctx, "now")
	if err != nil {
		return err
	}
	f := newFollower(s, start.Last, c.wait)
	f.progress = c.stderr
	var problems []error
	for i, p := range pictures {
		etag, err := upload(ctx, s, p)
		switch {
		case err == nil:
			f.expect(p, etag)
			continue
		case ctx.Err() == nil: // the other uploads may succeed
			f.failed(p, err)
			problems = append(problems, fmt.Errorf("upload %s: %w", p.Path, err))
			continue
		}
		for _, p := range pictures[i:] {
			f.failed(p, err)
		}
		problems = append(problems, fmt.Errorf("%d of %d pictures were not uploaded: %w", len(pictures)-i, len(pictures), ctx.Err()))
		break
	}
	stuck := f.follow(ctx)
	if ctx.Err() != nil {
		// The report is printed also for a command that is interrupted.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), min(c.options.DrainLimit, 10*time.Second))
		defer cancel()
	}
	problems = append(problems, c.copyThumbnails(ctx, s, f.items))
	printReport(c.stdout, f.items)
	if stuck != nil {
		problems = append(problems, stuck, whereStuck(ctx, s))
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	for _, it := range f.items {
		if it.image.Status != schema.StatusReady {
			return errItemsFailed
		}
	}
	return nil
}

// upload puts one file into bucket uploads and returns its ETag.
func upload(ctx context.Context, s *admin.Client, p picture) (string, error) {
	file, err := os.Open(p.Path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	in := &s3.PutObjectInput{Bucket: aws.String(stack.BucketUploads), Key: &p.Key, Body: file, ContentLength: &p.Size}
	if t := mime.TypeByExtension(filepath.Ext(p.Path)); t != "" {
		in.ContentType = &t
	}
	out, err := s.S3.PutObject(ctx, in)
	if err != nil {
		return "", err
	}
	return aws.ToString(out.ETag), nil
}

// copyThumbnails writes the thumbnails to disk and sets each item's files. Its
// error names the thumbnails that it could not write.
func (c *command) copyThumbnails(ctx context.Context, s *admin.Client, items []*item) error {
	dir := c.out
	if dir == "" {
		dir = filepath.Join(c.options.Dir, "thumbnails")
	}
	var problems []error
	for _, it := range items {
		if it.image.Picture == nil {
			continue
		}
		for _, t := range it.image.Thumbnails {
			path, err := download(ctx, s, t, dir)
			if err != nil {
				problems = append(problems, fmt.Errorf("copy thumbnail %s: %w", t.Key, err))
				continue
			}
			it.files = append(it.files, path)
		}
	}
	return errors.Join(problems...)
}

func download(ctx context.Context, s *admin.Client, t schema.Thumbnail, dir string) (string, error) {
	path := filepath.Join(dir, fileName(t.Key))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	object, err := s.S3.GetObject(ctx, &s3.GetObjectInput{Bucket: &t.Bucket, Key: &t.Key})
	if err != nil {
		return "", err
	}
	defer object.Body.Close()
	file, err := os.CreateTemp(dir, stack.TempThumbnail)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(file, object.Body)
	if err = errors.Join(err, file.Chmod(0o644), file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		_ = os.Remove(file.Name())
	}
	return path, err
}

// fileName is the file name of a key, without a leading "thumbnails/": the key
// itself where it is a local path, else a digest of it.
func fileName(key string) string {
	name := strings.TrimPrefix(key, "thumbnails/")
	if local := filepath.FromSlash(name); filepath.IsLocal(local) && filepath.ToSlash(filepath.Clean(local)) == name {
		long := false
		for part := range strings.SplitSeq(name, "/") {
			long = long || len(part) > 200
		}
		if !long {
			return local
		}
	}
	return "key-" + pipeline.DeriveID(key) + filepath.Ext(filepath.Base(key))
}

// whereStuck describes what is still queued, and the dead letters.
func whereStuck(ctx context.Context, s *admin.Client) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	var lines []error
	if idle, err := s.Idle(ctx); err == nil {
		for _, q := range idle.Queues {
			lines = append(lines, fmt.Errorf("queue %s: %d waiting, %d in flight, %d delayed", q.Queue, q.Ready, q.InFlight, q.Delayed))
		}
	}
	deadLetters, err := s.DeadLetters(ctx)
	for _, l := range deadLetters {
		lines = append(lines, fmt.Errorf("dead letter in %s: %s", l.Queue, l.Reason))
	}
	return errors.Join(append(lines, err)...)
}
