package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"sluice/deploy/local/s3server"
	"sluice/deploy/local/sigv4"
	"sluice/deploy/local/sqsserver"
	"sluice/deploy/local/store"
	"sluice/deploy/local/tables"
	"sluice/notify"
	"sluice/workers/messages"
)

// region and account are what names and signatures of the home carry.
const (
	region  = "us-east-1"
	account = "000000000000"
)

// homeOptions is how a home is opened.
type homeOptions struct {
	Dir         string            // state lives here
	Addr        string            // host:port to listen on; port 0 takes a free one
	Open        bool              // requests need no signature
	Environ     map[string]string // settings of the workers, beside those of the home
	Logger      *slog.Logger
	DrainLimit  time.Duration // how long Close waits for what is in hand, requests and work together
	OrderStep   messages.Step // nil: as the environment says
	AccessKey   string        // of requests; "": made at the first start and kept in Dir
	SecretKey   string
	FeedHorizon time.Duration // how long changes are kept; 0 is 24 hours

	// within carries requests to the home inside the process, and nothing
	// listens: tests have their own time, which a network would stop.
	within func(http.Handler) http.RoundTripper

	// maxBytes is what the file may hold, for tests; 0 is what the disk does.
	maxBytes int64

	// timeout of the workers of queues, for tests: who meets another at the same
	// notification comes again when that one's time is over. 0 is as in AWS.
	timeout time.Duration

	// Tests die here: after the n-th sync of the file, and when a worker has
	// answered but its source has not heard of it.
	synced   func(txid int)
	answered func(worker string)
}

// home is the whole pipeline on one machine: objects, queues and tables over one
// file, the workers, and what calls them.
type home struct {
	options homeOptions
	log     *slog.Logger
	db      *store.DB
	objects *s3server.Service
	queues  *sqsserver.Service
	records *tables.Table
	state   *tables.Table
	outbox  *notify.Outbox
	outcome *outcomes
	reached *tables.Checkpoints // by the changes worker
	clients clients
	address address

	listener  net.Listener // nil under options.within
	server    *http.Server
	door      *door
	insiders  insiders
	transport http.RoundTripper // the home's own way to itself
	workers   workers

	stop    context.CancelFunc // of what calls the workers
	running sync.WaitGroup
	mu      sync.Mutex
	left    []error // what mappings left behind
	broken  chan error
}

// openHome opens the state under o.Dir, listens, and starts the workers. Close
// it. No other process can have it open at the same time.
func openHome(ctx context.Context, o homeOptions) (_ *home, err error) {
	h := &home{options: o, log: o.Logger, outcome: newOutcomes(), broken: make(chan error, 1)}
	defer func() {
		if err != nil {
			h.shut()
		}
	}()
	if h.db, err = store.Open(o.Dir, store.Options{Synced: o.synced, MaxBytes: o.maxBytes, Logger: o.Logger}); err != nil {
		return nil, err
	}
	if err := removeTemps(o.Dir); err != nil {
		h.log.Warn("files of a process that was killed", "error", err)
	}
	at := net.Addr(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1})
	if o.within == nil {
		if h.listener, err = listen(ctx, o.Addr); err != nil {
			return nil, err
		}
		at = h.listener.Addr()
	}
	if h.address, err = newAddress(o, at); err != nil {
		return nil, err
	}
	if err := h.openServices(ctx); err != nil {
		return nil, err
	}
	h.door = newDoor(h.own, h.handler())
	if o.within != nil {
		h.transport = o.within(h.door)
	} else {
		h.transport = h.insiders.transport()
		h.serve()
	}
	h.clients = newClients(h.address, h.transport)
	if err := h.startWorkers(ctx); err != nil {
		return nil, err
	}
	if err := h.address.write(o.Dir); err != nil {
		return nil, err
	}
	return h, nil
}

func listen(ctx context.Context, addr string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w (is the port taken? -addr chooses another)", addr, err)
	}
	return l, nil
}

