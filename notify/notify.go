// Package notify derives notifications from changes of records, and sends
// notifications through channels.
//
// It has two parts:
//
//   - Rules: [Events] compares the old and the new image of a record. [Rules]
//     match the events and render notifications from text templates. This part
//     does no I/O and reads no clock.
//   - Channels: a [Channel] sends one notification. [SMTP], [Webhook], [Chat]
//     and [Outbox] are channels; [Channels] selects one by name.
//
// The ID of a notification is derived from its cause, so the same change has the
// same ID each time. A channel transmits the ID if it can: as the Message-ID, the
// webhook-id, or a file name.
//
// The error of a channel determines the next step. After a [RejectedError] the
// notification is never sent again, after a [RetryAfterError] not before a time.
// After any other error it is sent again.
//
// The package does not import AWS. Packages sesnotify and snsnotify are channels
// over AWS services.
package notify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits of a notification, in bytes. A notification within them fits a queue
// message of 1 MiB even if JSON escapes every byte, and any mail server.
const (
	MaxIDBytes        = 512
	MaxKeyBytes       = 4096 // of each of Key, Cause, Rule and Channel; a key of a table has up to 3,072
	MaxRecipientBytes = 2048 // a URL may be the recipient
	MaxSubjectBytes   = 500
	MaxBodyBytes      = 128 << 10
)

// Notification is one text to one recipient through one channel. Its JSON form is
// the data of a message.
//
// All strings are valid UTF-8 and within the Max constants, and Subject is one
// line. Validate checks that.
type Notification struct {
	ID      string    `json:"id"`                // the same cause has the same ID
	Rule    string    `json:"rule,omitempty"`    // the name of the rule, or empty
	Channel string    `json:"channel"`           // a name in Channels
	To      string    `json:"to,omitempty"`      // depends on the channel: an address, a URL, or empty
	Subject string    `json:"subject,omitempty"` // one line
	Body    string    `json:"body"`              // plain text
	At      time.Time `json:"at"`                // the time of the cause
	Key     string    `json:"key,omitempty"`     // the key of the record
	Cause   string    `json:"cause,omitempty"`   // the ID of the change
}

// Validate returns all problems of n, joined, or nil. Every channel calls it first
// and returns its error as a [RejectedError].
func (n Notification) Validate() error {
	var problems []error
	check := func(field, value string, limit int, required, oneLine bool) {
		switch {
		case value == "" && required:
			problems = append(problems, fmt.Errorf("%s is missing", field))
		case len(value) > limit:
			problems = append(problems, fmt.Errorf("%s: got %d bytes, want at most %d", field, len(value), limit))
		case !utf8.ValidString(value):
			problems = append(problems, fmt.Errorf("%s is not valid UTF-8", field))
		case oneLine && strings.ContainsFunc(value, unicode.IsControl):
			problems = append(problems, fmt.Errorf("%s has a control character", field))
		}
	}
	check("id", n.ID, MaxIDBytes, true, true)
	check("to", n.To, MaxRecipientBytes, false, true)
	check("subject", n.Subject, MaxSubjectBytes, false, true)
	check("body", n.Body, MaxBodyBytes, false, false)
	check("rule", n.Rule, MaxKeyBytes, false, true)
	check("channel", n.Channel, MaxKeyBytes, false, true)
	check("key", n.Key, MaxKeyBytes, false, false)
	check("cause", n.Cause, MaxKeyBytes, false, false)
	if n.Subject == "" && n.Body == "" {
		problems = append(problems, errors.New("subject and body are both missing"))
	}
	if n.At.IsZero() {
		problems = append(problems, errors.New("at is missing"))
	} else if y := n.At.UTC().Year(); y < 1 || y > 9999 {
		problems = append(problems, fmt.Errorf("at is in the year %d", y))
	}
	return errors.Join(problems...)
}

// reject returns the error of Validate as a *RejectedError.
func (n Notification) reject() error {
	if err := n.Validate(); err != nil {
		return &RejectedError{Reason: "notification is invalid", Err: err}
	}
	return nil
}

// Channel sends notifications.
//
// Send returns nil when the receiver has accepted the notification. It respects
// ctx, also while it waits for the network. After a *RejectedError the
// notification must not be sent again, after a *RetryAfterError not before a
// time. After any other error it may or may not have been sent, and is sent again
// with the same ID. Errors contain no secrets. Send is safe for concurrent use.
type Channel interface {
	Send(ctx context.Context, n Notification) error
}

// Channels maps names to channels. It is itself a Channel. It is safe for
// concurrent use while the map is not changed.
type Channels map[string]Channel

// Send sends n through the channel n.Channel. An unknown channel is a
// RejectedError that lists the known ones. Errors name the notification and the
// channel.
func (c Channels) Send(ctx context.Context, n Notification) error {
	ch, ok := c[n.Channel]
	if !ok || ch == nil {
		return fmt.Errorf("notification %q: %w", n.ID, &RejectedError{
			Reason: fmt.Sprintf("unknown channel %q, want one of %s", n.Channel, c.list()),
		})
	}
	if err := ch.Send(ctx, n); err != nil {
		return fmt.Errorf("notification %q through %q: %w", n.ID, n.Channel, err)
	}
	return nil
}

func (c Channels) list() string {
	if len(c) == 0 {
		return "none"
	}
	names := slices.Sorted(maps.Keys(c))
	for i, name := range names {
		names[i] = fmt.Sprintf("%q", name)
	}
	return strings.Join(names, ", ")
}
