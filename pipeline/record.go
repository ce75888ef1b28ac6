package pipeline

import (
	"context"
	"time"
)

// A Record is one element of a batch: a message of a queue, a change of a
// stream, an S3 event.
type Record struct {
	// ID identifies the record in the response to the source: a message id, a
	// sequence number.
	ID string
	// Cause is the idempotency key. It stays the same over redelivery, redrive
	// and retry: a message's own id, an event id, bucket/key/version.
	Cause string
	// Source is the ARN, or the address, of the record's source.
	Source string
	// Group names the records whose order is kept. "" means no group.
	Group string
	// Attempt counts deliveries, from 1. It is 0 if the source does not count.
	Attempt int
	// At is the time at which the source received the record, or zero.
	At time.Time
	// Attrs are the source's attributes, including the trace header.
	Attrs map[string]string
	// Body is the payload, without the source's envelope and still encoded.
	Body []byte
	// Err is not nil if the source's form of the record could not be decoded.
	// Run fails such a record as Permanent, without calling the handler.
	Err error
}

// A Handler handles one record. The package documentation lists what its error
// means for the record. A Handler must be safe for concurrent use.
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
