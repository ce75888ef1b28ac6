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

// Change is one write to one record, as reported by a change stream.
//
// The values of attributes are strings, bools, nil, []any, map[string]any, and
// numbers of a type whose kind is string, such as json.Number, which keeps all
// digits.
type Change struct {
	ID       string         // the event ID of the stream; the same at each delivery
	Key      string         // the key of the record, such as "user#a@b.example/order#1"
	Record   string         // the kind of record, such as "order"; empty if it is unknown
	RecordID string         // the id of the record within its kind, such as "1"
	At       time.Time      // the time of the write
	Old      map[string]any // the image before; nil if there was no record
	New      map[string]any // the image after; nil if there is no record
	Expired  bool           // removed because its time to live had passed; only used if New is nil
}

// Item returns the new image, or the old one of a removed record.
func (c Change) Item() map[string]any {
	if c.New != nil {
		return c.New
	}
	return c.Old
}

// Kind is the kind of an event.
type Kind string

// The kinds of events. A removal is either Removed or Expired, never both.
const (
	Created          Kind = "created"           // a new record
	StatusChanged    Kind = "status-changed"    // an existing record has another status
	AttributeRemoved Kind = "attribute-removed" // an existing record has lost an attribute
	Removed          Kind = "removed"           // the record was removed by a request
	Expired          Kind = "expired"           // the record was removed because its time to live had passed
)

var kinds = []Kind{Created, StatusChanged, AttributeRemoved, Removed, Expired}

// Event is one event of a change. It is the data of the templates.
type Event struct {
	Kind      Kind
	From      string // the status before, or empty
	To        string // the status after, or empty
	Attribute string // the name of the removed attribute; only for AttributeRemoved
	Change
}

// Events returns the events of c: at most one of Created, StatusChanged, Removed
// and Expired, followed by an AttributeRemoved for each removed attribute, by
// name. A change with equal images or without images has no events. An attribute
// that becomes null is not removed. A removed status is both a StatusChanged to
// "" and an AttributeRemoved.
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

// status returns the status of an image as text. Lists, maps and null are treated
// as no status.
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
