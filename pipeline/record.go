package pipeline

import (
	"context"
	"time"
)

// A Record is one element of a batch: a queue's message, a stream's change, a
// bucket's notice.
type Record struct {
	// ID is what the answer to the source names: a message id, a sequence number.
	ID string
	// Cause stays the same over redelivery, redrive and retry, so it is the
	// idempotency key: a message's own id, an eventID, bucket/key/version.
	Cause string
	// Source is the ARN, or the address, of where the record came from.
	Source string
	// Group names records that keep their order among each other. "" has none.
	Group string
	// Attempt is 1 at the first delivery, and 0 where the source does not say.
	Attempt int
	// At is the time when the source took the record in; zero if it does not say.
	At time.Time
	// Attrs are the source's attributes, the trace header among them.
	Attrs map[string]string
	// Body is the payload: envelopes removed, still encoded.
	Body []byte
	// Err tells why the source's form of this record could not be read. Run
	// fails such a record as Permanent, without calling the handler.
	Err error
}

// A Handler does the work for one record. It must be safe for concurrent use.
// What its error means for the record is told in the package comment.
type Handler func(ctx context.Context, r Record) error

// A Middleware wraps a handler.
type Middleware func(Handler) Handler

// Chain wraps h so that the first middleware is the outermost.
func Chain(h Handler, ms ...Middleware) Handler {
	for i := len(ms) - 1; i >= 0; i-- {
		h = ms[i](h)
	}
	return h
}
