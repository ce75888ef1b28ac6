package objectstore_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"sluice/deploy/local/s3server/objectstore"
	"sluice/deploy/local/s3server/s3test"
	"sluice/deploy/local/store"
)

// journal records the order of syncs and responses.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

func (j *journal) take() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	lines := j.lines
	j.lines = nil
	return lines
}

// The body is synced, then its name, then the transaction with the S3 event, and
// only then the client gets its response.
func TestSyncsPrecedeTheResponse(t *testing.T) {
	t.Parallel()
	var j journal
	h := s3test.New(t, t.TempDir(), objectstore.Options{}, store.Options{Synced: func(int) { j.add("transaction") }})
	h.Objects.ReplaceSync(func(f *os.File) error {
		fi, err := f.Stat()
		if err != nil {
			return err
		}
		if fi.IsDir() {
			j.add("folder")
		} else {
			j.add("body of " + strconv.Itoa(int(fi.Size())))
		}
		return f.Sync()
	})
	j.take()
	check := func(operation string, want ...string) {
		t.Helper()
		j.add("response")
		if got := j.take(); !slices.Equal(got, append(want, "response")) {
			t.Errorf("%s: got %v, want %v", operation, got, want)
		}
	}
	h.Put(t, "k", "hello")
	check("put", "body of 5", "folder", "transaction")
	if _, err := h.Client.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: aws.String(bucket), Key: aws.String("c"), CopySource: aws.String(bucket + "/k")}); err != nil {
		t.Fatal(err)
	}
	check("copy", "folder", "transaction")
	if _, err := h.Client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("k")}); err != nil {
		t.Fatal(err)
	}
	check("delete", "transaction")
	u := h.Begin(t, "m")
	check("begin", "transaction")
	h.Part(t, u, 1, "part!!")
	check("part", "body of 6", "folder", "transaction")
	if _, err := h.Complete(t, u); err != nil {
		t.Fatal(err)
	}
	check("complete", "body of 6", "folder", "transaction")
	if err := h.Objects.EnsureBucket(t.Context(), "another"); err != nil {
		t.Fatal(err)
	}
	check("bucket", "transaction")
	u = h.Begin(t, "copied")
	check("begin", "transaction")
	if _, err := h.Client.UploadPartCopy(t.Context(), &s3.UploadPartCopyInput{
		Bucket: aws.String(bucket), Key: &u.Key, UploadId: &u.ID, PartNumber: aws.Int32(1), CopySource: aws.String(bucket + "/c"),
	}); err != nil {
		t.Fatal(err)
	}
	check("part by copy", "body of 5", "folder", "transaction")
	if _, err := h.Client.AbortMultipartUpload(t.Context(), &s3.AbortMultipartUploadInput{Bucket: aws.String(bucket), Key: &u.Key, UploadId: &u.ID}); err != nil {
		t.Fatal(err)
	}
	check("abort", "transaction")
	if _, err := h.Client.DeleteObjects(t.Context(), &s3.DeleteObjectsInput{
		Bucket: aws.String(bucket), Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: aws.String("c")}, {Key: aws.String("m")}}},
	}); err != nil {
		t.Fatal(err)
	}
	check("delete many", "transaction")
	if _, err := h.Client.DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: aws.String("another")}); err != nil {
		t.Fatal(err)
	}
	check("delete bucket", "transaction")
}

// A file system that cannot sync folders still accepts uploads.
func TestUploadsWithoutFolderSync(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	h.Objects.ReplaceSync(func(f *os.File) error {
		if fi, err := f.Stat(); err != nil || fi.IsDir() {
			return &os.PathError{Op: "sync", Path: f.Name(), Err: syscall.EINVAL}
		}
		return f.Sync()
	})
	h.Put(t, "k", "hello")
	if got, _ := h.Get(t, "k"); got != "hello" {
		t.Errorf("got %q", got)
	}
}

// A key that looks like a path into another bucket is an ordinary key.
func TestKeysAreNotPaths(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	if err := h.Objects.EnsureBucket(t.Context(), "other"); err != nil {
		t.Fatal(err)
	}
	inOther := func() (string, error) {
		out, err := h.Client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("other"), Key: aws.String("k")})
		if err != nil {
			return "", err
		}
		defer out.Body.Close()
		b, err := io.ReadAll(out.Body)
		return string(b), err
	}
	if _, err := h.Client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("other"), Key: aws.String("k"), Body: strings.NewReader("theirs")}); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"../other/k", "a/../../other/k", "./../other/k", "..%2Fother%2Fk"} {
		h.Put(t, key, "ours at "+key)
		if got, _ := h.Get(t, key); got != "ours at "+key {
			t.Errorf("%q: got %q", key, got)
		}
		if got, err := inOther(); got != "theirs" || err != nil {
			t.Errorf("%q changed the other bucket: got %q, %v", key, got, err)
		}
		if _, err := h.Client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: &key}); err != nil {
			t.Error(err)
		}
		if got, err := inOther(); got != "theirs" || err != nil {
			t.Errorf("deleting %q changed the other bucket: got %q, %v", key, got, err)
		}
	}
	// Sent unescaped, which SDKs do not do.
	for _, target := range []string{"/uploads/../other/k", "/uploads/%2e%2e/other/k", "/uploads/..%2fother/k"} {
		if code, _, body := h.Do(t, s3test.Request{Method: "PUT", Target: target, Body: "ours", Header: map[string]string{}}); code != 200 {
			t.Errorf("PUT %s: got %d %s", target, code, body)
		}
		if got, err := inOther(); got != "theirs" || err != nil {
			t.Errorf("PUT %s changed the other bucket: got %q, %v", target, got, err)
		}
	}
}

