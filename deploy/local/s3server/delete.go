package s3server

import (
	"encoding/xml"
	"errors"

	"github.com/johannesboyne/gofakes3"
	"go.etcd.io/bbolt"
)

// maxDeletions is S3's limit for one request.
const maxDeletions = 1000

// deletion is one line of a request to delete many.
type deletion struct {
	Key       string `xml:"Key"`
	ETag      string `xml:"ETag"`
	VersionID string `xml:"VersionId"`
	Modified  string `xml:"LastModifiedTime"`
	Size      string `xml:"Size"`
}

// DeleteObject is called by the layer. What is not there counts as deleted, and makes no notice.
func (c *call) DeleteObject(bucket, key string) (gofakes3.ObjectDeleteResult, error) {
	cond, err := newWriteConditions(c.r.Header)
	if err == nil {
		err = c.commit(change{bucket: bucket, key: key, cond: cond, event: removedDelete})
	}
	return gofakes3.ObjectDeleteResult{}, c.fail(err)
}

// parseDeletions reads the body of a request to delete many.
func parseDeletions(body []byte, p *payload) ([]deletion, error) {
	if len(p.checks) == 0 { // S3 insists, as a cut list would delete the wrong things
		return nil, errInvalidRequest.because("Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
	}
	var in struct {
		Objects []deletion `xml:"Object"`
	}
	if err := xml.Unmarshal(body, &in); err != nil {
		return nil, errMalformedXML
	}
	if len(in.Objects) == 0 || len(in.Objects) > maxDeletions {
		return nil, errMalformedXML.because("A request deletes 1 to %d objects, not %d.", maxDeletions, len(in.Objects))
	}
	return in.Objects, nil
}

// DeleteMulti is called by the layer. All deletions share one transaction; each has its own outcome.
func (c *call) DeleteMulti(bucket string, _ ...string) (gofakes3.MultiDeleteResult, error) {
	var out gofakes3.MultiDeleteResult
	var garbage []string
	c.s.opt.step("before commit")
	err := c.s.db.UpdateEvenIfFull(c.ctx(), func(tx *bbolt.Tx) error {
		out, garbage = gofakes3.MultiDeleteResult{}, nil
		for _, d := range c.deletions {
			bodies, err := c.deleteOne(tx, bucket, d)
			if e, ok := errors.AsType[*Error](err); ok {
				out.Error = append(out.Error, gofakes3.ErrorResult{Key: d.Key, Code: gofakes3.ErrorCode(e.Code), Message: e.Message})
				continue
			}
			if err != nil {
				return err
			}
			garbage = append(garbage, bodies...)
			out.Deleted = append(out.Deleted, gofakes3.ObjectID{Key: d.Key})
		}
		return nil
	})
	c.s.opt.step("committed")
	if err == nil {
		c.s.bodies.remove(garbage...)
	}
	return out, c.fail(err)
}

func (c *call) deleteOne(tx *bbolt.Tx, bucket string, d deletion) ([]string, error) {
	switch {
	case d.Key == "":
		return nil, errInvalidArgument.because("A key is missing.")
	case len(d.Key) > 1024:
		return nil, errKeyTooLong
	case d.VersionID != "" && d.VersionID != "null":
		return nil, errNoSuchVersion
	case d.Modified != "" || d.Size != "":
		return nil, errNotImplemented.because("Conditions on time and size are not implemented.")
	}
	return c.apply(tx, change{bucket: bucket, key: d.Key, cond: writeConditions{match: d.ETag}, event: removedDelete})
}
