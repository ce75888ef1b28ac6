package store

import (
	"cmp"
	"errors"
	"log/slog"
	"runtime/debug"
	"slices"

	"go.etcd.io/bbolt"
)

// maxGroup bounds how many calls share a transaction, so that a flood cannot hold the first of them for long.
const maxGroup = 512

// maxGroupBytes is where a group is large enough, by what its calls say they write. bbolt keeps a transaction in memory until it is
// written, and a large one may find no room where small ones would.
const maxGroupBytes = 4 << 20

// fullTries is how many calls of a group that found no room may fail on their own before the rest is taken to fail as well.
const fullTries = 16

// call is one Update on its way through the writer.
type call struct {
	fn      func(*bbolt.Tx) error
	reserve bool // it may use the reserve
	bytes   int  // about what it writes, 0 if it did not say
	err     error
	done    chan struct{}
}

// write is the one goroutine that writes the file.
func (d *DB) write() {
	defer close(d.done)
	group := make([]*call, 0, maxGroup)
	for {
		select {
		case c := <-d.calls:
			group = d.gather(append(group[:0], c))
			d.commit(group)
			clear(group) // answered calls must not outlive their callers
		case <-d.closing:
			return
		}
	}
}

// gather adds the calls that wait already. It does not wait for more: the commit before was the time to gather in.
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

// commit runs a group to its end and answers each of its calls.
func (d *DB) commit(group []*call) {
	live := group
	for len(live) > 0 {
		if b := d.broken.Load(); b != nil {
			finish(live, b)
			return
		}
		failed, err := d.attempt(live)
		if _, full := errors.AsType[*FullError](err); full && len(live) > 1 {
			d.makeDo(live, err)
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
		// What failed may have changed something before it did: the transaction was given up, and the rest run again.
		kept := live[:0]
		var out []*call
		for _, c := range live {
			if c.err != nil && !isUnchanged(c.err) {
				out = append(out, c)
				continue
			}
			kept = append(kept, c)
		}
		for _, c := range out {
			close(c.done)
		}
		live = kept
	}
}

// makeDo answers a group that found no room together. What may use the reserve goes without the others first, so that deleting
// works; then each of the others has to fit by itself.
func (d *DB) makeDo(group []*call, err error) {
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

// attempt runs all calls in one transaction. If failed is over zero, that many calls have an error that may have left changes
// behind, and nothing was written. If err is not nil, nothing was written that counts, and err is the answer to all.
func (d *DB) attempt(live []*call) (failed int, err error) {
	committed, idle := false, true
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if committed { // a wake-up panicked: its owner must hear, and nothing is lost by dying here
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
		full := d.tight(tx)
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
			return errGiveUp
		}
		return nil
	})
	switch {
	case failed > 0:
		return failed, nil
	case err == nil || idle && errors.Is(err, errGiveUp):
		for _, c := range live {
			c.err = bare(c.err)
		}
		return 0, nil
	case isFull(err):
		full := &FullError{Path: d.Path(), Err: err}
		d.opt.Logger.Error("no room to write", "file", d.Path(), "error", err)
		return 0, full
	case harmless(err):
		return 0, translate(d.Path(), err)
	default:
		return 0, d.breakWith(err)
	}
}

// breakWith makes the store refuse everything from now on. After a failed fsync nobody knows what the disk holds, and the
// kernel forgets the failure: trying again would acknowledge what was never written.
func (d *DB) breakWith(err error) error {
	b := &BrokenError{Path: d.Path(), Err: err}
	d.broken.CompareAndSwap(nil, b)
	d.opt.Logger.Error("the store stops", "file", d.Path(), slog.Any("error", err))
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

// finish answers all of live with err.
func finish(live []*call, err error) {
	for _, c := range live {
		c.err = err
		close(c.done)
	}
}
