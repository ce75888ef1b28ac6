package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestNewStreamIsAProblem: a new stream is a problem when it was seen twice. A
// failed request and the old stream are none.
func TestNewStreamIsAProblem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		arns := []string{"old", "", "new", "", "new", "old"}
		requests := 0
		w := &streamWatch{function: "changes", arn: "old", log: slog.New(slog.DiscardHandler), current: func(context.Context) (string, error) {
			arn := arns[min(requests, len(arns)-1)]
			requests++
			if arn == "" {
				return "", errors.New("throttled")
			}
			return arn, nil
		}}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); w.run(ctx) }()
		time.Sleep(time.Second)
		for i, want := range []string{"", "", "", "", `"new"`, ""} {
			time.Sleep(streamWatchInterval)
			if got := w.problem(); (got == "") != (want == "") || !strings.Contains(got, want) {
				t.Errorf("after request %d: %q, want %q", i+1, got, want)
			}
		}
		stop()
		<-ended
	})
}
