package s3server

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"sluice/deploy/internal/diskspace"
)

// bodies are the files that hold what was uploaded, each under a random name and never changed once it is sealed.
type bodies struct {
	dir     string
	minFree int64
	log     *slog.Logger
	step    func(string)

	// Replaced by tests.
	free func(dir string) (bytes int64, known bool)
	sync func(*os.File) error
	wrap func(io.Writer) io.Writer

	linkFile func(from, to string) error
}

var copyBuffers = sync.Pool{New: func() any { b := make([]byte, 256<<10); return &b }}

func openBodies(dir string, o Options) (*bodies, error) {
	b := &bodies{
		dir: filepath.Join(dir, "objects"), minFree: o.MinFreeBytes, log: o.Logger, step: o.step,
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

// cannotSync tells the errors of systems and file systems that have no sync for folders.
func cannotSync(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) || errors.Is(err, fs.ErrInvalid) || errors.Is(err, fs.ErrPermission)
}

// draft is a body that is being written. It becomes durable with seal and vanishes with discard.
type draft struct {
	b    *bodies
	f    *os.File
	name string
}

// create opens a draft for size bytes, if there is room for them.
func (b *bodies) create(size int64) (*draft, error) {
	if b.minFree >= 0 {
		if free, known := b.free(b.dir); known && free-size < b.minFree {
			return nil, errNoRoom.because("The disk of this home has %d bytes left, which is too little for %d more, and nothing was stored. Free some room and try again.", free, size)
		}
	}
	name := rand.Text()
	f, err := os.OpenFile(filepath.Join(b.dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return &draft{b: b, f: f, name: name}, nil
}

// fill copies r to the draft and to the other writers.
func (d *draft) fill(r io.Reader, also ...io.Writer) (int64, error) {
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	w := io.MultiWriter(append([]io.Writer{d.b.wrap(onlyWriter{d.f})}, also...)...)
	return io.CopyBuffer(w, onlyReader{r}, *buf)
}

// seal makes the body durable: first its bytes, then its name.
func (d *draft) seal() error {
	d.b.step("body written")
	if err := d.b.sync(d.f); err != nil {
		return fmt.Errorf("sync a body: %w", err)
	}
	d.b.step("body synced")
	if err := d.f.Close(); err != nil {
		return fmt.Errorf("close a body: %w", err)
	}
	return d.b.syncFolder()
}

// discard removes a draft, sealed or not.
func (d *draft) discard() {
	_ = d.f.Close() // closed already when sealed
	d.b.remove(d.name)
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

// link gives a sealed body a second name, durably. As bodies never change, that is a copy.
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

// open opens a sealed body and compares its size, which finds files that were cut or changed behind our back.
func (b *bodies) open(name string, size int64) (*os.File, error) {
	f, err := os.Open(filepath.Join(b.dir, name))
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil && fi.Size() != size {
		err = fmt.Errorf("body %q is damaged: it has %d bytes and should have %d", f.Name(), fi.Size(), size)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// remove unlinks bodies. A reader that has one open keeps it. What cannot be removed now is swept at the next start.
func (b *bodies) remove(names ...string) {
	for _, name := range names {
		if name == "" {
			continue
		}
		if err := os.Remove(filepath.Join(b.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			b.log.Warn("a body could not be removed", "body", name, "error", err)
		}
	}
}

// count counts the bodies, up to limit.
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

// sweep removes every file that is not in keep.
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

// onlyWriter and onlyReader hide the shortcuts of io.Copy, which would go past the buffer and the hashes.
type (
	onlyWriter struct{ io.Writer }
	onlyReader struct{ io.Reader }
)
