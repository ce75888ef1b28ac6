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
	outboxTempPrefix = ".tmp-" // the dot keeps it out of ReadOutbox and of most listings
	// maxOutboxFile is more than the largest notification in JSON, each byte escaped.
	maxOutboxFile = 6*(MaxBodyBytes+MaxSubjectBytes+MaxRecipientBytes+MaxIDBytes+4*MaxKeyBytes) + 4<<10
)

// Outbox is a Channel that puts each notification as a file into a folder, for
// a person or a program to read. It is the channel that needs nothing.
//
// The file's name is made of the ID, so a second Send with the same ID does
// nothing: the first one's bytes stay. When Send has returned nil, the file and
// its name are on disk. A crash leaves either the whole file or none, and
// perhaps a temporary file that nobody reads and the next OpenOutbox removes.
//
// Safe for concurrent use, also by several processes.
type Outbox struct {
	dir    string
	rename sync.Mutex // held between looking and renaming, where there are no hard links
	disk   outboxDisk
}

// outboxDisk are the steps that make a file durable. Tests stop between them.
type outboxDisk struct {
	sync    func(*os.File) error
	link    func(oldname, newname string) error
	syncDir func(dir string) error
}

var realDisk = outboxDisk{sync: (*os.File).Sync, link: os.Link, syncDir: syncDir}

// OpenOutbox makes dir if it is not there, readable by its owner only, and
// sweeps temporary files out of it. If another process is in the middle of a
// Send there, that Send fails and is tried again; nothing is lost.
func OpenOutbox(dir string) (*Outbox, error) {
	if dir == "" {
		return nil, errors.New("outbox: no folder given")
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
				return nil, fmt.Errorf("outbox: sweep: %w", err)
			}
		}
	}
	return &Outbox{dir: dir, disk: realDisk}, nil
}

// makeDurableDir makes dir and the folders above it, and sees to it that each
// new name is on disk.
func makeDurableDir(dir string) error {
	if info, err := os.Stat(dir); err == nil {
		if !info.IsDir() {
			return fmt.Errorf("%s is not a folder", dir)
		}
		// Who made it may have been killed before this. The folder above may be
		// closed to us, which is no reason not to use the one that is there.
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

// Path returns the file that a notification with this ID has, or will have.
func (o *Outbox) Path(id string) string { return filepath.Join(o.dir, safeName(id)+outboxSuffix) }

// String names the folder.
func (o *Outbox) String() string { return "outbox " + o.dir }

// Send puts n into the folder. It returns when n is on disk.
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
		// Who wrote it may have been killed before the name was on disk.
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

// writeTemp writes n to a file of its own and returns its path. On disk before
// it has its final name: a name never leads to half a file.
func (o *Outbox) writeTemp(n Notification) (path string, err error) {
	n.At = n.At.UTC()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // people read it
	enc.SetIndent("", "  ")
	if err := enc.Encode(n); err != nil {
		return "", &RejectedError{Reason: "notification is no JSON", Err: err}
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

// place gives temp its final name unless somebody has it already.
func (o *Outbox) place(temp, path string) error {
	err := o.disk.link(temp, path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return err // swept, or the folder is gone
	}
	// A file system without hard links. Rename would replace, so look first;
	// two processes may still race here, each with the same notification.
	o.rename.Lock()
	defer o.rename.Unlock()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(temp, path)
}

// syncDir sees to it that the names in dir are on disk. Windows has no such
// call and needs none.
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

// ReadOutbox returns the notifications in dir, by time and then by ID. Other
// files, temporary ones among them, are left out. A file that is no
// notification is an error that names it; the others are returned with it. A folder that is not there
// is an error that wraps fs.ErrNotExist.
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
		return n, fmt.Errorf("over %d bytes", maxOutboxFile)
	}
	if err := strictJSON(data, &n); err != nil {
		return n, fmt.Errorf("not a notification: %w", err)
	}
	if n.ID == "" || safeName(n.ID)+outboxSuffix != filepath.Base(path) {
		return n, fmt.Errorf("not a notification: id %q does not belong to this file name", n.ID)
	}
	return n, nil
}
