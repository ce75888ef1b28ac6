// Package stack opens and closes the whole pipeline in one process: objects,
// queues and tables over one store, the functions, and their event source
// mappings.
package stack

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"sluice/deploy/functions"
	"sluice/deploy/local/admin"
	"sluice/deploy/local/s3server/objectstore"
	"sluice/deploy/local/sqsserver"
	"sluice/deploy/local/store"
	"sluice/deploy/local/tables"
	"sluice/notify"
)

// A Stack is the whole pipeline on one machine. Safe for concurrent use.
type Stack struct {
	options Options
	log     *slog.Logger
	runtime admin.Runtime

	db          *store.DB
	objects     *objectstore.Store
	queues      *sqsserver.Service
	records     *tables.Table
	state       *tables.Table
	outbox      *notify.Outbox
	checkpoints *tables.Checkpoints // of the changes function

	functions     map[string]functions.Worker // by name
	changesReader changesReader
	sender        notificationSender
	outcomes      *outcomes

	jwtKeys   string // of the api's tokens
	api       *apiServer
	listener  net.Listener // nil under Hooks.Transport
	server    *http.Server
	inFlight  *inFlightRequests
	own       ownConnections
	transport http.RoundTripper // of the stack's own requests
	clients   admin.Clients     // over transport

	stop     context.CancelFunc // of the mappings and sweeps
	mappings sync.WaitGroup     // a part of running
	running  sync.WaitGroup
	mu       sync.Mutex
	left     []error // by mappings that could not drain
	failed   chan error
}

// Open opens the state under o.Dir, listens, and starts the functions. It
// fails with a *store.InUseError where another process has the folder open.
func Open(ctx context.Context, o Options) (_ *Stack, err error) {
	s := &Stack{options: o, log: o.Logger, outcomes: newOutcomes(), failed: make(chan error, 1)}
	defer func() {
		if err != nil {
			_ = s.shut()
		}
	}()
	s.db, err = store.Open(o.Dir, store.Options{Now: o.Hooks.Now, Synced: o.Hooks.Synced, MaxBytes: o.Hooks.MaxBytes, Logger: o.Logger})
	if err != nil {
		return nil, err
	}
	if err := removeLeftovers(o.Dir); err != nil {
		s.log.Warn("remove files of a killed process", "error", err)
	}
	if err := s.listen(ctx); err != nil {
		return nil, err
	}
	if err := s.openServices(ctx); err != nil {
		return nil, err
	}
	s.inFlight = newInFlightRequests(s.isOwn, s.handler())
	if o.Hooks.Transport != nil {
		s.transport = o.Hooks.Transport(s.inFlight)
	} else {
		s.transport = s.own.transport()
		s.serve()
	}
	s.clients = admin.NewClients(s.runtime, s.transport)
	if err := s.startWorkers(ctx); err != nil {
		return nil, err
	}
	if err := s.serveAPI(ctx); err != nil {
		return nil, err
	}
	if err := s.runtime.Write(o.Dir); err != nil {
		return nil, err
	}
	return s, nil
}

// Runtime returns how to reach the stack.
func (s *Stack) Runtime() admin.Runtime { return s.runtime }

// Client returns a client that stays inside the process. Its requests do not
// count as in flight.
func (s *Stack) Client() *admin.Client { return admin.NewClient(s.runtime, s.transport) }

// QueueURL returns the URL of a queue.
func (s *Stack) QueueURL(name string) string { return s.queues.URL(name) }

// Failed receives the error of a stack that cannot go on.
func (s *Stack) Failed() <-chan error { return s.failed }

// listen opens the listener, unless requests stay inside the process, and
// makes the runtime info.
func (s *Stack) listen(ctx context.Context) error {
	addr := net.Addr(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1})
	if s.options.Hooks.Transport == nil {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.options.Addr)
		if err != nil {
			return fmt.Errorf("listen on %s: %w (if the port is in use, -addr chooses another)", s.options.Addr, err)
		}
		s.listener, addr = l, l.Addr()
	}
	s.runtime = admin.Runtime{URL: localURL(addr), Token: rand.Text(), PID: os.Getpid(), Started: time.Now().UTC()}
	k, err := readKeys(s.options.Dir)
	s.runtime.AccessKey, s.runtime.SecretKey = k.AccessKey, k.SecretKey
	if err != nil {
		return err
	}
	s.jwtKeys, err = readJWTKeys(s.options.Dir)
	return err
}

// localURL returns the URL at which this machine reaches an address.
func localURL(addr net.Addr) string {
	if host, port, err := net.SplitHostPort(addr.String()); err == nil && net.ParseIP(host).IsUnspecified() {
		return "http://" + net.JoinHostPort("127.0.0.1", port)
	}
	return "http://" + addr.String()
}

