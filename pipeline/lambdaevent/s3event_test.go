package lambdaevent_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"sluice/pipeline"
	"sluice/pipeline/lambdaevent"
)

const fullS3Event = `{"eventVersion":"2.5","eventSource":"aws:s3","awsRegion":"eu-central-1","eventTime":"2026-01-02T03:04:05.678Z","eventName":"ObjectCreated:Put",
 "userIdentity":{"principalId":"AWS:AROA"},"requestParameters":{"sourceIPAddress":"198.51.100.7"},"responseElements":{"x-amz-request-id":"C3D13FE58DE4C810","x-amz-id-2":"x"},
 "s3":{"s3SchemaVersion":"1.0","configurationId":"c","bucket":{"name":"uploads","ownerIdentity":{"principalId":"A3"},"arn":"arn:aws:s3:::uploads"},
  "object":{"key":"photos/a+b%2B%C3%A9.jpg","size":1024,"eTag":"d41d8cd98f00b204e9800998ecf8427e","versionId":"v1","sequencer":"0055AED6DCD90281E5"}}}`

func TestS3EventsDecodesEveryEnvelope(t *testing.T) {
	t.Parallel()
	want := lambdaevent.S3Event{
		Type: lambdaevent.Created, Bucket: "uploads", Key: "photos/a b+é.jpg", VersionID: "v1", ETag: "d41d8cd98f00b204e9800998ecf8427e", Size: 1024,
		Sequencer: "0055AED6DCD90281E5", EventName: "ObjectCreated:Put", EventTime: time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC),
		Region: "eu-central-1", RequestID: "C3D13FE58DE4C810", Principal: "AWS:AROA",
	}
	body := records(fullS3Event)
	wrapped := func(body string) string { return fmt.Sprintf(`{"Type":"Notification","Message":%s}`, quote(t, body)) }
	for name, body := range map[string]string{"S3": body, "SNS": wrapped(body), "SNS in SNS": wrapped(wrapped(body)), "prefixed": strings.Replace(body, `"Obj`, `"s3:Obj`, 1)} {
		got, err := lambdaevent.S3Events([]byte(body))
		if err != nil || !reflect.DeepEqual(got, []lambdaevent.S3Event{want}) {
			t.Errorf("%s: got %+v and %v\nwant %+v", name, got, err, want)
		}
	}
	if _, err := lambdaevent.S3Events([]byte(wrapped(wrapped(wrapped(body))))); err == nil {
		t.Error("got no error for too many envelopes")
	}
}

