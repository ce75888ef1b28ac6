// Package store keeps the local stack's durable state in one bbolt file, and
// lets concurrent callers share an fsync.
//
// The file is dir/sluice.db. One process owns it at a time. The packages over
// it (s3server, sqsserver, tables) have top-level buckets of their own. One
// [DB.Update] can write the buckets of several packages, which makes an upload
// and its S3 event one step.
//
// A bbolt commit costs two fsyncs, whatever its size. [DB.Update] therefore
// does not open a transaction per call. One writer goroutine takes all calls
// that wait, runs them in one transaction and returns them after the fsync. It
// never waits for more calls: a single caller has no delay, and sixty-four
// callers share one fsync.
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

// FileName is the name of the database file in the folder of [Open].
const FileName = "sluice.db"

// Options configures [Open]. The zero value is right for production.
type Options struct {
	// Now returns the current time to the packages over the store, through
	// [DB.Now]. Nil means time.Now.
	Now func() time.Time

	// NoSync leaves out every fsync. It is for tests only: a crash of the
	// machine then loses or corrupts the file. A killed process does not, since
	// the kernel has its writes.
	NoSync bool

	// Synced, if not nil, is called with the transaction's id after a commit
	// has reached the disk and before any of its callers returns. It runs on
	// the writer goroutine, so it must be quick and must not call Update. With
	// NoSync it is not called.
	Synced func(txid int)

	// MaxBytes limits the file. It is checked before a transaction, which can
	// exceed it by its own size. Zero means that only the disk limits the file.
	MaxBytes int64

	// ReserveBytes is the space on the disk, or below MaxBytes, that is kept
	// for [DB.UpdateEvenIfFull]. When less is left, Update returns a
	// [*FullError]. Zero means 16 MiB.
	ReserveBytes int64

	// Logger receives failed writes. Nil discards them.
	Logger *slog.Logger
}

// DB is an open store. It is safe for concurrent use. Get one from [Open].
type DB struct {
	bolt *bbolt.DB
	dir  string
	opt  Options

	free func() (bytes int64, known bool) // space on the disk

	calls   chan *call    // unbuffered, so that every call sent is run
	closing chan struct{} // closed by Close
	done    chan struct{} // closed when the writer goroutine has ended

	closeOnce sync.Once
	closeErr  error
	broken    atomic.Pointer[BrokenError]
}

// Dir returns the folder of the store, as given to [Open].
func (d *DB) Dir() string { return d.dir }

// Path returns the path of the database file.
func (d *DB) Path() string { return filepath.Join(d.dir, FileName) }

// Now returns the current time by the clock of [Options].
func (d *DB) Now() time.Time { return d.opt.Now() }

// View runs fn over a consistent snapshot. View and Update do not wait for each
// other, but pages visible to fn cannot be reused, so a long View makes the
// file grow. Keys and values are valid only inside fn.
//
// View returns fn's error, [ErrClosed] after Close, or a [*BrokenError].
func (d *DB) View(fn func(tx *bbolt.Tx) error) error {
	if b := d.broken.Load(); b != nil {
		return b
	}
	return translate(d.Path(), d.bolt.View(fn))
}

// Update runs fn in a read-write transaction and returns nil only after the
// transaction has been synced to the disk. Transactions run one after the
// other; calls that wait at the same time share one.
//
// Because calls share a transaction, fn may be called more than once, each time
// in a new transaction without the changes of the earlier call. It must set its
// results and not add to them, and should check before it changes anything.
// When fn returns an error or panics, its changes are rolled back and those of
// the other calls are kept, at the cost of running the group again. An error
// marked with [Unchanged] avoids the second run. A nil so marked avoids the
// sync of a transaction without changes.
//
// Functions registered with tx.OnCommit run after the fsync, on the writer
// goroutine: they must be quick, must not call Update or Close, and must not
// panic. fn must not call runtime.Goexit, and so must not call t.Fatal.
//
// Update returns fn's error, a [*PanicError], ctx's error if ctx ended before
// fn started (a started fn is waited for), [ErrClosed], a [*FullError] (fn had
// no effect, and the store stays usable), or a [*BrokenError].
func (d *DB) Update(ctx context.Context, fn func(tx *bbolt.Tx) error) error {
	return d.submit(ctx, &call{fn: fn})
}

// UpdateBytes is Update for an fn that writes about the given number of bytes.
// It keeps the transactions of large calls small.
func (d *DB) UpdateBytes(ctx context.Context, bytes int, fn func(tx *bbolt.Tx) error) error {
	return d.submit(ctx, &call{fn: fn, bytes: bytes})
}

// UpdateEvenIfFull is Update for deletions and for the steps before them, such
// as receiving a message that is then deleted. It may use the reserve: a
// deletion needs a few new pages before it frees its own, so without a reserve
// nothing could be deleted on a full disk.
func (d *DB) UpdateEvenIfFull(ctx context.Context, fn func(tx *bbolt.Tx) error) error {
	return d.submit(ctx, &call{fn: fn, reserve: true})
}

// submit sends a call to the writer goroutine and waits for its result.
func (d *DB) submit(ctx context.Context, c *call) error {
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

// Close refuses new updates, finishes the started ones, waits for views and
// releases the file. Later calls return the result of the first.
func (d *DB) Close() error {
	d.closeOnce.Do(func() {
		close(d.closing)
		<-d.done
		removeOwner(d.dir) // while this process holds the lock
		d.closeErr = d.bolt.Close()
	})
	return d.closeErr
}

// Size returns the size of the database file in bytes.
func (d *DB) Size() (int64, error) {
	fi, err := os.Stat(d.Path())
	if err != nil {
		return 0, err
	}
	return fi.Size(), nil
}
