package admin

import (
	"encoding/json"
	"time"

	"sluice/deploy/local/sqsserver"
	"sluice/notify"
)

// Idle says whether anything is queued, in flight or unread.
type Idle struct {
	Idle   bool              `json:"idle"`
	Queues []sqsserver.Stats `json:"queues"` // of the functions
	Behind bool              `json:"behind"` // the changes worker has not read all changes
}

// Change is one change of a record, and what follows from it.
type Change struct {
	Sequence      string                `json:"sequence"`
	Key           string                `json:"key"`
	Old           map[string]any        `json:"old,omitempty"`
	New           map[string]any        `json:"new,omitempty"`
	Notifications []notify.Notification `json:"notifications,omitempty"`
	Jobs          []string              `json:"jobs,omitempty"` // ids of the messages that follow
}

// Changes is a page of changes. The next page begins after Last.
type Changes struct {
	Last    string   `json:"last"`
	Changes []Change `json:"changes"`
}

// Outcome is the outcome of one delivery of a message.
type Outcome struct {
	ID      string    `json:"id"`
	Type    string    `json:"type"`
	Attempt int       `json:"attempt"`
	Error   string    `json:"error,omitempty"` // "" is success
	At      time.Time `json:"at"`
}

// StatusChange is the result of setting a record's status.
type StatusChange struct {
	Key  string `json:"key"`
	From string `json:"from"`
	To   string `json:"to"`
}

// Status is the state of the stack at one time.
type Status struct {
	Queues        []sqsserver.Stats `json:"queues"` // all of them
	Behind        bool              `json:"behind"` // the changes worker has not read all changes
	Records       int               `json:"records"`
	Notifications int               `json:"notifications"` // in the outbox
	Uploads       int64             `json:"uploads"`       // objects in bucket uploads
	Thumbnails    int64             `json:"thumbnails"`    // objects in bucket thumbnails
	StoreBytes    int64             `json:"storeBytes"`    // of the store's file, without the objects' bodies
}

// Record is a record of table records.
type Record struct {
	Key     string          `json:"key"`
	Version string          `json:"version"`
	Data    json.RawMessage `json:"data"`
}

// Records is a page of records, by key. The next page begins after Last, which
// is empty on the last page.
type Records struct {
	Records []Record `json:"records"`
	Last    string   `json:"last,omitempty"`
}