func quote(t *testing.T, s string) string {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// EventBridge does not URL-encode keys, so a plus sign stays.
func TestS3EventOfEventBridge(t *testing.T) {
	t.Parallel()
	body := `{"version":"0","id":"17793124","detail-type":"Object Deleted","source":"aws.s3","account":"123456789012","time":"2026-01-02T03:04:05Z","region":"ca-central-1",
		"resources":["arn:aws:s3:::uploads"],"detail":{"version":"0","bucket":{"name":"uploads"},
		"object":{"key":"photos/a+b%2B é.jpg","etag":"\"b1946ac92492d2347c6235b4d2611184\"","version-id":"v2","sequencer":"617f08299329d189"},
		"request-id":"N4N7GDK58NMKJ12R","requester":"s3.amazonaws.com","reason":"Lifecycle Expiration","deletion-type":"Delete Marker Created"}}`
	want := lambdaevent.S3Event{
		Type: lambdaevent.Removed, Bucket: "uploads", Key: "photos/a+b%2B é.jpg", VersionID: "v2", ETag: "b1946ac92492d2347c6235b4d2611184",
		Sequencer: "617f08299329d189", EventName: "Object Deleted", EventTime: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Region: "ca-central-1",
		Expired: true, DeleteMarker: true, RequestID: "N4N7GDK58NMKJ12R", Principal: "s3.amazonaws.com",
	}
	got, err := lambdaevent.S3Events([]byte(body))
	if err != nil || !reflect.DeepEqual(got, []lambdaevent.S3Event{want}) {
		t.Errorf("got %+v and %v\nwant %+v", got, err, want)
	}
}

func TestS3EventTypes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		event           string
		typ             lambdaevent.S3EventType
		expired, marker bool
	}{
		{"ObjectCreated:Put", lambdaevent.Created, false, false},
		{"ObjectCreated:CompleteMultipartUpload", lambdaevent.Created, false, false},
		{"ObjectRemoved:Delete", lambdaevent.Removed, false, false},
		{"ObjectRemoved:DeleteMarkerCreated", lambdaevent.Removed, false, true},
		{"LifecycleExpiration:Delete", lambdaevent.Removed, true, false},
		{"LifecycleExpiration:DeleteMarkerCreated", lambdaevent.Removed, true, true},
		{"LifecycleTransition", lambdaevent.Other, false, false},
		{"ObjectRestore:Delete", lambdaevent.Other, false, false}, // a temporary copy expired; the object stays
		{"ObjectTagging:Delete", lambdaevent.Other, false, false},
		{"ReducedRedundancyLostObject", lambdaevent.Other, false, false},
		{"SomethingNew:Put", lambdaevent.Other, false, false},
	} {
		got, err := lambdaevent.S3Events([]byte(records(strings.Replace(fullS3Event, "ObjectCreated:Put", c.event, 1))))
		if err != nil {
			t.Errorf("%s: %v", c.event, err)
		} else if n := got[0]; n.Type != c.typ || n.Expired != c.expired || n.DeleteMarker != c.marker {
			t.Errorf("%s: got %v, expired %v, delete marker %v", c.event, n.Type, n.Expired, n.DeleteMarker)
		}
	}
}

func TestS3EventsRejectsInvalidBodies(t *testing.T) {
	t.Parallel()
	swap := func(old, new string) string { return records(fullS3Event, strings.Replace(fullS3Event, old, new, 1)) }
	for _, c := range []struct{ body, field, reason string }{
		{``, "", "is not JSON"},
		{`text`, "", "is not JSON"},
		{records(fullS3Event) + "x", "", "is not JSON"},
		{records(fullS3Event)[:300], "", "is not JSON"},
		{`[]`, "", "is not an object"},
		{`{}`, "Records", "is missing"},
		{`{"Records":null}`, "Records", "is not a list"},
		{`{"Records":[]}`, "Records", "is empty"},
		{`{"Event":"s3:OtherEvent"}`, "Records", "is missing"},
		{`{"Message":"{}"}`, "Records", "is missing"},
		{`{"Type":"Notification"}`, "Records", "is missing"},
		{`{"Type":"Notification","Message":"Hello"}`, "", "is not JSON"},
		{`{"Type":"UnsubscribeConfirmation","Message":"{}"}`, "Type", `is "UnsubscribeConfirmation"`},
		{records(fullS3Event, `5`), "Records[1]", "is not an object"},
		{records(fullS3Event, `{}`), "Records[1].eventVersion", `is ""`},
		{swap(`"2.5"`, `"3.0"`), "Records[1].eventVersion", `is "3.0"`},
		{swap(`"2.5"`, `"2.0"`), "Records[1].eventVersion", `is "2.0"`},
		{swap(`"2.5"`, `"2.x"`), "Records[1].eventVersion", `is "2.x"`},
		{swap(`"2.5"`, `2.5`), "Records[1].eventVersion", `is not a string`},
		{swap(`aws:s3"`, `aws:sqs"`), "Records[1].eventSource", `is "aws:sqs"`},
		{swap(`2026-01-02T`, `yesterday`), "Records[1].eventTime", `is "yesterday03:04:05.678Z", want a time`},
		{swap(`a+b%2B`, `100%`), "Records[1].s3.object.key", `is "photos/100%%C3`},
		{swap(`%C3%A9`, `%FF`), "Records[1].s3.object.key", `is not UTF-8`},
		{swap(`photos/a+b%2B%C3%A9.jpg`, ``), "Records[1].s3.object.key", `is missing`},
		{swap(`"name":"uploads"`, `"arn":"x"`), "Records[1].s3.bucket.name", `is missing`},
		{swap(`"ObjectCreated:Put"`, `""`), "Records[1].eventName", `is missing`},
		{swap(`1024`, `-1`), "Records[1].s3.object.size", `is -1, want a number of bytes`},
		{swap(`1024`, `10.5`), "Records[1].s3.object.size", `is 10.5, want a number of bytes`},
		{swap(`1024`, `"many"`), "Records[1].s3.object.size", `is not a number`},
		{`{"detail-type":"Object Created","source":"my.app","detail":{}}`, "source", `is "my.app"`},
		{`{"detail-type":"Object Created","source":"aws.s3"}`, "detail.bucket.name", "is missing"},
		{`{"detail-type":"Object Created","source":"aws.s3","detail":{"bucket":{"name":"b"},"object":{"key":""}}}`, "detail.object.key", "is missing"},
		{`{"detail-type":7,"source":"aws.s3"}`, "detail-type", "is not a string"},
	} {
		events, err := lambdaevent.S3Events([]byte(c.body))
		e, ok := errors.AsType[*lambdaevent.EventError](err)
		if !ok || events != nil {
			t.Errorf("%.80s: got %v and %v, want an *EventError", c.body, events, err)
			continue
		}
		if !pipeline.IsPermanent(err) {
			t.Errorf("%.80s: %v is not permanent", c.body, err)
		}
		if e.Field != c.field || !strings.HasPrefix(e.Reason, c.reason) {
			t.Errorf("%.80s:\n got %q %q\nwant %q %q", c.body, e.Field, e.Reason, c.field, c.reason)
		}
	}
}

