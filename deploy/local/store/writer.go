package store

import (
	"cmp"
	"errors"
	"runtime/debug"
	"slices"

	"go.etcd.io/bbolt"
)

// maxGroup limits the calls that share a transaction, and so the time that the
// first of them waits.
const maxGroup = 512

// maxGroupBytes limits the bytes that the calls of a group declare to write.
// bbolt keeps a transaction in memory until it is written, and a large
// transaction may find no space where small ones do.
const maxGroupBytes = 4 << 20

// fullTries is how many calls of a group that did not fit may fail on their own
// before the rest of the group fails without a try.
const fullTries = 16

// call is one Update submitted to the writer.
type call struct {
	fn      func(*bbolt.Tx) error
	reserve bool // may use the reserve
	bytes   int  // about how many bytes fn writes; 0 if unknown
	err     error
	done    chan struct{}
}

// write runs on the one goroutine that writes the file.
func (d *DB) write() {
	defer close(d.done)
	group := make([]*call, 0, maxGroup)
	for {
		select {
		case c := <-d.calls:
			group = d.gather(append(group[:0], c))
			d.commit(group)
			clear(group) // lets finished calls be collected
		case <-d.closing:
			return
		}
	}
}

// gather adds the calls that already wait to group. It does not wait for more:
// calls gather while the previous commit runs.
func (d *DB) gather(group []*call) []*call {
	bytes := group[0].bytes
	for len(group) < maxGroup && bytes < maxGroupBytes {
		select {
		case c := <-d.calls:
			group = append(group, c)
			bytes += c.bytes
		default:
			return group
		}
	}
	return group
}

// commit runs the calls of a group and finishes each of them.
func (d *DB) commit(group []*call) {
	live := group
	for len(live) > 0 {
		if b := d.broken.Load(); b != nil {
			finish(live, b)
			return
		}
		failed, err := d.attempt(live)
		if _, full := errors.AsType[*FullError](err); full && len(live) > 1 {
			d.commitSeparately(live, err)
			return
		}
		if err != nil {
			finish(live, err)
			return
		}
		if failed == 0 {
			for _, c := range live {
				close(c.done)
			}
			return
		}
		// A failed call may have changed something before it failed, so the
		// transaction was rolled back, and the others run again.
		kept := live[:0]
		var failedCalls []*call
		for _, c := range live {
			if c.err != nil && !isUnchanged(c.err) {
				failedCalls = append(failedCalls, c)
				continue
			}
			kept = append(kept, c)
		}
		for _, c := range failedCalls {
			close(c.done)
		}
		live = kept
	}
}

// commitSeparately commits a group that does not fit in one transaction. It
// commits the calls that may use the reserve first, so that deletions succeed,
// and then each of the others by itself, the smallest first.
func (d *DB) commitSeparately(group []*call, err error) {
	var reserve, rest []*call
	for _, c := range group {
		if c.reserve {
			reserve = append(reserve, c)
		} else {
			rest = append(rest, c)
		}
	}
	if len(rest) == 0 {
		rest, reserve = reserve, nil
	}
	d.commit(reserve)
	slices.SortStableFunc(rest, func(a, b *call) int { return cmp.Compare(a.bytes, b.bytes) })
	for i, failed := 0, 0; i < len(rest); i++ {
		if failed == fullTries {
			finish(rest[i:], err)
			return
		}
		d.commit(rest[i : i+1])
		if rest[i].err != nil {
			failed++
		}
	}
}

// attempt runs all calls in one transaction. If failed is not zero, that many
// calls returned an error after a possible change, and the transaction was
// rolled back. If err is not nil, nothing was committed, and err is the result
// of every call.
func (d *DB) attempt(live []*call) (failed int, err error) {
	committed, idle := false, true
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if committed { // an OnCommit function panicked, and everything is on the disk
			panic(p)
		}
		err = d.breakWith(&PanicError{Value: p, Stack: debug.Stack()})
	}()
	err = d.bolt.Update(func(tx *bbolt.Tx) error {
		txid := tx.ID()
		tx.OnCommit(func() {
			committed = true
			if d.opt.Synced != nil && !d.opt.NoSync {
				d.opt.Synced(txid)
			}
		})
		full := d.checkReserve(tx)
		for _, c := range live {
			if full != nil && !c.reserve {
				c.err = unchanged{full}
				continue
			}
			c.err = run(c.fn, tx)
			switch {
			case c.err == nil:
				idle = false
			case !isUnchanged(c.err):
				failed++
			}
		}
		if failed > 0 || idle {
			return errRollback
		}
		return nil
	})
	switch {
	case failed > 0:
		return failed, nil
	case err == nil || idle && errors.Is(err, errRollback):
		for _, c := range live {
			c.err = unmark(c.err)
		}
		return 0, nil
	case isFull(err):
		full := &FullError{Path: d.Path(), Err: err}
		d.opt.Logger.Error("no space to write", "file", d.Path(), "error", err)
		return 0, full
	case beforeWrite(err):
		return 0, translate(d.Path(), err)
	default:
		return 0, d.breakWith(err)
	}
}

// breakWith makes the store refuse every later call. After a failed fsync the
// contents of the disk are unknown, and the kernel does not report the failure
// again: a second fsync would acknowledge data that was never written.
func (d *DB) breakWith(err error) error {
	b := &BrokenError{Path: d.Path(), Err: err}
	d.broken.CompareAndSwap(nil, b)
	d.opt.Logger.Error("store stopped after a failed write", "file", d.Path(), "error", err)
	return d.broken.Load()
}

// run calls fn and turns a panic into an error.
func run(fn func(*bbolt.Tx) error, tx *bbolt.Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &PanicError{Value: p, Stack: debug.Stack()}
		}
	}()
	return fn(tx)
}

// finish ends all calls of live with err.
func finish(live []*call, err error) {
	for _, c := range live {
		c.err = err
		close(c.done)
	}
}
