package store

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/bits"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"sluice/deploy/internal/diskspace"
)

const (
	// lockWait is how long Open waits for a process that is about to end.
	lockWait = 200 * time.Millisecond

	// mapBytes is the address space reserved at open; it takes no memory. A
	// file that outgrows the mapping waits for all views, so the mapping is
	// large.
	mapBytes = 1 << 30

	// ownerFile holds the owner's process id for [InUseError]. Ownership itself
	// is decided by the lock on the database file.
	ownerFile = "sluice.pid"
)

// Open opens the store in dir and creates both if they are missing. The process
// owns the store until Close. The kernel releases the lock when the process
// ends.
//
// Errors: [*InUseError], [*CorruptError], [*FullError], or one that wraps
// fs.ErrPermission and names the folder.
func Open(dir string, o Options) (*DB, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.ReserveBytes = cmp.Or(o.ReserveBytes, 16<<20)
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, FileName)
	_, statErr := os.Stat(path)
	b, err := openBolt(path, o)
	if err != nil {
		return nil, openError(dir, path, err)
	}
	if errors.Is(statErr, fs.ErrNotExist) && !o.NoSync {
		if err := syncDir(dir); err != nil { // the new directory entry must be durable too
			return nil, errors.Join(openError(dir, path, err), b.Close())
		}
	}
	writeOwner(dir)
	d := &DB{
		bolt: b, dir: dir, opt: o,
		free:  func() (int64, bool) { return diskspace.Free(dir) },
		calls: make(chan *call), closing: make(chan struct{}), done: make(chan struct{}),
	}
	go d.write()
	return d, nil
}

// openBolt opens the file after checkFile has found no damage.
func openBolt(path string, o Options) (*bbolt.DB, error) {
	if err := checkFile(path); err != nil {
		return nil, err
	}
	return openRecovering(path, &bbolt.Options{
		Timeout: lockWait,
		NoSync:  o.NoSync,
		// A drained file commits a third faster when the free list is not
		// written. Open rebuilds the list from the tree.
		NoFreelistSync:  true,
		FreelistType:    bbolt.FreelistMapType,
		InitialMmapSize: initialMap(),
	})
}

// openError translates an error of opening the file, and adds the folder.
func openError(dir, path string, err error) error {
	if c, ok := errors.AsType[*CorruptError](err); ok {
		return c
	}
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return &InUseError{Dir: dir, PID: readOwner(dir)}
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrVersionMismatch), errors.Is(err, berrors.ErrChecksum):
		return &CorruptError{Path: path, Err: err}
	case isFull(err):
		return &FullError{Path: path, Err: err}
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("data folder %q: no permission to read and write: %w", dir, err)
	}
	return fmt.Errorf("data folder %q: %w", dir, err)
}

// makeDir creates dir and its missing parents. Only their owner can read them,
// because uploads and messages are private.
func makeDir(dir string) error {
	fi, err := os.Stat(dir)
	switch {
	case err == nil && !fi.IsDir():
		return fmt.Errorf("data folder %q: got a file, want a folder", dir)
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		parent := filepath.Dir(filepath.Clean(dir))
		if parent != dir {
			if err := makeDir(parent); err != nil {
				return err
			}
		}
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return openError(dir, dir, err)
		}
		return syncDir(parent) // makes the new directory entry durable
	}
	return openError(dir, dir, err)
}

// syncDir makes the directory entries of dir durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(ignoreUnsupported(f.Sync()), f.Close())
}

// ignoreUnsupported drops the errors of systems that cannot sync a folder. File
// systems without folder sync return EINVAL.
func ignoreUnsupported(err error) error {
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) || errors.Is(err, fs.ErrInvalid) || errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}

func writeOwner(dir string) {
	// An error is ignored: InUseError then names no process.
	_ = os.WriteFile(filepath.Join(dir, ownerFile), []byte(strconv.Itoa(os.Getpid())), 0o600)
}

func removeOwner(dir string) { _ = os.Remove(filepath.Join(dir, ownerFile)) }

func readOwner(dir string) int {
	b, err := os.ReadFile(filepath.Join(dir, ownerFile))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(string(b))
	if err != nil || pid < 0 {
		return 0
	}
	return pid
}

// initialMap returns the size of the initial mapping. It is zero on Windows,
// where the file is as large as its mapping, and on 32-bit systems.
func initialMap() int {
	if bits.UintSize < 64 || runtime.GOOS == "windows" {
		return 0
	}
	return mapBytes
}
