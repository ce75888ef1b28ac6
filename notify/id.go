package notify

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
)

// notificationID derives the ID of the notification of rule for e to recipient. It
// begins with the name of the rule, which a listing of the outbox then shows.
func notificationID(rule string, e Event, recipient string) string {
	return rule + "_" + digest(e.ID, rule, string(e.Kind), e.Attribute, recipient)
}

// digest returns 128 bits of the SHA-256 of parts in hex. It includes the length of
// each part, so that different parts have different digests.
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

// safeNameBytes is the length of the longest name that safeName returns.
const safeNameBytes = 128

// safeName returns id in a form that is valid as a file name on every system, as
// the local part of a Message-ID, and as a webhook-id, which has no dot. It
// returns an ID of lower case letters, digits, "_" and "-" unchanged. Any other
// becomes a readable prefix, "~" and a digest. Different IDs have different
// names, even if file names ignore case.
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
