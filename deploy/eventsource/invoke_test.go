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

func TestInvokeTreatsAResponseAtTheDeadlineAsATimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := testInvoker(func(context.Context, []byte) ([]byte, error) {
			time.Sleep(time.Second) // the same instant
			return []byte(`{}`), nil
		})
		for range 200 { // the function and the deadline race
			r := v.invoke(t.Context(), nil)
			if late, ok := errors.AsType[*TimeoutError](r.err); !ok || late.After != time.Second || r.response != nil {
				t.Fatalf("got %q, %v; want a timeout", r.response, r.err)
			}
		}
	})
}

func TestInvokeReturnsAResponseWithinTheGraceAfterCancellation(t *testing.T) {
	t.Parallel()
	failed := errors.New("no database")
	for _, tt := range []struct {
		name    string
		after   time.Duration // when the function returns, after the cancellation at a second
		err     error
		want    error
		running bool
	}{
		{name: "at the same instant"},
		{name: "within the grace", after: returnGrace - 1},
		{name: "after the grace", after: returnGrace + 1, want: errDrained, running: true},
		{name: "the function's own error", after: 1, err: failed, want: failed},
		{name: "an error that wraps context.Canceled", after: 1, err: fmt.Errorf("all failed, the first: %w", context.Canceled), want: context.Canceled},
		{name: "context.Canceled", after: 1, err: context.Canceled, want: errDrained},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				v := testInvoker(func(context.Context, []byte) ([]byte, error) {
					time.Sleep(time.Second + tt.after)
					return []byte(`{}`), tt.err
				})
				v.timeout = time.Minute
				for range 50 { // the function and the cancellation race
					ctx, cancel := context.WithCancel(t.Context())
					time.AfterFunc(time.Second, cancel)
					r := v.invoke(ctx, nil)
					if !errors.Is(r.err, tt.want) || r.running != tt.running || tt.want == nil && string(r.response) != `{}` {
						t.Fatalf("got %q, %v, running %t; want %v", r.response, r.err, r.running, tt.want)
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

func TestInvokeIgnoresAResponseAfterCancellationAndDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := testInvoker(func(context.Context, []byte) ([]byte, error) {
			time.Sleep(time.Second)
			return []byte(`{}`), nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second-returnGrace/2, cancel)
		if r := v.invoke(ctx, nil); r.response != nil || !errors.As(r.err, new(*TimeoutError)) {
			t.Errorf("got %q, %v; want a timeout", r.response, r.err)
		}
	})
}

func TestInvokeRecoversAPanic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("boom")
		r := testInvoker(func(context.Context, []byte) ([]byte, error) { panic(cause) }).invoke(t.Context(), nil)
		crash, ok := errors.AsType[*CrashError](r.err)
		if !ok || !errors.Is(r.err, cause) || !strings.Contains(crash.Stack, "TestInvokeRecoversAPanic") {
			t.Errorf("got %v, want the value and the stack of the panic", r.err)
		}
	})
}

func TestInvokeReportsAFunctionThatEndsItsGoroutine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := testInvoker(func(context.Context, []byte) ([]byte, error) { runtime.Goexit(); return nil, nil }).invoke(t.Context(), nil)
		if crash, ok := errors.AsType[*CrashError](r.err); !ok || crash.Value != nil {
			t.Errorf("got %v, want a *CrashError without a value", r.err)
		}
	})
}

func TestInvokeUsesANewRequestID(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := testInvoker(func(context.Context, []byte) ([]byte, error) { return nil, nil })
		if a, b := v.invoke(t.Context(), nil), v.invoke(t.Context(), nil); a.requestID == b.requestID || len(a.requestID) != 36 {
			t.Errorf("request ids: got %q and %q, want two UUIDs", a.requestID, b.requestID)
		}
	})
}

func TestInvokeRefusesAResponseOverTheLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, size := range []int{MaxResponseBytes, MaxResponseBytes + 1} {
			r := testInvoker(func(context.Context, []byte) ([]byte, error) { return make([]byte, size), nil }).invoke(t.Context(), nil)
			tooLarge, refused := errors.AsType[*ResponseSizeError](r.err)
			if refused != (size > MaxResponseBytes) || refused && (tooLarge.Bytes != size || r.response != nil) {
				t.Errorf("response of %d bytes: got %d bytes, %v", size, len(r.response), r.err)
			}
		}
	})
}
