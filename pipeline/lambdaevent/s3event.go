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

// S3EventType is the kind of an S3 event.
type S3EventType int

const (
	// Other is any other event: tags, ACLs, restores, transitions, replication, a
	// lost object.
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

// S3Event is an event of one object.
type S3Event struct {
	Type   S3EventType
	Bucket string
	// Key is the key of the object, decoded if S3 encodes it.
	Key string
	// VersionID is "" in a bucket that never had versioning. For a delete marker
	// it is the version of the marker.
	VersionID string
	ETag      string // without quotes; "" for most removals
	Size      int64  // in bytes; 0 for removals
	// Sequencer orders the events of one key by CompareSequencers.
	Sequencer string
	// EventName is a name such as ObjectCreated:Put, without "s3:". Through
	// EventBridge it is the detail-type, such as "Object Created".
	EventName string
	EventTime time.Time
	Region    string
	// Expired is true for a removal by a lifecycle rule.
	Expired bool
	// DeleteMarker is true for a removal that keeps all versions.
	DeleteMarker bool
	RequestID    string
	Principal    string // the AWS principal id of the requester
}

// Cause returns bucket/key/version for a creation, or bucket/key/sequencer in a
// bucket without versioning. Other events prefer the sequencer, because the
// removal of a version must have another cause than its creation.
func (e S3Event) Cause() string {
	version := e.VersionID
	if version == "null" {
		// A bucket with versioning suspended reuses this version.
		version = ""
	}
	tag := cmp.Or(e.Sequencer, version)
	if e.Type == Created {
		tag = cmp.Or(version, e.Sequencer)
	}
	if tag == "" {
		tag = e.EventTime.Format(time.RFC3339Nano)
	}
	return e.Bucket + "/" + e.Key + "/" + tag
}

const (
	formS3Event = "S3 event"
	testEvent   = "s3:TestEvent"
	eventBridge = "aws.s3"
	// maxEnvelopes limits the envelopes around an S3 event. SNS adds one.
	maxEnvelopes = 3
)

// S3Events decodes the S3 events in a record's body: an S3 event notification,
// one in an SNS envelope, or an event of EventBridge. It accepts versions from
// 2.1 to below 3 and ignores unknown fields.
//
// Only the test event, which S3 sends when a notification is configured, has no
// S3 events. An error is Permanent and wraps an *EventError that names the
// record. The other S3 events of the body fail with it.
func S3Events(body []byte) ([]S3Event, error) {
	for range maxEnvelopes {
		e := openEnvelope(body)
		switch {
		case e.err != nil:
			return nil, pipeline.Permanent(e.err)
		case e.message == nil:
			return e.events, nil
		}
		body = e.message
	}
	return nil, pipeline.Permanent(&EventError{Form: formS3Event, Field: "Message", Reason: "has too many envelopes"})
}

// envelope is a decoded body: S3 events, or an inner body, or an error.
type envelope struct {
	events  []S3Event
	message []byte
	err     error
}

func openEnvelope(body []byte) (e envelope) {
	s := newScanner(body)
	var seen bool
	var typ, detailType, event string
	fail := func(field, reason string) envelope {
		return envelope{err: &EventError{formS3Event, field, reason}}
	}
	for name := range s.Members() {
		switch name {
		case "Records":
			seen = true
			if e.events, e.err = decodeS3Events(s); e.err != nil {
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
	if err := s.failed(formS3Event); err != nil {
		return envelope{err: err}
	}
	switch {
	case seen && len(e.events) == 0:
		return fail("Records", "is empty")
	case seen:
		return envelope{events: e.events}
	case detailType != "":
		inner, err := decodeEventBridgeS3Event(body)
		return envelope{events: []S3Event{inner}, err: err}
	case event == testEvent:
		return envelope{}
	case typ != "" && typ != "Notification":
		return fail("Type", fmt.Sprintf("is %q, want Notification", typ))
	case typ != "" && e.message != nil:
		return envelope{message: e.message}
	}
	return fail("Records", "is missing")
}

func decodeS3Events(s *scanner) ([]S3Event, error) {
	var events []S3Event
	if s.Peek() != '[' {
		return nil, &EventError{formS3Event, "Records", "is not a list"}
	}
	for i := range s.Elements() {
		e := decodeS3Event(s)
		if s.Err != nil {
			return nil, eventError(formS3Event, "", s.Err)
		}
		if s.Field != nil {
			return nil, eventError(formS3Event, recordAt(i), s.Field)
		}
		events = append(events, e)
	}
	return events, nil
}

// decodeS3Event decodes one record of an S3 event notification. It reports an
// error by the scanner's Field.
func decodeS3Event(s *scanner) S3Event {
	var e S3Event
	var version, key string
	for name := range s.Members() {
		switch name {
		case "eventVersion":
			version = s.Str(name)
		case "eventSource":
			// MinIO and others write their own name before the colon.
			s.source = s.Str(name)
			if !strings.HasSuffix(s.source, ":s3") {
				s.Problem(name, fmt.Sprintf("is %q, want aws:s3", s.source))
			}
		case "awsRegion":
			e.Region = s.Str(name)
		case "eventTime":
			e.EventTime = s.RFC3339(name)
		case "eventName":
			e.EventName = strings.TrimPrefix(s.Str(name), "s3:")
		case "userIdentity":
			for inner := range s.Members(name) {
				if inner == "principalId" {
					e.Principal = s.Str(name, inner)
				} else {
					s.Skip()
				}
			}
		case "responseElements":
			for inner := range s.Members(name) {
				if inner == "x-amz-request-id" {
					e.RequestID = s.Str(name, inner)
				} else {
					s.Skip()
				}
			}
		case "s3":
			for inner := range s.Members(name) {
				switch inner {
				case "bucket":
					e.Bucket = s.bucket("s3.bucket")
				case "object":
					key = s.object(&e, "s3.object")
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
	if e.Key, err = url.QueryUnescape(key); err != nil {
		s.Problem("s3.object.key", fmt.Sprintf("is %q, want a URL-encoded key: %v", key, err))
	}
	e.check(s, "s3")
	what, how, _ := strings.Cut(e.EventName, ":")
	switch what {
	case "ObjectCreated":
		e.Type = Created
	case "ObjectRemoved", "LifecycleExpiration":
		e.Type = Removed
		e.Expired = what == "LifecycleExpiration"
		e.DeleteMarker = how == "DeleteMarkerCreated"
	}
	return e
}

func (e S3Event) check(s *scanner, prefix string) {
	switch {
	case e.EventName == "":
		s.Problem("eventName", "is missing")
	case e.Bucket == "":
		s.Problem(prefix+".bucket.name", "is missing")
	case e.Key == "":
		s.Problem(prefix+".object.key", "is missing")
	case !utf8.ValidString(e.Key):
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

// object decodes the object of both forms, which spell some names differently, and
// returns its key without decoding it.
func (s *scanner) object(e *S3Event, field string) (key string) {
	for name := range s.Members(field) {
		switch name {
		case "key":
			key = s.Str(field, name)
		case "size":
			text := s.Number(field, name)
			var err error
			if e.Size, err = strconv.ParseInt(cmp.Or(text, "0"), 10, 64); err != nil || e.Size < 0 {
				s.Problem(field+".size", "is "+text+", want a number of bytes")
			}
		case "eTag", "etag":
			e.ETag = strings.Trim(s.Str(field, name), `"`)
		case "versionId", "version-id":
			e.VersionID = s.Str(field, name)
		case "sequencer":
			e.Sequencer = s.Str(field, name)
		default:
			s.Skip()
		}
	}
	return key
}

// versionKnown reports whether version is compatible with 2.1. S3 increases the
// minor version for a new field, and the major version for a changed one.
func versionKnown(version string) bool {
	minor, ok := strings.CutPrefix(version, "2.")
	if !ok {
		return false
	}
	n, err := strconv.ParseUint(minor, 10, 32)
	return err == nil && n >= 1
}

// decodeEventBridgeS3Event decodes an S3 event of EventBridge, whose key is not
// URL-encoded.
func decodeEventBridgeS3Event(body []byte) (S3Event, error) {
	s := newScanner(body)
	var e S3Event
	var source, reason, deletion string
	for name := range s.Members() {
		switch name {
		case "source":
			source = s.Str(name)
		case "detail-type":
			e.EventName = s.Str(name)
		case "time":
			e.EventTime = s.RFC3339(name)
		case "region":
			e.Region = s.Str(name)
		case "detail":
			for inner := range s.Members(name) {
				switch inner {
				case "bucket":
					e.Bucket = s.bucket("detail.bucket")
				case "object":
					e.Key = s.object(&e, "detail.object")
				case "request-id":
					e.RequestID = s.Str(name, inner)
				case "requester":
					e.Principal = s.Str(name, inner)
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
	e.check(s, "detail")
	if err := s.failed(formS3Event); err != nil {
		return S3Event{}, err
	}
	switch e.EventName {
	case "Object Created":
		e.Type = Created
	case "Object Deleted":
		e.Type = Removed
		e.Expired = reason == "Lifecycle Expiration"
		e.DeleteMarker = deletion == "Delete Marker Created"
	}
	return e, nil
}
