package sqstest

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
)

// witness is a test that notes how it ends and does not fail the one it stands for. It is safe for concurrent use as that one is.
type witness struct {
	testing.TB
	ctx context.Context

	mu      sync.Mutex
	failure string // the first
	skipped string
}

func (w *witness) verdict() (failure, skipped string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failure, w.skipped
}

func (w *witness) fail(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failure == "" {
		w.failure = text
	}
}

func (w *witness) Context() context.Context { return w.ctx }
func (w *witness) Fail()                    { w.fail("failed") }
func (w *witness) Error(args ...any)        { w.fail(fmt.Sprint(args...)) }
func (w *witness) Errorf(format string, args ...any) {
	w.fail(fmt.Sprintf(format, args...))
}

func (w *witness) Failed() bool {
	failure, _ := w.verdict()
	return failure != ""
}

func (w *witness) FailNow() {
	w.Fail()
	runtime.Goexit()
}

func (w *witness) Fatal(args ...any) {
	w.Error(args...)
	runtime.Goexit()
}

func (w *witness) Fatalf(format string, args ...any) {
	w.Errorf(format, args...)
	runtime.Goexit()
}

func (w *witness) Skip(args ...any) { w.skip(fmt.Sprint(args...)) }
func (w *witness) SkipNow()         { w.skip("skipped") }
func (w *witness) Skipf(format string, args ...any) {
	w.skip(fmt.Sprintf(format, args...))
}

func (w *witness) skip(text string) {
	w.mu.Lock()
	w.skipped = text
	w.mu.Unlock()
	runtime.Goexit()
}
