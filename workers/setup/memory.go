package setup

import (
	"runtime/debug"
	"strconv"
)

// LimitMemory tells Go's collector how much memory the function has, so that it
// collects before Lambda kills the process: by itself it lets the heap grow to
// twice what is in use. A fifth is left for what the limit does not count, the
// program itself and the kernel's share. It does nothing outside of Lambda, and
// where GOMEMLIMIT says another limit.
func LimitMemory(environ map[string]string) {
	mb, err := strconv.ParseInt(environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"], 10, 64)
	if err != nil || mb <= 0 || mb > 1<<20 || environ["GOMEMLIMIT"] != "" {
		return
	}
	debug.SetMemoryLimit(mb << 20 / 5 * 4)
}
