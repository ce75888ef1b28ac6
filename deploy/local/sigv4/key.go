package sigv4

import "sync/atomic"

// keyCache keeps the last signing key: the requests of a client share it for a day. It is safe for concurrent use. One cache is
// for one secret.
type keyCache struct{ last atomic.Pointer[scopedKey] }

type scopedKey struct {
	date, region, service string
	key                   []byte
}

func (k *keyCache) get(secret string, c *claim) []byte {
	if l := k.last.Load(); l != nil && l.date == c.date && l.region == c.region && l.service == c.service {
		return l.key
	}
	l := &scopedKey{c.date, c.region, c.service, signingKey(secret, c)}
	k.last.Store(l)
	return l.key
}

func signingKey(secret string, c *claim) []byte {
	key := mac([]byte("AWS4"+secret), c.date)
	for _, part := range []string{c.region, c.service, terminator} {
		key = mac(key, part)
	}
	return key
}
