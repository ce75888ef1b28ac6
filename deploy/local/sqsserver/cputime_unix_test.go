//go:build unix

package sqsserver_test

import (
	"syscall"
	"time"
)

// cpuTime is the CPU time of this process, in user and kernel mode. Unlike elapsed
// time it does not include other processes.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
