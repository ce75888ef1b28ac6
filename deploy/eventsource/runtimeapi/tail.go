package runtimeapi

import (
	"io"
	"sync"
)

// tail writes to a writer and keeps the end of what was written. It is safe for
// concurrent use.
type tail struct {
	to io.Writer

	mu  sync.Mutex
	end []byte // at most outputTail bytes
}

// Write never fails: a broken output must not stop the process.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, _ = t.to.Write(p)
	t.end = append(t.end, p...)
	if over := len(t.end) - outputTail; over > 0 {
		t.end = append(t.end[:0], t.end[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.end)
}
