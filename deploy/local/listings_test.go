package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/deploy/local/stack"
	"sluice/deploy/local/stack/stacktest"
)

// lines runs a command that must succeed and returns the fields of each line.
func lines(t *testing.T, dir string, args ...string) (all [][]string) {
	t.Helper()
	stdout, stderr, err := runCommand(t, append([]string{"-data", dir}, args...)...)
	if err != nil {
		t.Fatalf("%v: %v\n%s%s", args, err, stdout, stderr)
	}
	for line := range strings.Lines(stdout) {
		all = append(all, strings.Fields(line))
	}
	return all
}

// listingStack opens a stack that the commands of a test find.
func listingStack(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	stacktest.Open(t, func(o *stack.Options) {
		o.Dir = dir
		stacktest.Listen(o)
	})
	return dir
}

// TestRecordsAreListedAndPrinted: by prefix, as JSON, and one as a whole.
func TestRecordsAreListedAndPrinted(t *testing.T) {
	t.Parallel()
	dir := listingStack(t)
	lines(t, dir, "send", "user-registration", `{"email":"ada@example.com","name":"Ada"}`)
	created := lines(t, dir, "create", "note#1", `{"status":"new","text":"\u001b[31m"}`)
	if len(created) != 1 || strings.Join(created[0], " ") != "record note#1: (none) -> new" {
		t.Errorf("create: got %v", created)
	}
	if _, _, err := runCommand(t, "-data", dir, "create", "note#1", `{}`); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("create again: got %v, want an error", err)
	}
	if _, _, err := runCommand(t, "-data", dir, "create", "note#2", `[1]`); err == nil {
		t.Error("create of data that is no object: got no error")
	}
	if got := lines(t, dir, "records"); len(got) != 3 {
		t.Errorf("records: got %v, want a head and two records", got)
	}
	if got := lines(t, dir, "records", "user#"); len(got) != 2 || got[1][0] != "user#ada@example.com" || got[1][1] != "active" {
		t.Errorf("records user#: got %v", got)
	}
	if got := lines(t, dir, "records", "nothing#"); len(got) != 1 {
		t.Errorf("records nothing#: got %v, want the head only", got)
	}
	stdout, _, err := runCommand(t, "-data", dir, "records", "note#1")
	var note map[string]string
	if json.Unmarshal([]byte(stdout), &note) != nil || err != nil || note["text"] != "\x1b[31m" || strings.Contains(stdout, "\x1b") {
		t.Errorf("records note#1: got %q, %v, want JSON without a control character", stdout, err)
	}
	stdout, _, err = runCommand(t, "-data", dir, "records", "-json")
	var all []struct{ Key string }
	if json.Unmarshal([]byte(stdout), &all) != nil || err != nil || len(all) != 2 {
		t.Errorf("records -json: got %s, %v", stdout, err)
	}
}

// TestDeadLettersAreShownRedrivenAndDropped: a redriven dead letter that fails
// again comes back once, and does not circulate.
func TestDeadLettersAreShownRedrivenAndDropped(t *testing.T) {
	t.Parallel()
	dir := listingStack(t)
	for _, typ := range []string{"make-coffee", "make-tea"} {
		if _, _, err := runCommand(t, "-data", dir, "send", typ, `{}`); !errors.Is(err, errItemsFailed) {
			t.Fatalf("send %s: got %v, want a dead letter", typ, err)
		}
	}
	list := lines(t, dir, "dead-letters")
	if len(list) != 3 || list[1][1] != "jobs-dead" {
		t.Fatalf("dead-letters: got %v, want two", list)
	}
	id := list[1][0]
	shown := lines(t, dir, "dead-letters", "show", id[:8])
	if len(shown) != 9 || shown[0][1] != id {
		t.Errorf("show %s: got %v", id[:8], shown)
	}
	if got := lines(t, dir, "dead-letters", "redrive", "-reason", "make-tea"); len(got) != 1 {
		t.Errorf("redrive -reason: got %v, want one", got)
	}
	client := runningClient(t, dir)
	if err := stacktest.Settle(t.Context(), client, settleLimit); err != nil {
		t.Fatal(err)
	}
	if list = lines(t, dir, "dead-letters"); len(list) != 3 {
		t.Errorf("after the redrive of a message that fails again: got %v, want two", list)
	}
	for _, l := range list[1:] {
		if got := lines(t, dir, "dead-letters", "drop", l[0]); len(got) != 1 || got[0][1] != l[0] {
			t.Errorf("drop %s: got %v", l[0], got)
		}
	}
	if list = lines(t, dir, "dead-letters"); len(list) != 1 {
		t.Errorf("after the drop: got %v, want none", list)
	}
	for _, args := range [][]string{{"show", "a"}, {"show", "12345678"}, {"drop"}, {"redrive"}, {"redrive", "-all", "-reason", "x"}, {"eat", "12345678"}} {
		if _, _, err := runCommand(t, append([]string{"-data", dir, "dead-letters"}, args...)...); err == nil {
			t.Errorf("dead-letters %v: got no error", args)
		}
	}
}

