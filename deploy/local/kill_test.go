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

	"sluice/deploy/local/admin"
	"sluice/deploy/local/stack"
	"sluice/deploy/local/stack/stacktest"
	"sluice/notify"
	"sluice/pipeline"
	"sluice/pipeline/sqsqueue"
	"sluice/workers/schema"
)

// Environment variables of the kill test's child, which is the test binary.
const (
	childDir   = "SLUICE_TEST_CHILD_DIR"
	childFiles = "SLUICE_TEST_CHILD_FILES"
	childKill  = "SLUICE_TEST_CHILD_KILL" // a killPoint; "" is none
	childMain  = "SLUICE_TEST_CHILD_MAIN" // not empty: the child runs main
)

// killWork is the amount of work: a tenth, unless SLUICE_TEST_FULL is set.
func killWork() (pictures, messages int) {
	if os.Getenv("SLUICE_TEST_FULL") != "" {
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

// The phases of the child's work, in order; upload and follow alternate.
const (
	phaseOpen   = "open"   // the stack opens
	phaseSend   = "send"   // the first half of the messages is sent
	phaseUpload = "upload" // a picture is being uploaded
	phaseFollow = "follow" // pictures are followed
	phaseSettle = "settle" // the other half is sent, and everything ends
)

// killPoint is where a child kills itself: in a phase, at the n-th sync of the
// store or after the n-th invocation in that phase, before the source receives
// the response.
type killPoint struct {
	Phase string
	Kind  string // "sync" or "invocation"
	At    int
}

func (k killPoint) String() string { return fmt.Sprintf("%s %s %d", k.Phase, k.Kind, k.At) }

// childLog counts syncs and invocations in each phase, and kills the process at
// its kill point.
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
		select {} // the lock keeps the other goroutines from going on
	}
}

// roundTripper notes when an upload begins and ends.
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

// runChild does the whole work, pictures and messages, and waits until the stack
// is idle. At the end it prints its counts.
func runChild(dir, files, kill string) error {
	l := &childLog{Count: make(map[string]map[string]int)}
	if kill != "" {
		if _, err := fmt.Sscan(kill, &l.kill.Phase, &l.kill.Kind, &l.kill.At); err != nil {
			return err
		}
	}
	l.enter(phaseOpen)
	ctx := context.Background()
	s, err := stack.Open(ctx, stack.Options{
		Dir: dir, Addr: "127.0.0.1:0", Environ: map[string]string{}, DrainLimit: time.Minute,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
		// A worker that finds a notification claimed by the killed process retries
		// when the claim expires.
		Hooks: stack.Hooks{Timeout: 10 * time.Second, Synced: func(int) { l.count("sync") }, Invoked: func(string) { l.count("invocation") }},
	})
	if err != nil {
		return err
	}
	c := command{options: stack.Options{Dir: dir, DrainLimit: time.Minute}, wait: 2 * time.Minute, stdout: io.Discard, stderr: io.Discard}
	q := sqsqueue.Queue{Client: s.Client().SQS, URL: s.QueueURL("jobs")}
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
	if err := c.put(ctx, admin.NewClient(s.Runtime(), l.roundTripper(admin.NewTransport())), []string{files}); err != nil {
		return err
	}
	l.enter(phaseSettle)
	if err := q.Send(ctx, batch[messages/2:]...); err != nil {
		return err
	}
	if err := stacktest.Settle(ctx, s.Client(), 2*time.Minute); err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(l.Count)
}

// makePictures writes small pictures, all different.
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

// child runs the work in a process of its own. It returns the child's counts, or
// where it was killed.
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

