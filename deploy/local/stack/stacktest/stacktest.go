// Package stacktest opens local stacks in tests.
package stacktest

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"sluice/deploy/local/admin"
	"sluice/deploy/local/stack"
	"sluice/notify"
	"sluice/pipeline"
	"sluice/pipeline/sqsqueue"
	"sluice/workers/schema"
)

// Options are those of a stack in dir that nothing outside the process
// reaches. In a synctest bubble its clock is the bubble's.
func Options(dir string) stack.Options {
	return stack.Options{
		Dir: dir, Environ: map[string]string{}, DrainLimit: 10 * time.Second, Logger: slog.New(slog.DiscardHandler),
		Hooks: stack.Hooks{Transport: Direct},
	}
}

// Open opens a stack in a folder of its own, unless change sets one. It is
// closed with the test, which fails if Close does.
func Open(t *testing.T, change func(*stack.Options)) *stack.Stack {
	t.Helper()
	o := Options("")
	if change != nil {
		change(&o)
	}
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	s, err := stack.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Listen changes options so that the stack listens on a free port.
func Listen(o *stack.Options) { o.Addr, o.Hooks.Transport = "127.0.0.1:0", nil }

// Direct returns a transport that calls h without a network, so that the clock
// of a synctest bubble advances while requests wait.
func Direct(h http.Handler) http.RoundTripper { return direct{h} }

type direct struct{ handler http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
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

// Settle waits until nothing is queued, in flight or unread.
func Settle(ctx context.Context, c *admin.Client, patience time.Duration) error {
	for deadline := time.Now().Add(patience); ; {
		idle, err := c.Idle(ctx)
		if err != nil || idle.Idle {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not idle after %v: %+v", patience, idle)
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Message is a message with an id.
func Message(t *testing.T, id, typ string, data any) pipeline.Message {
	t.Helper()
	m, err := pipeline.NewMessage(t.Context(), typ, "", data)
	if err != nil {
		t.Fatal(err)
	}
	m.ID = id
	return m
}

// Send sends messages to queue jobs.
func Send(t *testing.T, s *stack.Stack, messages ...pipeline.Message) {
	t.Helper()
	q := sqsqueue.Queue{Client: s.Client().SQS, URL: s.QueueURL(schema.QueueJobs)}
	if err := q.Send(t.Context(), messages...); err != nil {
		t.Fatal(err)
	}
}

// SentIDs are the ids of the notifications in the outbox of the stack in dir,
// sorted.
func SentIDs(t *testing.T, dir string) []string {
	t.Helper()
	sent, err := notify.ReadOutbox(filepath.Join(dir, "outbox"))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, n := range sent {
		ids = append(ids, n.ID)
	}
	slices.Sort(ids)
	return ids
}
