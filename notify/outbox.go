package notify

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
)

const (
	outboxSuffix     = ".json"
	outboxTempPrefix = ".tmp-" // ReadOutbox and most listings skip names with a leading dot
	// maxOutboxFile exceeds the largest notification in JSON with every byte
	// escaped.
	maxOutboxFile = 6*(MaxBodyBytes+MaxSubjectBytes+MaxRecipientBytes+MaxIDBytes+4*MaxKeyBytes) + 4<<10
)

// Outbox is a Channel that writes each notification to a file in a folder. It
// needs no service.
//
// The file is named for the ID, so a second Send with the same ID does not change
// it. When Send returns nil, the file and its name are on disk. A crash leaves
// the whole file or none, and possibly a temporary file, which ReadOutbox skips
// and the next OpenOutbox removes.
//
// An Outbox is safe for concurrent use, also by several processes.
type Outbox struct {
	dir    string
	rename sync.Mutex // covers check and rename on file systems without hard links
	disk   outboxDisk
}

// outboxDisk has the steps that make a file durable, which tests replace.
type outboxDisk struct {
	sync    func(*os.File) error
	link    func(oldname, newname string) error
	syncDir func(dir string) error
}

var realDisk = outboxDisk{sync: (*os.File).Sync, link: os.Link, syncDir: syncDir}

// OpenOutbox creates dir if necessary, accessible by its owner only, and removes
// temporary files from it. A concurrent Send of another process then fails and
// is retried.
func OpenOutbox(dir string) (*Outbox, error) {
	if dir == "" {
		return nil, errors.New("outbox: folder is missing")
	}
	if err := makeDurableDir(dir); err != nil {
		return nil, fmt.Errorf("outbox: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("outbox: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), outboxTempPrefix) && e.Type().IsRegular() {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("outbox: remove a temporary file: %w", err)
			}
		}
	}
	return &Outbox{dir: dir, disk: realDisk}, nil
}

// makeDurableDir creates dir and its parents, and syncs each new name to disk.
func makeDurableDir(dir string) error {
	if info, err := os.Stat(dir); err == nil {
		if !info.IsDir() {
			return fmt.Errorf("%s: got a file, want a folder", dir)
		}
		// The process that created it may have ended before this sync. The parent
		// may not be readable, which does not prevent the use of dir.
		_ = syncDir(filepath.Dir(dir))
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := makeDurableDir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(parent)
}

// Path returns the file of the notification with this ID.
func (o *Outbox) Path(id string) string { return filepath.Join(o.dir, safeName(id)+outboxSuffix) }

// String returns "outbox" and the folder.
func (o *Outbox) String() string { return "outbox " + o.dir }

// Send writes n to the folder. It returns when n is on disk.
func (o *Outbox) Send(ctx context.Context, n Notification) error {
	if err := n.reject(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	path := o.Path(n.ID)
	switch _, err := os.Lstat(path); {
	case err == nil:
		// The process that wrote it may have ended before it synced the name.
		return o.synced()
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("outbox: %w", err)
	}
	temp, err := o.writeTemp(n)
	if err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	err = o.place(temp, path)
	if rmErr := os.Remove(temp); err == nil && rmErr != nil && !errors.Is(rmErr, fs.ErrNotExist) {
		err = rmErr
	}
	if err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	return o.synced()
}

func (o *Outbox) synced() error {
	if err := o.disk.syncDir(o.dir); err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	return nil
}

// writeTemp writes n to a temporary file and returns its path. The file is on disk
// before it gets its final name, so that no name refers to an incomplete file.
func (o *Outbox) writeTemp(n Notification) (path string, err error) {
	n.At = n.At.UTC()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // for readability
	enc.SetIndent("", "  ")
	if err := enc.Encode(n); err != nil {
		return "", &RejectedError{Reason: "notification cannot be encoded as JSON", Err: err}
	}
	f, err := os.CreateTemp(o.dir, outboxTempPrefix+"*") // mode 0600
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(b.Bytes()); err != nil {
		return "", err
	}
	if err := o.disk.sync(f); err != nil {
		return "", err
	}
	return f.Name(), f.Close()
}

// place gives temp its final name, unless a file has it already.
func (o *Outbox) place(temp, path string) error {
	err := o.disk.link(temp, path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return err // OpenOutbox removed it, or the folder is gone
	}
	// The file system has no hard links. Rename would replace the file, so check
	// first. Two processes may still race, with the same notification.
	o.rename.Lock()
	defer o.rename.Unlock()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(temp, path)
}

// syncDir syncs the names in dir to disk. Windows has no such call and does not
// need it.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	return errors.Join(err, d.Close())
}

// ReadOutbox returns the notifications in dir, by time and then by ID. It skips
// other files, including temporary ones. If files are not notifications, it
// returns the others and an error that names the files. The error for a missing
// folder wraps fs.ErrNotExist.
func ReadOutbox(dir string) ([]Notification, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("outbox: %w", err)
	}
	var out []Notification
	var problems []error
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, ".") || !strings.HasSuffix(name, outboxSuffix) || !e.Type().IsRegular() {
			continue
		}
		n, err := readOutboxFile(filepath.Join(dir, name))
		if err != nil {
			problems = append(problems, fmt.Errorf("outbox: %s: %w", filepath.Join(dir, name), err))
			continue
		}
		out = append(out, n)
	}
	slices.SortFunc(out, func(a, b Notification) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID))
	})
	return out, errors.Join(problems...)
}

func readOutboxFile(path string) (n Notification, err error) {
	f, err := os.Open(path)
	if err != nil {
		return n, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxOutboxFile+1))
	if err != nil {
		return n, err
	}
	if len(data) > maxOutboxFile {
		return n, fmt.Errorf("want at most %d bytes", maxOutboxFile)
	}
	if err := strictJSON(data, &n); err != nil {
		return n, fmt.Errorf("not a notification: %w", err)
	}
	if n.ID == "" || safeName(n.ID)+outboxSuffix != filepath.Base(path) {
		return n, fmt.Errorf("not a notification: id: got %q, want that of the file name", n.ID)
	}
	return n, nil
}
