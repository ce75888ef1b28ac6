package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Headers of a signed webhook, by the Standard Webhooks convention.
const (
	HeaderWebhookID        = "Webhook-Id"
	HeaderWebhookTimestamp = "Webhook-Timestamp" // Unix seconds of this attempt
	HeaderWebhookSignature = "Webhook-Signature" // "v1,<base64>", several separated by spaces
)

const (
	secretPrefix       = "whsec_"
	minSecretBytes     = 24
	maxSecretBytes     = 64
	maxSignatureHeader = 4 << 10
)

// DefaultTolerance is the default difference between the timestamp of a webhook and
// the clock of the receiver.
const DefaultTolerance = 5 * time.Minute

// ErrSignature is wrapped by every error of [Verify].
var ErrSignature = errors.New("webhook signature")

// Secret is a key that signs webhooks. No fmt verb prints the key, even if the
// Secret is a field. The zero value is not a valid secret. A Secret is safe for
// concurrent use.
type Secret struct {
	key func() []byte // a function, because fmt prints the strings of any struct
}

// ParseSecret parses "whsec_" followed by the base64 of 24 to 64 random bytes. Its
// error does not contain the text.
func ParseSecret(s string) (Secret, error) {
	text, ok := strings.CutPrefix(s, secretPrefix)
	if !ok {
		return Secret{}, fmt.Errorf("webhook secret: want the prefix %q", secretPrefix)
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return Secret{}, fmt.Errorf("webhook secret: want base64 after %q", secretPrefix)
	}
	if len(key) < minSecretBytes || len(key) > maxSecretBytes {
		return Secret{}, fmt.Errorf("webhook secret: got %d bytes, want %d to %d", len(key), minSecretBytes, maxSecretBytes)
	}
	return Secret{key: func() []byte { return key }}, nil
}

// ParseSecrets parses one or more secrets, separated by white space. There are two
// while one replaces the other.
func ParseSecrets(s string) ([]Secret, error) {
	var secrets []Secret
	for text := range strings.FieldsSeq(s) {
		secret, err := ParseSecret(text)
		if err != nil {
			return nil, fmt.Errorf("%w (number %d)", err, len(secrets)+1)
		}
		secrets = append(secrets, secret)
	}
	if len(secrets) == 0 {
		return nil, errors.New("webhook secret is missing")
	}
	return secrets, nil
}

// String returns a placeholder.
func (s Secret) String() string { return secretPrefix + "***" }

// GoString returns a placeholder.
func (s Secret) GoString() string { return s.String() }

func (s Secret) mac(id, timestamp string, body []byte) []byte {
	h := hmac.New(sha256.New, s.key())
	h.Write([]byte(id))
	h.Write([]byte{'.'})
	h.Write([]byte(timestamp))
	h.Write([]byte{'.'})
	h.Write(body)
	return h.Sum(nil)
}

// sign sets the three headers, with a signature for each secret, so that a receiver
// may have the old or the new one.
func sign(h http.Header, id string, now time.Time, body []byte, secrets []Secret) {
	timestamp := strconv.FormatInt(now.Unix(), 10)
	signatures := make([]string, 0, len(secrets))
	for _, s := range secrets {
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(s.mac(id, timestamp, body)))
	}
	h.Set(HeaderWebhookID, id)
	h.Set(HeaderWebhookTimestamp, timestamp)
	h.Set(HeaderWebhookSignature, strings.Join(signatures, " "))
}

// Verify returns nil if the unmodified request body was signed with one of secrets
// at most tolerance before or after now. A tolerance of zero means
// [DefaultTolerance]. The error wraps [ErrSignature]; respond with status 401 and
// ignore the body.
//
// Verify also accepts a copy of the request within the tolerance. A receiver that
// must act once stores the webhook-id.
func Verify(h http.Header, body []byte, now time.Time, tolerance time.Duration, secrets ...Secret) error {
	if tolerance == 0 {
		tolerance = DefaultTolerance
	}
	id, timestamp, given := h.Get(HeaderWebhookID), h.Get(HeaderWebhookTimestamp), h.Get(HeaderWebhookSignature)
	if id == "" || timestamp == "" || given == "" {
		return fmt.Errorf("%w: %s, %s or %s is missing", ErrSignature, HeaderWebhookID, HeaderWebhookTimestamp, HeaderWebhookSignature)
	}
	if len(given) > maxSignatureHeader {
		return fmt.Errorf("%w: %s: got %d bytes, want at most %d", ErrSignature, HeaderWebhookSignature, len(given), maxSignatureHeader)
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return fmt.Errorf("%w: %s: want Unix seconds", ErrSignature, HeaderWebhookTimestamp)
	}
	// Compare times, because the difference of seconds could overflow.
	if at := time.Unix(seconds, 0); at.Before(now.Add(-tolerance)) || at.After(now.Add(tolerance)) {
		return fmt.Errorf("%w: timestamp: got %d, want at most %s from now", ErrSignature, seconds, tolerance)
	}
	for _, s := range secrets {
		if s.key == nil {
			continue
		}
		want := s.mac(id, timestamp, body)
		for one := range strings.FieldsSeq(given) {
			text, ok := strings.CutPrefix(one, "v1,")
			if !ok {
				continue // another version of the scheme
			}
			got, err := base64.StdEncoding.DecodeString(text)
			if err == nil && hmac.Equal(got, want) {
				return nil
			}
		}
	}
	return fmt.Errorf("%w: no signature matches", ErrSignature)
}
