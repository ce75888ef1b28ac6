// Package objectstore keeps the objects of the local stack's S3 endpoint. What it
// acknowledged survives a crash.
//
// Each body is a file under a random name in <data folder>/objects, synced together
// with its folder. Then one synced transaction of the local file writes key,
// metadata, ETag, sequencer and the S3 event, and only then the change is
// acknowledged. A key is never used as a path. A crash may leave a body that no key
// names; it is removed at the next start.
package objectstore

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"sluice/deploy/local/store"
)

// MaxKeyBytes is S3's limit for a key.
const MaxKeyBytes = 1024

const (
	// maxObjectBytes limits the size of an object, however it is uploaded.
	maxObjectBytes = 5 << 30

	// minFreeBytes must stay free on the disk after an upload. An upload that would
	// leave less is refused before its body is read.
	minFreeBytes = 64 << 20

	// staleUpload is the age at which an unfinished multipart upload is aborted.
	staleUpload = 7 * 24 * time.Hour
)

// Options configures [Open]. The zero value works.
type Options struct {
	// OnEvent receives the S3 event of each object that is created or removed, in the
	// form that S3 sends to a queue: {"Records":[...]}. It is called inside the
	// transaction that stores the change, so both happen or neither. Its error refuses
	// the request. The transaction may be repeated, so OnEvent must change nothing but
	// tx. Nil means no events.
	OnEvent func(tx *bbolt.Tx, bucket string, event []byte) error

	// Now returns the current time. Nil means time.Now.
	Now func() time.Time

	// Region is the AWS region in events and responses. Empty means us-east-1.
	Region string

	// Logger logs errors of the server. Nil means no logs.
	Logger *slog.Logger

	// Tests set these. Zero means the constants above.
	maxObjectBytes int64
	staleUpload    time.Duration
	step           func(point string) // called where a change can be interrupted
}

// Store holds buckets, objects and multipart uploads. It is safe for concurrent
// use. It owns no goroutine and needs no Close.
type Store struct {
	db     *store.DB
	opt    Options
	bodies *bodies

	completions completions

	nextSweep atomic.Int64 // unix seconds
}

// Open opens the objects in db, removes orphaned bodies and aborts stale uploads.
// It returns a [*LostStoreError] if db holds no objects although there are bodies.
func Open(db *store.DB, o Options) (*Store, error) {
	o.Region = cmp.Or(o.Region, "us-east-1")
	o.maxObjectBytes = cmp.Or(o.maxObjectBytes, maxObjectBytes)
	o.staleUpload = cmp.Or(o.staleUpload, staleUpload)
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.step == nil {
		o.step = func(string) {}
	}
	b, err := openBodies(db.Dir(), o)
	if err != nil {
		return nil, err
	}
	s := &Store{db: db, opt: o, bodies: b}
	if err := s.checkStore(); err != nil {
		return nil, err
	}
	if err := db.UpdateEvenIfFull(context.Background(), createIndex); err != nil {
		return nil, fmt.Errorf("objects: prepare %q: %w", db.Path(), err)
	}
	if err := s.sweepUploads(context.Background()); err != nil {
		return nil, fmt.Errorf("objects: abort stale uploads: %w", err)
	}
	if err := s.sweepBodies(); err != nil {
		return nil, fmt.Errorf("objects: remove orphaned bodies: %w", err)
	}
	return s, nil
}

// Region returns the AWS region of all buckets.
func (s *Store) Region() string { return s.opt.Region }

// MaxObjectBytes returns the largest size of an object.
func (s *Store) MaxObjectBytes() int64 { return s.opt.maxObjectBytes }

// view runs f in a read transaction.
func (s *Store) view(f func(index) error) error {
	return s.db.View(func(tx *bbolt.Tx) error { return f(indexOf(tx)) })
}
