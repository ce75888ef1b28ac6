package objects

import (
	"context"
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
