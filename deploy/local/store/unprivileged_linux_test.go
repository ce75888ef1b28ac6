package store_test

import (
	"os"
	"runtime"
	"syscall"
	"testing"
)

// asUnprivileged runs f as a user to whom file permissions apply. For root it
// changes the file system user id of a thread that ends with f.
func asUnprivileged(t *testing.T, f func()) {
	t.Helper()
	if os.Getuid() != 0 {
		f()
		return
	}
	const nobody = 65534
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked, so that the thread is not reused
		_, _, _ = syscall.RawSyscall(syscall.SYS_SETFSUID, nobody, 0, 0)
		f()
	}()
	<-done
}
