package messages

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"sluice/notify"
	"sluice/pipeline"
	"sluice/workers/schema"
)

// notification sends a notification once. If it has no id, it gets the message's.
func (w *Worker) notification(ctx context.Context, r pipeline.Record) error {
	var n notify.Notification
	if err := pipeline.DecodeJSON(r.Body, &n); err != nil {
		return pipeline.Permanent(err)
	}
	if n.ID == "" {
		n.ID = r.Cause
	}
	return w.send(ctx, r, n)
}

// emailNotification sends the short form of a notification by mail.
func (w *Worker) emailNotification(ctx context.Context, r pipeline.Record, m schema.EmailNotification) error {
	return w.send(ctx, r, notify.Notification{ID: r.Cause, Channel: "email", To: m.To, Subject: m.Subject, Body: m.Body})
}

func (w *Worker) send(ctx context.Context, r pipeline.Record, n notify.Notification) error {
	if n.At.IsZero() {
		n.At = change(ctx, r, "").At
	}
	if err := n.Validate(); err != nil {
		return pipeline.Permanent(err)
	}
	if age := time.Since(n.At); w.config.NotifyMaxAge > 0 && age > w.config.NotifyMaxAge {
		// A dead letter would ask an operator to act, but nothing is to be done.
		w.log.WarnContext(ctx, "notification too old to be sent", "notification", n.ID, "channel", n.Channel, "age", age, "limit", w.config.NotifyMaxAge)
		return nil
	}
	sentBefore := true
	_, err := w.once.Do(ctx, notificationClaim(n.ID), func(ctx context.Context) (json.RawMessage, error) {
		sentBefore = false
		return nil, judgeSend(w.channels.Send(ctx, n))
	})
	if err != nil {
		return fmt.Errorf("notification %q by %s: %w", n.ID, n.Channel, err)
	}
	if sentBefore {
		w.log.InfoContext(ctx, "notification was sent before", "notification", n.ID, "channel", n.Channel)
		return nil
	}
	w.log.InfoContext(ctx, "notification sent", "notification", n.ID, "channel", n.Channel)
	return nil
}

// judgeSend converts a channel's error into an error of package pipeline.
func judgeSend(err error) error {
	if _, ok := errors.AsType[*notify.RejectedError](err); ok {
		return pipeline.Permanent(err)
	}
	if later, ok := errors.AsType[*notify.RetryAfterError](err); ok {
		return pipeline.RetryAfter(err, later.After)
	}
	return err
}

// Sent reports whether the notification with this id was sent within the last 15
// days.
func (w *Worker) Sent(ctx context.Context, id string) (bool, error) {
	return w.once.Done(ctx, notificationClaim(id))
}

// notificationClaim is the claim on a notification's send.
func notificationClaim(id string) string { return "notification#" + id }
