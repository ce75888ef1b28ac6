// Package store keeps everything the one-machine home must not lose in one bbolt file, and lets concurrent callers share its
// fsync.
//
// The file is dir/sluice.db. One process owns it at a time. Packages over it (objects, queues, tables) each keep their own
// top-level buckets and may write several of them in one [DB.Update], which is how an upload and its notice become one step.
//
// A bbolt commit costs two fsyncs, whatever it holds, so [DB.Update] does not open one transaction per call: one writer goroutine
// takes a waiting call, takes all others that wait already, runs them in one transaction and answers all of them after the
// fsync. It never waits for company. A lone caller pays no delay, and sixty-four callers share one fsync.
package store

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
)

// FileName is the name of the file that [Open] keeps in its folder.
const FileName = "sluice.db"

// Options are what [Open] can be told. The zero value is right for production.
type Options struct {
	// Now is the clock that [DB.Now] gives to the packages over the store. Nil means time.Now.
	Now func() time.Time

	// NoSync leaves out every fsync. It is for tests only: a crash of the machine then loses or corrupts the file. (A killed
	// process does not: what it wrote is with the kernel.)
	NoSync bool

	// Synced, when set, is called after each commit has reached the disk and before any of its callers is answered, with the
	// transaction's id. It runs on the writer goroutine: it must be quick and must not call Update. With NoSync it is not called.
	Synced func(txid int)

	// MaxBytes limits what the file holds. It is looked at before a transaction, so one may pass it by its own size. Zero means
	// no limit but the disk's.
	MaxBytes int64

	// ReserveBytes is the room on the disk, or under MaxBytes, that is kept for [DB.UpdateEvenIfFull]: when less is left, Update
	// answers with a [*FullError]. Zero means 16 MiB.
	ReserveBytes int64

	// Logger hears when the file is refused or stops being writable. Nil means silence.
	Logger *slog.Logger
}

// DB is an open store. It is safe for concurrent use. Get one from [Open].
type DB struct {
	bolt *bbolt.DB
	dir  string
	opt  Options

	room func() (bytes int64, known bool) // free on the disk

	calls   chan *call    // unbuffered: what was handed over is run, what was not has not happened
	closing chan struct{} // closed by Close
	done    chan struct{} // closed when the writer has ended

	closeOnce sync.Once
	closeErr  error
	broken    atomic.Pointer[BrokenError]
}

// Dir is the folder the store lives in, as given to [Open].
func (d *DB) Dir() string { return d.dir }

// Path is the path of the database file.
func (d *DB) Path() string { return filepath.Join(d.dir, FileName) }

// Now is the time by the clock in [Options].
func (d *DB) Now() time.Time { return d.opt.Now() }

// View runs fn over a consistent snapshot. It does not wait for writers and writers do not wait for it, but pages that it can
// still see cannot be reused: a View that lasts makes the file grow. Keys and values are valid only inside fn.
//
// It returns fn's error, [ErrClosed] after Close, or a [*BrokenError].
func (d *DB) View(fn func(tx *bbolt.Tx) error) error {
	if b := d.broken.Load(); b != nil {
		return b
	}
	return translate(d.Path(), d.bolt.View(fn))
}

// Update runs fn in a writing transaction and returns nil only after that transaction has been synced to the disk. Transactions
// run one after the other; calls that wait at the same time share one.
//
// Because of the sharing, fn may be called more than once, each time on a fresh transaction that shows nothing of the earlier
// call: it must set its results, not add to them. It should check before it changes. When fn returns an error or panics, its
// changes are undone and the others' are kept; that costs the group a second run, which an error marked with [Unchanged] saves.
// A nil marked so saves the sync where nobody changed anything.
// Register wake-ups with tx.OnCommit: they run after the fsync, on the writer goroutine, so they must be quick, must not call
// Update or Close, and must not panic. Nor may fn leave its goroutine (runtime.Goexit, so no t.Fatal in it).
//
// The error is fn's own, a [*PanicError], ctx's error (then nothing has happened: once fn was handed over, its outcome is waited
// for), [ErrClosed], a [*FullError] (nothing of fn has happened, the store stays usable), or a [*BrokenError].
func (d *DB) Update(ctx context.Context, fn func(tx *bbolt.Tx) error) error {
	return d.hand(ctx, &call{fn: fn})
}

// UpdateBytes is Update for fn that writes about so many bytes, where that may be much: large calls do not share a transaction
// with many others.
func (d *DB) UpdateBytes(ctx context.Context, bytes int, fn func(tx *bbolt.Tx) error) error {
	return d.hand(ctx, &call{fn: fn, bytes: bytes})
}

// UpdateEvenIfFull is Update for what makes room or is a step to it: deleting, and taking work that will be deleted. It may use
// the reserve. Without one, a full disk could not be emptied, since a deletion needs a few new pages before it frees its own.
func (d *DB) UpdateEvenIfFull(ctx context.Context, fn func(tx *bbolt.Tx) error) error {
	return d.hand(ctx, &call{fn: fn, reserve: true})
}

// hand gives a call to the writer and waits for its outcome.
func (d *DB) hand(ctx context.Context, c *call) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.done = make(chan struct{})
	select {
	case d.calls <- c:
	case <-ctx.Done():
		return ctx.Err()
	case <-d.closing:
		return ErrClosed
	}
	<-c.done
	return c.err
}

// Close refuses new updates, lets those that were taken finish, waits for views and gives the file up. It is safe to call more
// than once; later calls return what the first did.
func (d *DB) Close() error {
	d.closeOnce.Do(func() {
		close(d.closing)
		<-d.done
		removeHolder(d.dir) // while the lock is still ours
		d.closeErr = d.bolt.Close()
	})
	return d.closeErr
}

// Size is the size of the database file in bytes.
func (d *DB) Size() (int64, error) {
	fi, err := os.Stat(d.Path())
	if err != nil {
		return 0, err
	}
	return fi.Size(), nil
}
