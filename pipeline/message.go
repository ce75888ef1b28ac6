package pipeline

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// MaxHops limits how many messages may cause one another. Messages count their
// hops because Lambda's recursive loop detection does not see DynamoDB.
const MaxHops = 16

// A Message requests one job or reports one fact. It is encoded as a CloudEvent
// in structured JSON; [DecodeMessage] accepts the short form
// {"type": ..., "data": ...} as well.
//
// A sender should set an id. A message without one is identified by its record's
// Cause, which changes when SQS moves the message back from a dead-letter queue.
type Message struct {
	// ID identifies the message, so that a repeated one is handled once. An id
	// derived from a cause is the same each time. It is "" only in the short
	// form.
	ID string
	// Type selects the job.
	Type string
	// Source identifies the sender, as a URI reference. "" is encoded as "sluice".
	Source string
	// Subject is the object that the message is about, or "".
	Subject string
	// Time is the time of the fact. Zero is omitted.
	Time time.Time
	// Data is JSON, or empty.
	Data json.RawMessage
	// TraceParent is the W3C trace context, or "".
	TraceParent string
	// Hops counts the messages that led to this one.
	Hops int
}

// NewMessage returns a message of the given type, with data marshalled as JSON.
// Its id is derived from type and cause, so the same cause has the same id; if
// cause is "", the id is random. If ctx carries a message, or a record with a
// traceparent, the new message continues its trace and hop count.
func NewMessage(ctx context.Context, typ, cause string, data any) (Message, error) {
	b, err := json.Marshal(data)
	if err != nil {
		return Message{}, fmt.Errorf("message %q: data: %w", typ, err)
	}
	m := Message{ID: rand.Text(), Type: typ, Data: b}
	if cause != "" {
		m.ID = DeriveID(typ, cause)
	}
	if from, ok := MessageFrom(ctx); ok {
		m.Hops, m.TraceParent = from.Hops+1, from.TraceParent
	} else if r, ok := RecordFrom(ctx); ok {
		m.TraceParent = r.Attrs["traceparent"]
	}
	return m, nil
}

// DeriveID returns 32 hex digits that depend only on parts. Different parts have
// different ids.
func DeriveID(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:", len(p))
		io.WriteString(h, p)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// cloudEvent is the encoded form of a message: the attributes of CloudEvents 1.0
// and the extensions traceparent and hops.
type cloudEvent struct {
	SpecVersion     string          `json:"specversion,omitempty"`
	ID              string          `json:"id,omitempty"`
	Source          string          `json:"source,omitempty"`
	Type            string          `json:"type"`
	Subject         string          `json:"subject,omitempty"`
	Time            *time.Time      `json:"time,omitempty"`
	DataContentType string          `json:"datacontenttype,omitempty"`
	TraceParent     string          `json:"traceparent,omitempty"`
	Hops            int             `json:"hops,omitempty"`
	Data            json.RawMessage `json:"data,omitempty"`
	DataBase64      []byte          `json:"data_base64,omitempty"`
}

// MarshalJSON encodes m as a CloudEvent. A message must have an id and a type.
func (m Message) MarshalJSON() ([]byte, error) {
	switch {
	case m.ID == "":
		return nil, errors.New("message: id is missing")
	case m.Type == "":
		return nil, fmt.Errorf("message %q: type is missing", m.ID)
	}
	e := cloudEvent{
		SpecVersion: "1.0", ID: m.ID, Source: m.Source, Type: m.Type, Subject: m.Subject,
		TraceParent: m.TraceParent, Hops: m.Hops, Data: m.Data,
	}
	if e.Source == "" {
		e.Source = "sluice"
	}
	if len(m.Data) > 0 {
		e.DataContentType = "application/json"
	}
	if !m.Time.IsZero() {
		e.Time = &m.Time
	}
	return json.Marshal(e)
}

// DecodeMessage decodes a message: a CloudEvent in structured JSON, or the short
// form, which has a type, may have an id and data, and has no specversion. Its
// error is a *BodyError, which retrying cannot fix.
func DecodeMessage(body []byte) (Message, error) {
	var e cloudEvent
	if err := DecodeJSON(body, &e); err != nil {
		return Message{}, err
	}
	field := func(name, problem string) error { return &BodyError{Field: name, Err: errors.New(problem)} }
	switch {
	case e.SpecVersion != "" && !strings.HasPrefix(e.SpecVersion, "1."):
		return Message{}, field("specversion", fmt.Sprintf("got %q, want 1.0", e.SpecVersion))
	case e.SpecVersion != "" && e.ID == "":
		return Message{}, field("id", "is missing")
	case e.SpecVersion != "" && e.Source == "":
		return Message{}, field("source", "is missing")
	case e.Type == "":
		return Message{}, field("type", "is missing")
	case e.Hops < 0:
		return Message{}, field("hops", fmt.Sprintf("got %d, want at least 0", e.Hops))
	case len(e.Data) > 0 && len(e.DataBase64) > 0:
		return Message{}, field("data_base64", "is not allowed together with data")
	}
	m := Message{
		ID: e.ID, Type: e.Type, Source: e.Source, Subject: e.Subject,
		Data: e.Data, TraceParent: e.TraceParent, Hops: e.Hops,
	}
	if e.Time != nil {
		m.Time = *e.Time
	}
	if len(e.DataBase64) > 0 {
		if !json.Valid(e.DataBase64) {
			return Message{}, field("data_base64", "is not base64 of JSON")
		}
		m.Data = e.DataBase64
	}
	return m, nil
}
