package queue_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"sluice/deploy/local/sqsserver"
	"sluice/deploy/local/store"
)

const (
	envKillDir   = "SLUICE_QUEUES_TEST_DIR"
	envKillRound = "SLUICE_QUEUES_TEST_ROUND"
)

var killQueues = []string{"load", "load.fifo"}

// TestChildUnderLoad is the child of TestKill. It sends, receives and deletes
// until it is killed, and prints a line for each response: "sent", "received" and
// "deleted", and "deleting" before it requests a delete.
func TestChildUnderLoad(t *testing.T) {
	dir := os.Getenv(envKillDir)
	if dir == "" {
		t.Skip("runs only as a child of TestKill")
	}
	db, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqsserver.New(db, sqsserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range killQueues {
		attrs := map[string]string{"VisibilityTimeout": "43200"}
		if strings.HasSuffix(name, ".fifo") {
			attrs["FifoQueue"] = "true"
		}
		if err := s.Create(t.Context(), name, attrs); err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	report := func(what, body string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Printf("%s %s\n", what, body)
	}
	ask := func(action string, in any, out any) {
		raw, err := json.Marshal(in)
		if err != nil {
			panic(err)
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", bytes.NewReader(raw))
		r.Header.Set("X-Amz-Target", "AmazonSQS."+action)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			panic(fmt.Sprintf("%s: %d %s", action, w.Code, w.Body))
		}
		if out != nil {
			if err := json.Unmarshal(w.Body.Bytes(), out); err != nil {
				panic(err)
			}
		}
	}
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			name := killQueues[i%len(killQueues)]
			url := s.URL(name)
			for n := 0; ; n++ {
				body := fmt.Sprintf("%s/%s-%d-%d", name, os.Getenv(envKillRound), i, n)
				in := map[string]any{"QueueUrl": url, "MessageBody": body}
				if strings.HasSuffix(name, ".fifo") {
					in["MessageGroupId"], in["MessageDeduplicationId"] = fmt.Sprint("g", n%7), strings.ReplaceAll(body, "/", "-")
				}
				ask("SendMessage", in, nil)
				report("sent", body)
				var got struct {
					Messages []struct{ Body, ReceiptHandle string }
				}
				ask("ReceiveMessage", map[string]any{"QueueUrl": url, "MaxNumberOfMessages": 2}, &got)
				for _, m := range got.Messages {
					if n%3 == 0 { // some stay in flight
						report("received", m.Body)
						continue
					}
					report("deleting", m.Body)
					ask("DeleteMessage", map[string]any{"QueueUrl": url, "ReceiptHandle": m.ReceiptHandle}, nil)
					report("deleted", m.Body)
				}
			}
		})
	}
	wg.Wait()
}

// TestKill kills the process with SIGKILL at seeded points of its work and checks
// the store: every acknowledged send whose delete was not requested is there, no
// message returns after an acknowledged delete, a message that was in flight still
// is, and the stored trees agree.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	t.Parallel()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(3, 7))
	dir := t.TempDir()
	last := map[string]string{} // body → the last line about it
	for round := range 5 {
		stopAfter := 50 + r.IntN(1200)
		lines := killAfter(t, exe, dir, round, stopAfter)
		for _, line := range lines {
			what, body, _ := strings.Cut(line, " ")
			if what == "sent" && last[body] != "" {
				continue // the receiver printed its line before the sender
			}
			if last[body] == "deleted" && what != "deleted" {
				t.Errorf("round %d: %s was %s after its delete was acknowledged", round, body, what)
			}
			last[body] = what
		}
		checkLeft(t, dir, round, last)
	}
}

// killAfter starts the child, kills it after stopAfter lines, and returns all its
// lines.
func killAfter(t *testing.T, exe, dir string, round, stopAfter int) (lines []string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := exec.CommandContext(ctx, exe, "-test.run=^TestChildUnderLoad$") // cancelling kills it with SIGKILL
	cmd.Env = append(os.Environ(), envKillDir+"="+dir, fmt.Sprintf("%s=%d", envKillRound, round))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(out)
	for {
		line, err := in.ReadString('\n')
		if err == io.EOF { // half a line is a response that was not read
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if lines = append(lines, strings.TrimSpace(line)); len(lines) == stopAfter {
			cancel()
		}
	}
	_ = cmd.Wait() // it was killed
	if len(lines) < stopAfter {
		t.Fatalf("the child ended before it was killed, after %d lines: %v", len(lines), lines[max(0, len(lines)-5):])
	}
	return lines
}

func checkLeft(t *testing.T, dir string, round int, last map[string]string) {
	t.Helper()
	db, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatalf("round %d: %v", round, err)
	}
	defer db.Close()
	s, err := sqsserver.New(db, sqsserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var here []string
	inFlight := map[string]bool{}
	for _, name := range killQueues {
		s.CheckTrees(t, name)
		here = append(here, s.Bodies(t, name)...)
		for _, body := range s.InFlightBodies(t, name) {
			inFlight[body] = true
		}
	}
	slices.Sort(here)
	for body, what := range last {
		_, there := slices.BinarySearch(here, body)
		switch {
		case what == "deleted" && there:
			t.Errorf("round %d: %s is back after its delete was acknowledged", round, body)
		case (what == "sent" || what == "received") && !there:
			t.Errorf("round %d: %s is lost; its last line is %q", round, body, what)
		case what == "received" && !inFlight[body]:
			t.Errorf("round %d: %s was received and is visible again", round, body)
		}
	}
	t.Logf("round %d: %d messages known, %d left", round, len(last), len(here))
}
