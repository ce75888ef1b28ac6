package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sluice/deploy/replay/harness"
)

const events = "../../testdata/events"

// argsVariable has the arguments of a test binary that runs as the command.
const argsVariable = "SLUICE_TEST_REPLAY_ARGS"

// TestMainProcess runs the command if a test started the binary for that.
func TestMainProcess(t *testing.T) {
	var args []string
	if err := json.Unmarshal([]byte(os.Getenv(argsVariable)), &args); err != nil {
		return
	}
	os.Args = append([]string{"replay"}, args...)
	main()
	os.Exit(0)
}

// command runs the command in a process of its own. left are the entries that
// remain in its folder for temporary files.
func command(t *testing.T, args ...string) (status int, stdout, stderr string, left []string) {
	t.Helper()
	temp := t.TempDir()
	text, err := json.Marshal(args)
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMainProcess$")
	cmd.Env = append(os.Environ(), argsVariable+"="+string(text), "TMPDIR="+temp, "TMP="+temp)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		status = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	if left, err = filepath.Glob(filepath.Join(temp, "sluice-replay-*")); err != nil {
		t.Fatal(err)
	}
	return status, out.String(), errs.String(), left
}

func TestExitStatus(t *testing.T) {
	t.Parallel()
	done, dead := events+"/messages/user-registration.json", events+"/messages/unknown-type.json"
	for _, c := range []struct {
		name           string
		args           []string
		status         int
		stdout, stderr string // substrings
	}{
		{"all done", []string{done, events + "/changes/user-pending-inserted.json"}, 0, "done", ""},
		{"a dead letter", []string{dead}, 1, "dead-lettered", ""},
		{"comes back", []string{events + "/changes/keys-only.json"}, 1, "comes back", ""},
		{"the invocation fails", []string{"-worker", "changes", done}, 1, "the invocation failed", ""},
		{"one of two is not done", []string{dead, done}, 1, "done", ""},
		{"no such file", []string{"no-such-file.json", done}, 1, "done", "no-such-file.json"},
		{"help", []string{"-h"}, 0, "", "usage: replay"},
		{"no file", nil, 2, "", "usage: replay"},
		{"unknown flag", []string{"-verbose", done}, 2, "", "-verbose"},
		{"unknown worker", []string{"-worker", "coffee", done}, 2, "", "changes, messages, uploads"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			status, stdout, stderr, left := command(t, c.args...)
			if status != c.status {
				t.Errorf("status: got %d, want %d\n%s%s", status, c.status, stdout, stderr)
			}
			if !strings.Contains(stdout, c.stdout) || !strings.Contains(stderr, c.stderr) {
				t.Errorf("got %q and %q, want %q and %q in them", stdout, stderr, c.stdout, c.stderr)
			}
			if c.stderr == "" && stderr != "" {
				t.Errorf("standard error: got %q, want nothing", stderr)
			}
			if len(left) > 0 {
				t.Errorf("temporary files: got %q, want none", left)
			}
		})
	}
}

// replayed runs the command in this process.
func replayed(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	err = run(t.Context(), args, &out, &errs)
	return out.String(), errs.String(), err
}

// elsewhere copies an event to a folder without the name of a worker.
func elsewhere(t *testing.T, event string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(events, event))
	if err != nil {
		t.Fatal(err)
	}
	return written(t, string(b))
}

func written(t *testing.T, event string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "event.json")
	if err := os.WriteFile(file, []byte(event), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestRunFindsTheWorkerByFolderOrPayload(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ event, worker string }{
		{"messages/user-registration.json", "messages"},
		{"changes/user-pending-inserted.json", "changes"},
		{"uploads/permanent-delete.json", "uploads"},
	} {
		for how, file := range map[string]string{"folder": filepath.Join(events, c.event), "payload": elsewhere(t, c.event)} {
			stdout, _, err := replayed(t, file)
			if err != nil || !strings.Contains(stdout, file+" → "+c.worker+"\n") {
				t.Errorf("%s by its %s: got %q, %v, want %s", c.event, how, stdout, err, c.worker)
			}
		}
	}
}

