package sigv4

import "sync/atomic"

// keyCache keeps the signing key of the last scope, which the requests of one
// client share for a day. A cache belongs to one secret. It is safe for
// concurrent use.
type keyCache struct{ last atomic.Pointer[scopedKey] }

type scopedKey struct {
	date, region, service string
	key                   []byte
}

func (k *keyCache) get(secret string, sig *signature) []byte {
	if l := k.last.Load(); l != nil && l.date == sig.date && l.region == sig.region && l.service == sig.service {
		return l.key
	}
	l := &scopedKey{sig.date, sig.region, sig.service, signingKey(secret, sig)}
	k.last.Store(l)
	return l.key
}

func signingKey(secret string, sig *signature) []byte {
	key := mac([]byte("AWS4"+secret), sig.date)
	for _, part := range []string{sig.region, sig.service, terminator} {
		key = mac(key, part)
	}
	return key
}
