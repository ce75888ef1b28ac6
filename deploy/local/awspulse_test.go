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
	"sluice/pipeline/tabletest"
)

// source is a queue's client and a feed that answer as told.
type source struct {
	eventsource.SQS
	eventsource.Feed
	answer func(ctx context.Context) error
}

func (s source) ReceiveMessage(ctx context.Context, _ *sqs.ReceiveMessageInput, _ ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error) {
	return nil, s.answer(ctx)
}

func (s source) Shards(ctx context.Context) ([]eventsource.Shard, error) { return nil, s.answer(ctx) }

func (s source) Read(ctx context.Context, _, _ string, _ int) (eventsource.Page, error) {
	return eventsource.Page{}, s.answer(ctx)
}

// TestPulse: a source that gives no good answer for two minutes is a problem; one
// good answer ends it; and a mapping that asks for nothing has none.
func TestPulse(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		call func(ctx context.Context, s source, p *pulse)
	}{
		{"receive", func(ctx context.Context, s source, p *pulse) { _, _ = pulsedQueue{s, p}.ReceiveMessage(ctx, nil) }},
		{"list", func(ctx context.Context, s source, p *pulse) { _, _ = pulsedFeed{s, p, nil}.Shards(ctx) }},
		{"read", func(ctx context.Context, s source, p *pulse) { _, _ = pulsedFeed{s, nil, p}.Read(ctx, "", "", 1) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var p pulse
				healthy := func(what string, want bool) {
					t.Helper()
					if got := p.problem("source"); (got == "") != want {
						t.Errorf("%s: problem %q", what, got)
					}
				}
				fails := source{answer: func(context.Context) error { return errors.New("no such host") }}
				good := source{answer: func(context.Context) error { return nil }}
				healthy("nothing was asked yet", true)
				for range 11 {
					tt.call(t.Context(), fails, &p)
					time.Sleep(10 * time.Second)
				}
				healthy("it failed for less than two minutes", true)
				time.Sleep(10 * time.Second)
				tt.call(t.Context(), fails, &p)
				healthy("it failed for two minutes", false)
				if got := p.problem("source"); !strings.Contains(got, "source") || !strings.Contains(got, "no such host") {
					t.Errorf("problem %q, want the source and its error", got)
				}
				time.Sleep(pulseLimit)
				healthy("nothing was asked since", true)
				tt.call(t.Context(), fails, &p)
				healthy("it fails on", false)
				tt.call(t.Context(), good, &p)
				healthy("a good answer", true)

				for range 2 {
					ctx, cancel := context.WithCancel(t.Context())
					ended := make(chan struct{})
					go func() {
						defer close(ended)
						tt.call(ctx, source{answer: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}, &p)
					}()
					time.Sleep(pulseLimit - time.Second)
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

// TestStalledFunctionIsAProblem: as many invocations as the mapping abandons, all
// past their deadline; and none when one of them returns, or panics.
func TestStalledFunctionIsAProblem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		a := &onAWS{}
		f := a.follow(function{
			awsFunction: awsFunction{name: "jobs"}, settings: functionConfig{Timeout: time.Minute},
			call: func(context.Context, []byte) ([]byte, error) { <-hang; panic("no return") },
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

// TestHeartbeatIsAVitalSign: no heartbeat, no health.
func TestHeartbeatIsAVitalSign(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &onAWS{checkpoints: leases.New(&tabletest.Memory{}, "arn", leases.Options{})}
		if got := a.heartbeat(); !strings.Contains(got, "heartbeat") {
			t.Errorf("before the first one: %q", got)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- a.checkpoints.Run(ctx) }()
		time.Sleep(time.Hour)
		if got := a.heartbeat(); got != "" {
			t.Errorf("while it beats: %q", got)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		time.Sleep(a.checkpoints.Lease())
		if got := a.heartbeat(); got == "" {
			t.Error("no problem after the last one")
		}
	})
}
