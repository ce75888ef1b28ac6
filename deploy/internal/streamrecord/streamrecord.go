// Package streamrecord encodes changes as the records of Lambda's DynamoDB
// stream event.
package streamrecord

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
)

// Record is one element of "Records" in the event. The members that a stream may
// leave out are omitted when they are zero.
type Record struct {
	EventID        string    `json:"eventID"`
	EventName      string    `json:"eventName"` // INSERT, MODIFY or REMOVE
	EventVersion   string    `json:"eventVersion"`
	EventSource    string    `json:"eventSource"`
	AWSRegion      string    `json:"awsRegion"`
	DynamoDB       Change    `json:"dynamodb"`
	EventSourceARN string    `json:"eventSourceARN"`         // of the stream
	UserIdentity   *Identity `json:"userIdentity,omitempty"` // who made the change, if not a client
}

// Change is the change that a record reports. Keys and images are items in
// DynamoDB's JSON; nil means that there is none.
type Change struct {
	Created        json.Number     `json:"ApproximateCreationDateTime,omitempty"` // Unix seconds; see [Seconds]
	Keys           json.RawMessage `json:"Keys,omitempty"`
	NewImage       json.RawMessage `json:"NewImage,omitempty"`
	OldImage       json.RawMessage `json:"OldImage,omitempty"`
	SequenceNumber string          `json:"SequenceNumber"`
	SizeBytes      int64           `json:"SizeBytes"`
	StreamViewType string          `json:"StreamViewType"`
}

// Identity is the principal that made a change.
type Identity struct {
	PrincipalID string `json:"principalId"`
	Type        string `json:"type"`
}

// Seconds formats t as Created holds it: with three decimals when t has
// milliseconds, and without a fraction when it has none. Anything finer is
// dropped. The zero time is "", which is omitted.
func Seconds(t time.Time) json.Number {
	if t.IsZero() {
		return ""
	}
	ms := t.UnixMilli()
	if ms%1000 == 0 {
		return json.Number(strconv.FormatInt(ms/1000, 10))
	}
	return json.Number(strconv.FormatFloat(float64(ms)/1000, 'f', 3, 64))
}

// Encode returns the record as one line of JSON in which <, > and & are not
// escaped, other than in the items, which stay as they are. It returns an error
// when an item is not JSON.
func (r *Record) Encode() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
