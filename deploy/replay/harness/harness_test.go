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

// TestRigLeavesNothingBehind is not parallel: it moves the folder for temporary
// files.
func TestRigLeavesNothingBehind(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	t.Setenv("TMP", temp)
	left := func() int {
		entries, err := os.ReadDir(temp)
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	for _, event := range []string{"uploads/put-in-queue.json", "changes/user-becomes-active.json", "messages/notification.json"} {
		worker, payload := filepath.Dir(event), recorded(t, event)
		r, err := New(t.Context(), testdata, payload)
		if err != nil {
			t.Fatal(err)
		}
		invoke, err := r.Worker(worker, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := invoke(t.Context(), payload)
		if _, err := r.Outcome(t.Context(), payload, answer, err); err != nil {
			t.Error(err)
		}
		if left() == 0 {
			t.Errorf("%s: nothing was kept, so there is nothing to remove", event)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if n := left(); n > 0 {
			t.Errorf("%s: %d left behind", event, n)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := New(ctx, testdata, []byte(`{}`)); !errors.Is(err, context.Canceled) {
		t.Errorf("called off: got %v", err)
	}
	if n := left(); n > 0 {
		t.Errorf("called off: %d left behind", n)
	}
}

func TestRigPutsTheObjectsOfAnEvent(t *testing.T) {
	t.Parallel()
	inside := t.TempDir()
	outside := filepath.Join(filepath.Dir(inside), "outside.json")
	for file, text := range map[string]string{
		filepath.Join(inside, "images", "a.jpg"):                               "a",
		filepath.Join(inside, "images", "bad", "b.jpg"):                        "b",
		filepath.Join(inside, "events", "uploads", "objects", "inbox", "c.js"): "c",
		outside: "not ours",
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

func TestRigHasNoOtherWorkers(t *testing.T) {
	t.Parallel()
	r, err := New(t.Context(), testdata, []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	if _, err := r.Worker("coffee", nil); err == nil || !strings.Contains(err.Error(), strings.Join(functions.Workers(), ", ")) {
		t.Errorf("got %v, want an error that names the workers", err)
	}
}

// TestWorkerOfEachRecordedEvent takes the folder's word away: what the event
// holds says the same, where it holds anything.
func TestWorkerOfEachRecordedEvent(t *testing.T) {
	t.Parallel()
	for _, worker := range functions.Workers() {
		files, err := filepath.Glob(filepath.Join(testdata, "events", worker, "*.json"))
		if err != nil || len(files) == 0 {
			t.Fatalf("events of %s: %v, %v", worker, files, err)
		}
		for _, file := range files {
			name := filepath.Base(file)
			if strings.HasSuffix(name, ".want.json") || name == "empty-batch.json" {
				continue
			}
			payload := recorded(t, worker+"/"+name)
			if got, err := WorkerOf("somewhere/"+name, payload); got != worker || err != nil {
				t.Errorf("%s: got %q, %v, want %s", file, got, err, worker)
			}
			if got, err := WorkerOf(file, []byte("not JSON")); got != worker || err != nil {
				t.Errorf("%s by its folder: got %q, %v, want %s", file, got, err, worker)
			}
		}
	}
}

// TestWorkerOfNoticesInAnyQueue: what a message holds tells more than the name of
// the queue.
func TestWorkerOfNoticesInAnyQueue(t *testing.T) {
	t.Parallel()
	payload := strings.ReplaceAll(string(recorded(t, "uploads/put-in-queue.json")), ":uploads\"", ":pictures\"")
	if got, err := WorkerOf("event.json", []byte(payload)); got != "uploads" || err != nil || !strings.Contains(payload, ":pictures") {
		t.Errorf("got %q, %v, want uploads", got, err)
	}
}

func TestWorkerOfWhatIsNobodys(t *testing.T) {
	t.Parallel()
	kinesis := `{"Records":[{"eventSource":"aws:kinesis","eventID":"shard:1","kinesis":{"sequenceNumber":"1","partitionKey":"k","data":""}}]}`
	for _, payload := range []string{"not JSON", `{}`, `{"Records":[]}`, `null`, kinesis} {
		if got, err := WorkerOf("event.json", []byte(payload)); err == nil {
			t.Errorf("%s: got %q, want an error", payload, got)
		}
	}
}
