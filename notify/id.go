package notify

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
)

// notificationID derives the ID of what rule sends to recipient because of e.
// The rule's name leads, so that a person who lists the outbox sees what is
// there.
func notificationID(rule string, e Event, recipient string) string {
	return rule + "_" + digest(e.ID, rule, string(e.Kind), e.Attribute, recipient)
}

// digest returns 128 bits of SHA-256 over parts in hex. Each part goes in with
// its length, so that moving a character between parts changes the digest.
func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write([]byte(p))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// safeNameBytes is the longest name that safeName returns.
const safeNameBytes = 128

// safeName returns id in a form that is a file name everywhere, the left side
// of a Message-ID, and a webhook-id without the dot that delimits signed
// content. An ID of lower case letters, digits, "_" and "-" stays as it is; any
// other is shortened to what is safe of it, plus "~" and a digest, which no
// safe ID holds. Different IDs have different names, also where file names
// ignore case.
func safeName(id string) string {
	safe := func(r rune) bool {
		return 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '_' || r == '-'
	}
	if id != "" && len(id) <= safeNameBytes && !strings.ContainsFunc(id, func(r rune) bool { return !safe(r) }) {
		return id
	}
	head := strings.Map(func(r rune) rune {
		if safe(r) {
			return r
		}
		return '-'
	}, strings.ToLower(id[:min(len(id), 40)]))
	return head + "~" + digest(id)
}
