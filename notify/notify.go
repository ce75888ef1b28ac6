// Package notify turns changes of records into notifications, and sends
// notifications through channels.
//
// It has two halves that share the [Notification]:
//
//   - What changed, and who is told: [Events] compares the old and the new
//     image of a record, [Rules] match the events and render notifications
//     from text templates. This half does no I/O and reads no clock.
//   - Sending: a [Channel] sends one notification. [SMTP], [Webhook], [Chat]
//     and [Outbox] are channels; [Channels] chooses one by name.
//
// A notification's ID is derived from what caused it, so that the same change
// gives the same ID each time it is seen, and every channel that can carries
// the ID to the other side: as the Message-ID, as webhook-id, as a file name.
//
// A channel's error says what to do next. [RejectedError]: never send this
// again. [RetryAfterError]: send again, but not before. Any other error: send
// again.
//
// The package knows neither queues nor tables nor a cloud.
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

// Limits of a notification, in bytes. They keep one well below the megabyte
// that a queue message may have, even if JSON escapes every byte of the body,
// and far below what mail servers take.
const (
	MaxIDBytes        = 512
	MaxKeyBytes       = 4096 // of Key, Cause, Rule and Channel each; a table's keys have 3,072
	MaxRecipientBytes = 2048 // a URL may be the recipient
	MaxSubjectBytes   = 500
	MaxBodyBytes      = 128 << 10
)

// Notification is one text to one recipient through one channel. Its JSON
// form travels as a message's data.
//
// All strings are valid UTF-8 and within the Max constants; Subject is one
// line. Validate checks that.
type Notification struct {
	ID      string    `json:"id"`                // same cause, same ID: how a resend is known
	Rule    string    `json:"rule,omitempty"`    // the rule it comes from; empty when sent by hand
	Channel string    `json:"channel"`           // a name in Channels
	To      string    `json:"to,omitempty"`      // what it means is the channel's: an address, a URL, nothing
	Subject string    `json:"subject,omitempty"` // one line
	Body    string    `json:"body"`              // plain text
	At      time.Time `json:"at"`                // when the cause happened, not when it was sent
	Key     string    `json:"key,omitempty"`     // the record it is about
	Cause   string    `json:"cause,omitempty"`   // the ID of the change it comes from
}

// Validate returns what is wrong with n, all problems joined, or nil. Every
// channel calls it first and answers a [RejectedError] when it fails.
func (n Notification) Validate() error {
	var problems []error
	check := func(field, value string, limit int, required, oneLine bool) {
		switch {
		case value == "" && required:
			problems = append(problems, fmt.Errorf("%s is missing", field))
		case len(value) > limit:
			problems = append(problems, fmt.Errorf("%s has %d bytes, the limit is %d", field, len(value), limit))
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

// reject is Validate as a channel's answer.
func (n Notification) reject() error {
	if err := n.Validate(); err != nil {
		return &RejectedError{Reason: "notification is invalid", Err: err}
	}
	return nil
}

// Channel sends notifications to the world.
//
// Send returns nil when the other side has taken the notification. It honours
// ctx, also while it waits for the network. A *RejectedError means that it must
// not be sent again, a *RetryAfterError that it must wait; after any other error
// the notification may have been sent or not, and is sent again with the same
// ID. Errors hold no secrets. Send is safe for concurrent use.
type Channel interface {
	Send(ctx context.Context, n Notification) error
}

// Channels are the channels there are, by name. It is itself a Channel, safe
// for concurrent use as long as nobody changes the map.
type Channels map[string]Channel

// Send sends n through the channel that n.Channel names. A name that is not
// known is a RejectedError that lists the known ones. Errors name the
// notification and the channel.
func (c Channels) Send(ctx context.Context, n Notification) error {
	ch, ok := c[n.Channel]
	if !ok || ch == nil {
		return fmt.Errorf("notification %q: %w", n.ID, &RejectedError{
			Reason: fmt.Sprintf("unknown channel %q, known are %s", n.Channel, c.list()),
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
