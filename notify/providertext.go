package notify

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

const (
	maxErrorBytes = 300 // of an error with a provider's words
	minKeyBytes   = 6   // of a part of a URL; shorter ones are words such as "v1"
)

// ProviderText returns a text that a provider sent, or an error that repeats it,
// as one line of at most limit bytes of valid UTF-8 without control characters.
// Each of secrets becomes "***", also if the text ends within it: a server may
// repeat the request, and the text goes into errors, logs, records and mails.
func ProviderText(text string, limit int, secrets ...string) string {
	secrets = slices.DeleteFunc(slices.Clone(secrets), func(s string) bool { return s == "" })
	// Longer ones first, because a secret may contain another.
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	for _, secret := range secrets {
		text = strings.ReplaceAll(text, secret, "***")
	}
	for _, secret := range secrets {
		for n := len(secret) - 1; n >= minKeyBytes; n-- {
			if before, ok := strings.CutSuffix(text, secret[:n]); ok {
				text = before + "***"
				break
			}
		}
	}
	return cut(oneLine(strings.ToValidUTF8(text, "\uFFFD")), limit)
}

// URLSecrets returns the parts of u that may be keys, as they are sent and
// unescaped, for [ProviderText].
func URLSecrets(u *url.URL) []string {
	var secrets []string
	add := func(form string) {
		separator := func(r rune) bool { return strings.ContainsRune("/?&=;,:", r) || unicode.IsSpace(r) }
		for part := range strings.FieldsFuncSeq(form, separator) {
			if len(part) >= minKeyBytes {
				secrets = append(secrets, part)
			}
		}
	}
	for _, form := range []string{u.Path, u.EscapedPath(), u.RawQuery} {
		add(form)
	}
	for _, values := range u.Query() {
		for _, value := range values {
			add(value)
		}
	}
	if password, ok := u.User.Password(); ok {
		secrets = append(secrets, password, url.QueryEscape(password))
	}
	return secrets
}

// ProviderError returns the error of an HTTP request to u without the URL. Its
// text is a ProviderText, because package net/http repeats malformed responses.
// errors.Is and errors.AsType find the cause.
func ProviderError(err error, u *url.URL) error {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		err = outer.Err
	}
	return &providerError{text: ProviderText(err.Error(), maxErrorBytes, URLSecrets(u)...), err: err}
}

type providerError struct {
	text string
	err  error
}

func (e *providerError) Error() string { return e.text }
func (e *providerError) Unwrap() error { return e.err }
