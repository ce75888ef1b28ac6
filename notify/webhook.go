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

// WebhookType is the type in the JSON body of each webhook.
const WebhookType = "notification"

// WebhookOptions say where webhooks go and how they are signed.
type WebhookOptions struct {
	// URL is where notifications without a recipient go. A notification's own
	// recipient is a URL and wins. Empty means that each must have one.
	URL string
	// Secrets sign each request; at least one. While one replaces another,
	// give both.
	//
	// All recipients are signed for with the same secrets, and each can show
	// another what it got. Where they do not trust each other, give each a
	// Webhook of its own.
	Secrets []Secret

	HTTPOptions
}

// Webhook is a Channel that posts notifications as signed JSON, by the Standard
// Webhooks convention. A receiver checks them with [Verify]. The body is a
// [WebhookBody]; webhook-id is the notification's ID where that is made of lower case
// letters, digits, "_" and "-" (those of Rules are), else a form derived from it.
//
// An answer 2xx is success. 408, 409, 425, 429 and 5xx are tried again, after
// Retry-After if the answer has one; any other answer is a RejectedError,
// redirects among them. https is required, and addresses that are not public are
// refused, unless AllowPrivate is set.
//
// Safe for concurrent use.
type Webhook struct {
	url     *url.URL // nil when there is none
	secrets []Secret
	poster  *poster
}

// WebhookBody is the JSON that a webhook's receiver gets.
type WebhookBody struct {
	Type      string       `json:"type"`      // WebhookType
	Timestamp time.Time    `json:"timestamp"` // the notification's At
	Data      Notification `json:"data"`
}

// NewWebhook checks o; the error joins all problems and holds no secret.
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
		problems = append(problems, errors.New("webhook: no secret to sign with"))
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

// Send posts n. See [Webhook] for what the answers mean.
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
		return &RejectedError{Reason: "no URL: the notification has no recipient and the webhook none of its own"}
	}
	body, err := json.Marshal(WebhookBody{Type: WebhookType, Timestamp: n.At.UTC(), Data: n})
	if err != nil {
		return &RejectedError{Reason: "notification is no JSON", Err: err}
	}
	header, id := http.Header{}, safeName(n.ID)
	sign(header, id, w.poster.now(), body, w.secrets)
	header.Set("Idempotency-Key", id)
	return w.poster.post(ctx, target, header, body)
}

// String tells the host, not the path.
func (w *Webhook) String() string { return "webhook" + siteOf(w.url) }

func siteOf(u *url.URL) string {
	if u == nil {
		return ""
	}
	return " to " + u.Scheme + "://" + u.Host
}