// A body whose sync fails is neither acknowledged nor kept.
func TestFailedSyncRefusesTheUpload(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	h.Put(t, "k", "old")
	real := h.Objects.ReplaceSync((*os.File).Sync)
	for _, folder := range []bool{false, true} {
		h.Objects.ReplaceSync(func(f *os.File) error {
			if fi, err := f.Stat(); err != nil || fi.IsDir() == folder {
				return errors.Join(syscall.EIO, err)
			}
			return real(f)
		})
		_, err := h.Client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), Body: strings.NewReader("new")})
		s3test.WantCode(t, err, "InternalError")
		if got, _ := h.Get(t, "k"); got != "old" {
			t.Errorf("folder %v: got %q", folder, got)
		}
		if n := h.Bodies(t); n != 1 {
			t.Errorf("folder %v: %d bodies, want 1", folder, n)
		}
	}
}

// fullAfter fails like a full disk once n bytes are written.
type fullAfter struct {
	w io.Writer
	n int
}

func (f *fullAfter) Write(b []byte) (int, error) {
	if len(b) > f.n {
		n, _ := f.w.Write(b[:f.n])
		f.n = 0
		return n, &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
	}
	f.n -= len(b)
	return f.w.Write(b)
}

func TestFullDiskRefusesUploads(t *testing.T) {
	t.Parallel()
	h := s3test.Fresh(t)
	h.Put(t, "k", "old")
	u := h.Begin(t, "parts")
	h.Part(t, u, 1, "some")
	events := len(h.Events(t))
	big := s3test.Random(1, 1<<20)
	attempts := map[string]func() error{
		"put": func() error {
			_, err := h.Client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), Body: bytes.NewReader(big)})
			return err
		},
		"part": func() error {
			_, err := h.Client.UploadPart(t.Context(), &s3.UploadPartInput{Bucket: aws.String(bucket), Key: &u.Key, UploadId: &u.ID, PartNumber: aws.Int32(1), Body: bytes.NewReader(big)})
			return err
		},
		"complete": func() error { _, err := h.Complete(t, u); return err },
	}
	check := func(when string) {
		t.Helper()
		for name, attempt := range attempts {
			err := attempt()
			s3test.WantCode(t, err, "InsufficientStorage")
			s3test.WantStatus(t, err, 507)
			if got, _ := h.Get(t, "k"); got != "old" {
				t.Errorf("%s, %s: the object changed", when, name)
			}
			if n := h.Bodies(t); n != 2 {
				t.Errorf("%s, %s: %d bodies, want 2", when, name, n)
			}
		}
	}
	h.Objects.WrapBodies(func(w io.Writer) io.Writer { return &fullAfter{w, 3} })
	check("while it is written")
	h.Objects.WrapBodies(func(w io.Writer) io.Writer { return w })
	h.Objects.SetFree(func(string) (int64, bool) { return 64<<20 - 1, true })
	check("before it is written")
	if n := len(h.Events(t)); n != events {
		t.Errorf("%d events more", n-events)
	}
	h.Objects.SetFree(func(string) (int64, bool) { return 1 << 40, true })
	h.Put(t, "k", "room again")
	if _, err := h.Complete(t, u); err != nil {
		t.Errorf("complete after the disk was full: %v", err)
	}
}

// The local file itself may have no room. Deleting still works then and makes room.
func TestFullLocalFileStillDeletes(t *testing.T) {
	t.Parallel()
	h := s3test.New(t, t.TempDir(), objectstore.Options{}, store.Options{NoSync: true, MaxBytes: 2 << 20, ReserveBytes: 1 << 20})
	var err error
	n := 0
	key := func(i int) string { return strconv.Itoa(i) + strings.Repeat("k", 1000) }
	put := func(i int) error {
		_, err := h.Client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String(key(i)), Body: strings.NewReader("x")})
		return err
	}
	for ; err == nil && n < 5000; n++ {
		err = put(n)
	}
	n-- // the last one was refused
	s3test.WantCode(t, err, "InsufficientStorage")
	if files, events := h.Bodies(t), len(h.Events(t)); files != n || events != n {
		t.Errorf("%d uploads were acknowledged; got %d bodies and %d events", n, files, events)
	}
	for i := range n {
		if _, err := h.Client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String(key(i))}); err != nil {
			t.Fatalf("delete %d of %d in a full store: %v", i, n, err)
		}
		if i == 0 { // as workers do
			h.DropEvents(t)
		}
	}
	if err := put(0); err != nil {
		t.Errorf("put after the deletions: %v", err)
	}
}

// The error of a start without access to the folder names the folder.
func TestOpenNamesTheFolderWithoutAccess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, err := store.Open(dir, store.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := os.WriteFile(filepath.Join(dir, "objects"), nil, 0o600); err != nil { // in the way, also for root
		t.Fatal(err)
	}
	if _, err := objectstore.Open(db, objectstore.Options{}); err == nil || !strings.Contains(err.Error(), filepath.Join(dir, "objects")) {
		t.Errorf("got %v", err)
	}
}
