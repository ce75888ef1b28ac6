package harness

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/deploy/functions"
)

const testdata = "../../../testdata"

func recorded(t *testing.T, event string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(testdata, "events", event))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestCloseRemovesTheFolder is not parallel: it replaces the folder for temporary
// files.
func TestCloseRemovesTheFolder(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	t.Setenv("TMP", temp)
	count := func() int {
		entries, err := os.ReadDir(temp)
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	for _, event := range []string{"uploads/put-in-queue.json", "changes/user-becomes-active.json", "messages/notification.json"} {
		worker, payload := filepath.Dir(event), recorded(t, event)
		h, err := New(t.Context(), testdata, payload)
		if err != nil {
			t.Fatal(err)
		}
		invoke, err := h.Worker(worker, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := invoke(t.Context(), payload)
		if _, err := h.Outcome(t.Context(), payload, response, err); err != nil {
			t.Error(err)
		}
		if count() == 0 {
			t.Errorf("%s: got no temporary files, so the test checks nothing", event)
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		if n := count(); n > 0 {
			t.Errorf("%s: got %d temporary files, want none", event, n)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := New(ctx, testdata, []byte(`{}`)); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: got %v, want context.Canceled", err)
	}
	if n := count(); n > 0 {
		t.Errorf("canceled: got %d temporary files, want none", n)
	}
}

func TestObjectFileFindsTheObjectsOfAnEvent(t *testing.T) {
	t.Parallel()
	inside := t.TempDir()
	outside := filepath.Join(filepath.Dir(inside), "outside.json")
	for file, text := range map[string]string{
		filepath.Join(inside, "images", "a.jpg"):                               "a",
		filepath.Join(inside, "images", "bad", "b.jpg"):                        "b",
		filepath.Join(inside, "events", "uploads", "objects", "inbox", "c.js"): "c",
		outside: "outside",
	} {
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for key, want := range map[string]string{
		"photos/a.jpg":                          "images/a.jpg",
		"photos/x/y/a.jpg":                      "images/a.jpg",
		"photos/b.jpg":                          "images/bad/b.jpg",
		"inbox/c.js":                            "events/uploads/objects/inbox/c.js",
		"photos/none.jpg":                       "",
		"photos/":                               "",
		"inbox":                                 "", // a folder
		"other/a.jpg":                           "",
		"../../../../" + filepath.Base(outside): "",
	} {
		got := objectFile(inside, key)
		if want != "" {
			want = filepath.Join(inside, filepath.FromSlash(want))
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", key, got, want)
		}
	}
}

func TestWorkerRefusesAnUnknownName(t *testing.T) {
	t.Parallel()
	h, err := New(t.Context(), testdata, []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	if _, err := h.Worker("coffee", nil); err == nil || !strings.Contains(err.Error(), strings.Join(functions.Workers(), ", ")) {
		t.Errorf("got %v, want an error that names the workers", err)
	}
}

// TestWorkerOfEachRecordedEvent checks that a recorded event's payload gives the
// same worker as its folder. An empty batch and a warm-up, which every worker
// accepts, give none.
func TestWorkerOfEachRecordedEvent(t *testing.T) {
	t.Parallel()
	for _, worker := range functions.Workers() {
		files, err := filepath.Glob(filepath.Join(testdata, "events", worker, "*.json"))
		if err != nil || len(files) == 0 {
			t.Fatalf("events of %s: %v, %v", worker, files, err)
		}
		for _, file := range files {
			name := filepath.Base(file)
			if strings.HasSuffix(name, ".want.json") || name == "empty-batch.json" || strings.HasPrefix(name, "warm-up") {
				continue
			}
			payload := recorded(t, worker+"/"+name)
			if got, err := WorkerOf("somewhere/"+name, payload); got != worker || err != nil {
				t.Errorf("%s: got %q, %v, want %s", file, got, err, worker)
			}
			if got, err := WorkerOf(file, []byte("not JSON")); got != worker || err != nil {
				t.Errorf("%s, by folder: got %q, %v, want %s", file, got, err, worker)
			}
		}
	}
}

func TestWorkerOfS3EventsInAQueueOfAnotherName(t *testing.T) {
	t.Parallel()
	payload := strings.ReplaceAll(string(recorded(t, "uploads/put-in-queue.json")), ":uploads\"", ":pictures\"")
	if got, err := WorkerOf("event.json", []byte(payload)); got != "uploads" || err != nil || !strings.Contains(payload, ":pictures") {
		t.Errorf("got %q, %v, want uploads", got, err)
	}
}

func TestWorkerOfRefusesOtherEvents(t *testing.T) {
	t.Parallel()
	kinesis := `{"Records":[{"eventSource":"aws:kinesis","eventID":"shard:1","kinesis":{"sequenceNumber":"1","partitionKey":"k","data":""}}]}`
	for _, payload := range []string{"not JSON", `{}`, `{"Records":[]}`, `null`, kinesis} {
		if got, err := WorkerOf("event.json", []byte(payload)); err == nil {
			t.Errorf("%s: got %q, want an error", payload, got)
		}
	}
}
