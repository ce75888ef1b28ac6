package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// WebhookType is the type in the body of each webhook.
const WebhookType = "notification"

// WebhookOptions configures a Webhook channel.
type WebhookOptions struct {
	// URL receives the notifications without a recipient. The recipient of a
	// notification is a URL and overrides it. If URL is empty, each notification
	// must have one.
	URL string
	// Secrets sign each request. At least one is required, two while one replaces
	// the other.
	//
	// The same secrets sign the requests to all recipients, so a recipient could
	// replay a request to another. Recipients that do not trust each other need
	// separate Webhooks.
	Secrets []Secret

	HTTPOptions
}

// Webhook is a Channel that posts notifications as signed JSON, by the Standard
// Webhooks convention. A receiver checks them with [Verify]. The body is a
// [WebhookBody]. webhook-id is the notification's ID if that has only lower case
// letters, digits, "_" and "-", as those of Rules do, or else derived from it.
//
// A 2xx response is success. 408, 409, 425, 429 and 5xx are retried, after
// Retry-After if present. Any other response, including a redirect, is a
// RejectedError. Unless AllowPrivate is set, URLs must be https, and connections
// to addresses that are not public are rejected.
//
// A Webhook is safe for concurrent use.
type Webhook struct {
	url     *url.URL // may be nil
	secrets []Secret
	poster  *poster
}

// WebhookBody is the JSON body of a webhook.
type WebhookBody struct {
	Type      string       `json:"type"`      // WebhookType
	Timestamp time.Time    `json:"timestamp"` // the notification's At
	Data      Notification `json:"data"`
}

// NewWebhook returns the channel. The error joins all problems of o and contains no
// secret.
func NewWebhook(o WebhookOptions) (*Webhook, error) {
	poster, err := newPoster(o.HTTPOptions)
	if err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	w := &Webhook{secrets: o.Secrets, poster: poster}
	var problems []error
	if o.URL != "" {
		if w.url, err = poster.target(o.URL); err != nil {
			problems = append(problems, fmt.Errorf("webhook: %w", err))
		}
	}
	if len(o.Secrets) == 0 {
		problems = append(problems, errors.New("webhook: secrets are missing, want at least one"))
	}
	for i, s := range o.Secrets {
		if s.key == nil {
			problems = append(problems, fmt.Errorf("webhook: secret %d of %d is empty", i+1, len(o.Secrets)))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return w, nil
}

// Send posts n. The documentation of [Webhook] lists its errors.
func (w *Webhook) Send(ctx context.Context, n Notification) error {
	if err := n.reject(); err != nil {
		return err
	}
	target := w.url
	if n.To != "" {
		var err error
		if target, err = w.poster.target(n.To); err != nil {
			return &RejectedError{Reason: "recipient", Err: err}
		}
	}
	if target == nil {
		return &RejectedError{Reason: "URL is missing: want a recipient, or a URL of the webhook"}
	}
	body, err := json.Marshal(WebhookBody{Type: WebhookType, Timestamp: n.At.UTC(), Data: n})
	if err != nil {
		return &RejectedError{Reason: "notification cannot be encoded as JSON", Err: err}
	}
	header, id := http.Header{}, safeName(n.ID)
	sign(header, id, w.poster.now(), body, w.secrets)
	header.Set("Idempotency-Key", id)
	return w.poster.post(ctx, target, header, body)
}

// String returns the host without the path.
func (w *Webhook) String() string { return "webhook" + siteOf(w.url) }

func siteOf(u *url.URL) string {
	if u == nil {
		return ""
	}
	return " to " + u.Scheme + "://" + u.Host
}
