package s3server

import (
	"context"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
)

// sweepEvery is how often uploads under way are looked through for stale ones, while new ones are begun.
const sweepEvery = time.Hour

// sweepUploads forgets uploads that were begun, or completed, long ago.
func (s *Service) sweepUploads(ctx context.Context) error {
	now := s.opt.Now()
	s.nextSweep.Store(now.Add(sweepEvery).Unix())
	var bodies []string
	err := s.db.UpdateEvenIfFull(ctx, func(tx *bbolt.Tx) (err error) {
		bodies, err = tables(tx).dropUploads(func(_ string, u *upload) bool { return now.Sub(u.Started) > s.opt.StaleUpload })
		return err
	})
	if err == nil {
		s.bodies.remove(bodies...)
	}
	return err
}

// sweepSometimes sweeps if it is time. A failure only means that it was not done.
func (s *Service) sweepSometimes(ctx context.Context) {
	if s.opt.Now().Unix() < s.nextSweep.Load() {
		return
	}
	if err := s.sweepUploads(ctx); err != nil {
		s.opt.Logger.WarnContext(ctx, "stale uploads were not given up", "error", err)
	}
}

// LostStoreError says that the store is new and the folder holds bodies: the file that named them was put aside or lost. They are
// somebody's uploads, and nothing was done to them.
type LostStoreError struct {
	Dir   string // the folder with the bodies
	Store string // the file that does not name them
	Count int    // bodies, at least
}

func (e *LostStoreError) Error() string {
	return fmt.Sprintf("%q holds uploads (%d files or more) and %q is new and names none of them: put the file that belongs to them back in its place, or move the folder away to begin anew without them",
		e.Dir, e.Count, e.Store)
}

// checkStore refuses to take all bodies for what a crash left behind. Our tables are made at the first start, before any body is,
// so where there are none, the store is not the one that the bodies belong to.
func (s *Service) checkStore() error {
	known := false
	err := s.db.View(func(tx *bbolt.Tx) error {
		known = tx.Bucket(tableRoot) != nil
		return nil
	})
	if err != nil || known {
		return err
	}
	n, err := s.bodies.count(100)
	if err != nil {
		return fmt.Errorf("objects: look for bodies: %w", err)
	}
	if n > 0 {
		return &LostStoreError{Dir: s.bodies.dir, Store: s.db.Path(), Count: n}
	}
	return nil
}

// sweepBodies removes the bodies that no record names: uploads that were cut off by a crash, and what they had replaced.
func (s *Service) sweepBodies() error {
	keep := map[string]struct{}{}
	err := s.db.View(func(tx *bbolt.Tx) error {
		t := tables(tx)
		if err := t.root.Bucket(tableParts).ForEach(func(_, v []byte) error {
			p, err := decode[part](v)
			if err == nil {
				keep[p.Body] = struct{}{}
			}
			return err
		}); err != nil {
			return err
		}
		return t.root.Bucket(tableKeys).ForEachBucket(func(name []byte) error {
			return t.root.Bucket(tableKeys).Bucket(name).ForEach(func(_, v []byte) error {
				rec, err := decode[record](v)
				if err == nil {
					keep[rec.Body] = struct{}{}
				}
				return err
			})
		})
	})
	if err != nil {
		return err
	}
	n, err := s.bodies.sweep(keep)
	if n > 0 {
		s.opt.Logger.Info("bodies that no key names were removed", "count", n)
	}
	return err
}
