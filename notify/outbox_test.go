package notify

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func newTestOutbox(t *testing.T) *Outbox {
	t.Helper()
	o, err := OpenOutbox(filepath.Join(t.TempDir(), "state", "outbox"))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func fileNames(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestOutboxKeepsEachNotificationOnce(t *testing.T) {
	t.Parallel()
	o := newTestOutbox(t)
	n := sampleNotification()
	n.Body, n.At = "<b> & é\u2028\x01", at.In(time.FixedZone("X", 3600))
	if err := o.Send(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(o.Path(n.ID))
	if err != nil {
		t.Fatal(err)
	}
	if text := `"at": "2026-11-23T12:30:00Z"`; !strings.Contains(string(first), text) {
		t.Errorf("got %s, want %s whatever the time zone", first, text)
	}
	n.At = at
	var got Notification
	if err := json.Unmarshal(first, &got); err != nil || got != n {
		t.Errorf("got %s and %v, want the notification", first, err)
	}
	again := n
	again.Body = "another text"
	if err := o.Send(t.Context(), again); err != nil {
		t.Errorf("a resend: %v", err)
	}
	if second, _ := os.ReadFile(o.Path(n.ID)); !bytes.Equal(first, second) {
		t.Errorf("a resend changed the file to %s", second)
	}
	if got, want := fileNames(t, o.dir), []string{"welcome_0123456789abcdef.json"}; !slices.Equal(got, want) {
		t.Errorf("got files %q, want %q", got, want)
	}
	info, err := os.Stat(o.Path(n.ID))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v and %v, want a file for its owner only", info.Mode(), err)
	}
}

func TestReadOutbox(t *testing.T) {
	t.Parallel()
	o := newTestOutbox(t)
	if got, err := ReadOutbox(o.dir); len(got) != 0 || err != nil {
		t.Errorf("got %v and %v from an empty outbox", got, err)
	}
	ids := []string{"b_2", "a_1", "../up", "UPPER", "upper", strings.Repeat("é", 200)}
	for i, id := range ids {
		n := sampleNotification()
		n.ID, n.At = id, at.Add(time.Duration(i/2)*time.Second).In(time.FixedZone("X", 3600))
		if err := o.Send(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	got, err := ReadOutbox(o.dir)
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, n := range got {
		order = append(order, n.ID)
	}
	if want := []string{"a_1", "b_2", "../up", "UPPER", "upper", ids[5]}; !slices.Equal(order, want) {
		t.Errorf("got %q, want by time and then ID: %q", order, want)
	}
	if _, err := ReadOutbox(filepath.Join(o.dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v for a folder that is not there", err)
	}

	for name, text := range map[string]string{
		"half.json":   `{"id":"half`,
		"other.json":  `{"id":"not-other","channel":"c","body":"b","at":"2026-01-01T00:00:00Z"}`,
		"empty.json":  ``,
		"large.json":  `{"id":"large","body":"` + strings.Repeat("x", maxOutboxFile) + `"}`,
		"notes.txt":   `nothing`,
		".tmp-123":    `{"id":`,
		".hide.json":  `{"id":`,
		"more.json":   `{"id":"more","color":"red"}`,
		"double.json": `{"id":"double"}{}`,
	} {
		if err := os.WriteFile(filepath.Join(o.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(o.dir, "folder.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	got, err = ReadOutbox(o.dir)
	if len(got) != len(ids) {
		t.Errorf("got %d notifications beside broken files, want %d", len(got), len(ids))
	}
	for _, name := range []string{"half", "other", "empty", "large", "more", "double"} {
		if err == nil || !strings.Contains(err.Error(), name+".json") {
			t.Errorf("got %.200v, want %s.json named", err, name)
		}
	}
	for _, name := range []string{"notes.txt", ".tmp-", ".hide", "folder"} {
		if strings.Contains(err.Error(), name) {
			t.Errorf("got %.200v, want %s left out", err, name)
		}
	}
}

// Temporary files of a killed process are not read, do not prevent a Send, and are
// removed at the next start. No other file is.
func TestOutboxRemovesTemporaryFilesOfAKilledProcess(t *testing.T) {
	t.Parallel()
	o := newTestOutbox(t)
	n := sampleNotification()
	if _, err := o.writeTemp(n); err != nil { // killed before the name
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(o.dir, outboxTempPrefix+"9"), []byte(`{"id": "wel`), 0o600); err != nil { // killed in mid-write
		t.Fatal(err)
	}
	if got, err := ReadOutbox(o.dir); len(got) != 0 || err != nil {
		t.Errorf("got %v and %v, want half-written ones left out", got, err)
	}
	if err := o.Send(t.Context(), n); err != nil {
		t.Errorf("send beside what was left: %v", err)
	}
	if got := fileNames(t, o.dir); len(got) != 3 {
		t.Fatalf("got files %q, want two temporary and one", got)
	}
	temp, err := o.writeTemp(n) // killed between the name and the removal: two names, one file
	if err != nil {
		t.Fatal(err)
	}
	second := n
	second.ID = "second"
	if err := os.Rename(temp, temp+"x"); err != nil {
		t.Fatal(err)
	}
	if err := o.place(temp+"x", o.Path(second.ID)); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(o.dir, ".tmp-folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenOutbox(o.dir); err != nil {
		t.Fatal(err)
	}
	if got, want := fileNames(t, o.dir), []string{".tmp-folder", "second.json", "welcome_0123456789abcdef.json"}; !slices.Equal(got, want) {
		t.Errorf("got files %q after a start, want %q", got, want)
	}
}

// Each step of a Send fails in turn, or is the last one before a kill. Before Send
// returns nil, everything is on disk, in this order. In every case a reader sees
// the whole notification or none, and the next Send completes it with the same
// bytes.
func TestOutboxIsDurableAtEachStep(t *testing.T) {
	t.Parallel()
	n := sampleNotification()
	want := []string{"sync file", "link", "sync folder"}
	record := func(o *Outbox, before func(step string) error) *[]string {
		var steps []string
		take := func(step string) error {
			steps = append(steps, step)
			return before(step)
		}
		o.disk = outboxDisk{
			sync:    func(f *os.File) error { return cmp.Or(take("sync file"), f.Sync()) },
			link:    func(from, to string) error { return cmp.Or(take("link"), os.Link(from, to)) },
			syncDir: func(dir string) error { return cmp.Or(take("sync folder"), syncDir(dir)) },
		}
		return &steps
	}
	o := newTestOutbox(t)
	steps := record(o, func(string) error { return nil })
	if err := o.Send(t.Context(), n); err != nil || !slices.Equal(*steps, want) {
		t.Fatalf("got steps %q and %v, want %q", *steps, err, want)
	}
	whole, err := os.ReadFile(o.Path(n.ID))
	if err != nil {
		t.Fatal(err)
	}
	*steps = nil
	if err := o.Send(t.Context(), n); err != nil || !slices.Equal(*steps, want[2:]) {
		t.Errorf("got steps %q and %v for a resend: the name must be on disk before it says so", *steps, err)
	}

	for i, last := range want {
		for _, killed := range []bool{true, false} {
			o := newTestOutbox(t)
			broken := errors.New("broken")
			record(o, func(step string) error {
				switch {
				case step != last:
					return nil
				case killed:
					panic(broken)
				}
				return broken
			})
			func() {
				defer func() { _ = recover() }()
				if err := o.Send(t.Context(), n); last != "link" && !errors.Is(err, broken) {
					t.Errorf("%s failed and Send said %v", last, err)
				}
			}()
			if got, err := ReadOutbox(o.dir); err != nil || len(got) > 1 || len(got) == 1 && got[0] != n || i < 1 && len(got) != 0 {
				t.Errorf("%s, killed %v: a reader sees %v and %v", last, killed, got, err)
			}
			next, err := OpenOutbox(o.dir)
			if err != nil {
				t.Fatal(err)
			}
			if err := next.Send(t.Context(), n); err != nil {
				t.Errorf("%s, killed %v: the next Send: %v", last, killed, err)
			}
			if got, _ := os.ReadFile(next.Path(n.ID)); !bytes.Equal(got, whole) {
				t.Errorf("%s, killed %v: got %q in the end", last, killed, got)
			}
			if names := fileNames(t, o.dir); len(names) != 1 {
				t.Errorf("%s, killed %v: got files %q in the end", last, killed, names)
			}
		}
	}
}

func TestOutboxIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	for name, link := range map[string]func(string, string) error{
		"links":    os.Link,
		"no links": func(string, string) error { return &os.LinkError{Op: "link", Err: syscall.ENOTSUP} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newTestOutbox(t)
			o.disk.link = link
			var wg sync.WaitGroup
			for i := range 20 {
				wg.Go(func() {
					n := sampleNotification()
					n.ID = "id_" + itoa(i%4)
					if err := o.Send(t.Context(), n); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if got, want := fileNames(t, o.dir), []string{"id_0.json", "id_1.json", "id_2.json", "id_3.json"}; !slices.Equal(got, want) {
				t.Errorf("got files %q, want %q", got, want)
			}
		})
	}
}

// With and without hard links, the first file stays.
func TestOutboxNeverReplacesAFile(t *testing.T) {
	t.Parallel()
	for name, link := range map[string]func(string, string) error{
		"links":    os.Link,
		"no links": func(string, string) error { return syscall.EPERM },
	} {
		o := newTestOutbox(t)
		o.disk.link = link
		first, second := sampleNotification(), sampleNotification()
		second.Body = "another"
		for _, n := range []Notification{first, second} {
			temp, err := o.writeTemp(n)
			if err != nil {
				t.Fatal(err)
			}
			if err := o.place(temp, o.Path(n.ID)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got, err := ReadOutbox(o.dir); err != nil || len(got) != 1 || got[0] != first {
			t.Errorf("%s: got %v and %v, want the first one's bytes", name, got, err)
		}
	}
}

func TestOutboxFailures(t *testing.T) {
	t.Parallel()
	if _, err := OpenOutbox(""); err == nil {
		t.Error("an outbox without folder was opened")
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "below")} {
		if _, err := OpenOutbox(dir); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: got %v, want an error with the path", dir, err)
		}
	}

	o := newTestOutbox(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := o.Send(ctx, sampleNotification()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v with an ended context", err)
	}
	if got := fileNames(t, o.dir); len(got) != 0 {
		t.Errorf("got files %q after an ended context", got)
	}
	o.disk.link = func(string, string) error { return syscall.ENOSPC }
	if err := os.Remove(o.dir); err != nil {
		t.Fatal(err)
	}
	err := o.Send(t.Context(), sampleNotification())
	if _, rejected := errors.AsType[*RejectedError](err); err == nil || rejected || !strings.Contains(err.Error(), o.dir) {
		t.Errorf("got %v without the folder, want it tried again", err)
	}
}
