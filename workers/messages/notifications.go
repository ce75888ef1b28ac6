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

// notification sends one notification, once. Its id is its own, or the
// message's.
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

// emailNotification is the short form of a notification by mail.
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
		// Nobody is to be told, so there is nothing to mend: no letter, no alarm.
		w.log.WarnContext(ctx, "notification too old to be sent", "notification", n.ID, "channel", n.Channel, "age", age, "limit", w.config.NotifyMaxAge)
		return nil
	}
	before := true
	_, err := w.once.Do(ctx, notificationClaim(n.ID), func(ctx context.Context) (json.RawMessage, error) {
		before = false
		return nil, judgeSend(w.channels.Send(ctx, n))
	})
	if err != nil {
		return fmt.Errorf("notification %q by %s: %w", n.ID, n.Channel, err)
	}
	if before {
		w.log.InfoContext(ctx, "notification was sent before", "notification", n.ID, "channel", n.Channel)
		return nil
	}
	w.log.InfoContext(ctx, "notification sent", "notification", n.ID, "channel", n.Channel)
	return nil
}

// judgeSend says in the pipeline's words what a channel's error means.
func judgeSend(err error) error {
	if _, ok := errors.AsType[*notify.RejectedError](err); ok {
		return pipeline.Permanent(err)
	}
	if later, ok := errors.AsType[*notify.RetryAfterError](err); ok {
		return pipeline.RetryAfter(err, later.After)
	}
	return err
}

// Sent reports whether the notification with this id was sent, as far as is
// remembered.
func (w *Worker) Sent(ctx context.Context, id string) (bool, error) {
	return w.once.Done(ctx, notificationClaim(id))
}

func notificationClaim(id string) string { return "notification#" + id }