// isTestEvent reports whether body is the test event, which has no S3 events.
func isTestEvent(body []byte) bool {
	events, err := lambdaevent.S3Events(body)
	return err == nil && len(events) == 0
}

func TestOnlyTheTestEventHasNoS3Events(t *testing.T) {
	t.Parallel()
	test := `{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-01-02T03:00:00.000Z","Bucket":"uploads","RequestId":"1","HostId":"2"}`
	for body, want := range map[string]bool{
		test: true,
		fmt.Sprintf(`{"Type":"Notification","Message":%s}`, quote(t, test)): true,
		records(fullS3Event): false,
		`{"Records":[]}`:     false,
		`{}`:                 false,
		``:                   false,
	} {
		if got := isTestEvent([]byte(body)); got != want {
			t.Errorf("%.60s: got %v", body, got)
		}
	}
}

func TestS3EventCause(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
	for _, c := range []struct {
		event lambdaevent.S3Event
		want  string
	}{
		{lambdaevent.S3Event{Type: lambdaevent.Created, VersionID: "v1", Sequencer: "0A"}, "b/k/v1"},
		{lambdaevent.S3Event{Type: lambdaevent.Created, Sequencer: "0A"}, "b/k/0A"},
		// With versioning suspended, every upload has version "null".
		{lambdaevent.S3Event{Type: lambdaevent.Created, VersionID: "null", Sequencer: "0A"}, "b/k/0A"},
		// The removal of a version has another cause than its creation.
		{lambdaevent.S3Event{Type: lambdaevent.Removed, VersionID: "v1", Sequencer: "0B"}, "b/k/0B"},
		{lambdaevent.S3Event{Type: lambdaevent.Removed, VersionID: "v1"}, "b/k/v1"},
		{lambdaevent.S3Event{EventTime: at}, "b/k/2026-01-02T03:04:05.006Z"},
	} {
		c.event.Bucket, c.event.Key = "b", "k"
		if got := c.event.Cause(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
