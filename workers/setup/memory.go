package setup

import (
	"runtime/debug"
	"strconv"
)

// LimitMemory sets Go's memory limit to four fifths of the function's memory, so
// that the garbage collector runs before Lambda ends the process; by default the
// heap may grow to twice the live memory. The last fifth is for memory that the
// limit does not count, such as the program itself. LimitMemory does nothing
// without AWS_LAMBDA_FUNCTION_MEMORY_SIZE, see WithMemory, or if GOMEMLIMIT is
// set.
func LimitMemory(environ map[string]string) {
	mb, err := strconv.ParseInt(environ[memorySize], 10, 64)
	if err != nil || mb <= 0 || mb > 1<<20 || environ["GOMEMLIMIT"] != "" {
		return
	}
	debug.SetMemoryLimit(mb << 20 / 5 * 4)
}
