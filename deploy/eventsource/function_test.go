package eventsource

import (
	"context"
	"errors"
	"fmt"
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

func TestCallObeysAnAnswerAfterTheCut(t *testing.T) {
	t.Parallel()
	failed := errors.New("no database")
	for _, tt := range []struct {
		name    string
		after   time.Duration // the answer, after the cut at a second
		err     error
		want    error
		running bool
	}{
		{name: "at the very instant"},
		{name: "within the grace", after: returnGrace - 1},
		{name: "after the grace", after: returnGrace + 1, want: errDrained, running: true},
		{name: "an error of its own", after: 1, err: failed, want: failed},
		{name: "an error that holds the cut and more", after: 1, err: fmt.Errorf("all failed, the first: %w", context.Canceled), want: context.Canceled},
		{name: "nothing but the cut", after: 1, err: context.Canceled, want: errDrained},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				v := testInvoker(func(context.Context, []byte) ([]byte, error) {
					time.Sleep(time.Second + tt.after)
					return []byte(`{}`), tt.err
				})
				v.timeout = time.Minute
				for range 50 { // the cut and the answer race
					ctx, cancel := context.WithCancel(t.Context())
					time.AfterFunc(time.Second, cancel)
					r := v.call(ctx, nil)
					if !errors.Is(r.err, tt.want) || r.running != tt.running || tt.want == nil && string(r.answer) != `{}` {
						t.Fatalf("got %q, %v, running %t; want %v", r.answer, r.err, r.running, tt.want)
					}
					if errors.Is(r.err, errDrained) != errors.Is(tt.want, errDrained) {
						t.Fatalf("got %v, want %v", r.err, tt.want)
					}
				}
				time.Sleep(time.Minute)
			})
		})
	}
}

func TestCallIgnoresAnAnswerAfterTheCutAndTheDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := testInvoker(func(context.Context, []byte) ([]byte, error) {
			time.Sleep(time.Second)
			return []byte(`{}`), nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second-returnGrace/2, cancel)
		if r := v.call(ctx, nil); r.answer != nil || !errors.As(r.err, new(*TimeoutError)) {
			t.Errorf("got %q, %v; want a timeout", r.answer, r.err)
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

func TestCallRefusesAnAnswerOverTheLimit(t *testing.T) {
	t.Parallel()
	for _, size := range []int{MaxResponseBytes, MaxResponseBytes + 1} {
		r := testInvoker(func(context.Context, []byte) ([]byte, error) { return make([]byte, size), nil }).call(t.Context(), nil)
		tooLarge, refused := errors.AsType[*ResponseSizeError](r.err)
		if refused != (size > MaxResponseBytes) || refused && (tooLarge.Bytes != size || r.answer != nil) {
			t.Errorf("an answer of %d bytes: got %d bytes, %v", size, len(r.answer), r.err)
		}
	}
}
