package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/notify"
	"sluice/pipeline"
	"sluice/pipeline/sqsqueue"
	"sluice/workers/schema"
	"sluice/workers/setup"
)

// direct carries requests to a handler without a network, so that a test's own
// time goes on while they wait.
func direct(h http.Handler) http.RoundTripper { return directTransport{h} }

type directTransport struct{ handler http.Handler }

func (d directTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	in.RequestURI = r.URL.RequestURI()
	in.RemoteAddr = "127.0.0.1:2"
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	if in.ContentLength >= 0 {
		in.Header.Set("Content-Length", fmt.Sprint(in.ContentLength))
	}
	rec := httptest.NewRecorder()
	d.handler.ServeHTTP(rec, in)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	res := rec.Result()
	res.Request = r
	return res, nil
}

// testHome opens a home in a folder of its own, with time of its own if the
// test runs in a bubble. It is closed with the test; what it leaves is a failure.
func testHome(t *testing.T, change func(*homeOptions)) *home {
	t.Helper()
	o := homeOptions{
		Dir: t.TempDir(), Environ: map[string]string{}, DrainLimit: 10 * time.Second,
		Logger: slog.New(slog.DiscardHandler), within: direct,
	}
	if change != nil {
		change(&o)
	}
	h, err := openHome(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func (h *home) remote() *remote { return newRemote(h.address, h.transport) }

// sendAll queues bodies on queue jobs as they are.
func sendAll(t *testing.T, h *home, messages ...pipeline.Message) {
	t.Helper()
	q := sqsqueue.Queue{Client: h.clients.SQS, URL: h.queues.URL(queueJobs)}
	if err := q.Send(t.Context(), messages...); err != nil {
		t.Fatal(err)
	}
}

func message(t *testing.T, id, typ string, data any) pipeline.Message {
	t.Helper()
	m, err := pipeline.NewMessage(t.Context(), typ, "", data)
	if err != nil {
		t.Fatal(err)
	}
	m.ID = id
	return m
}

// outboxIDs are the notifications that were sent, by id.
func outboxIDs(t *testing.T, dir string) []string {
	t.Helper()
	sent, err := notify.ReadOutbox(filepath.Join(dir, "outbox"))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, n := range sent {
		ids = append(ids, n.ID)
	}
	sort.Strings(ids)
	return ids
}

func TestBatchOfTen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() // removed outside of the bubble
	synctest.Test(t, func(t *testing.T) {
		calls := make(map[string]int) // of the order's step; PARALLEL is 1
		h := testHome(t, func(o *homeOptions) {
			o.Dir = dir
			o.Environ["PARALLEL"] = "1"
			o.OrderStep = func(_ context.Context, order schema.Order) error {
				calls[order.ID]++
				switch {
				case order.ID == "explodes":
					panic("boom")
				case order.ID == "fails-once" && calls[order.ID] == 1:
					return fmt.Errorf("the warehouse does not answer")
				}
				return nil
			}
		})
		order := func(id string) pipeline.Message {
			return message(t, "m-"+id, schema.TypeOrderProcessing, schema.OrderProcessing{Email: "ann@example.com", ID: id})
		}
		good := []pipeline.Message{order("1"), order("2"), order("3"), order("4"), order("5"), order("6")}
		unknown := message(t, "m-unknown", "make-coffee", nil)
		malformed := message(t, "m-malformed", schema.TypeOrderProcessing, "not an order")
		sendAll(t, h, append(good, order("explodes"), order("fails-once"), unknown, malformed)...)

		// The first invocation: before any failure can come back.
		synctest.Wait()
		for _, id := range []string{"m-1", "m-2", "m-3", "m-4", "m-5", "m-6"} {
			if out, ok, _ := h.outcome.get(id); !ok || out.Error != "" || out.Attempt != 1 {
				t.Errorf("after the first invocation, message %s: got %+v, want it done at attempt 1", id, out)
			}
		}
		if out, _, _ := h.outcome.get("m-fails-once"); out.Error == "" || out.Attempt != 1 {
			t.Errorf("message m-fails-once: got %+v, want it failed at attempt 1", out)
		}
		if err := h.remote().settle(t.Context(), time.Hour); err != nil {
			t.Fatal(err)
		}
		if out, _, _ := h.outcome.get("m-fails-once"); out.Error != "" || out.Attempt != 2 {
			t.Errorf("message m-fails-once: got %+v, want it done at attempt 2", out)
		}
		const maxAttempts = setup.MaxAttempts // the default
		for id, want := range map[string]int{"explodes": maxAttempts, "fails-once": 2, "1": 1} {
			if calls[id] != want {
				t.Errorf("order %s: its step ran %d times, want %d", id, calls[id], want)
			}
		}
		letters, err := h.remote().letters(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got := make(map[string]letter)
		for _, l := range letters {
			got[l.Cause] = l
		}
		for cause, want := range map[string]letter{
			"m-explodes":  {Attempts: strconv.Itoa(maxAttempts), Reason: "panic: boom"},
			"m-unknown":   {Attempts: "1", Reason: `unknown message type "make-coffee"`},
			"m-malformed": {Attempts: "1", Reason: "a JSON string where an object is wanted"},
		} {
			l := got[cause]
			if l.Worker != "messages" || l.Queue != "jobs-dead" || l.Attempts != want.Attempts || !strings.Contains(l.Reason, want.Reason) || l.Time == "" {
				t.Errorf("letter of %s: got %+v, want worker messages, %s attempts, a time and reason %q", cause, l, want.Attempts, want.Reason)
			}
		}
		if len(letters) != 3 {
			t.Errorf("letters: got %d, want 3", len(letters))
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestQuietMinuteChangesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := testHome(t, func(o *homeOptions) { o.Dir = dir })
		sendAll(t, h, message(t, "m", schema.TypeUserRegistration, schema.UserRegistration{Email: "ann@example.com", Name: "Ann"}))
		if err := h.remote().settle(t.Context(), time.Hour); err != nil {
			t.Fatal(err)
		}
		before, err := h.records.Feed().Last(t.Context())
		if err != nil || before == "" {
			t.Fatalf("changes: got %q, %v, want some", before, err)
		}
		ids := outboxIDs(t, dir)
		time.Sleep(time.Minute)
		after, err := h.records.Feed().Last(t.Context())
		if err != nil || after != before {
			t.Errorf("after a quiet minute: last change %q, %v, want still %q", after, err, before)
		}
		if got := outboxIDs(t, dir); len(got) != 1 || fmt.Sprint(got) != fmt.Sprint(ids) {
			t.Errorf("notifications: got %v, want the one welcome %v", got, ids)
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
}

// runCommand runs the program in this process, over loopback.
func runCommand(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs lockedBuffer
	err = run(t.Context(), args, map[string]string{}, &out, &errs)
	return out.String(), errs.String(), err
}

// lockedBuffer takes what the workers log and what the command says, as standard
// error does.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// tree is every file below dir with its content.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, dir)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// The pictures that tests put in.
const (
	goodPictures = "../../testdata/images"
	badPictures  = "../../testdata/images/bad"
)

func TestPicturesTravelTheWholePath(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	stdout, stderr, err := runCommand(t, "-v", "-wait", "30s", "-data", dir, goodPictures)
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, stdout, stderr)
	}
	pictures, _, err := findPictures([]string{goodPictures})
	if err != nil || len(pictures) < 20 {
		t.Fatalf("pictures: got %d, %v", len(pictures), err)
	}
	if n := strings.Count(stdout, " ready "); n != len(pictures) {
		t.Errorf("ready: got %d, want %d\n%s", n, len(pictures), stdout)
	}
	if ids := outboxIDs(t, dir); len(ids) != len(pictures) {
		t.Errorf("notifications: got %d, want one for each of %d pictures", len(ids), len(pictures))
	}
	thumbs, ids := tree(t, filepath.Join(dir, "thumbnails")), outboxIDs(t, dir)
	if len(thumbs) != len(pictures) {
		t.Errorf("thumbnails on disk: got %d, want %d", len(thumbs), len(pictures))
	}

	// Again: the same bytes, and nobody is told twice.
	if stdout, stderr, err := runCommand(t, "-v", "-wait", "30s", "-data", dir, goodPictures); err != nil {
		t.Fatalf("again: %v\n%s\n%s", err, stdout, stderr)
	}
	if !maps.Equal(tree(t, filepath.Join(dir, "thumbnails")), thumbs) {
		t.Error("again: other thumbnails")
	}
	if got := outboxIDs(t, dir); !slices.Equal(got, ids) {
		t.Errorf("again: notifications %v, want still %v", got, ids)
	}
}

func TestThumbnailsAreUpright(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var paths []string
	for _, name := range []string{"1-upright", "2-mirrored", "3-upside-down", "4-mirrored-upside-down", "5-mirrored-turned-left", "6-turned-left", "7-mirrored-turned-right", "8-turned-right"} {
		paths = append(paths, filepath.Join(goodPictures, "orientation-"+name+".jpg"))
	}
	if _, stderr, err := runCommand(t, append([]string{"-data", dir}, paths...)...); err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	var upright image.Image
	for i, path := range paths {
		f, err := os.Open(filepath.Join(dir, "thumbnails", "200x200", filepath.Base(path)))
		if err != nil {
			t.Fatal(err)
		}
		img, err := jpeg.Decode(f)
		if err = errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			upright = img
			continue
		}
		if img.Bounds() != upright.Bounds() {
			t.Errorf("%s: %v, want %v", path, img.Bounds(), upright.Bounds())
			continue
		}
		if d := meanDifference(img, upright); d > 4 {
			t.Errorf("%s: differs from the upright one by %.1f grey levels a pixel, want at most 4", path, d)
		}
	}
}

// meanDifference is the mean over all pixels and channels, in 8-bit levels.
func meanDifference(a, b image.Image) float64 {
	sum, n := 0.0, 0
	for y := a.Bounds().Min.Y; y < a.Bounds().Max.Y; y++ {
		for x := a.Bounds().Min.X; x < a.Bounds().Max.X; x++ {
			ar, ag, ab, _ := a.At(x, y).RGBA()
			br, bg, bb, _ := b.At(x, y).RGBA()
			for _, d := range []float64{float64(ar) - float64(br), float64(ag) - float64(bg), float64(ab) - float64(bb)} {
				sum += math.Abs(d) / 257
				n++
			}
		}
	}
	return sum / float64(n)
}

func TestBadPicturesAreRejectedWithAReason(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	stdout, _, err := runCommand(t, "-data", dir, badPictures)
	if !errors.Is(err, errRejected) {
		t.Errorf("error: got %v, want errRejected, which is exit status 1", err)
	}
	for name, reason := range map[string]string{
		"bomb-header.png": "rejected: 60000x60000 PNG has 3600000000 pixels, the limit is 1073741824 (MAX_PIXELS)",
		"not-a-picture":   "rejected: not a picture",
		"truncated.jpg":   "rejected: JPEG data ends early",
		"zero-bytes.png":  "rejected: the file is empty",
	} {
		found := false
		for line := range strings.Lines(stdout) {
			found = found || strings.Contains(line, name) && strings.Contains(line, reason)
		}
		if !found {
			t.Errorf("%s: no line with %q in\n%s", name, reason, stdout)
		}
	}
	if ids := outboxIDs(t, dir); len(ids) != 4 {
		t.Errorf("notifications: got %v, want one for each of 4 pictures", ids)
	}
}

func TestSendAndSetStatus(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, tt := range []struct {
		args []string
		fail bool
		want []string // lines that begin so, in this order
	}{
		{
			[]string{"send", "user-registration", `{"email":"ada@example.com","name":"Ada"}`},
			false,
			[]string{"queued  user-registration", "done    attempt 1", "record  user#ada@example.com: (none) -> pending", "record  user#ada@example.com: pending -> active", `notify  email to ada@example.com: "Welcome", sent`},
		},
		{
			[]string{"send", "order-processing", `{"email":"ada@example.com","id":"7"}`},
			false,
			[]string{"queued", "done", "record  user#ada@example.com/order#7: (none) -> received", "record  user#ada@example.com/order#7: received -> processing", "record  user#ada@example.com/order#7: processing -> completed", `notify  email to ada@example.com: "Order 7 is complete", sent`},
		},
		{
			[]string{"set-status", "user#ada@example.com/order#7", "cancelled"},
			false,
			[]string{"record  user#ada@example.com/order#7: completed -> cancelled", `notify  email to ada@example.com: "Order 7 is cancelled", sent`},
		},
		{
			[]string{"set-status", "user#ada@example.com/order#7", "received"},
			false,
			[]string{"record  user#ada@example.com/order#7: cancelled -> received", "record  user#ada@example.com/order#7: received -> processing", "record  user#ada@example.com/order#7: processing -> completed", `notify  email to ada@example.com: "Order 7 is complete", sent`},
		},
		{[]string{"set-status", "user#ada@example.com", "active"}, false, []string{"record  user#ada@example.com is active already"}},
		{[]string{"set-status", "user#nobody@example.com", "active"}, true, nil},
		{
			[]string{"send", "make-coffee", `{}`},
			true,
			[]string{"queued", "failed  attempt 1: unknown message type", "letter  in jobs-dead after 1 attempt(s): unknown message type"},
		},
		{[]string{"send", "make-coffee", `{`}, true, nil},
		{[]string{"send", "email-notification", `{"to":"ada@example.com","subject":"s","body":"b"}`}, false, []string{"queued", "done    attempt 1"}},
	} {
		stdout, stderr, err := runCommand(t, append([]string{"-data", dir}, tt.args...)...)
		if (err != nil) != tt.fail {
			t.Errorf("%v: got error %v, want one: %v\n%s", tt.args, err, tt.fail, stderr)
		}
		lines := strings.Split(strings.TrimSpace(stdout), "\n")
		if stdout == "" {
			lines = nil
		}
		ok := len(lines) == len(tt.want)
		for i := range tt.want {
			ok = ok && strings.HasPrefix(lines[i], tt.want[i])
		}
		if !ok {
			t.Errorf("%v: got\n%s\nwant lines that begin\n%s", tt.args, stdout, strings.Join(tt.want, "\n"))
		}
	}
}
