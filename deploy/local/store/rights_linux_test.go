package store_test

import (
	"os"
	"runtime"
	"syscall"
	"testing"
)

// withoutPrivileges runs f as one to whom the rights of files apply. The superuser
// takes another's identity for files, on a thread that ends with f.
func withoutPrivileges(t *testing.T, f func()) {
	t.Helper()
	if os.Getuid() != 0 {
		f()
		return
	}
	const nobody = 65534
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread is not used again
		_, _, _ = syscall.RawSyscall(syscall.SYS_SETFSUID, nobody, 0, 0)
		f()
	}()
	<-done
}
