package notify

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"
)

// StatusAttribute is the attribute whose change is a [StatusChanged] event.
const StatusAttribute = "status"

// Change is one write to one record, as a table's change stream tells it.
//
// Attributes are what an image decodes to: strings, bools, nil, []any,
// map[string]any, and numbers as a type whose kind is string (json.Number or
// its like), so that none loses digits.
type Change struct {
	ID      string         // stable over redelivery: the stream's event ID
	Key     string         // the record's key, e.g. "user#a@b.example/order#1"
	At      time.Time      // when the write happened
	Old     map[string]any // the image before; nil when there was no record
	New     map[string]any // the image after; nil when there is no record
	Expired bool           // removed because its time to live had passed; only looked at when New is nil
}

// Item returns the new image, or the old one when the record is gone.
func (c Change) Item() map[string]any {
	if c.New != nil {
		return c.New
	}
	return c.Old
}

// Kind is what happened to a record.
type Kind string

// The kinds of events. A removal is either Removed or Expired, never both.
const (
	Created          Kind = "created"           // there was no record
	StatusChanged    Kind = "status-changed"    // the status of a record that stays is another
	AttributeRemoved Kind = "attribute-removed" // an attribute is gone from a record that stays
	Removed          Kind = "removed"           // somebody removed the record
	Expired          Kind = "expired"           // the record's time to live had passed
)

var kinds = []Kind{Created, StatusChanged, AttributeRemoved, Removed, Expired}

// Event is one thing that happened in a change. It is also what templates see.
type Event struct {
	Kind      Kind
	From      string // the status before; empty when there was none
	To        string // the status after; empty when there is none
	Attribute string // the name of the removed attribute; only for AttributeRemoved
	Change
}

// Events returns what happened in c: at most one of Created, StatusChanged,
// Removed and Expired, followed by an AttributeRemoved for each attribute that
// is gone, by name. A rewrite with equal images gives none, and so does a
// change without images. An attribute that becomes null is not gone. A removed
// status is both a StatusChanged to "" and an AttributeRemoved.
func Events(c Change) []Event {
	from, to := status(c.Old), status(c.New)
	switch {
	case c.Old == nil && c.New == nil:
		return nil
	case c.Old == nil:
		return []Event{{Kind: Created, To: to, Change: c}}
	case c.New == nil && c.Expired:
		return []Event{{Kind: Expired, From: from, Change: c}}
	case c.New == nil:
		return []Event{{Kind: Removed, From: from, Change: c}}
	}
	var events []Event
	if from != to {
		events = append(events, Event{Kind: StatusChanged, From: from, To: to, Change: c})
	}
	for _, name := range slices.Sorted(maps.Keys(c.Old)) {
		if _, ok := c.New[name]; !ok {
			events = append(events, Event{Kind: AttributeRemoved, From: from, To: to, Attribute: name, Change: c})
		}
	}
	return events
}

// status returns the status in an image as text. Lists, maps and null are no
// status.
func status(image map[string]any) string {
	v := reflect.ValueOf(image[StatusAttribute])
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Bool, reflect.Int, reflect.Int64, reflect.Float64:
		return fmt.Sprint(v.Interface())
	}
	return ""
}
