package stack

import (
	"runtime/debug"
	"strconv"

	"sluice/workers/setup"
)

const (
	// stackGCPercent lets the heap grow to five times the live heap before a
	// collection. The stack keeps little and makes much garbage: with Go's 100 the
	// collector takes a quarter of its time over messages.
	stackGCPercent = 400

	// stackMemory is the collector's memory limit in bytes, above which it
	// collects earlier. The uploads worker counts with the same number.
	stackMemory = 1 << 30
)

// WithMemory returns environ with the memory of the process's control group for
// the workers, if that is below the stack's own default.
func WithMemory(environ map[string]string) map[string]string {
	return setup.WithMemory(environ, stackMemory>>20)
}

// gcSettings are the collector's settings for the stack. ok is false where the
// environment has settings of its own.
func gcSettings(environ map[string]string) (percent int, limit int64, ok bool) {
	if environ["GOGC"] != "" || environ["GOMEMLIMIT"] != "" {
		return 0, 0, false
	}
	limit = stackMemory
	if mb, err := strconv.ParseInt(environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"], 10, 32); err == nil && mb > 0 {
		limit = mb << 20 / 5 * 4 // the rest is for memory that the limit does not count
	}
	return stackGCPercent, limit, true
}

// TuneGC sets the garbage collector of this process for a stack, unless GOGC or
// GOMEMLIMIT is set.
func TuneGC(environ map[string]string) {
	if percent, limit, ok := gcSettings(environ); ok {
		debug.SetMemoryLimit(limit)
		debug.SetGCPercent(percent)
	}
}
