package objectstore

import (
	"context"
	"errors"

	"go.etcd.io/bbolt"

	"sluice/deploy/local/s3server/s3error"
	"sluice/deploy/local/store"
)

// Delete removes an object. Removing one that does not exist succeeds and causes no
// S3 event.
func (s *Store) Delete(ctx context.Context, bucket, key string, c Conditions, by Requester) error {
	return s.commit(ctx, change{bucket: bucket, key: key, conditions: c, event: removedDelete, by: by})
}

// Deletion is one element of [Store.DeleteMany].
type Deletion struct {
	Key        string
	Conditions Conditions
}

// DeleteMany removes objects in one transaction. Each has an outcome of its own:
// refused holds the errors by index. err means that nothing was removed.
func (s *Store) DeleteMany(ctx context.Context, bucket string, list []Deletion, by Requester) (refused map[int]*s3error.Error, err error) {
	var garbage []string
	s.opt.step("before commit")
	err = s.db.UpdateEvenIfFull(ctx, func(tx *bbolt.Tx) error {
		refused, garbage = map[int]*s3error.Error{}, nil
		if indexOf(tx).bucket(bucket) == nil {
			return store.Unchanged(s3error.NoSuchBucket)
		}
		for i, d := range list {
			bodies, err := s.apply(tx, change{bucket: bucket, key: d.Key, conditions: d.Conditions, event: removedDelete, by: by})
			if e, ok := errors.AsType[*s3error.Error](err); ok {
				refused[i] = e
				continue
			}
			if err != nil {
				return err
			}
			garbage = append(garbage, bodies...)
		}
		return nil
	})
	s.opt.step("committed")
	if err != nil {
		return nil, err
	}
	s.bodies.remove(garbage...)
	return refused, nil
}
