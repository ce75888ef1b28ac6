//go:build unix

package store_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"go.etcd.io/bbolt"

	"sluice/deploy/local/store"
)

const envFullGroup = "SLUICE_STORE_TEST_FULL_GROUP"

// TestChildFullGroup is the child process of TestFullGroup.
func TestChildFullGroup(t *testing.T) {
	if os.Getenv(envFullGroup) == "" {
		t.Skip("runs as the child process of TestFullGroup only")
	}
	signal.Ignore(syscall.SIGXFSZ)
	synctest.Test(t, func(t *testing.T) {
		d := open(t, store.Options{})
		if err := d.Update(t.Context(), put("old", "x")); err != nil {
			t.Fatal(err)
		}
		size, err := d.Size()
		if err != nil {
			t.Fatal(err)
		}
		// Space for some of the large values: the file grows by 16 MiB at a
		// time.
		limit := uint64(size + 40<<20)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
			t.Fatal(err)
		}
		release := hold(t, d)
		const large, small = 8, 3
		value := string(make([]byte, 8<<20))
		var fit, full atomic.Int64
		var wg sync.WaitGroup
		for i := range large {
			wg.Go(func() {
				switch err := d.UpdateBytes(t.Context(), 1, put(fmt.Sprint("large", i), value)); { // far too few bytes
				case err == nil:
					fit.Add(1)
				case isFullError(err):
					full.Add(1)
				default:
					t.Errorf("large value %d: %v", i, err)
				}
			})
		}
		for i := range small {
			wg.Go(func() {
				if err := d.Update(t.Context(), put(fmt.Sprint("small", i), "x")); err != nil {
					t.Errorf("small value in a group that does not fit: %v", err)
				}
			})
		}
		wg.Go(func() {
			err := d.UpdateEvenIfFull(t.Context(), func(tx *bbolt.Tx) error { return tx.Bucket([]byte("t")).Delete([]byte("old")) })
			if err != nil {
				t.Errorf("deletion in a group that does not fit: %v", err)
			}
		})
		synctest.Wait() // all calls wait for the writer
		release()
		wg.Wait()
		if fit.Load() < 1 || full.Load() < 1 {
			t.Errorf("of %d large values %d fit and %d did not, want some of each", large, fit.Load(), full.Load())
		}
		n := 0
		for i := range large {
			if get(t, d, fmt.Sprint("large", i)) != "" {
				n++
			}
		}
		if n != int(fit.Load()) || get(t, d, "old") != "" || get(t, d, "small0") != "x" {
			t.Errorf("%d large values were acknowledged and %d are stored", fit.Load(), n)
		}
	})
}

func isFullError(err error) bool {
	_, ok := errors.AsType[*store.FullError](err)
	return ok
}

// TestFullGroup puts large writes that do not fit together, small writes and a
// deletion into one group.
func TestFullGroup(t *testing.T) {
	t.Parallel()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, "-test.run=^TestChildFullGroup$", "-test.v")
	cmd.Env = append(os.Environ(), envFullGroup+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// TestGroupsAreLimitedByBytes counts the transactions of large calls that wait
// at the same time.
func TestGroupsAreLimitedByBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var syncs atomic.Int64
		d := open(t, store.Options{Synced: func(int) { syncs.Add(1) }})
		release := hold(t, d)
		var wg sync.WaitGroup
		for i := range 12 {
			wg.Go(func() {
				if err := d.UpdateBytes(t.Context(), 1<<20, put(fmt.Sprint(i), "x")); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		release()
		wg.Wait()
		if got := syncs.Load(); got != 1+3 {
			t.Errorf("twelve calls of 1 MiB took %d transactions, want 3 of 4 MiB", got-1)
		}
	})
}
