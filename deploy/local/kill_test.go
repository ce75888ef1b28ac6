package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sluice/notify"
	"sluice/pipeline"
	"sluice/pipeline/sqsqueue"
	"sluice/workers/schema"
)

// The child of the kill test is the test binary itself, told by these.
const (
	childDir    = "SLUICE_TEST_CHILD_DIR"
	childFiles  = "SLUICE_TEST_CHILD_FILES"
	childSync   = "SLUICE_TEST_KILL_AT_SYNC"   // dies after this many syncs of the file
	childAnswer = "SLUICE_TEST_KILL_AT_ANSWER" // dies when workers have answered so often, before the source hears of it
)

// killWork is how much is done: a tenth, unless the large tests are asked for.
func killWork() (pictures, messages int) {
	if full() {
		return 200, 2000
	}
	return 20, 200
}

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := runChild(dir, os.Getenv(childFiles)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// die is the end at this very instruction.
func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// countdown returns a function that dies when it is called the n-th time; n of
// zero is never.
func countdown(n int64) func() {
	var left atomic.Int64
	left.Store(n)
	return func() {
		if left.Add(-1) == 0 {
			die()
		}
	}
}

// runChild does the whole work, pictures and messages, and waits until nothing is
// on its way.
func runChild(dir, files string) error {
	atSync, _ := strconv.ParseInt(os.Getenv(childSync), 10, 64)
	atAnswer, _ := strconv.ParseInt(os.Getenv(childAnswer), 10, 64)
	sync, answer := countdown(atSync), countdown(atAnswer)
	ctx := context.Background()
	h, err := openHome(ctx, homeOptions{
		Dir: dir, Addr: "127.0.0.1:0", Environ: map[string]string{}, DrainLimit: time.Minute,
		Logger:   slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
		synced:   func(int) { sync() },
		answered: func(string) { answer() },
	})
	if err != nil {
		return err
	}
	c := command{options: h.options, wait: time.Minute, stdout: io.Discard, stderr: io.Discard}
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
	if err := q.Send(ctx, batch...); err != nil {
		return err
	}
	if err := c.put(ctx, h.remote(), []string{files}); err != nil {
		return err
	}
	if err := h.remote().settle(ctx, time.Minute); err != nil {
		return err
	}
	return h.Close()
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

// child runs the work in a process of its own, and reports whether it was
// killed.
func child(t *testing.T, dir, files string, kill ...string) (killed bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), append(kill, childDir+"="+dir, childFiles+"="+files)...)
	out, err := cmd.CombinedOutput()
	if err == nil {
		return false
	}
	if state, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && state.Signaled() && state.Signal() == syscall.SIGKILL {
		return true
	}
	t.Fatalf("child: %v\n%s", err, out)
	return false
}

// told is who was told what of which record. The ids of notifications stand for
// changes, and a home that was killed has seen more of them; so what is compared
// is what people got, and how often.
func told(t *testing.T, dir string) []string {
	t.Helper()
	sent, err := notify.ReadOutbox(filepath.Join(dir, "outbox"))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, n := range sent {
		all = append(all, strings.Join([]string{n.Rule, n.Key, n.Channel, n.To, n.Subject, n.Body}, "|"))
	}
	slices.Sort(all)
	return all
}

// statusesOf counts the records' statuses.
func statusesOf(t *testing.T, dir string) map[string]int {
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
	return count
}

func TestKilledAtAnyPointLosesNothing(t *testing.T) {
	pictures, messages := killWork()
	t.Parallel()
	files := filepath.Join(t.TempDir(), "pictures")
	if err := os.Mkdir(files, 0o755); err != nil {
		t.Fatal(err)
	}
	makePictures(t, files, pictures)
	calm, rough := t.TempDir(), t.TempDir()
	if child(t, calm, files) {
		t.Fatal("the undisturbed run was killed")
	}
	seed := rand.New(rand.NewPCG(3, 2026))
	kills := 0
	for i := range 6 {
		point := fmt.Sprintf("%s=%d", childSync, 1+seed.IntN(pictures))
		if i%2 == 1 {
			point = fmt.Sprintf("%s=%d", childAnswer, 1+seed.IntN(messages/20))
		}
		if child(t, rough, files, point) {
			kills++
		}
	}
	if kills < 5 {
		t.Errorf("kills: got %d of 6, want at least 5: the points lie behind the end of the work", kills)
	}
	if child(t, rough, files) {
		t.Fatal("the last run was killed")
	}
	want := map[string]int{schema.StatusActive: messages, schema.StatusReady: pictures}
	for name, dir := range map[string]string{"undisturbed": calm, "killed": rough} {
		if got := statusesOf(t, dir); !maps.Equal(got, want) {
			t.Errorf("%s: records %v, want %v", name, got, want)
		}
	}
	if !maps.Equal(tree(t, filepath.Join(calm, "thumbnails")), tree(t, filepath.Join(rough, "thumbnails"))) {
		t.Error("thumbnails of the killed home are not those of the undisturbed one")
	}
	if a, b := told(t, calm), told(t, rough); !slices.Equal(a, b) {
		t.Errorf("notifications: undisturbed %d, killed %d, or others", len(a), len(b))
	}
}
