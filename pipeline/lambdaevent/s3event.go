package lambdaevent

import (
	"cmp"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"sluice/pipeline"
)

// S3EventType is what happened to an object.
type S3EventType int

const (
	// Other is a notice that is neither of the two: tags, ACLs, restores,
	// transitions, replication, a lost object.
	Other S3EventType = iota
	Created
	Removed
)

func (t S3EventType) String() string {
	switch t {
	case Created:
		return "created"
	case Removed:
		return "removed"
	}
	return "other"
}

// S3Event is what S3 says about one object.
type S3Event struct {
	Type   S3EventType
	Bucket string
	// Key is the object's real key: decoded where S3 encodes it.
	Key string
	// VersionID is "" in a bucket that never had versioning. For a delete
	// marker it is the marker's own.
	VersionID string
	ETag      string // without quotes; "" for most removals
	Size      int64  // in bytes; 0 for removals
	// Sequencer orders the notices of one key: see CompareSequencers.
	Sequencer string
	// EventName is like ObjectCreated:Put, without s3:. Through EventBridge it is
	// the detail-type, like Object Created.
	EventName string
	EventTime time.Time
	Region    string
	// Expired is true for a removal by a lifecycle rule.
	Expired bool
	// DeleteMarker is true for a removal that left all versions in place.
	DeleteMarker bool
	RequestID    string
	Principal    string // who did it: an id of AWS's
}

// Cause is bucket/key/ and the version that was created, or else the sequencer.
// For what is not a creation the sequencer comes first: the removal of a version
// must not look like its creation.
func (n S3Event) Cause() string {
	version := n.VersionID
	if version == "null" {
		// The one version of a bucket with versioning suspended: not unique.
		version = ""
	}
	tag := cmp.Or(n.Sequencer, version)
	if n.Type == Created {
		tag = cmp.Or(version, n.Sequencer)
	}
	if tag == "" {
		tag = n.EventTime.Format(time.RFC3339Nano)
	}
	return n.Bucket + "/" + n.Key + "/" + tag
}

const (
	formNotice  = "S3 notice"
	testEvent   = "s3:TestEvent"
	eventBridge = "aws.s3"
	// maxEnvelopes is how many envelopes may lie around a notice. SNS is one.
	maxEnvelopes = 3
)

// S3Events reads the notices in a record's body, in whatever envelope they
// came: S3's own, SNS's around it, or an event of EventBridge. Fields that it
// does not know are ignored, and so is all that follows version 2.1 of S3's
// form, up to 3.
//
// The test event that S3 sends when a notification is set up has no notices, and
// nothing else has none. An error is Permanent and wraps a *EventError that
// names the record; the body's other notices fail with it.
func S3Events(body []byte) ([]S3Event, error) {
	for range maxEnvelopes {
		e := openEnvelope(body)
		switch {
		case e.err != nil:
			return nil, pipeline.Permanent(e.err)
		case e.message == nil:
			return e.notices, nil
		}
		body = e.message
	}
	return nil, pipeline.Permanent(&EventError{Form: formNotice, Field: "Message", Reason: "lies in too many envelopes"})
}

// IsTest reports whether body is the test event that S3 sends when a
// notification is set up, in whatever envelope.
func IsTest(body []byte) bool {
	notices, err := S3Events(body)
	return err == nil && len(notices) == 0
}

// envelope is a body, opened: notices, or another body, or an error.
type envelope struct {
	notices []S3Event
	message []byte
	err     error
}

func openEnvelope(body []byte) (e envelope) {
	s := newScanner(body)
	var seen bool
	var typ, detailType, event string
	fail := func(field, reason string) envelope {
		return envelope{err: &EventError{formNotice, field, reason}}
	}
	for name := range s.Members() {
		switch name {
		case "Records":
			seen = true
			if e.notices, e.err = decodeNotices(s); e.err != nil {
				return e
			}
		case "Type":
			typ = s.Str(name)
		case "Message":
			e.message = s.Bytes(name)
		case "detail-type":
			detailType = s.Str(name)
		case "Event":
			event = s.Str(name)
		default:
			s.Skip()
		}
	}
	s.End()
	if err := s.failed(formNotice); err != nil {
		return envelope{err: err}
	}
	switch {
	case seen && len(e.notices) == 0:
		return fail("Records", "is empty")
	case seen:
		return envelope{notices: e.notices}
	case detailType != "":
		n, err := decodeEventBridgeNotice(body)
		return envelope{notices: []S3Event{n}, err: err}
	case event == testEvent:
		return envelope{}
	case typ != "" && typ != "Notification":
		return fail("Type", fmt.Sprintf("is %q, want Notification", typ))
	case typ != "" && e.message != nil:
		return envelope{message: e.message}
	}
	return fail("Records", "is missing")
}

func decodeNotices(s *scanner) ([]S3Event, error) {
	var notices []S3Event
	if s.Peek() != '[' {
		return nil, &EventError{formNotice, "Records", "is not a list"}
	}
	for i := range s.Elements() {
		n := decodeNotice(s)
		if s.Err != nil {
			return nil, eventError(formNotice, "", s.Err)
		}
		if s.Field != nil {
			return nil, eventError(formNotice, recordAt(i), s.Field)
		}
		notices = append(notices, n)
	}
	return notices, nil
}

