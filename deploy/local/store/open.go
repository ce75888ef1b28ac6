package store

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"sluice/deploy/internal/diskspace"
)

const (
	// lockWait is how long Open waits for a predecessor that is just ending.
	lockWait = 200 * time.Millisecond

	// mapBytes is the address space reserved at open. Growing past a mapping waits for all views, so it starts large. It is
	// address space, not memory.
	mapBytes = 1 << 30

	// holderName is the file that names the owner's process. The lock decides who owns; this only lets an error say who.
	holderName = "sluice.pid"
)

// Open opens the store in dir and makes both if they are missing. The caller owns the store until Close; the kernel gives
// it up when the process ends, however it ends.
//
// Errors: [*InUseError], [*CorruptError], [*FullError], or one that wraps fs.ErrPermission and names the folder.
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
		if err := syncDir(dir); err != nil { // the file's name must last as long as its content
			return nil, errors.Join(openError(dir, path, err), b.Close())
		}
	}
	writeHolder(dir)
	d := &DB{
		bolt: b, dir: dir, opt: o,
		room:  func() (int64, bool) { return diskspace.Free(dir) },
		calls: make(chan *call), closing: make(chan struct{}), done: make(chan struct{}),
	}
	go d.write()
	return d, nil
}

// openBolt opens the file after [checkFile] found it whole.
func openBolt(path string, o Options) (*bbolt.DB, error) {
	if err := checkFile(path); err != nil {
		return nil, err
	}
	return openGuarded(path, &bbolt.Options{
		Timeout: lockWait,
		NoSync:  o.NoSync,
		// Not writing the free list at each commit gains a third on a drained file. It is found at open, by reading the tree.
		NoFreelistSync:  true,
		FreelistType:    bbolt.FreelistMapType,
		InitialMmapSize: initialMap(),
	})
}

// openError says what is wrong in words that lead to what to do.
func openError(dir, path string, err error) error {
	if c, ok := errors.AsType[*CorruptError](err); ok {
		return c
	}
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return &InUseError{Dir: dir, PID: readHolder(dir)}
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrVersionMismatch), errors.Is(err, berrors.ErrChecksum):
		return &CorruptError{Path: path, Err: err}
	case isFull(err):
		return &FullError{Path: path, Err: err}
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("data folder %q: no right to read and write in it: %w", dir, err)
	}
	return fmt.Errorf("data folder %q: %w", dir, err)
}

// makeDir makes dir and its missing parents, readable by the owner only: uploads and messages are private.
func makeDir(dir string) error {
	fi, err := os.Stat(dir)
	switch {
	case err == nil && !fi.IsDir():
		return fmt.Errorf("data folder %q is a file", dir)
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
		return syncDir(parent) // each new name must last
	}
	return openError(dir, dir, err)
}

// syncDir makes the names in dir durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(ignoreUnsupported(f.Sync()), f.Close())
}

// ignoreUnsupported drops the errors of systems that cannot sync a folder: EINVAL comes from file systems that do not know how.
func ignoreUnsupported(err error) error {
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) || errors.Is(err, fs.ErrInvalid) || errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}

func writeHolder(dir string) {
	// A note for people only: without it the error names no process.
	_ = os.WriteFile(filepath.Join(dir, holderName), []byte(strconv.Itoa(os.Getpid())), 0o600)
}

func removeHolder(dir string) { _ = os.Remove(filepath.Join(dir, holderName)) }

func readHolder(dir string) int {
	b, err := os.ReadFile(filepath.Join(dir, holderName))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(string(b))
	if err != nil || pid < 0 {
		return 0
	}
	return pid
}

// initialMap is zero where the size of the mapping is the size of the file (Windows) or address space is short.
func initialMap() int {
	if !canReserve {
		return 0
	}
	return mapBytes
}
