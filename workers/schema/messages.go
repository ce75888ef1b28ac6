// Package schema is what the workers share: the messages they send each other,
// and the records they keep. Nothing here does anything.
package schema

import (
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"unicode/utf8"
)

// Types of messages.
const (
	TypeImageProcessed    = "image-processed"
	TypeImageRejected     = "image-rejected"
	TypeImageRemoved      = "image-removed"
	TypeUserRegistration  = "user-registration"
	TypeOrderProcessing   = "order-processing"
	TypeNotification      = "notification"
	TypeEmailNotification = "email-notification"
)

// Names of the queues that messages are sent to.
const (
	QueueJobs          = "jobs"
	QueueNotifications = "notifications"
)

// QueueOf is the queue whose function does a message's job. Those that talk to a
// slow provider have one of their own, so that they do not starve the others.
func QueueOf(typ string) string {
	switch typ {
	case TypeNotification, TypeEmailNotification:
		return QueueNotifications
	}
	return QueueJobs
}

// Source names an object, and the notice that told of it.
type Source struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
	ETag   string `json:"etag,omitempty"`
	// Sequencer orders the notices of one key, see lambdaevent.CompareSequencers.
	Sequencer string `json:"sequencer,omitempty"`
	VersionID string `json:"versionId,omitempty"`
}

func (s Source) String() string { return s.Bucket + "/" + s.Key }

// Validate reports what is missing.
func (s Source) Validate() error { return required("bucket", s.Bucket, "key", s.Key) }

// ImageProcessed is the data of TypeImageProcessed: a picture's thumbnails stand.
type ImageProcessed struct {
	Source
	Picture
}

// Picture is what is known of a picture that has thumbnails.
type Picture struct {
	Format     string      `json:"format"`
	Width      int         `json:"width"`  // pixels, upright
	Height     int         `json:"height"` // pixels, upright
	Bytes      int64       `json:"bytes"`
	Thumbnails []Thumbnail `json:"thumbnails"`
}

// Thumbnail is one thumbnail that stands in a bucket.
type Thumbnail struct {
	Size        string `json:"size"` // as configured, such as 200x200
	Bucket      string `json:"bucket"`
	Key         string `json:"key"`
	Width       int    `json:"width"`
	Height      int    `json:"height"`
	Bytes       int    `json:"bytes"`
	ContentType string `json:"contentType"`
}

// ImageRejected is the data of TypeImageRejected: no thumbnails can be made.
type ImageRejected struct {
	Source
	Reason string `json:"reason"`
}

// Validate reports what is missing.
func (i ImageRejected) Validate() error {
	return errors.Join(i.Source.Validate(), required("reason", i.Reason))
}

// ImageRemoved is the data of TypeImageRemoved: the picture went, and its
// thumbnails with it.
type ImageRemoved struct{ Source }

// UserRegistration is the data of TypeUserRegistration.
type UserRegistration struct {
	Email string `json:"email"`
	Name  string `json:"name,omitempty"`
	ID    string `json:"id,omitempty"`
}

// Validate reports an e-mail address that is missing or none.
func (u UserRegistration) Validate() error { return checkEmail("email", u.Email) }

// OrderProcessing is the data of TypeOrderProcessing.
type OrderProcessing struct {
	Email string `json:"email"` // whose order it is
	ID    string `json:"id"`
	OrderDetails
}

// OrderDetails is what was ordered. All of it may be empty where the order's
// record holds it already.
type OrderDetails struct {
	Items    []OrderItem `json:"items,omitempty"`
	Amount   int64       `json:"amount,omitempty"` // in the currency's smallest unit
	Currency string      `json:"currency,omitempty"`
}

// OrderItem is one line of an order.
type OrderItem struct {
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"`
}

// Validate reports every field that is missing or wrong.
func (o OrderProcessing) Validate() error {
	problems := []error{checkEmail("email", o.Email), required("id", o.ID)}
	if o.Amount < 0 {
		problems = append(problems, fmt.Errorf("amount: %d is negative", o.Amount))
	}
	for i, it := range o.Items {
		if it.SKU == "" || it.Quantity < 1 {
			problems = append(problems, fmt.Errorf("items[%d]: wants a sku and a quantity of at least 1", i))
		}
	}
	return errors.Join(problems...)
}

// EmailNotification is the data of TypeEmailNotification, the short form of a
// notification by mail.
type EmailNotification struct {
	To      string `json:"to"`
	Subject string `json:"subject"`
	Body    string `json:"body"`
}

// Validate reports every field that is missing or wrong.
func (e EmailNotification) Validate() error {
	return errors.Join(checkEmail("to", e.To), required("subject", e.Subject, "body", e.Body))
}

// required reports the names whose values are empty.
func required(nameValue ...string) error {
	var problems []error
	for i := 0; i < len(nameValue); i += 2 {
		if nameValue[i+1] == "" {
			problems = append(problems, fmt.Errorf("%s is missing", nameValue[i]))
		}
	}
	return errors.Join(problems...)
}

// noDomain reports whether r stands in no domain's name. The package net/mail
// takes more there, and more than the text of a record's key can tell apart.
func noDomain(r rune) bool {
	return r < utf8.RuneSelf && r != '-' && r != '.' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}

// checkEmail takes a bare address: no name, no brackets, no quotes.
func checkEmail(field, address string) error {
	if address == "" {
		return fmt.Errorf("%s is missing", field)
	}
	a, err := mail.ParseAddress(address)
	_, domain, _ := strings.Cut(address, "@")
	if err != nil || a.Address != address || strings.ContainsFunc(domain, noDomain) || len(address) > 254 {
		return fmt.Errorf("%s: %q is no e-mail address", field, address)
	}
	return nil
}
