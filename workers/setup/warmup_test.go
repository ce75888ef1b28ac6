package setup_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"sluice/workers/setup"
)

func TestIsWarmUpTakesScheduledEventsOnly(t *testing.T) {
	t.Parallel()
	for payload, want := range map[string]bool{
		`{"source":"aws.events","detail-type":"Scheduled Event"}`: true,
		`{"version":"0","id":"1","detail-type":"Scheduled Event","source":"aws.events","account":"1","time":"2026-01-02T03:04:05Z","region":"us-east-1","resources":[],"detail":{}}`: true,
		`{"source":"aws.s3","detail-type":"Object Created"}`:                       false,
		`{"source":"mine","detail-type":"Scheduled Event"}`:                        false,
		`{"source":"aws.events","detail-type":"Other","detail":"Scheduled Event"}`: false,
		`{"Records":[{"body":"Scheduled Event"}]}`:                                 false,
		`{"Records":[],"source":"aws.events","detail-type":"Scheduled Event"}`:     false,
		`{"detail":{"source":"aws.events","detail-type":"Scheduled Event"}}`:       false,
		`[{"source":"aws.events","detail-type":"Scheduled Event"}]`:                false,
		`{"source":"aws.events","detail-type":"Scheduled Event"`:                   false,
		`{"source":1,"detail-type":"Scheduled Event"}`:                             false,
		``: false,
	} {
		if got := setup.IsWarmUp([]byte(payload)); got != want {
			t.Errorf("%s: got %v, want %v", payload, got, want)
		}
	}
}

func TestWarmUpConnectsEachAndSucceedsInAnyCase(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	var calls atomic.Int32
	connect := func(err error) func(context.Context) error {
		return func(ctx context.Context) error {
			if _, ok := ctx.Deadline(); !ok {
				t.Error("got no deadline, want one")
			}
			calls.Add(1)
			return err
		}
	}
	got := setup.WarmUp(t.Context(), slog.New(slog.NewTextHandler(&log, nil)), connect(nil), connect(errors.New("no route")), connect(nil))
	if want := `{"statusCode":200,"body":"Warmed up"}`; string(got) != want || calls.Load() != 3 {
		t.Errorf("got %s after %d calls, want %s after 3", got, calls.Load(), want)
	}
	if n := strings.Count(log.String(), "no route"); n != 1 {
		t.Errorf("log: got %s, want the one failure", &log)
	}
}
