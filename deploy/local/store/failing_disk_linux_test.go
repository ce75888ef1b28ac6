package store_test

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"unsafe"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"sluice/deploy/local/store"
)

// failSyscall makes one system call of this process fail with errno until the
// process ends. Unlike a fake file, it shows that a call waits for the kernel's
// result.
func failSyscall(nr uintptr, errno syscall.Errno) error {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 0, Jf: 1, K: uint32(nr)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	// TSYNC sets the filter for all threads. A thread without privileges must
	// set NO_NEW_PRIVS first.
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	_, _, e := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	if e != 0 {
		return e
	}
	return nil
}

const (
	envDir   = "SLUICE_STORE_TEST_DIR"
	envCall  = "SLUICE_STORE_TEST_SYSCALL"
	envErrno = "SLUICE_STORE_TEST_ERRNO"

	exitNoFilter = 77
)

// TestChildOnFailingDisk is the child process of TestFailingDisk.
func TestChildOnFailingDisk(t *testing.T) {
	dir := os.Getenv(envDir)
	if dir == "" {
		t.Skip("runs as the child process of TestFailingDisk only")
	}
	nr, _ := strconv.Atoi(os.Getenv(envCall))
	errno, _ := strconv.Atoi(os.Getenv(envErrno))
	d, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Update(t.Context(), put("before", "x")); err != nil {
		t.Fatal(err)
	}
	if err := failSyscall(uintptr(nr), syscall.Errno(errno)); err != nil {
		os.Exit(exitNoFilter)
	}
	err = d.Update(t.Context(), put("after", "x"))
	if nr == unix.SYS_FDATASYNC {
		for name, err := range map[string]error{
			"the update":     err,
			"a later update": d.Update(t.Context(), put("later", "x")),
			"a later view":   d.View(func(*bbolt.Tx) error { return nil }),
		} {
			if b, ok := errors.AsType[*store.BrokenError](err); !ok || !errors.Is(b, syscall.Errno(errno)) {
				t.Errorf("%s after a failed sync: got %v, want a BrokenError with errno %d", name, err, errno)
			}
		}
		return
	}
	for range 3 {
		if f, ok := errors.AsType[*store.FullError](err); !ok || !errors.Is(f, syscall.Errno(errno)) {
			t.Errorf("update on a full disk: got %v, want a FullError with errno %d", err, errno)
		}
		err = d.Update(t.Context(), put("after", "x"))
	}
	if get(t, d, "before") != "x" || get(t, d, "after") != "" {
		t.Error("a view on a full disk does not show exactly the acknowledged updates")
	}
}

func TestFailingDisk(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name  string
		call  int
		errno syscall.Errno
	}{
		{"sync fails", unix.SYS_FDATASYNC, syscall.EIO},
		{"sync finds no space", unix.SYS_FDATASYNC, syscall.ENOSPC},
		{"write finds no space", unix.SYS_PWRITE64, syscall.ENOSPC},
		{"write exceeds the quota", unix.SYS_PWRITE64, syscall.EDQUOT},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			exe, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), exe, "-test.run=^TestChildOnFailingDisk$", "-test.v")
			cmd.Env = append(os.Environ(), envDir+"="+dir, envCall+"="+strconv.Itoa(r.call), envErrno+"="+strconv.Itoa(int(r.errno)))
			out, err := cmd.CombinedOutput()
			if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == exitNoFilter {
				t.Skip("the kernel does not let a process filter its own system calls")
			}
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			d, err := store.Open(dir, store.Options{})
			if err != nil {
				t.Fatalf("open after the disk is repaired: %v", err)
			}
			defer d.Close()
			if got := get(t, d, "before"); got != "x" {
				t.Errorf("acknowledged update: got %q, want x", got)
			}
			if err := d.Update(t.Context(), put("again", "x")); err != nil {
				t.Error(err)
			}
		})
	}
}
