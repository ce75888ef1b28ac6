package admin

import (
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
