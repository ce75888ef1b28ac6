package s3header

import (
	"net/http"
	"time"

	"sluice/deploy/local/s3server/objectstore"
	"sluice/deploy/local/s3server/s3error"
)

// CopySource is the prefix of the conditions on the source of a copy.
const CopySource = "X-Amz-Copy-Source-"

// CheckRead evaluates If-Match and the like for an object that is read. prefix is
// "" or [CopySource]. As in HTTP, a matching entity tag overrides the date beside
// it.
func CheckRead(h http.Header, prefix string, o *objectstore.Object) error {
	match, noneMatch := h.Get(prefix+"If-Match"), h.Get(prefix+"If-None-Match")
	modified := o.Modified.Truncate(time.Second)
	if match != "" {
		if !objectstore.MatchesETag(match, o.ETag) {
			return s3error.PreconditionFailed
		}
	} else if t, ok := headerTime(h, prefix+"If-Unmodified-Since"); ok && modified.After(t) {
		return s3error.PreconditionFailed
	}
	unchanged := s3error.NotModified
	if prefix != "" {
		unchanged = s3error.PreconditionFailed
	}
	if noneMatch != "" {
		if objectstore.MatchesETag(noneMatch, o.ETag) {
			return unchanged
		}
	} else if t, ok := headerTime(h, prefix+"If-Modified-Since"); ok && !modified.After(t) {
		return unchanged
	}
	return nil
}

// WriteConditions parses the conditions of a request that writes or deletes an
// object.
func WriteConditions(h http.Header) (objectstore.Conditions, error) {
	c := objectstore.Conditions{Match: h.Get("If-Match")}
	switch noneMatch := h.Get("If-None-Match"); noneMatch {
	case "":
	case "*":
		c.Absent = true
	default:
		return c, s3error.NotImplemented.WithMessage("If-None-Match: got %q, want * when an object is written.", noneMatch)
	}
	return c, nil
}

func headerTime(h http.Header, name string) (time.Time, bool) {
	text := h.Get(name)
	if text == "" {
		return time.Time{}, false
	}
	t, err := http.ParseTime(text)
	return t, err == nil
}
