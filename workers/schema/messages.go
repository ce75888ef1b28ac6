// Package schema declares the messages that the workers exchange and the records
// that they store.
package schema

import (
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"unicode"
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

// QueueOf returns the queue for a type of message. Notifications, which depend on
// slow providers, have a queue of their own, so that they do not delay other jobs.
func QueueOf(typ string) string {
	switch typ {
	case TypeNotification, TypeEmailNotification:
		return QueueNotifications
	}
	return QueueJobs
}

// Source identifies an object and its S3 event.
type Source struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
	ETag   string `json:"etag,omitempty"`
	// Sequencer orders the S3 events of one key, see lambdaevent.CompareSequencers.
	Sequencer string `json:"sequencer,omitempty"`
	VersionID string `json:"versionId,omitempty"`
}

func (s Source) String() string { return s.Bucket + "/" + s.Key }

// Validate reports missing fields.
func (s Source) Validate() error { return required("bucket", s.Bucket, "key", s.Key) }

// ImageProcessed is the data of TypeImageProcessed: a picture has its thumbnails.
type ImageProcessed struct {
	Source
	Picture
}

// Picture describes a picture that has thumbnails.
type Picture struct {
	Format     string      `json:"format"`
	Width      int         `json:"width"`  // pixels, upright
	Height     int         `json:"height"` // pixels, upright
	Bytes      int64       `json:"bytes"`
	Thumbnails []Thumbnail `json:"thumbnails"`
}

// Thumbnail describes one thumbnail in a bucket.
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

// Validate reports missing fields.
func (i ImageRejected) Validate() error {
	return errors.Join(i.Source.Validate(), required("reason", i.Reason))
}

// ImageRemoved is the data of TypeImageRemoved: a picture and its thumbnails were
// removed.
type ImageRemoved struct{ Source }

// Limits of texts that mails repeat, in bytes.
const (
	MaxNameBytes = 200
	MaxIDBytes   = 1000 // an order's id is part of a sort key, which has up to 1,024

	MaxSubjectBytes = 500
)

// UserRegistration is the data of TypeUserRegistration.
type UserRegistration struct {
	Email string `json:"email"`
	Name  string `json:"name,omitempty"` // one line of at most MaxNameBytes, without a link
	ID    string `json:"id,omitempty"`   // one line of at most MaxIDBytes
}

// Validate reports every field that is missing or wrong.
func (u UserRegistration) Validate() error {
	return errors.Join(checkEmail("email", u.Email), checkName("name", u.Name), checkLine("id", u.ID, MaxIDBytes))
}

// OrderProcessing is the data of TypeOrderProcessing.
type OrderProcessing struct {
	Email string `json:"email"` // the user's
	ID    string `json:"id"`
	OrderDetails
}

// OrderDetails is the content of an order. It may be empty if the order's record
// has it.
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
	problems := []error{
		checkEmail("email", o.Email), required("id", o.ID), checkLine("id", o.ID, MaxIDBytes),
		checkLine("currency", o.Currency, MaxNameBytes),
	}
	if o.Amount < 0 {
		problems = append(problems, fmt.Errorf("amount: got %d, want 0 or more", o.Amount))
	}
	for i, it := range o.Items {
		if it.SKU == "" || it.Quantity < 1 {
			problems = append(problems, fmt.Errorf("items[%d]: got sku %q and quantity %d, want a sku and a quantity of 1 or more", i, it.SKU, it.Quantity))
		}
		problems = append(problems, checkLine(fmt.Sprintf("items[%d]: sku", i), it.SKU, MaxNameBytes))
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
	return errors.Join(checkEmail("to", e.To), required("subject", e.Subject, "body", e.Body), checkLine("subject", e.Subject, MaxSubjectBytes))
}

// required reports the names with empty values.
func required(nameValue ...string) error {
	var problems []error
	for i := 0; i < len(nameValue); i += 2 {
		if nameValue[i+1] == "" {
			problems = append(problems, fmt.Errorf("%s is required", nameValue[i]))
		}
	}
	return errors.Join(problems...)
}

// checkLine accepts a text of one line that shows as it is stored: valid UTF-8 of
// at most limit bytes, without control characters, line separators and marks that
// change the direction of text. Mails and pages repeat such texts to others.
func checkLine(field, text string, limit int) error {
	hidden := func(r rune) bool {
		return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
	}
	switch {
	case len(text) > limit:
		return fmt.Errorf("%s: got %d bytes, want at most %d", field, len(text), limit)
	case !utf8.ValidString(text):
		return fmt.Errorf("%s: got %q, want valid UTF-8", field, text)
	case strings.ContainsFunc(text, hidden):
		return fmt.Errorf("%s: got %q, want one line without control characters", field, text)
	}
	return nil
}

// checkName accepts a person's name: a line without a link, because a welcome mail
// would take the link to any address.
func checkName(field, name string) error {
	if err := checkLine(field, name, MaxNameBytes); err != nil {
		return err
	}
	for word := range strings.FieldsSeq(strings.ToLower(name)) {
		host, _, path := strings.Cut(word, "/")
		if strings.Contains(word, "://") || strings.Contains(word, "www.") || path && strings.Contains(host, ".") {
			return fmt.Errorf("%s: got %q, want a name without a link", field, name)
		}
	}
	return nil
}

// noDomain reports whether r is not allowed in a domain's name. Package net/mail
// allows more, such as a slash, which would make the text of a record's key
// ambiguous.
func noDomain(r rune) bool {
	return r < utf8.RuneSelf && r != '-' && r != '.' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}

// checkEmail accepts an address without a name, brackets or quotes.
func checkEmail(field, address string) error {
	if address == "" {
		return fmt.Errorf("%s is required", field)
	}
	a, err := mail.ParseAddress(address)
	_, domain, _ := strings.Cut(address, "@")
	if err != nil || a.Address != address || strings.ContainsFunc(domain, noDomain) || len(address) > 254 {
		return fmt.Errorf("%s: got %q, want an e-mail address such as ann@example.com", field, address)
	}
	return nil
}
