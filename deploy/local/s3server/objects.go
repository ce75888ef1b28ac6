// Package objects is the S3 of the one-machine home: an http.Handler that speaks the S3 protocol to any client, and keeps what it
// acknowledged over a crash.
//
// A body goes to a file of its own under a random name in <data folder>/objects, and is synced with its folder. Then key, metadata,
// ETag, sequencer and the notice to whoever waits for uploads are written in one transaction, which is synced too, and only then
// the client gets its 200. A key is never a path. What a crash leaves behind is a body that no key names; it is removed at the next
// start.
//
// The HTTP and XML layer is gofakes3's, over a backend of our own. What that layer gets wrong is mended around it: the router lets
// only requests through that the layer understands, the payload is decoded and checked before the layer sees it, and the answer is
// corrected on its way out. Listings, copies of parts and the answers about a bucket's settings are our own.
//
// There is no authentication here: see package sigv4. The handler wants the path as it was sent, so it must not stand behind an
// http.ServeMux, which cleans paths.
package s3server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/johannesboyne/gofakes3"
	"go.etcd.io/bbolt"

	"sluice/deploy/local/store"
)

// Options are what [New] can be told. The zero value works.
type Options struct {
	// Notice takes the S3 event of each object that was created or removed, as S3 would send it to a queue: {"Records":[...]}. It
	// is called inside the transaction that stores the change, so either both happen or neither. Its error refuses the request.
	// As the transaction may be run again, it must only change tx. Nil means no notices.
	Notice func(tx *bbolt.Tx, bucket string, event []byte) error

	// Now is the clock. Nil means time.Now.
	Now func() time.Time

	// Region is the AWS region in notices and in answers. Empty means us-east-1.
	Region string

	// MaxObjectBytes limits one object, however it is uploaded. Zero means 5 GiB.
	MaxObjectBytes int64

	// MinFreeBytes must stay free on the disk after an upload; one that would go below is refused before it is read. Zero means
	// 64 MiB, negative means no limit.
	MinFreeBytes int64

	// StaleUpload is the age at which an unfinished multipart upload is given up. Zero means 7 days.
	StaleUpload time.Duration

	// Logger gets what goes wrong on our side. Nil means silence.
	Logger *slog.Logger

	step func(point string) // tests stop or die here
}

// Service is an S3 endpoint for path-style requests. It is safe for concurrent use and owns no goroutine: it may be dropped when
// the last request has ended.
type Service struct {
	db     *store.DB
	opt    Options
	bodies *bodies

	completions flights

	nextSweep atomic.Int64 // unix seconds
}

// New opens the objects that db keeps, and removes the bodies and uploads that nobody will ask for any more. It returns a
// [*LostStoreError] if db knows nothing of objects and bodies are there.
func New(db *store.DB, o Options) (*Service, error) {
	o.Region = cmp.Or(o.Region, "us-east-1")
	o.MaxObjectBytes = cmp.Or(o.MaxObjectBytes, 5<<30)
	o.MinFreeBytes = cmp.Or(o.MinFreeBytes, 64<<20)
	o.StaleUpload = cmp.Or(o.StaleUpload, 7*24*time.Hour)
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
	s := &Service{db: db, opt: o, bodies: b}
	if err := s.checkStore(); err != nil {
		return nil, err
	}
	if err := db.UpdateEvenIfFull(context.Background(), makeTables); err != nil {
		return nil, fmt.Errorf("objects: prepare the store: %w", err)
	}
	if err := s.sweepUploads(context.Background()); err != nil {
		return nil, fmt.Errorf("objects: give up stale uploads: %w", err)
	}
	if err := s.sweepBodies(); err != nil {
		return nil, fmt.Errorf("objects: remove bodies that no key names: %w", err)
	}
	return s, nil
}

// CreateBucket makes the bucket if it does not exist. The error names what is wrong with the name.
func (s *Service) CreateBucket(ctx context.Context, name string) error {
	if err := gofakes3.ValidateBucketName(name); err != nil {
		return fmt.Errorf("bucket %q: %w", name, err)
	}
	found := false
	err := s.db.View(func(tx *bbolt.Tx) error { found = tables(tx).bucket(name) != nil; return nil })
	if err != nil || found { // looked for first: on a full disk it can still be found
		return err
	}
	err = s.createBucket(ctx, name)
	if errors.Is(err, errBucketExists) {
		return nil
	}
	return err
}

func (s *Service) createBucket(ctx context.Context, name string) error {
	return s.db.Update(ctx, func(tx *bbolt.Tx) error {
		if tables(tx).bucket(name) != nil {
			return store.Unchanged(errBucketExists)
		}
		return tables(tx).addBucket(name, s.opt.Now())
	})
}

// ServeHTTP answers one S3 request. A read that fails halfway ends the connection, as the client could not tell otherwise.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o := s.newCall(w, r)
	if err := o.serve(); err != nil {
		o.refuse(err)
	}
	o.answer.finish()
}
