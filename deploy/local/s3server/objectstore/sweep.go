package objectstore

import (
	"context"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
)

// sweepEvery is the shortest time between two sweeps of uploads, while new uploads
// start.
const sweepEvery = time.Hour

// sweepUploads aborts uploads that started, and forgets those that were completed,
// more than staleUpload ago.
func (s *Store) sweepUploads(ctx context.Context) error {
	now := s.opt.Now()
	s.nextSweep.Store(now.Add(sweepEvery).Unix())
	var bodies []string
	err := s.db.UpdateEvenIfFull(ctx, func(tx *bbolt.Tx) (err error) {
		bodies, err = indexOf(tx).dropUploads(func(_ string, u *upload) bool { return now.Sub(u.Started) > s.opt.staleUpload })
		return err
	})
	if err == nil {
		s.bodies.remove(bodies...)
	}
	return err
}

// sweepWhenDue sweeps if the last sweep is sweepEvery ago. A sweep that fails is
// only logged.
func (s *Store) sweepWhenDue(ctx context.Context) {
	if s.opt.Now().Unix() < s.nextSweep.Load() {
		return
	}
	if err := s.sweepUploads(ctx); err != nil {
		s.opt.Logger.WarnContext(ctx, "abort stale uploads", "error", err)
	}
}

// LostStoreError means that the local file is new although the folder holds bodies:
// the file that named them was moved or lost. Nothing was done to the bodies.
type LostStoreError struct {
	Dir   string // the folder with the bodies
	Store string // the new file
	Count int    // number of bodies, at least
}

func (e *LostStoreError) Error() string {
	return fmt.Sprintf("%q holds uploads (%d files or more) and the new file %q names none of them: put the file that belongs to them back in its place, or move the folder away to start without them",
		e.Dir, e.Count, e.Store)
}

// checkStore returns a LostStoreError instead of letting sweepBodies remove every
// body. The first start creates the index before any body exists, so a file without
// an index is not the one that the bodies belong to.
func (s *Store) checkStore() error {
	known := false
	err := s.db.View(func(tx *bbolt.Tx) error {
		known = tx.Bucket(indexRoot) != nil
		return nil
	})
	if err != nil || known {
		return err
	}
	n, err := s.bodies.count(100)
	if err != nil {
		return fmt.Errorf("objects: count bodies: %w", err)
	}
	if n > 0 {
		return &LostStoreError{Dir: s.bodies.dir, Store: s.db.Path(), Count: n}
	}
	return nil
}

// sweepBodies removes the bodies that no record names: those of uploads that a
// crash interrupted, and those that a change replaced.
func (s *Store) sweepBodies() error {
	keep := map[string]struct{}{}
	err := s.view(func(x index) error {
		if err := x.parts().ForEach(func(_, v []byte) error {
			p, err := decode[Part](v)
			if err == nil {
				keep[p.Body] = struct{}{}
			}
			return err
		}); err != nil {
			return err
		}
		keys := x.root.Bucket(indexKeys)
		return keys.ForEachBucket(func(name []byte) error {
			return keys.Bucket(name).ForEach(func(_, v []byte) error {
				o, err := decode[Object](v)
				if err == nil {
					keep[o.Body] = struct{}{}
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
		s.opt.Logger.Info("removed orphaned bodies", "count", n)
	}
	return err
}
