package sqstest

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
)

// recorder is a testing.TB that records its outcome and does not fail the test
// that it wraps. It is safe for concurrent use.
type recorder struct {
	testing.TB
	ctx context.Context

	mu      sync.Mutex
	failure string // the first
	skipped string
}

func (w *recorder) outcome() (failure, skipped string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failure, w.skipped
}

func (w *recorder) fail(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failure == "" {
		w.failure = text
	}
}

func (w *recorder) Context() context.Context { return w.ctx }
func (w *recorder) Fail()                    { w.fail("failed") }
func (w *recorder) Error(args ...any)        { w.fail(fmt.Sprint(args...)) }
func (w *recorder) Errorf(format string, args ...any) {
	w.fail(fmt.Sprintf(format, args...))
}

func (w *recorder) Failed() bool {
	failure, _ := w.outcome()
	return failure != ""
}

func (w *recorder) FailNow() {
	w.Fail()
	runtime.Goexit()
}

func (w *recorder) Fatal(args ...any) {
	w.Error(args...)
	runtime.Goexit()
}

func (w *recorder) Fatalf(format string, args ...any) {
	w.Errorf(format, args...)
	runtime.Goexit()
}

func (w *recorder) Skip(args ...any) { w.skip(fmt.Sprint(args...)) }
func (w *recorder) SkipNow()         { w.skip("skipped") }
func (w *recorder) Skipf(format string, args ...any) {
	w.skip(fmt.Sprintf(format, args...))
}

func (w *recorder) skip(text string) {
	w.mu.Lock()
	w.skipped = text
	w.mu.Unlock()
	runtime.Goexit()
}