// openServices opens queues, objects and tables, with the queues and buckets
// that the functions need.
func (s *Stack) openServices(ctx context.Context) (err error) {
	s.queues, err = sqsserver.New(s.db, sqsserver.Options{Region: region, Account: account, BaseURL: s.runtime.URL, Logger: s.log})
	if err != nil {
		return err
	}
	if err := createQueues(ctx, s.queues, s.log); err != nil {
		return err
	}
	s.objects, err = objectstore.Open(s.db, objectstore.Options{
		OnEvent: s.queues.S3Events(map[string]string{BucketUploads: functions.QueueUploads}),
		Region:  region, Logger: s.log, Now: s.db.Now,
	})
	if err != nil {
		return err
	}
	for _, name := range []string{BucketUploads, BucketThumbnails, BucketFailures} {
		if err := s.objects.EnsureBucket(ctx, name); err != nil {
			return err
		}
	}
	s.records, err = tables.Open(s.db, tableRecords, tables.Options{Stream: true, Region: region, Account: account, Logger: s.log})
	if err != nil {
		return err
	}
	s.state, err = tables.Open(s.db, tableState, tables.Options{Region: region, Account: account, Logger: s.log})
	if err != nil {
		return err
	}
	s.outbox, err = notify.OpenOutbox(filepath.Join(s.options.Dir, outboxDir))
	return err
}

// isOwn reports whether the stack itself sent a request. Where nothing listens,
// every request is its own.
func (s *Stack) isOwn(r *http.Request) bool { return s.options.Hooks.Transport != nil || s.own.has(r) }

// serve serves requests on the listener.
func (s *Stack) serve() {
	s.server = &http.Server{
		Handler:           s.inFlight,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	s.running.Go(func() {
		if err := s.server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			s.fail(fmt.Errorf("serve %s: %w", s.runtime.URL, err))
		}
	})
}

// run runs f until the stack closes. An error of f before that is a failure of
// the stack; an error after it is reported by Close.
func (s *Stack) run(ctx context.Context, what string, f func(context.Context) error) {
	s.running.Go(func() {
		err := f(ctx)
		if err == nil || errors.Is(err, context.Canceled) {
			return
		}
		err = fmt.Errorf("%s: %w", what, err)
		if ctx.Err() == nil {
			s.fail(err)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.left = append(s.left, err)
	})
}

func (s *Stack) fail(err error) {
	select {
	case s.failed <- err:
	default:
	}
}

// commandPause is how long the command of another process may be silent before
// it counts as done. A command that follows something asks about once a second.
const commandPause = 3 * time.Second

// CloseAfterCommands is Close once no command of another process uses the
// stack. It does not wait for them when ctx ends.
func (s *Stack) CloseAfterCommands(ctx context.Context) error {
	s.inFlight.awaitCommands(ctx, commandPause)
	return s.Close()
}

// Close refuses new requests, ends long polls, waits up to the drain limit for
// in-flight requests and invocations, and closes the store. Its error names
// what did not end in time. Everything acknowledged is kept; unfinished work
// goes on at the next start.
func (s *Stack) Close() error {
	admin.Remove(s.options.Dir)
	return s.shut()
}

func (s *Stack) shut() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.options.DrainLimit)
	defer cancel()
	if s.inFlight != nil {
		s.inFlight.refuse()
	}
	var left []error
	left = append(left, s.api.close(ctx)) // before the mappings and tables, which its requests use
	if s.stop != nil {
		s.stop()
	}
	if s.queues != nil {
		left = append(left, s.queues.Close()) // ends long polls; deletes and visibility changes still work
	}
	if s.stop != nil {
		s.mappings.Wait() // before the server, which they use; they keep the same limit
	}
	if s.server != nil {
		cut := s.inFlight.wait(ctx)
		if len(cut) > 0 {
			left = append(left, &CutOffError{cut})
		}
		s.closeServer(len(cut) == 0)
	} else if s.listener != nil {
		_ = s.listener.Close()
	}
	s.running.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	left = append(left, s.left...)
	if s.db != nil {
		left = append(left, s.db.Close())
	}
	return errors.Join(left...)
}

// closeServer closes the connections. In-flight responses finish, unless a
// request was cut off anyway. A handler that is cut off removes what it has
// written so far.
func (s *Stack) closeServer(gracefully bool) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if !gracefully || s.server.Shutdown(ctx) != nil {
		_ = s.server.Close()
	}
	s.inFlight.wait(ctx)
}