// decodeNotice reads one record of S3's own form. What is wrong is noted as the
// scanner's problem.
func decodeNotice(s *scanner) S3Event {
	var n S3Event
	var version, key string
	for name := range s.Members() {
		switch name {
		case "eventVersion":
			version = s.Str(name)
		case "eventSource":
			// MinIO and others sign with their own name before the colon.
			s.source = s.Str(name)
			if !strings.HasSuffix(s.source, ":s3") {
				s.Problem(name, fmt.Sprintf("is %q, want aws:s3", s.source))
			}
		case "awsRegion":
			n.Region = s.Str(name)
		case "eventTime":
			n.EventTime = s.RFC3339(name)
		case "eventName":
			n.EventName = strings.TrimPrefix(s.Str(name), "s3:")
		case "userIdentity":
			for inner := range s.Members(name) {
				if inner == "principalId" {
					n.Principal = s.Str(name, inner)
				} else {
					s.Skip()
				}
			}
		case "responseElements":
			for inner := range s.Members(name) {
				if inner == "x-amz-request-id" {
					n.RequestID = s.Str(name, inner)
				} else {
					s.Skip()
				}
			}
		case "s3":
			for inner := range s.Members(name) {
				switch inner {
				case "bucket":
					n.Bucket = s.bucket("s3.bucket")
				case "object":
					key = s.object(&n, "s3.object")
				default:
					s.Skip()
				}
			}
		default:
			s.Skip()
		}
	}
	if !versionKnown(version) {
		s.Problem("eventVersion", fmt.Sprintf("is %q, want 2.1 or a later 2", version))
	}
	var err error
	if n.Key, err = url.QueryUnescape(key); err != nil {
		s.Problem("s3.object.key", fmt.Sprintf("is %q: %v", key, err))
	}
	n.check(s, "s3")
	what, how, _ := strings.Cut(n.EventName, ":")
	switch what {
	case "ObjectCreated":
		n.Type = Created
	case "ObjectRemoved", "LifecycleExpiration":
		n.Type = Removed
		n.Expired = what == "LifecycleExpiration"
		n.DeleteMarker = how == "DeleteMarkerCreated"
	}
	return n
}

func (n S3Event) check(s *scanner, prefix string) {
	switch {
	case n.EventName == "":
		s.Problem("eventName", "is missing")
	case n.Bucket == "":
		s.Problem(prefix+".bucket.name", "is missing")
	case n.Key == "":
		s.Problem(prefix+".object.key", "is missing")
	case !utf8.ValidString(n.Key):
		s.Problem(prefix+".object.key", "is not UTF-8")
	}
}

func (s *scanner) bucket(field string) (bucket string) {
	for name := range s.Members(field) {
		if name == "name" {
			bucket = s.Str(field, name)
		} else {
			s.Skip()
		}
	}
	return bucket
}

// object reads what both forms say about an object, under their two spellings,
// and returns the key as it stands there.
func (s *scanner) object(n *S3Event, field string) (key string) {
	for name := range s.Members(field) {
		switch name {
		case "key":
			key = s.Str(field, name)
		case "size":
			text := s.Number(field, name)
			var err error
			if n.Size, err = strconv.ParseInt(cmp.Or(text, "0"), 10, 64); err != nil || n.Size < 0 {
				s.Problem(field+".size", "is not a number of bytes: "+text)
			}
		case "eTag", "etag":
			n.ETag = strings.Trim(s.Str(field, name), `"`)
		case "versionId", "version-id":
			n.VersionID = s.Str(field, name)
		case "sequencer":
			n.Sequencer = s.Str(field, name)
		default:
			s.Skip()
		}
	}
	return key
}

// versionKnown reports whether a reader of S3's form 2.1 understands version:
// the minor grows with each new field, the major when a field changes.
func versionKnown(version string) bool {
	minor, ok := strings.CutPrefix(version, "2.")
	if !ok {
		return false
	}
	n, err := strconv.ParseUint(minor, 10, 32)
	return err == nil && n >= 1
}

// decodeEventBridgeNotice reads an event that S3 sent through EventBridge, where
// the key is not encoded.
func decodeEventBridgeNotice(body []byte) (S3Event, error) {
	s := newScanner(body)
	var n S3Event
	var source, reason, deletion string
	for name := range s.Members() {
		switch name {
		case "source":
			source = s.Str(name)
		case "detail-type":
			n.EventName = s.Str(name)
		case "time":
			n.EventTime = s.RFC3339(name)
		case "region":
			n.Region = s.Str(name)
		case "detail":
			for inner := range s.Members(name) {
				switch inner {
				case "bucket":
					n.Bucket = s.bucket("detail.bucket")
				case "object":
					n.Key = s.object(&n, "detail.object")
				case "request-id":
					n.RequestID = s.Str(name, inner)
				case "requester":
					n.Principal = s.Str(name, inner)
				case "reason":
					reason = s.Str(name, inner)
				case "deletion-type":
					deletion = s.Str(name, inner)
				default:
					s.Skip()
				}
			}
		default:
			s.Skip()
		}
	}
	if source != eventBridge {
		s.Problem("source", fmt.Sprintf("is %q, want %s", source, eventBridge))
	}
	n.check(s, "detail")
	if err := s.failed(formNotice); err != nil {
		return S3Event{}, err
	}
	switch n.EventName {
	case "Object Created":
		n.Type = Created
	case "Object Deleted":
		n.Type = Removed
		n.Expired = reason == "Lifecycle Expiration"
		n.DeleteMarker = deletion == "Delete Marker Created"
	}
	return n, nil
}
