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

// MaxHops is how many messages may follow from one another. Lambda's own
// detection of recursion does not see DynamoDB, so messages count.
const MaxHops = 16

// A Message asks for one job, or tells one fact. On the wire it is a CloudEvent
// in structured JSON; [DecodeMessage] takes the short form
// {"type": ..., "data": ...} as well.
//
// Whoever sends a message should give it an id. Without one it is known by its
// record's Cause, and SQS gives what it moves back from a dead-letter queue
// another message id, and another time.
type Message struct {
	// ID names the message: who sees it twice does its job once. Derived from a
	// cause it is the same however often the cause comes. "" only in the short
	// form.
	ID string
	// Type chooses the job.
	Type string
	// Source says who sent it, as a URI reference; "" is written as "sluice".
	Source string
	// Subject is what the message is about; may be empty.
	Subject string
	// Time is when it happened; zero is left out.
	Time time.Time
	// Data is JSON; may be empty.
	Data json.RawMessage
	// TraceParent is the W3C trace context that travels along; may be empty.
	TraceParent string
	// Hops counts the messages this one followed from.
	Hops int
}

// NewMessage makes a message of a type about data, marshalled as JSON. With a
// cause its id is derived from type and cause, so the same cause makes the same
// id; without one it is random. If ctx belongs to the handling of a message, or
// of a record with a traceparent, then trace and hop count travel along.
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

// DeriveID returns 32 hex digits that depend on all of parts and on nothing
// else.
func DeriveID(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:", len(p))
		io.WriteString(h, p)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// cloudEvent is a message on the wire: the attributes of CloudEvents 1.0, and
// the extensions traceparent and hops.
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

// MarshalJSON writes m as a CloudEvent. A message without id or type is an
// error.
func (m Message) MarshalJSON() ([]byte, error) {
	switch {
	case m.ID == "":
		return nil, errors.New("message without id")
	case m.Type == "":
		return nil, fmt.Errorf("message %q without type", m.ID)
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

// DecodeMessage reads a message: a CloudEvent in structured JSON, or the short
// form, which has a type, may have an id and data, and no specversion. Its error is
// a *BodyError and means that no retry can help.
func DecodeMessage(body []byte) (Message, error) {
	var e cloudEvent
	if err := DecodeJSON(body, &e); err != nil {
		return Message{}, err
	}
	field := func(name, problem string) error { return &BodyError{Field: name, Err: errors.New(problem)} }
	switch {
	case e.SpecVersion != "" && !strings.HasPrefix(e.SpecVersion, "1."):
		return Message{}, field("specversion", fmt.Sprintf("is %q, 1.0 is known", e.SpecVersion))
	case e.SpecVersion != "" && e.ID == "":
		return Message{}, field("id", "is missing")
	case e.SpecVersion != "" && e.Source == "":
		return Message{}, field("source", "is missing")
	case e.Type == "":
		return Message{}, field("type", "is missing")
	case e.Hops < 0:
		return Message{}, field("hops", "is negative")
	case len(e.Data) > 0 && len(e.DataBase64) > 0:
		return Message{}, field("data_base64", "stands beside data")
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
			return Message{}, field("data_base64", "holds no JSON")
		}
		m.Data = e.DataBase64
	}
	return m, nil
}
