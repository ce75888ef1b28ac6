//go:build unix

package stack_test

import (
	"syscall"
	"time"
)

// cpuTime is what this process has used of the cores, by itself and through the kernel. Unlike a clock it does not count what
// others do on the machine.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
