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

// MaxChatRunes is where a chat message is cut, with a mark. Chat services cut
// or refuse what is longer.
const MaxChatRunes = 4000

// ChatOptions say where chat messages go.
type ChatOptions struct {
	// URL is the incoming webhook. It is a secret: whoever has it can post.
	URL string

	HTTPOptions
}

// Chat is a Channel that posts to an incoming webhook as Slack has it, and
// others who copied it: {"text": "..."} with the subject in bold above the
// body. What the service would read as markup or as a mention is escaped. The
// recipient is not used: the URL decides the room. Nothing in the request is an
// ID that the service knows, so a resend shows twice.
//
// Answers count as for a [Webhook]. Safe for concurrent use.
type Chat struct {
	url    *url.URL
	poster *poster
}

// NewChat checks o. Its error does not tell the URL's path.
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
		return &RejectedError{Reason: "notification is no JSON", Err: err}
	}
	return c.poster.post(ctx, c.url, http.Header{}, body)
}

// String tells the host, not the path.
func (c *Chat) String() string { return "chat" + siteOf(c.url) }

// chatEscapes are the three characters that begin markup with a meaning, such as
// <!channel>. Stars and underscores only change how text looks.
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
