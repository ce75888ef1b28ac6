package s3server

import (
	"encoding/xml"
	"net/http"

	"sluice/deploy/local/s3server/objectstore"
	"sluice/deploy/local/s3server/s3error"
)

// maxDeletions is S3's limit for one request.
const maxDeletions = 1000

// deletion is an element of a DeleteObjects request.
type deletion struct {
	Key       string
	ETag      string
	VersionID string `xml:"VersionId"`
	Modified  string `xml:"LastModifiedTime"`
	Size      string
}

// deleteObjects serves DeleteObjects. All deletions share one transaction, and each
// has an outcome of its own.
func deleteObjects(s *Server, w http.ResponseWriter, r *request) error {
	var in struct {
		Quiet   bool
		Objects []deletion `xml:"Object"`
	}
	if err := r.readXML(&in); err != nil {
		return err
	}
	if !r.body.HasDigest() { // required by S3: a truncated list would delete other objects
		return s3error.InvalidRequest.WithMessage("Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
	}
	if n := len(in.Objects); n == 0 || n > maxDeletions {
		return s3error.MalformedXML.WithMessage("A request deletes 1 to %d objects, not %d.", maxDeletions, n)
	}
	refused := map[int]*s3error.Error{}
	var list []objectstore.Deletion
	var positions []int // of list's elements in in.Objects
	for i, d := range in.Objects {
		if e := d.check(); e != nil {
			refused[i] = e
			continue
		}
		list = append(list, objectstore.Deletion{Key: d.Key, Conditions: objectstore.Conditions{Match: d.ETag}})
		positions = append(positions, i)
	}
	failed, err := s.objects.DeleteMany(r.Context(), r.bucket, list, r.requester())
	if err != nil {
		return err
	}
	for i, e := range failed {
		refused[positions[i]] = e
	}
	return writeXML(w, newDeleteResult(in.Objects, refused, in.Quiet))
}

// check refuses a deletion that the store does not know.
func (d deletion) check() *s3error.Error {
	switch {
	case d.Key == "":
		return s3error.InvalidArgument.WithMessage("The key is missing.")
	case len(d.Key) > objectstore.MaxKeyBytes:
		return s3error.KeyTooLong
	case d.VersionID != "" && d.VersionID != "null":
		return s3error.NoSuchVersion
	case d.Modified != "" || d.Size != "":
		return s3error.NotImplemented.WithMessage("Conditions on time and size are not implemented.")
	}
	return nil
}

type deleteResult struct {
	XMLName xml.Name `xml:"DeleteResult"`
	Xmlns   string   `xml:"xmlns,attr"`
	Deleted []deletedObject
	Error   []failedDeletion
}

type deletedObject struct{ Key string }

type failedDeletion struct{ Key, Code, Message string }

// newDeleteResult reports the outcomes in the order of the request. Quiet omits the
// successes.
func newDeleteResult(list []deletion, refused map[int]*s3error.Error, quiet bool) deleteResult {
	out := deleteResult{Xmlns: xmlNamespace}
	for i, d := range list {
		switch e := refused[i]; {
		case e != nil:
			out.Error = append(out.Error, failedDeletion{d.Key, e.Code, e.Message})
		case !quiet:
			out.Deleted = append(out.Deleted, deletedObject{d.Key})
		}
	}
	return out
}
