package objectstore

import (
	"context"
	"errors"

	"go.etcd.io/bbolt"

	"sluice/deploy/local/s3server/s3error"
	"sluice/deploy/local/store"
)

// Put is an upload in one piece.
type Put struct {
	Bucket, Key string
	Metadata    Metadata
	Conditions  Conditions
	Body        Body
	Requester   Requester
}

// Put stores an object. When it returns, the object and its S3 event are on the
// disk.
func (s *Store) Put(ctx context.Context, p Put) (*Object, error) {
	// The transaction checks again; this check saves the upload.
	if err := s.precheck(p.Bucket, p.Key, p.Conditions); err != nil {
		return nil, err
	}
	body, sum, err := s.receive(p.Body)
	if err != nil {
		return nil, err
	}
	o := &Object{Body: body, Size: p.Body.Size(), ETag: sum, Metadata: p.Metadata, Checksum: p.Body.Checksum()}
	return o, s.commit(ctx, change{bucket: p.Bucket, key: p.Key, object: o, conditions: p.Conditions, event: createdPut, by: p.Requester})
}

// precheck evaluates the conditions on an object before its body is received.
func (s *Store) precheck(bucket, key string, c Conditions) error {
	return s.view(func(x index) error {
		old, err := x.object(bucket, key)
		if err != nil && !errors.Is(err, s3error.NoSuchKey) {
			return err
		}
		return c.check(old)
	})
}

// change is what one transaction does to one key.
type change struct {
	bucket, key string
	object      *Object // with a sealed body; nil deletes
	conditions  Conditions
	event       string
	by          Requester

	// also runs first, if it is not nil. The bodies that it returns are removed after
	// the commit.
	also func(x index) (bodies []string, err error)
}

// commit applies c and its S3 event in one transaction. It removes the previous
// body, or the new one if the transaction failed. It removes neither if nobody
// knows whether the transaction reached the disk: then the next start does.
func (s *Store) commit(ctx context.Context, c change) error {
	var garbage []string
	update := s.db.Update
	if c.object == nil {
		update = s.db.UpdateEvenIfFull // deleting makes room
	}
	s.opt.step("before commit")
	err := update(ctx, func(tx *bbolt.Tx) (err error) {
		garbage, err = s.apply(tx, c)
		return err
	})
	s.opt.step("committed")
	if err == nil {
		s.bodies.remove(garbage...)
		s.opt.step("old bodies removed")
		return nil
	}
	if _, unknown := errors.AsType[*store.BrokenError](err); !unknown && c.object != nil {
		s.bodies.remove(c.object.Body)
	}
	return err
}

// apply returns the bodies that no record names any more. It checks everything
// before it changes anything.
func (s *Store) apply(tx *bbolt.Tx, c change) (garbage []string, err error) {
	x := indexOf(tx)
	old, err := x.object(c.bucket, c.key)
	if err != nil && !errors.Is(err, s3error.NoSuchKey) {
		return nil, store.Unchanged(err)
	}
	if err := c.conditions.check(old); err != nil {
		return nil, store.Unchanged(err)
	}
	if c.also != nil {
		if garbage, err = c.also(x); err != nil {
			return nil, err
		}
	}
	if old == nil && c.object == nil {
		return garbage, nil
	}
	sequencer, err := x.nextSequencer()
	if err != nil {
		return nil, err
	}
	now := s.opt.Now().UTC()
	if c.object != nil {
		c.object.Sequencer, c.object.Modified = sequencer, now
	}
	if err := x.setObject(c.bucket, c.key, old, c.object); err != nil {
		return nil, err
	}
	if old != nil {
		garbage = append(garbage, old.Body)
	}
	return garbage, s.announce(tx, c, sequencer, now)
}