// TestOutboxIsListedAndPrinted: without a running stack, too.
func TestOutboxIsListedAndPrinted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if got := lines(t, dir, "outbox"); len(got) != 1 {
		t.Errorf("outbox of an empty folder: got %v, want the head only", got)
	}
	lines(t, dir, "send", "user-registration", `{"email":"ada@example.com","name":"Ada"}`)
	list := lines(t, dir, "outbox")
	if len(list) != 2 || list[1][3] != "ada@example.com" {
		t.Fatalf("outbox: got %v", list)
	}
	mail := lines(t, dir, "outbox", list[1][0])
	if len(mail) < 5 || strings.Join(mail[0], " ") != "To: ada@example.com" || strings.Join(mail[1], " ") != "Subject: Welcome" {
		t.Errorf("outbox %s: got %v", list[1][0], mail)
	}
	if _, _, err := runCommand(t, "-data", dir, "outbox", "unknown"); err == nil {
		t.Error("outbox of an unknown ID: got no error")
	}
}

// TestStatusCounts: queues, records, objects and notifications.
func TestStatusCounts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, stderr, err := runCommand(t, "-data", dir, filepath.Join(goodPictures, "progressive.jpg")); err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	stdout, _, err := runCommand(t, "-data", dir, "status")
	if err != nil || !strings.Contains(stdout, "records 1 (all changes are read), uploads 1, thumbnails 1, notifications 1, store ") {
		t.Errorf("status: got\n%s%v", stdout, err)
	}
}

// TestMisspelledVerbsAreSuggested: a word that is close to a verb and no file is
// not taken for a path.
func TestMisspelledVerbsAreSuggested(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]string{"sed": "send", "setstatus": "set-status", "recods": "records", "deadletters": "dead-letters", "statsu": "status"} {
		_, _, err := runCommand(t, "-data", t.TempDir(), word, "x", "y")
		if err == nil || !strings.Contains(err.Error(), "did you mean "+want+"?") {
			t.Errorf("%s: got %v, want the suggestion %s", word, err, want)
		}
	}
	if _, _, err := runCommand(t, "-data", t.TempDir(), "holiday.jpg"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: got %v, want fs.ErrNotExist", err)
	}
}

// TestHostileFileNamesAreEscaped: an escape sequence in the name of a file does
// not reach the terminal.
func TestHostileFileNamesAreEscaped(t *testing.T) {
	t.Parallel()
	dir, files := t.TempDir(), t.TempDir()
	picture, err := os.ReadFile(filepath.Join(goodPictures, "progressive.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	name := "\x1b]0;owned\x07\x1b[2J\nready.jpg"
	if err := os.WriteFile(filepath.Join(files, name), picture, 0o600); err != nil {
		t.Skipf("this file system refuses the name: %v", err)
	}
	p := startProgram(t, "-data", dir, filepath.Join(files, name))
	if got := p.status(); got != 0 {
		t.Errorf("got exit status %d\n%q", got, p.stderr.String())
	}
	for _, out := range []string{p.stdout.String(), p.stderr.String()} {
		if strings.ContainsAny(out, "\x1b\x07\r") {
			t.Errorf("got %q, want no control character", out)
		}
	}
	if out := p.stdout.String(); !strings.Contains(out, `\x1b]0;owned\a\x1b[2J\nready.jpg`) {
		t.Errorf("got\n%s\nwant the escaped name", out)
	}
}

// TestMixedCaseAddressesAreOneUser: in messages and in created records; and the
// migration finds nothing to do.
func TestMixedCaseAddressesAreOneUser(t *testing.T) {
	t.Parallel()
	dir := listingStack(t)
	lines(t, dir, "send", "user-registration", `{"email":"ADA@Example.com","name":"Ada"}`)
	lines(t, dir, "send", "user-registration", `{"email":"ada@example.com","name":"Eve"}`)
	lines(t, dir, "create", "user#Ada@Example.com/order#7", `{"status":"new"}`)
	got := lines(t, dir, "records", "user#")
	if len(got) != 3 || got[1][0] != "user#ada@example.com" || got[2][0] != "user#ada@example.com/order#7" {
		t.Errorf("got %v, want one user and one order", got)
	}
	if got := lines(t, dir, "migrate-addresses"); len(got) != 1 || strings.Join(got[0], " ") != "moved 0 records" {
		t.Errorf("got %v, want no record moved", got)
	}
}
