package pipeline

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A Router maps each message type to its handler. The handler receives the record
// with the message's data as Body and the message's id as Cause. MessageFrom
// returns the message itself.
type Router map[string]Handler

// UnknownTypeError reports a message type without a handler.
type UnknownTypeError struct {
	Type  string
	Known []string // sorted
}

func (e *UnknownTypeError) Error() string {
	return fmt.Sprintf("unknown message type %q, want one of: %s", e.Type, strings.Join(e.Known, ", "))
}

// HopLimitError reports a message that follows from more than MaxHops others.
type HopLimitError struct {
	Type string
	Hops int
}

func (e *HopLimitError) Error() string {
	return fmt.Sprintf("message %q: got %d hops, want at most %d: messages cause each other in a loop", e.Type, e.Hops, MaxHops)
}

// Handle is a Handler. It decodes the record's body as a message and calls the
// handler of its type. A body that is not a message, an unknown type and too
// many hops are Permanent errors. A message without an id gets the record's
// Cause.
func (rt Router) Handle(ctx context.Context, r Record) error {
	m, err := DecodeMessage(r.Body)
	if err != nil {
		return Permanent(err)
	}
	h, ok := rt[m.Type]
	if !ok {
		return Permanent(&UnknownTypeError{m.Type, slices.Sorted(maps.Keys(rt))})
	}
	if m.Hops > MaxHops {
		return Permanent(&HopLimitError{m.Type, m.Hops})
	}
	if m.ID == "" {
		m.ID = r.Cause
	}
	if m.TraceParent == "" {
		m.TraceParent = r.Attrs["traceparent"]
	}
	r.Body, r.Cause = m.Data, m.ID
	return h(withMessage(ctx, &m), r)
}
