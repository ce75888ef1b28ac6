package objectstore

import (
	"strings"

	"sluice/deploy/local/s3server/s3error"
)

// Conditions are evaluated in the transaction that writes or deletes an object.
type Conditions struct {
	Match  string // If-Match: a list of ETags, or * for any object
	Absent bool   // If-None-Match: *
}

// check evaluates the conditions for the current object, nil for none.
func (c Conditions) check(old *Object) error {
	switch {
	case c.Absent && old != nil:
		return s3error.PreconditionFailed
	case c.Match != "" && old == nil:
		return s3error.NoSuchKey
	case c.Match != "" && !MatchesETag(c.Match, old.ETag):
		return s3error.PreconditionFailed
	}
	return nil
}

// MatchesETag reports whether a list of entity tags, as in an If-Match header,
// contains etag. The list may be *, and its tags may lack quotes.
func MatchesETag(list, etag string) bool {
	for one := range strings.SplitSeq(list, ",") {
		one = strings.TrimPrefix(strings.TrimSpace(one), "W/")
		if one == "*" || strings.Trim(one, `"`) == etag {
			return true
		}
	}
	return false
}