// openServices opens objects, queues and tables, with the buckets and queues
// that the workers need.
func (h *home) openServices(ctx context.Context) (err error) {
	h.queues, err = sqsserver.New(h.db, sqsserver.Options{Region: region, Account: account, BaseURL: h.address.URL, Logger: h.log})
	if err != nil {
		return err
	}
	if err := createQueues(ctx, h.queues, h.log); err != nil {
		return err
	}
	h.objects, err = s3server.New(h.db, s3server.Options{
		Notice: func(tx *bbolt.Tx, bucket string, event []byte) error {
			if bucket != bucketUploads {
				return nil
			}
			return h.queues.SendTx(tx, queueUploads, string(event))
		},
		Region: region, Logger: h.log,
	})
	if err != nil {
		return err
	}
	for _, name := range []string{bucketUploads, bucketThumbnails, bucketFailures} {
		if err := h.objects.CreateBucket(ctx, name); err != nil {
			return err
		}
	}
	if h.records, err = tables.Open(h.db, tableRecords, tables.Options{Stream: true, Retention: h.options.FeedHorizon, Region: region, Account: account, Logger: h.log}); err != nil {
		return err
	}
	if h.state, err = tables.Open(h.db, tableState, tables.Options{Region: region, Account: account, Logger: h.log}); err != nil {
		return err
	}
	h.outbox, err = notify.OpenOutbox(filepath.Join(h.options.Dir, "outbox"))
	return err
}

// handler answers S3, SQS and the home's own commands.
func (h *home) handler() http.Handler {
	protect := func(service string, next http.Handler) http.Handler {
		if h.options.Open {
			return next
		}
		return sigv4.Require(sigv4.Credentials{AccessKeyID: h.address.AccessKey, SecretAccessKey: h.address.SecretKey, Region: region},
			sigv4.Options{Service: service}, next)
	}
	return guard(h.address, route{control: h.control(), sqs: protect("sqs", h.queues), s3: protect("s3", h.objects)})
}

// own reports whether the home itself asks. Where nothing listens nobody else
// can.
func (h *home) own(r *http.Request) bool { return h.options.within != nil || h.insiders.has(r) }

// serve puts the home on the network.
func (h *home) serve() {
	h.server = &http.Server{
		Handler:           h.door,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(h.log.Handler(), slog.LevelDebug),
	}
	h.running.Go(func() {
		if err := h.server.Serve(h.listener); !errors.Is(err, http.ErrServerClosed) {
			h.fail(fmt.Errorf("serve %s: %w", h.address.URL, err))
		}
	})
}

// run keeps f going until the home closes. What f returns is a failure of the
// home, or what it left behind.
func (h *home) run(ctx context.Context, what string, f func(context.Context) error) {
	h.running.Go(func() {
		err := f(ctx)
		if err == nil || errors.Is(err, context.Canceled) {
			return
		}
		err = fmt.Errorf("%s: %w", what, err)
		if ctx.Err() == nil {
			h.fail(err)
			return
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.left = append(h.left, err)
	})
}

func (h *home) fail(err error) {
	select {
	case h.broken <- err:
	default:
	}
}

// guestPatience is how long the command of another process may say nothing before
// it counts as done. Commands that follow something ask about once a second.
const guestPatience = 3 * time.Second

// closeAfterGuests is Close, once no other command works with the home any more.
// When ctx ends they are not waited for.
func (h *home) closeAfterGuests(ctx context.Context) error {
	h.door.quiet(ctx, guestPatience)
	return h.Close()
}

// Close takes in nothing more, ends what waits for messages, waits for requests
// and work in hand up to the drain limit, and closes the file. Its error says
// what was left or cut off; nothing that was acknowledged is lost, work comes back
// with the next start.
func (h *home) Close() error {
	h.address.remove(h.options.Dir)
	return h.shut()
}

func (h *home) shut() error {
	ctx, cancel := context.WithTimeout(context.Background(), h.options.DrainLimit)
	defer cancel()
	if h.door != nil {
		h.door.close()
	}
	if h.stop != nil {
		h.stop()
	}
	var left []error
	if h.queues != nil {
		left = append(left, h.queues.Close()) // long polls end; what workers say is still heard
	}
	if h.stop != nil {
		h.workers.done.Wait() // before the server, which they talk to; they keep the same limit
	}
	if h.server != nil {
		cut := h.door.wait(ctx)
		if len(cut) > 0 {
			left = append(left, &CutError{cut})
		}
		h.endServer(len(cut) == 0)
	} else if h.listener != nil {
		_ = h.listener.Close()
	}
	h.running.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	left = append(left, h.left...)
	if h.db != nil {
		left = append(left, h.db.Close())
	}
	return errors.Join(left...)
}

// endServer closes the connections. Answers that are on their last yards arrive,
// unless somebody had to be cut off anyway; who was cut off removes what it had
// half done.
func (h *home) endServer(gently bool) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if !gently || h.server.Shutdown(ctx) != nil {
		_ = h.server.Close()
	}
	h.door.wait(ctx)
}
