package notify

import (
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ParseAddress parses one e-mail address with or without a display name:
// "a@b.example" or "Ann <a@b.example>". It is stricter than net/mail, since
// addresses come from users: it rejects quoted local parts, domain literals such
// as [127.0.0.1], control characters, and lengths over those of SMTP.
func ParseAddress(s string) (*mail.Address, error) {
	if s == "" {
		return nil, errors.New("e-mail address is missing")
	}
	if len(s) > MaxRecipientBytes {
		return nil, fmt.Errorf("e-mail address: got %d bytes, want at most %d", len(s), MaxRecipientBytes)
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return nil, fmt.Errorf("e-mail address %q has a control character or is not UTF-8", s)
	}
	a, err := mail.ParseAddress(s)
	if err != nil {
		return nil, fmt.Errorf("e-mail address %q: %w", s, err)
	}
	if !utf8.ValidString(a.Name) || strings.ContainsFunc(a.Name, unicode.IsControl) {
		return nil, fmt.Errorf("e-mail address %q: the name has a control character or is not UTF-8", s)
	}
	at := strings.LastIndexByte(a.Address, '@')
	local, domain := a.Address[:at], a.Address[at+1:]
	switch {
	case len(local) > 64:
		return nil, fmt.Errorf("e-mail address %q: got over 64 bytes before the @, want at most 64", s)
	case len(a.Address) > 254:
		return nil, fmt.Errorf("e-mail address %q: got over 254 bytes, want at most 254", s)
	case strings.ContainsFunc(local, func(r rune) bool {
		return unicode.IsSpace(r) || strings.ContainsRune(`"(),:;<>@[\]`, r)
	}) || strings.HasPrefix(local, ".") || strings.HasSuffix(local, ".") || strings.Contains(local, ".."):
		return nil, fmt.Errorf("e-mail address %q: got characters before the @ that need quotes, want an unquoted local part", s)
	case strings.HasPrefix(domain, "["):
		return nil, fmt.Errorf("e-mail address %q: got an address after the @, want a domain name", s)
	}
	return a, nil
}