// outboxOf returns the sent notifications by id.
func outboxOf(t *testing.T, dir string) map[string]notify.Notification {
	t.Helper()
	sent, err := notify.ReadOutbox(filepath.Join(dir, "outbox"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // it was killed before it made the folder
		t.Fatal(err)
	}
	all := make(map[string]notify.Notification)
	for _, n := range sent {
		if other, ok := all[n.ID]; ok {
			t.Errorf("%+v and %+v have the same id", n, other)
		}
		all[n.ID] = n
	}
	return all
}

// contents are the sent notifications without their ids, sorted. An id derives
// from the id of a change, since a record may go from A to B twice and both
// changes notify. Changes have other ids in each stack, so that only the contents
// are equal in two stacks.
func contents(sent map[string]notify.Notification) []string {
	var all []string
	for _, n := range sent {
		all = append(all, strings.Join([]string{n.Rule, n.Key, n.Channel, n.To, n.Subject, n.Body}, "|"))
	}
	slices.Sort(all)
	return all
}

// derived are the ids of the notifications that follow from all changes of the
// stack.
func derived(t *testing.T, s *admin.Client) map[string]bool {
	t.Helper()
	ids := make(map[string]bool)
	for after := ""; ; {
		page, err := s.Changes(t.Context(), after)
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
		if now, err := s.Changes(t.Context(), "now"); err != nil || now.Last == after {
			return ids // Changes would wait for the next page
		}
	}
}

// checkStack compares the records, dead letters and outbox of the stack in dir
// with the work.
func checkStack(t *testing.T, dir string) {
	t.Helper()
	s := stacktest.Open(t, func(o *stack.Options) { o.Dir, o.DrainLimit = dir, time.Minute }).Client()
	count := make(map[string]int)
	add := func(key pipeline.Key) {
		data, err := s.Record(t.Context(), schema.KeyText(key))
		if err != nil {
			count[err.Error()]++
			return
		}
		var c schema.Change
		if err := json.Unmarshal(data, &c); err != nil {
			t.Fatal(err)
		}
		count[c.Status]++
	}
	pictures, messages := killWork()
	for i := range messages {
		add(schema.UserKey(fmt.Sprintf("user-%d@example.com", i)))
	}
	for i := range pictures {
		add(schema.ImageKey(stack.BucketUploads, fmt.Sprintf("pictures/picture-%03d.jpg", i)))
	}
	deadLetters, err := s.DeadLetters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range deadLetters {
		count["dead letter: "+l.Reason]++
	}
	if want := map[string]int{schema.StatusActive: messages, schema.StatusReady: pictures}; !maps.Equal(count, want) {
		t.Errorf("records %v, want %v", count, want)
	}
	// The changes derive exactly the ids that were sent: a repeated send has the
	// same id.
	sent, ids := outboxOf(t, dir), derived(t, s)
	for id := range sent {
		if !ids[id] {
			t.Errorf("notification %s was sent, and no change derives it", id)
		}
	}
	for id := range ids {
		if _, ok := sent[id]; !ok {
			t.Errorf("notification %s was not sent, and a change derives it", id)
		}
	}
}

// killPlan draws kill points from the counts of the undisturbed child: in each
// phase, alternately at syncs and invocations.
func killPlan(calm map[string]map[string]int, seed *rand.Rand) (plan []killPoint) {
	each := 1
	if os.Getenv("SLUICE_TEST_FULL") != "" {
		each = 2
	}
	for i, phase := range []string{phaseOpen, phaseSend, phaseUpload, phaseFollow, phaseSettle} {
		for n := range each {
			kind := []string{"sync", "invocation"}[(i+n)%2]
			if calm[phase]["invocation"] == 0 {
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
			// There was less work this time.
			point.At = 1
			_, killed = child(t, rough, files, point)
		}
		if killed != point.String() {
			t.Errorf("kill point %q: the child ended at %q", point, killed)
		}
		// A kill changes no notification that was sent.
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
	checkStack(t, calm)
	checkStack(t, rough)
	if !maps.Equal(tree(t, filepath.Join(calm, "thumbnails")), tree(t, filepath.Join(rough, "thumbnails"))) {
		t.Error("the thumbnails of the killed stack differ from those of the undisturbed one")
	}
	if a, b := contents(outboxOf(t, calm)), contents(outboxOf(t, rough)); !slices.Equal(a, b) {
		t.Errorf("notifications: %d undisturbed, %d killed, want the same", len(a), len(b))
	}
}

// TestMultipartUploadSurvivesAKill kills the stack between two parts. The part
// that was acknowledged is there after the restart.
func TestMultipartUploadSurvivesAKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	content := longPicture(t)
	const key, cut = "in-parts.jpg", 5 << 20 // S3's minimum for a part
	bucket := aws.String(stack.BucketUploads)

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
	start, err := h.Changes(t.Context(), "now")
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

// longPicture is a small JPEG that comments make longer than one part.
func longPicture(t *testing.T) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, image.NewRGBA(image.Rect(0, 0, 48, 32)), nil); err != nil {
		t.Fatal(err)
	}
	comment := append([]byte{0xff, 0xfe, 0xff, 0xff}, bytes.Repeat([]byte{'-'}, 0xffff-2)...)
	return slices.Concat(buf.Bytes()[:2], bytes.Repeat(comment, 90), buf.Bytes()[2:])
}
