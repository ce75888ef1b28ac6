package pipeline

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A Router has one handler for each type of message. A handler sees the record
// with the message's data as Body and the message's id as Cause, and finds the
// message itself by MessageFrom.
type Router map[string]Handler

// UnknownTypeError says that no job has the message's type.
type UnknownTypeError struct {
	Type  string
	Known []string // sorted
}

func (e *UnknownTypeError) Error() string {
	return fmt.Sprintf("unknown message type %q, known are: %s", e.Type, strings.Join(e.Known, ", "))
}

// HopLimitError says that a message followed from too many others.
type HopLimitError struct {
	Type string
	Hops int
}

func (e *HopLimitError) Error() string {
	return fmt.Sprintf("message %q made %d hops, the limit is %d: it goes in a circle", e.Type, e.Hops, MaxHops)
}

// Handle reads the record's body as a message and calls the handler of its
// type. A body that is no message, an unknown type and a message with too many
// hops are Permanent. A message without an id takes the record's Cause.
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
