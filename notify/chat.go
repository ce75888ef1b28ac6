package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// MaxChatRunes is the length to which a chat message is truncated. Chat services
// truncate or reject longer ones.
const MaxChatRunes = 4000

// ChatOptions configures a Chat channel.
type ChatOptions struct {
	// URL is the incoming webhook. It is a secret, since it is the only credential.
	URL string

	HTTPOptions
}

// Chat is a Channel that posts to an incoming webhook of Slack or of a compatible
// service: {"text": "..."} with the subject in bold above the body. Markup and
// mentions are escaped. The URL selects the room, and the recipient is ignored.
// The service has no idempotency key, so a repeated message appears twice.
//
// Responses are handled like those of a [Webhook]. A Chat is safe for concurrent
// use.
type Chat struct {
	url    *url.URL
	poster *poster
}

// NewChat returns the channel. Its error does not contain the path of the URL.
func NewChat(o ChatOptions) (*Chat, error) {
	poster, err := newPoster(o.HTTPOptions)
	if err != nil {
		return nil, fmt.Errorf("chat: %w", err)
	}
	u, err := poster.target(o.URL)
	if err != nil {
		return nil, fmt.Errorf("chat: %w", err)
	}
	return &Chat{url: u, poster: poster}, nil
}

// Send posts n.
func (c *Chat) Send(ctx context.Context, n Notification) error {
	if err := n.reject(); err != nil {
		return err
	}
	body, err := json.Marshal(map[string]string{"text": chatText(n)})
	if err != nil {
		return &RejectedError{Reason: "notification cannot be encoded as JSON", Err: err}
	}
	return c.poster.post(ctx, c.url, http.Header{}, body)
}

// String returns the host without the path.
func (c *Chat) String() string { return "chat" + siteOf(c.url) }

// chatEscapes escapes the characters of markup with an effect, such as
// <!channel>. Stars and underscores only format text.
var chatEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

func chatText(n Notification) string {
	text := n.Body
	if n.Subject != "" {
		text = strings.TrimRight("*"+strings.ReplaceAll(n.Subject, "*", "")+"*\n"+n.Body, "\n")
	}
	if utf8.RuneCountInString(text) > MaxChatRunes {
		text = string([]rune(text)[:MaxChatRunes-1]) + "…"
	}
	return chatEscapes.Replace(text)
}
