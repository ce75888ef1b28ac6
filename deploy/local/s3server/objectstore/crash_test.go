package objectstore_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"sluice/deploy/local/s3server"
	"sluice/deploy/local/s3server/objectstore"
	"sluice/deploy/local/s3server/s3header"
	"sluice/deploy/local/s3server/s3test"
	"sluice/deploy/local/store"
)

const (
	childDir  = "SLUICE_OBJECTS_CHILD_DIR"
	childStep = "SLUICE_OBJECTS_CHILD_STEP"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := serveUntilKilled(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// serveUntilKilled serves dir, and kills this process at the step with the number
// in the environment.
func serveUntilKilled(dir string) error {
	at, err := strconv.ParseInt(os.Getenv(childStep), 10, 64)
	if err != nil {
		return err
	}
	db, err := store.Open(dir, store.Options{})
	if err != nil {
		return err
	}
	var steps atomic.Int64
	armed := atomic.Bool{}
	o := withStep(func(string) {
		if armed.Load() && steps.Add(1) == at {
			self, err := os.FindProcess(os.Getpid())
			if err == nil {
				err = self.Kill()
			}
			if err != nil {
				panic(err)
			}
			select {} // until it is true
		}
	})
	o.OnEvent = s3test.RecordEvent
	s, err := objectstore.Open(db, o)
	if err != nil {
		return err
	}
	if err := s.EnsureBucket(context.Background(), bucket); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	armed.Store(true)
	fmt.Println(l.Addr())
	return http.Serve(l, s3test.Authenticate(s3server.New(s, s3server.Options{})))
}

// attempts holds the bodies that a key may have after the crash: the last
// acknowledged one, and the one in progress. A nil body is a deleted key.
type attempts struct{ acked, tried []byte }

// worker writes keys of its own until the server dies.
type worker struct {
	client *s3.Client
	rng    *rand.Rand
	name   string
	acks   int
	keys   map[string]*attempts
}

func (w *worker) run(ctx context.Context) {
	for i := 0; ; i++ {
		key := fmt.Sprintf("%s/%d", w.name, w.rng.IntN(5))
		a := w.keys[key]
		if a == nil {
			a = &attempts{}
			w.keys[key] = a
		}
		if err := w.change(ctx, key, a, i); err != nil {
			return
		}
		a.acked, w.acks = a.tried, w.acks+1
	}
}

// change makes one change. It is acknowledged if change returns nil.
func (w *worker) change(ctx context.Context, key string, a *attempts, i int) error {
	body := bytes.Repeat([]byte(fmt.Sprintf("%s %d\n", key, i)), 1+w.rng.IntN(20_000))
	switch w.rng.IntN(8) {
	case 0:
		a.tried = nil
		_, err := w.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: &key})
		return err
	case 1:
		a.tried = body
		return w.parts(ctx, key, body)
	case 2:
		other := key + "-source"
		if w.keys[other] == nil {
			w.keys[other] = &attempts{}
		}
		o := w.keys[other]
		o.tried = body
		if _, err := w.client.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(bucket), Key: &other, Body: bytes.NewReader(body)}); err != nil {
			return err
		}
		o.acked = body
		a.tried = body
		_, err := w.client.CopyObject(ctx, &s3.CopyObjectInput{Bucket: aws.String(bucket), Key: &key, CopySource: aws.String(bucket + "/" + other)})
		return err
	default:
		a.tried = body
		_, err := w.client.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(bucket), Key: &key, Body: bytes.NewReader(body)})
		return err
	}
}

func (w *worker) parts(ctx context.Context, key string, body []byte) error {
	up, err := w.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: aws.String(bucket), Key: &key})
	if err != nil {
		return err
	}
	part, err := w.client.UploadPart(ctx, &s3.UploadPartInput{Bucket: aws.String(bucket), Key: &key, UploadId: up.UploadId, PartNumber: aws.Int32(1), Body: bytes.NewReader(body)})
	if err != nil {
		return err
	}
	_, err = w.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: aws.String(bucket), Key: &key, UploadId: up.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: part.ETag}}},
	})
	return err
}

