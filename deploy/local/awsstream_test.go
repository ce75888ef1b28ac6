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

// TestNewStreamIsAProblem: a table whose stream was enabled again, when that is
// seen twice. A look that fails, and the old stream, are none.
func TestNewStreamIsAProblem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		arns := []string{"old", "", "new", "", "new", "old"}
		looks := 0
		w := &streamWatch{arn: "old", log: slog.New(slog.DiscardHandler), current: func(context.Context) (string, error) {
			arn := arns[min(looks, len(arns)-1)]
			looks++
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
			time.Sleep(streamLook)
			if got := w.problem(); (got == "") != (want == "") || !strings.Contains(got, want) {
				t.Errorf("after look %d: %q, want %q", i+1, got, want)
			}
		}
		stop()
		<-ended
	})
}
