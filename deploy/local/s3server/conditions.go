package s3server

import (
	"net/http"
	"strings"
	"time"
)

// readConditions decides If-Match and its like for a GET, a HEAD or the source of a copy. prefix is "" or "X-Amz-Copy-Source-".
// The order is HTTP's: an ETag that matches makes the date beside it silent.
func readConditions(h http.Header, prefix string, found *record) error {
	match, noneMatch := h.Get(prefix+"If-Match"), h.Get(prefix+"If-None-Match")
	modified := found.Modified.Truncate(time.Second)
	if match != "" {
		if !etagIn(match, found.ETag) {
			return errPrecondition
		}
	} else if t, ok := headerTime(h, prefix+"If-Unmodified-Since"); ok && modified.After(t) {
		return errPrecondition
	}
	changed := error(errNotModified)
	if prefix != "" {
		changed = errPrecondition
	}
	if noneMatch != "" {
		if etagIn(noneMatch, found.ETag) {
			return changed
		}
	} else if t, ok := headerTime(h, prefix+"If-Modified-Since"); ok && !modified.After(t) {
		return changed
	}
	return nil
}

// writeConditions are what must hold, in the very transaction, for an object to be written or deleted.
type writeConditions struct {
	match  string // If-Match: an ETag, or * for any object
	absent bool   // If-None-Match: *
}

func newWriteConditions(h http.Header) (writeConditions, error) {
	c := writeConditions{match: h.Get("If-Match")}
	switch h.Get("If-None-Match") {
	case "":
	case "*":
		c.absent = true
	default:
		return c, errNotImplemented.because("If-None-Match must be * when an object is written.")
	}
	return c, nil
}

// check decides for the object that is there, nil for none.
func (c writeConditions) check(old *record) error {
	switch {
	case c.absent && old != nil:
		return errPrecondition
	case c.match != "" && old == nil:
		return errNoSuchKey
	case c.match != "" && !etagIn(c.match, old.ETag):
		return errPrecondition
	}
	return nil
}

// etagIn tells whether a list of ETags, as a header holds it, names etag.
func etagIn(list, etag string) bool {
	for one := range strings.SplitSeq(list, ",") {
		one = strings.TrimPrefix(strings.TrimSpace(one), "W/")
		if one == "*" || strings.Trim(one, `"`) == etag {
			return true
		}
	}
	return false
}

func headerTime(h http.Header, name string) (time.Time, bool) {
	t, err := http.ParseTime(h.Get(name))
	return t, err == nil
}
