package main

import (
	"runtime/debug"
	"strconv"
)

const (
	// homeGCPercent lets the heap grow to five times what is in use before it is
	// collected. A home keeps little for long and makes much garbage: with Go's
	// 100 a quarter of its time over messages is the collector's.
	homeGCPercent = 400

	// homeMemory is where the collector becomes eager again, so that five times
	// holds only for what is small. It is what the uploads worker counts with.
	homeMemory = 1 << 30
)

// gcSettings are the collector's settings for a home. They are ok if the
// environment has none of its own.
func gcSettings(environ map[string]string) (percent int, limit int64, ok bool) {
	if environ["GOGC"] != "" || environ["GOMEMLIMIT"] != "" {
		return 0, 0, false
	}
	limit = homeMemory
	if mb, err := strconv.ParseInt(environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"], 10, 32); err == nil && mb > 0 {
		limit = mb << 20
	}
	return homeGCPercent, limit, true
}

// tuneGC sets the collector of this process.
func tuneGC(environ map[string]string) {
	if percent, limit, ok := gcSettings(environ); ok {
		debug.SetMemoryLimit(limit)
		debug.SetGCPercent(percent)
	}
}
