package sqsserver

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

	"go.etcd.io/bbolt"

	"sluice/deploy/local/store"
)

const (
	envKillDir   = "SLUICE_QUEUES_TEST_DIR"
	envKillRound = "SLUICE_QUEUES_TEST_ROUND"
)

var killQueues = []string{"load", "load.fifo"}

// TestChildUnderLoad is the child of TestKill: it sends, receives and deletes until it is killed, and says on standard output
// what it was told, each line after the answer: "sent", "received", "deleting" (before it asks) and "deleted".
func TestChildUnderLoad(t *testing.T) {
	dir := os.Getenv(envKillDir)
	if dir == "" {
		t.Skip("only runs as a child of TestKill")
	}
	db, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(db, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range killQueues {
		attrs := map[string]string{attrVisibility: "43200"}
		if strings.HasSuffix(name, fifoSuffix) {
			attrs[attrFifo] = "true"
		}
		if err := s.Create(t.Context(), name, attrs); err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	say := func(what, body string) {
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
		r.Header.Set("X-Amz-Target", targetPrefix+action)
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
				if strings.HasSuffix(name, fifoSuffix) {
					in["MessageGroupId"], in["MessageDeduplicationId"] = fmt.Sprint("g", n%7), strings.ReplaceAll(body, "/", "-")
				}
				ask("SendMessage", in, nil)
				say("sent", body)
				var got struct {
					Messages []struct{ Body, ReceiptHandle string }
				}
				ask("ReceiveMessage", map[string]any{"QueueUrl": url, "MaxNumberOfMessages": 2}, &got)
				for _, m := range got.Messages {
					if n%3 == 0 { // some stay in flight
						say("received", m.Body)
						continue
					}
					say("deleting", m.Body)
					ask("DeleteMessage", map[string]any{"QueueUrl": url, "ReceiptHandle": m.ReceiptHandle}, nil)
					say("deleted", m.Body)
				}
			}
		})
	}
	wg.Wait()
}

// TestKill kills the process with -9 at seeded points of its work and looks at what is left: every acknowledged send that nobody
// began to delete is there, no acknowledged delete is back, a message that was in flight still is, and all that is stored agrees.
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
	last := map[string]string{} // body → the last thing said about it
	for round := range 5 {
		stopAfter := 50 + r.IntN(1200)
		lines := killAfter(t, exe, dir, round, stopAfter)
		for _, line := range lines {
			what, body, _ := strings.Cut(line, " ")
			if what == "sent" && last[body] != "" {
				continue // whoever received it was faster to say so than the sender
			}
			if last[body] == "deleted" && what != "deleted" {
				t.Errorf("round %d: %s was %s after its delete was acknowledged", round, body, what)
			}
			last[body] = what
		}
		checkLeft(t, dir, round, last)
	}
}

// killAfter starts the child, kills it when it has said so many lines, and gives all it said.
func killAfter(t *testing.T, exe, dir string, round, stopAfter int) (lines []string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := exec.CommandContext(ctx, exe, "-test.run=^TestChildUnderLoad$") // a cancelled command is killed with -9
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
		if err == io.EOF { // half a line is an answer that nobody read
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
		t.Fatalf("the child ended by itself after %d lines: %v", len(lines), lines[max(0, len(lines)-5):])
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
	s, err := New(db, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var here []string
	inFlight := map[string]bool{}
	for _, name := range killQueues {
		checkTrees(t, s, name)
		here = append(here, bodiesOf(t, s, name)...)
		for _, body := range waitingBodies(t, s, name) {
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
			t.Errorf("round %d: %s is lost; it was last %s", round, body, what)
		case what == "received" && !inFlight[body]:
			t.Errorf("round %d: %s was received, and is visible", round, body)
		}
	}
	t.Logf("round %d: %d messages known, %d left", round, len(last), len(here))
}

func waitingBodies(t *testing.T, s *Service, name string) (out []string) {
	t.Helper()
	err := s.db.View(func(tx *bbolt.Tx) error {
		q, err := s.open(tx, name)
		if err != nil {
			return err
		}
		return q.waiting().ForEach(func(tk, _ []byte) error {
			_, k := splitTimeKey(tk)
			m, err := q.load(k)
			out = append(out, string(m.body))
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