func TestRunUsesTheWorkerOfTheFlag(t *testing.T) {
	t.Parallel()
	file := elsewhere(t, "messages/user-registration.json")
	stdout, _, err := replayed(t, "-worker", "changes", file)
	if !errors.Is(err, errNotDone) || !strings.Contains(stdout, "→ changes\n") || !strings.Contains(stdout, "the invocation failed: ") {
		t.Errorf("got %q, %v, want changes to refuse an event of a queue", stdout, err)
	}
	// An event without records does not show its worker.
	empty := written(t, `{"Records":[]}`)
	if _, _, err := replayed(t, empty); err == nil || !strings.Contains(err.Error(), "-worker") {
		t.Errorf("an event without records: got %v, want an error that names -worker", err)
	}
	if _, _, err := replayed(t, "-worker", "messages", empty); err != nil {
		t.Errorf("an event without records, with -worker messages: got %v", err)
	}
}

func TestRunUploadsPicturesFromTestdata(t *testing.T) {
	t.Parallel()
	file := elsewhere(t, "uploads/put-in-queue.json")
	for _, c := range []struct {
		testdata string
		made     bool
	}{{"../../testdata", true}, {t.TempDir(), false}} {
		stdout, _, err := replayed(t, "-v", "-testdata", c.testdata, file)
		if err != nil || strings.Contains(stdout, `"contentType"`) != c.made {
			t.Errorf("-testdata %s: got %v, want thumbnails: %v\n%s", c.testdata, err, c.made, stdout)
		}
	}
	if got := findTestdata(filepath.Join(events, "uploads", "put-in-queue.json")); filepath.Base(got) != "testdata" || !filepath.IsAbs(got) {
		t.Errorf("folder above an event: got %s, want testdata", got)
	}
	if got := findTestdata(file); got != "testdata" {
		t.Errorf("folder above another file: got %s, want testdata of the working directory", got)
	}
}

func TestRunPrintsTheWholeOutcomeWithV(t *testing.T) {
	t.Parallel()
	file := events + "/messages/user-registration.json"
	stdout, stderr, err := replayed(t, file)
	if err != nil || stderr != "" || strings.Contains(stdout, "{") {
		t.Errorf("got %q, %q, %v, want one line for each record", stdout, stderr, err)
	}
	stdout, stderr, err = replayed(t, "-v", file)
	_, text, _ := strings.Cut(stdout, "\n  {")
	var o harness.Outcome
	if jsonErr := json.Unmarshal([]byte("{"+text), &o); err != nil || jsonErr != nil || len(o.Records) == 0 || len(o.Items) == 0 {
		t.Errorf("-v: got %q, %v, %v, want the outcome as JSON", stdout, err, jsonErr)
	}
	if !strings.Contains(stderr, "msg=batch") || !strings.Contains(stderr, "worker=messages") {
		t.Errorf("-v: got %q, want the worker's log", stderr)
	}
}

func TestRunContinuesAfterAnUnreadableFile(t *testing.T) {
	t.Parallel()
	stdout, _, err := replayed(t, "no-such-file.json", written(t, "{"), events+"/messages/unknown-type.json", events+"/messages/user-registration.json")
	if err == nil || errors.Is(err, errNotDone) || errors.Is(err, flag.ErrHelp) || !strings.Contains(err.Error(), "no-such-file.json") || !strings.Contains(err.Error(), "event.json") {
		t.Errorf("got %v, want an error that names both files", err)
	}
	if strings.Count(stdout, " → messages") != 2 {
		t.Errorf("got %q, want the other two events to run", stdout)
	}
}

func TestRunStopsWhenCanceled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out bytes.Buffer
	if err := run(ctx, []string{events + "/messages/user-registration.json"}, &out, &out); err == nil {
		t.Errorf("got no error and %s", out.String())
	}
}
