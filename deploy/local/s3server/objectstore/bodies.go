package objectstore

import (
	"crypto/rand"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"sluice/deploy/internal/diskspace"
	"sluice/deploy/local/s3server/s3error"
)

// bodies are the files of the uploaded bodies. Each has a random name and never
// changes once it is sealed.
type bodies struct {
	dir  string
	log  *slog.Logger
	step func(string)

	// Replaced by tests.
	free func(dir string) (bytes int64, known bool)
	sync func(*os.File) error
	wrap func(io.Writer) io.Writer

	linkFile func(from, to string) error
}

var copyBuffers = sync.Pool{New: func() any { b := make([]byte, 256<<10); return &b }}

func openBodies(dir string, o Options) (*bodies, error) {
	b := &bodies{
		dir: filepath.Join(dir, "objects"), log: o.Logger, step: o.step,
		free: diskspace.Free, sync: (*os.File).Sync, wrap: func(w io.Writer) io.Writer { return w },
		linkFile: os.Link,
	}
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return nil, fmt.Errorf("objects: folder %q: %w", b.dir, err)
	}
	parent, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("objects: folder %q: %w", dir, err)
	}
	defer parent.Close()
	if err := b.sync(parent); err != nil && !cannotSync(err) {
		return nil, fmt.Errorf("objects: sync folder %q: %w", dir, err)
	}
	return b, nil
}

// cannotSync reports whether err means that the operating or file system cannot sync
// folders.
func cannotSync(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) || errors.Is(err, fs.ErrInvalid) || errors.Is(err, fs.ErrPermission)
}

// draft is a body that is being written. seal makes it durable, discard removes it.
type draft struct {
	bodies *bodies
	file   *os.File
	name   string
}

// create opens a draft for size bytes. It returns InsufficientStorage if they would
// leave less than minFreeBytes.
func (b *bodies) create(size int64) (*draft, error) {
	if free, known := b.free(b.dir); known && free-size < minFreeBytes {
		return nil, s3error.InsufficientStorage.WithMessage(
			"The disk of the local stack has %d bytes left, too few for %d more, and nothing was stored. Free some room and try again.", free, size)
	}
	name := rand.Text()
	f, err := os.OpenFile(filepath.Join(b.dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return &draft{bodies: b, file: f, name: name}, nil
}

// fill copies r to the draft and to the hashes.
func (d *draft) fill(r io.Reader, hashes ...hash.Hash) (int64, error) {
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	writers := []io.Writer{d.bodies.wrap(onlyWriter{d.file})}
	for _, h := range hashes {
		writers = append(writers, h)
	}
	return io.CopyBuffer(io.MultiWriter(writers...), onlyReader{r}, *buf)
}

// seal syncs the bytes of the body and then the folder that holds its name.
func (d *draft) seal() error {
	d.bodies.step("body written")
	if err := d.bodies.sync(d.file); err != nil {
		return fmt.Errorf("sync a body: %w", err)
	}
	d.bodies.step("body synced")
	if err := d.file.Close(); err != nil {
		return fmt.Errorf("close a body: %w", err)
	}
	return d.bodies.syncFolder()
}

// discard removes a draft, sealed or not.
func (d *draft) discard() {
	_ = d.file.Close() // closed already when sealed
	d.bodies.remove(d.name)
}

func (b *bodies) syncFolder() error {
	f, err := os.Open(b.dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := b.sync(f); err != nil && !cannotSync(err) {
		return fmt.Errorf("sync folder %q: %w", b.dir, err)
	}
	b.step("folder synced")
	return nil
}

// link gives a sealed body a second name, durably, and returns it. As bodies never
// change, that is a copy.
func (b *bodies) link(name string) (string, error) {
	next := rand.Text()
	if err := b.linkFile(filepath.Join(b.dir, name), filepath.Join(b.dir, next)); err != nil {
		return "", err
	}
	if err := b.syncFolder(); err != nil {
		b.remove(next)
		return "", err
	}
	return next, nil
}

// open opens a sealed body. The comparison of the size finds files that another
// program cut or replaced.
func (b *bodies) open(name string, size int64) (*os.File, error) {
	f, err := os.Open(filepath.Join(b.dir, name))
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil && fi.Size() != size {
		err = fmt.Errorf("body %q is damaged: got %d bytes, want %d", f.Name(), fi.Size(), size)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// remove unlinks bodies. A reader that has one open keeps it. The next start sweeps
// bodies that cannot be removed now.
func (b *bodies) remove(names ...string) {
	for _, name := range names {
		if name == "" {
			continue
		}
		if err := os.Remove(filepath.Join(b.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			b.log.Warn("remove a body", "body", name, "error", err)
		}
	}
}

// count returns the number of bodies, at most limit.
func (b *bodies) count(limit int) (int, error) {
	dir, err := os.Open(b.dir)
	if err != nil {
		return 0, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(limit)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return len(names), err
}

// sweep removes every file that is not in keep, and returns how many there were.
func (b *bodies) sweep(keep map[string]struct{}) (removed int, err error) {
	dir, err := os.Open(b.dir)
	if err != nil {
		return 0, err
	}
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(1024)
		for _, name := range names {
			if _, ok := keep[name]; ok {
				continue
			}
			b.remove(name)
			removed++
		}
		if errors.Is(err, io.EOF) {
			return removed, nil
		}
		if err != nil {
			return removed, err
		}
	}
}

// onlyWriter and onlyReader hide the shortcuts of io.Copy, which would bypass the
// buffer and the hashes.
type (
	onlyWriter struct{ io.Writer }
	onlyReader struct{ io.Reader }
)
