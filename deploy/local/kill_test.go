package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"sluice/notify"
	"sluice/pipeline"
	"sluice/pipeline/sqsqueue"
	"sluice/workers/schema"
)

// The child of the kill test is the test binary itself, told by these.
const (
	childDir   = "SLUICE_TEST_CHILD_DIR"
	childFiles = "SLUICE_TEST_CHILD_FILES"
	childKill  = "SLUICE_TEST_CHILD_KILL" // a killPoint; "" is never
	childMain  = "SLUICE_TEST_CHILD_MAIN" // not empty: the child is the program itself
)

// killWork is how much is done: a tenth, unless the large tests are asked for.
func killWork() (pictures, messages int) {
	if full() {
		return 200, 2000
	}
	return 20, 200
}

func TestMain(m *testing.M) {
	if os.Getenv(childMain) != "" {
		main()
		os.Exit(0)
	}
	if dir := os.Getenv(childDir); dir != "" {
		if err := runChild(dir, os.Getenv(childFiles), os.Getenv(childKill)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// The phases of the child's work, in their order; upload and follow take turns.
const (
	phaseOpen   = "open"   // the home is opened
	phaseSend   = "send"   // the first half of the messages is queued
	phaseUpload = "upload" // a picture is on its way into the home
	phaseFollow = "follow" // pictures are followed to their ends
	phaseSettle = "settle" // the other half is queued, and all is waited for
)

// killPoint is where a child dies: in a phase, at the n-th sync of the file or
// the n-th answer of a worker in that phase, before anybody hears of it.
type killPoint struct {
	Phase string
	Kind  string // "sync" or "answer"
	At    int
}

func (k killPoint) String() string { return fmt.Sprintf("%s %s %d", k.Phase, k.Kind, k.At) }

// childLog counts what happens in each phase, and ends the process at its kill
// point. What it prints at its end is its last word.
type childLog struct {
	mu    sync.Mutex
	phase string
	Count map[string]map[string]int // by phase and kind
	kill  killPoint
}

func (l *childLog) enter(phase string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.phase = phase
	if l.Count[phase] == nil {
		l.Count[phase] = make(map[string]int)
	}
}

func (l *childLog) count(kind string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Count[l.phase][kind]++
	if at := (killPoint{l.phase, kind, l.Count[l.phase][kind]}); at == l.kill {
		fmt.Println("killed at", at)
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // until it is true; the lock keeps everybody else from going on
	}
}

// roundTripper is the command's way to the home: it knows when an upload is under
// way.
func (l *childLog) roundTripper(next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.Method != http.MethodPut {
			return next.RoundTrip(r)
		}
		l.enter(phaseUpload)
		defer l.enter(phaseFollow)
		return next.RoundTrip(r)
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// runChild does the whole work, pictures and messages, and waits until nothing is
// on its way. At the end it prints what it counted.
func runChild(dir, files, kill string) error {
	l := &childLog{Count: make(map[string]map[string]int)}
	if kill != "" {
		if _, err := fmt.Sscan(kill, &l.kill.Phase, &l.kill.Kind, &l.kill.At); err != nil {
			return err
		}
	}
	l.enter(phaseOpen)
	ctx := context.Background()
	h, err := openHome(ctx, homeOptions{
		Dir: dir, Addr: "127.0.0.1:0", Environ: map[string]string{}, DrainLimit: time.Minute, timeout: 10 * time.Second,
		Logger:   slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
		synced:   func(int) { l.count("sync") },
		answered: func(string) { l.count("answer") },
	})
	if err != nil {
		return err
	}
	c := command{options: h.options, wait: 2 * time.Minute, stdout: io.Discard, stderr: io.Discard}
	q := sqsqueue.Queue{Client: h.clients.SQS, URL: h.queues.URL(queueJobs)}
	var batch []pipeline.Message
	_, messages := killWork()
	for i := range messages {
		m, err := pipeline.NewMessage(ctx, schema.TypeUserRegistration, fmt.Sprint("user-", i),
			schema.UserRegistration{Email: fmt.Sprintf("user-%d@example.com", i), Name: fmt.Sprint("User ", i)})
		if err != nil {
			return err
		}
		batch = append(batch, m)
	}
	l.enter(phaseSend)
	if err := q.Send(ctx, batch[:messages/2]...); err != nil {
		return err
	}
	l.enter(phaseFollow)
	if err := c.put(ctx, newRemote(h.address, l.roundTripper(newTransport())), []string{files}); err != nil {
		return err
	}
	l.enter(phaseSettle)
	if err := q.Send(ctx, batch[messages/2:]...); err != nil {
		return err
	}
	if err := h.remote().settle(ctx, 2*time.Minute); err != nil {
		return err
	}
	if err := h.Close(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(l.Count)
}

// makePictures writes small pictures, no two alike.
func makePictures(t *testing.T, dir string, n int) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		img := image.NewRGBA(image.Rect(0, 0, 48, 32))
		base := color.RGBA{uint8(r.IntN(256)), uint8(r.IntN(256)), uint8(r.IntN(256)), 255}
		for y := range 32 {
			for x := range 48 {
				img.Set(x, y, color.RGBA{base.R + uint8(x), base.G + uint8(y), base.B + uint8(i), 255})
			}
		}
		var buf bytes.Buffer
		if err := jpeg.Encode(&buf, img, nil); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("picture-%03d.jpg", i)), buf.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// child runs the work in a process of its own. It returns what the child counted,
// or where it was killed.
func child(t *testing.T, dir, files string, kill killPoint) (count map[string]map[string]int, killed string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir, childFiles+"="+files)
	if kill != (killPoint{}) {
		cmd.Env = append(cmd.Env, childKill+"="+kill.String())
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if err == nil {
		if err := json.Unmarshal(stdout.Bytes(), &count); err != nil {
			t.Fatalf("child: %v\n%s", err, stdout.String())
		}
		return count, ""
	}
	if state, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && state.Signaled() && state.Signal() == syscall.SIGKILL {
		return nil, strings.TrimPrefix(strings.TrimSpace(stdout.String()), "killed at ")
	}
	t.Fatalf("child: %v\n%s%s", err, stdout.String(), stderr.String())
	return nil, ""
}

// outboxOf is what was sent, by id.
func outboxOf(t *testing.T, dir string) map[string]notify.Notification {
	t.Helper()
	sent, err := notify.ReadOutbox(filepath.Join(dir, "outbox"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // it was killed before there was one
		t.Fatal(err)
	}
	all := make(map[string]notify.Notification)
	for _, n := range sent {
		if other, ok := all[n.ID]; ok {
			t.Errorf("%+v and %+v have one id", n, other)
		}
		all[n.ID] = n
	}
	return all
}

// told is who was told what of which record. It is what can be equal in two
// homes: the id of a notification is made from the id of the change that it tells
// of, not from the record's status, for a record may come from A to B twice and
// both are to be told. Changes have ids of their own in each home.
func told(sent map[string]notify.Notification) []string {
	var all []string
	for _, n := range sent {
		all = append(all, strings.Join([]string{n.Rule, n.Key, n.Channel, n.To, n.Subject, n.Body}, "|"))
	}
	slices.Sort(all)
	return all
}

// derived are the ids of the notifications that follow from all changes that the
// home has seen.
func derived(t *testing.T, h *home) map[string]bool {
	t.Helper()
	ids := make(map[string]bool)
	for after := ""; ; {
		page, err := h.changes(t.Context(), after)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Changes) == 0 || page.Last == after {
			return ids
		}
		after = page.Last
		for _, c := range page.Changes {
			for _, n := range c.Notifications {
				ids[n.ID] = true
			}
		}
		if last, err := h.records.Feed().Last(t.Context()); err != nil || last == after {
			return ids // the next page would be waited for
		}
	}
}

// checkHome compares what stands in the home's tables, letters and outbox with
// what the work was.
func checkHome(t *testing.T, dir string) {
	t.Helper()
	h, err := openHome(t.Context(), homeOptions{
		Dir: dir, Environ: map[string]string{}, DrainLimit: time.Minute, Logger: slog.New(slog.DiscardHandler), within: direct,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}()
	count := make(map[string]int)
	add := func(key pipeline.Key) {
		it, err := h.records.Get(t.Context(), key)
		if err != nil {
			count[err.Error()]++
			return
		}
		var c schema.Change
		if err := json.Unmarshal(it.Data, &c); err != nil {
			t.Fatal(err)
		}
		count[c.Status]++
	}
	pictures, messages := killWork()
	for i := range messages {
		add(schema.UserKey(fmt.Sprintf("user-%d@example.com", i)))
	}
	for i := range pictures {
		add(schema.ImageKey(bucketUploads, fmt.Sprintf("pictures/picture-%03d.jpg", i)))
	}
	letters, err := h.remote().letters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range letters {
		count["letter: "+l.Reason]++
	}
	if want := map[string]int{schema.StatusActive: messages, schema.StatusReady: pictures}; !maps.Equal(count, want) {
		t.Errorf("records %v, want %v", count, want)
	}
	// Asked again, the changes give the ids that were sent: a repeated send has
	// the same id, and nothing was sent under another.
	sent, ids := outboxOf(t, dir), derived(t, h)
	for id := range sent {
		if !ids[id] {
			t.Errorf("notification %s was sent and follows from no change", id)
		}
	}
	for id := range ids {
		if _, ok := sent[id]; !ok {
			t.Errorf("notification %s follows from a change and was not sent", id)
		}
	}
}

// killPlan draws the points at which children are killed, from what the calm one
// counted: in each phase at syncs and answers by turns.
func killPlan(calm map[string]map[string]int, seed *rand.Rand) (plan []killPoint) {
	each := 1
	if full() {
		each = 2
	}
	for i, phase := range []string{phaseOpen, phaseSend, phaseUpload, phaseFollow, phaseSettle} {
		for n := range each {
			kind := []string{"sync", "answer"}[(i+n)%2]
			if calm[phase]["answer"] == 0 {
				kind = "sync"
			}
			// The first two thirds: a later child may find less to do.
			plan = append(plan, killPoint{phase, kind, 1 + seed.IntN(max(1, calm[phase][kind]*2/3))})
		}
	}
	return plan
}

func TestKilledAtAnyPointLosesNothing(t *testing.T) {
	pictures, _ := killWork()
	t.Parallel()
	files := filepath.Join(t.TempDir(), "pictures")
	if err := os.Mkdir(files, 0o755); err != nil {
		t.Fatal(err)
	}
	makePictures(t, files, pictures)
	calm, rough := t.TempDir(), t.TempDir()
	count, killed := child(t, calm, files, killPoint{})
	if killed != "" {
		t.Fatal("the undisturbed run was killed")
	}
	t.Logf("undisturbed: %v", count)
	sent := make(map[string]notify.Notification)
	for _, point := range killPlan(count, rand.New(rand.NewPCG(3, 2026))) {
		_, killed := child(t, rough, files, point)
		if killed == "" && point.At > 1 {
			// There was less to do this time.
			point.At = 1
			_, killed = child(t, rough, files, point)
		}
		if killed != point.String() {
			t.Errorf("kill point %q: the child ended at %q", point, killed)
		}
		// What was sent before a kill stays as it is.
		now := outboxOf(t, rough)
		for id, n := range sent {
			if now[id] != n {
				t.Errorf("notification %s after the kill at %s: got %+v, want still %+v", id, point, now[id], n)
			}
		}
		sent = now
	}
	if _, killed := child(t, rough, files, killPoint{}); killed != "" {
		t.Fatal("the last run was killed")
	}
	checkHome(t, calm)
	checkHome(t, rough)
	if !maps.Equal(tree(t, filepath.Join(calm, "thumbnails")), tree(t, filepath.Join(rough, "thumbnails"))) {
		t.Error("thumbnails of the killed home are not those of the undisturbed one")
	}
	if a, b := told(outboxOf(t, calm)), told(outboxOf(t, rough)); !slices.Equal(a, b) {
		t.Errorf("notifications: undisturbed %d, killed %d, or others", len(a), len(b))
	}
}

// The home is killed between two parts of an upload. The part that it had
// acknowledged is there after the restart, and the upload is completed with it.
func TestUploadInPartsOutlivesAKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	content := longPicture(t)
	const key, cut = "in-parts.jpg", 5 << 20 // the least that S3 takes for a part
	bucket := aws.String(bucketUploads)

	p, h := serving(t, "-data", dir)
	up, err := h.S3.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: bucket, Key: aws.String(key)})
	if err != nil {
		t.Fatal(err)
	}
	var done []types.CompletedPart
	upload := func(number int32, body []byte) {
		t.Helper()
		out, err := h.S3.UploadPart(t.Context(), &s3.UploadPartInput{
			Bucket: bucket, Key: aws.String(key), UploadId: up.UploadId, PartNumber: &number, Body: bytes.NewReader(body),
		})
		if err != nil {
			t.Fatal(err)
		}
		done = append(done, types.CompletedPart{PartNumber: &number, ETag: out.ETag})
	}
	upload(1, content[:cut])
	p.kill(t)

	_, h = serving(t, "-data", dir)
	upload(2, content[cut:])
	start, err := h.changes(t.Context(), "now")
	if err != nil {
		t.Fatal(err)
	}
	out, err := h.S3.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{
		Bucket: bucket, Key: aws.String(key), UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: done},
	})
	if err != nil {
		t.Fatal(err)
	}
	object, err := h.S3.GetObject(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: aws.String(key)})
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(object.Body)
	if err = errors.Join(err, object.Body.Close()); err != nil || !bytes.Equal(got, content) {
		t.Errorf("object: %d bytes, %v, want the %d that were uploaded", len(got), err, len(content))
	}
	f := newFollower(h, start.Last, time.Minute)
	f.expect(picture{Key: key, Size: int64(len(content))}, *out.ETag)
	if err := f.follow(t.Context()); err != nil || f.items[0].image.Status != schema.StatusReady {
		t.Errorf("picture: got %q, %v, want it ready", f.items[0].image.Status, err)
	}
}

// longPicture is a small JPEG of more than one part: comments make it long.
func longPicture(t *testing.T) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, image.NewRGBA(image.Rect(0, 0, 48, 32)), nil); err != nil {
		t.Fatal(err)
	}
	comment := append([]byte{0xff, 0xfe, 0xff, 0xff}, bytes.Repeat([]byte{'-'}, 0xffff-2)...)
	return slices.Concat(buf.Bytes()[:2], bytes.Repeat(comment, 90), buf.Bytes()[2:])
}