// The server is killed at a seeded step: between body and sync, between commit and
// response, anywhere. Acknowledged changes are complete, others are complete or
// absent. Each stored change has its S3 event and there is no other event. No file is
// left over.
func TestKilledAtAnyStep(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and kills a dozen processes")
	}
	t.Parallel()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	acks := 0
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 1))
		dir := t.TempDir()
		cmd := exec.CommandContext(t.Context(), exe)
		cmd.Env = append(os.Environ(), childDir+"="+dir, childStep+"="+strconv.Itoa(1+rng.IntN(400)))
		cmd.Stderr = t.Output()
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		addr, err := bufio.NewReader(out).ReadString('\n')
		if err != nil {
			t.Fatalf("seed %d: the child did not start: %v, %v", seed, err, cmd.Wait())
		}
		var workers []*worker
		var wg sync.WaitGroup
		for n := range 4 {
			w := &worker{
				client: s3test.NewClient("http://" + strings.TrimSpace(addr)), rng: rand.New(rand.NewPCG(seed, uint64(n)+2)), name: "w" + strconv.Itoa(n), keys: map[string]*attempts{},
			}
			workers = append(workers, w)
			wg.Go(func() { w.run(t.Context()) })
		}
		wg.Wait()
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.String() != "signal: killed" {
			t.Fatalf("seed %d: the child ended with %v", seed, err)
		}
		for _, w := range workers {
			acks += w.acks
		}
		checkAfterCrash(t, seed, dir, workers)
	}
	if acks < 50 {
		t.Errorf("only %d acknowledged changes in all rounds: the test shows little", acks)
	}
	t.Logf("%d acknowledged changes over 12 kills", acks)
}

func checkAfterCrash(t *testing.T, seed uint64, dir string, workers []*worker) {
	t.Helper()
	h := s3test.New(t, dir, objectstore.Options{}, store.Options{})
	defer h.Close()
	last := map[string]s3test.Event{}
	for i, e := range h.Events(t) {
		if want := fmt.Sprintf("%018X", i+1); e.S3.Object.Sequencer != want { // each change has one event, and there is no other
			t.Errorf("seed %d: event %d has sequencer %s, want %s", seed, i, e.S3.Object.Sequencer, want)
		}
		last[e.S3.Object.Key] = e
	}
	objects := 0
	for _, w := range workers {
		for key, a := range w.keys {
			out, err := h.Client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: &key})
			event, noticed := last[key]
			if s3test.Code(err) == "NoSuchKey" {
				if a.acked != nil && a.tried != nil {
					t.Errorf("seed %d: %s was acknowledged and is gone", seed, key)
				}
				if noticed && event.EventName != "ObjectRemoved:Delete" {
					t.Errorf("seed %d: %s is gone, and its last event is %s", seed, key, event.EventName)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(out.Body)
			if err != nil {
				t.Fatal(err)
			}
			objects++
			if !bytes.Equal(body, a.acked) && !bytes.Equal(body, a.tried) {
				t.Errorf("seed %d: %s holds %d bytes that are neither the acknowledged body nor the one in progress", seed, key, len(body))
			}
			if !noticed || s3header.Quote(event.S3.Object.ETag) != *out.ETag || *event.S3.Object.Size != int64(len(body)) {
				t.Errorf("seed %d: %s and its last event differ: %+v", seed, key, event)
			}
		}
	}
	if parts := countParts(t, h); h.Bodies(t) != objects+parts {
		t.Errorf("seed %d: %d files for %d objects and %d parts", seed, h.Bodies(t), objects, parts)
	}
	if all, err := h.Objects.Buckets(); err != nil || all[0].Objects != int64(objects) {
		t.Errorf("seed %d: the bucket counts %d objects of %d: %v", seed, all[0].Objects, objects, err)
	}
}

func countParts(t *testing.T, h *s3test.Server) int {
	t.Helper()
	n, err := h.Objects.CountParts()
	if err != nil {
		t.Fatal(err)
	}
	return n
}
