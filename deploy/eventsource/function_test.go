package eventsource

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func testInvoker(f Function) *invoker {
	return newInvoker(f, "arn", time.Second, 1, slog.New(slog.DiscardHandler))
}

func TestCallTreatsAnAnswerAtTheDeadlineAsLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := testInvoker(func(context.Context, []byte) ([]byte, error) {
			time.Sleep(time.Second) // the very instant
			return []byte(`{}`), nil
		})
		for range 200 { // the two race
			r := v.call(t.Context(), nil)
			if late, ok := errors.AsType[*TimeoutError](r.err); !ok || late.After != time.Second || r.answer != nil {
				t.Fatalf("got %q, %v; want a timeout", r.answer, r.err)
			}
		}
	})
}

func TestCallRecoversAPanic(t *testing.T) {
	t.Parallel()
	cause := errors.New("boom")
	r := testInvoker(func(context.Context, []byte) ([]byte, error) { panic(cause) }).call(t.Context(), nil)
	crash, ok := errors.AsType[*CrashError](r.err)
	if !ok || !errors.Is(r.err, cause) || !strings.Contains(crash.Stack, "TestCallRecoversAPanic") {
		t.Errorf("got %v, want the panic's value and stack", r.err)
	}
}

func TestCallOfAFunctionThatEndsItsGoroutine(t *testing.T) {
	t.Parallel()
	r := testInvoker(func(context.Context, []byte) ([]byte, error) { runtime.Goexit(); return nil, nil }).call(t.Context(), nil)
	if crash, ok := errors.AsType[*CrashError](r.err); !ok || crash.Value != nil {
		t.Errorf("got %v, want a crash without a value", r.err)
	}
}

func TestCallGivesEachInvocationItsOwnID(t *testing.T) {
	t.Parallel()
	v := testInvoker(func(context.Context, []byte) ([]byte, error) { return nil, nil })
	if a, b := v.call(t.Context(), nil), v.call(t.Context(), nil); a.requestID == b.requestID || len(a.requestID) != 36 {
		t.Errorf("request ids %q and %q", a.requestID, b.requestID)
	}
}
