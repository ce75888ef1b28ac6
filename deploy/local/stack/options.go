package stack

import (
	"log/slog"
	"net/http"
	"time"

	"sluice/workers/messages"
)

// Options of a local stack.
type Options struct {
	// Dir is the folder for all state. Only one process can have it open.
	Dir string
	// Addr is the host:port to listen on. Port 0 takes a free one.
	Addr string
	// APIAddr is the host:port that the api worker listens on. Port 0 takes a
	// free one. If it is empty, the api is not served.
	APIAddr string
	// Open lets requests without a signature in. The admin API asks for its
	// token all the same.
	Open bool
	// Environ has settings of the workers. It does not override the names of
	// the stack's own buckets, queues and tables.
	Environ map[string]string
	// DrainLimit bounds how long Close waits for in-flight requests and
	// invocations together.
	DrainLimit time.Duration
	// Logger is required.
	Logger *slog.Logger
	// OrderStep is done for an order. Nil: what ORDER_ENDPOINT says.
	OrderStep messages.Step
	// Hooks let a test observe the stack and inject faults.
	Hooks Hooks
}

// Hooks observe a stack and inject faults. The zero value does neither.
type Hooks struct {
	// Transport, where it is set, carries requests to the stack's handler
	// inside the process, and nothing listens. A test in a synctest bubble
	// needs it: a network would stop the bubble's clock.
	Transport func(http.Handler) http.RoundTripper
	// Now is the clock of stored times, such as when a message was sent. Nil
	// means time.Now.
	Now func() time.Time
	// MaxBytes limits the store's file. Zero: the disk does.
	MaxBytes int64
	// Timeout overrides the timeout of queue functions. Zero: as in the table
	// of functions.
	Timeout time.Duration
	// Synced is called after each sync of the store's file.
	Synced func(txid int)
	// Invoked is called when a function has returned and its source has not
	// received the response.
	Invoked func(function string)
}
