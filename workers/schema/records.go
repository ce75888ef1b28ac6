package schema

import (
	"strings"
	"time"

	"sluice/pipeline"
)

// Statuses of the records.
const (
	StatusUploaded = "uploaded" // an image
	StatusReady    = "ready"
	StatusRejected = "rejected"
	StatusRemoved  = "removed"

	StatusPending = "pending" // a user
	StatusActive  = "active"

	StatusReceived   = "received" // an order
	StatusProcessing = "processing"
	StatusCompleted  = "completed"
	StatusFailed     = "failed"
	StatusCancelled  = "cancelled"
)

// Prefixes of the records' keys.
const (
	imagePrefix = "image#"
	userPrefix  = "user#"
	orderPrefix = "order#"
	onlySK      = "-" // the sort key of the only record of a partition key
)

// ImageKey is the key of an image's record: image#<bucket>/<key>.
func ImageKey(bucket, key string) pipeline.Key {
	return pipeline.Key{PK: imagePrefix + bucket + "/" + key, SK: onlySK}
}

// NormalizeAddress returns an e-mail address in the form that identifies a user:
// A to Z become lower case. Other characters stay, for a mapping of all of
// Unicode would give two different addresses one form.
func NormalizeAddress(address string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, address)
}

// UserKey is the key of a user's record: user#<email>, with the normalised
// address.
func UserKey(email string) pipeline.Key {
	return pipeline.Key{PK: userPrefix + NormalizeAddress(email), SK: onlySK}
}

// OrderKey is the key of an order's record: user#<email>, order#<id>, with the
// normalised address.
func OrderKey(email, id string) pipeline.Key {
	return pipeline.Key{PK: userPrefix + NormalizeAddress(email), SK: orderPrefix + id}
}

// NormalKey returns k with a normalised address, if it is the key of a user or an
// order. Records written before addresses were normalised have other keys.
func NormalKey(k pipeline.Key) pipeline.Key {
	if email, ok := UserOf(k); ok {
		return UserKey(email)
	}
	if email, id, ok := OrderOf(k); ok {
		return OrderKey(email, id)
	}
	return k
}

// UserOf returns the user whose own record is under k.
func UserOf(k pipeline.Key) (email string, ok bool) {
	email, ok = strings.CutPrefix(k.PK, userPrefix)
	return email, ok && k.SK == onlySK
}

// OrderOf returns the order whose record is under k.
func OrderOf(k pipeline.Key) (email, id string, ok bool) {
	email, isUser := strings.CutPrefix(k.PK, userPrefix)
	id, isOrder := strings.CutPrefix(k.SK, orderPrefix)
	return email, id, isUser && isOrder
}

// Kinds of records, as notification rules name them.
const (
	RecordImage = "image"
	RecordUser  = "user"
	RecordOrder = "order"
)

// Records are all kinds of records.
var Records = []string{RecordImage, RecordUser, RecordOrder}

// RecordOf returns the kind of the record under k and its id: a user's address, an
// order's id, or an image's <bucket>/<key>. Both are empty for another record.
func RecordOf(k pipeline.Key) (record, id string) {
	if email, ok := UserOf(k); ok {
		return RecordUser, email
	}
	if _, id, ok := OrderOf(k); ok {
		return RecordOrder, id
	}
	if image, ok := strings.CutPrefix(k.PK, imagePrefix); ok && k.SK == onlySK {
		return RecordImage, image
	}
	return "", ""
}

// KeyText is a key as text. It leaves out the sort key of a single record.
func KeyText(k pipeline.Key) string {
	if k.SK == onlySK {
		return k.PK
	}
	return k.PK + "/" + k.SK
}

// ParseKeyText parses the text of KeyText. Only the key of a user is split, since
// an image's key may contain slashes and "order#"; and only after the local part of
// the address, which may contain them too. Its domain may not.
func ParseKeyText(s string) pipeline.Key {
	if email, ok := strings.CutPrefix(s, userPrefix); ok {
		domain := len(s) - len(email) + max(0, strings.IndexByte(email, '@'))
		if i := strings.Index(s[domain:], "/"+orderPrefix); i >= 0 {
			return pipeline.Key{PK: s[:domain+i], SK: s[domain+i+1:]}
		}
	}
	return pipeline.Key{PK: s, SK: onlySK}
}

// Change is the part of every record that describes its last change.
type Change struct {
	Status string `json:"status"`
	// Cause is the id of the message that made the change, so that a message
	// which is delivered twice changes nothing.
	Cause string    `json:"cause,omitempty"`
	At    time.Time `json:"at,omitzero"` // the time of the cause
	// Hops and Trace are those of the message, so that a cycle through the table
	// ends, and a trace continues after it.
	Hops  int    `json:"hops,omitempty"`
	Trace string `json:"trace,omitempty"`
}

// Image is the data of an image's record.
type Image struct {
	Change
	Source
	*Picture `json:",omitempty"` // of a ready one
	Reason   string              `json:"reason,omitempty"` // of a rejected one
}

// User is the data of a user's record.
type User struct {
	Change
	Email string `json:"email"`
	Name  string `json:"name,omitempty"`
	ID    string `json:"id,omitempty"`
	// Credentials is the join of the user's credentials in table state. A login
	// needs both to match.
	Credentials string `json:"credentials,omitempty"`
}

// Order is the data of an order's record.
type Order struct {
	Change
	Email string `json:"email"`
	ID    string `json:"id"`
	OrderDetails
	Reason string `json:"reason,omitempty"` // of a failed one
}
