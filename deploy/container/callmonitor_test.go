package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sluice/deploy/eventsource"
	"sluice/deploy/eventsource/leases"
	"sluice/deploy/functions"
	"sluice/pipeline/tabletest"
)

// invoke is a worker.
type invoke func(context.Context, []byte) ([]byte, error)

func (f invoke) Invoke(ctx context.Context, payload []byte) ([]byte, error) { return f(ctx, payload) }

// source is an SQS client and a feed that return an error of the test's.
type source struct {
	eventsource.SQS
	eventsource.Feed
	result func(ctx context.Context) error
}

func (s source) ReceiveMessage(ctx context.Context, _ *sqs.ReceiveMessageInput, _ ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error) {
	return nil, s.result(ctx)
}

func (s source) Shards(ctx context.Context) ([]eventsource.Shard, error) { return nil, s.result(ctx) }

func (s source) Read(ctx context.Context, _, _ string, _ int) (eventsource.Page, error) {
	return eventsource.Page{}, s.result(ctx)
}

// TestFailingCallsAreAProblem: a source whose calls fail for two minutes is a
// problem, one success ends it, and a mapping that makes no calls has none.
func TestFailingCallsAreAProblem(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		call func(ctx context.Context, s source, p *callMonitor)
	}{
		{"receive", func(ctx context.Context, s source, p *callMonitor) {
			_, _ = monitoredQueue{s, p}.ReceiveMessage(ctx, nil)
		}},
		{"list", func(ctx context.Context, s source, p *callMonitor) { _, _ = monitoredFeed{s, p, nil}.Shards(ctx) }},
		{"read", func(ctx context.Context, s source, p *callMonitor) {
			_, _ = monitoredFeed{s, nil, p}.Read(ctx, "", "", 1)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var p callMonitor
				healthy := func(what string, want bool) {
					t.Helper()
					if got := p.problem("source"); (got == "") != want {
						t.Errorf("%s: problem %q", what, got)
					}
				}
				fails := source{result: func(context.Context) error { return errors.New("no such host") }}
				good := source{result: func(context.Context) error { return nil }}
				healthy("no call yet", true)
				for range 11 {
					tt.call(t.Context(), fails, &p)
					time.Sleep(10 * time.Second)
				}
				healthy("failed for less than two minutes", true)
				time.Sleep(10 * time.Second)
				tt.call(t.Context(), fails, &p)
				healthy("failed for two minutes", false)
				if got := p.problem("source"); !strings.Contains(got, "source") || !strings.Contains(got, "no such host") {
					t.Errorf("problem %q, want the source and its error", got)
				}
				time.Sleep(callLimit)
				healthy("no call since", true)
				tt.call(t.Context(), fails, &p)
				healthy("fails again", false)
				tt.call(t.Context(), good, &p)
				healthy("a success", true)

				for range 2 {
					ctx, cancel := context.WithCancel(t.Context())
					ended := make(chan struct{})
					go func() {
						defer close(ended)
						tt.call(ctx, source{result: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}, &p)
					}()
					time.Sleep(callLimit - time.Second)
					healthy("a call waits", true)
					time.Sleep(time.Second)
					healthy("a call waits for two minutes", false)
					cancel()
					<-ended
					healthy("the mapping ended the call", true)
				}
			})
		})
	}
}

// TestStalledFunctionIsAProblem: maxAbandoned invocations past their deadline are
// a problem, which ends when one of them returns or panics.
func TestStalledFunctionIsAProblem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		a := &container{}
		f := a.monitored(builtFunction{
			Function: functions.Function{Name: "jobs"}, config: functionConfig{Timeout: time.Minute},
			worker: invoke(func(context.Context, []byte) ([]byte, error) { <-hang; panic("no return") }),
		})
		for range maxAbandoned {
			go func() {
				defer func() { _ = recover() }()
				_, _ = f(t.Context(), nil)
			}()
		}
		time.Sleep(time.Minute)
		if got := a.problems(); len(got) != 0 {
			t.Errorf("within the deadline: %q", got)
		}
		time.Sleep(2 * time.Second)
		if got := a.problems(); len(got) != 1 || !strings.Contains(got[0], "jobs: 10 invocations") {
			t.Errorf("past the deadline: %q, want the function", got)
		}
		hang <- struct{}{}
		synctest.Wait()
		if got := a.problems(); len(got) != 0 {
			t.Errorf("one returned: %q", got)
		}
		close(hang)
	})
}

// TestMissingHeartbeatIsAProblem: a copy without a heartbeat is not healthy.
func TestMissingHeartbeatIsAProblem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &container{checkpoints: leases.New(&tabletest.Memory{}, "arn", leases.Options{})}
		if got := a.heartbeatProblem("changes"); !strings.Contains(got, "heartbeat") {
			t.Errorf("before the first one: %q", got)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- a.checkpoints.Run(ctx) }()
		time.Sleep(time.Hour)
		if got := a.heartbeatProblem("changes"); got != "" {
			t.Errorf("while it beats: %q", got)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		time.Sleep(a.checkpoints.Lease())
		if got := a.heartbeatProblem("changes"); got == "" {
			t.Error("no problem after the last one")
		}
	})
}
