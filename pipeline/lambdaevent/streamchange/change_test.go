package streamchange_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"sluice/pipeline"
	"sluice/pipeline/lambdaevent"
	"sluice/pipeline/lambdaevent/streamchange"
)

// recordedEvent returns a recorded event of the changes worker.
func recordedEvent(t testing.TB, name string) []byte {
	t.Helper()
	payload, err := os.ReadFile("../../../testdata/events/changes/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// records returns the records of an event.
func records(t testing.TB, payload []byte) []pipeline.Record {
	t.Helper()
	b, err := lambdaevent.Decode(payload, lambdaevent.DynamoDBStream)
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	return b.Records
}

func recordedChange(t *testing.T, name string, i int) (streamchange.Change, error) {
	t.Helper()
	return streamchange.Decode(records(t, recordedEvent(t, name))[i])
}

func goodChange(t *testing.T, name string) streamchange.Change {
	t.Helper()
	c, err := recordedChange(t, name, 0)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDecodeChange(t *testing.T) {
	t.Parallel()
	c := goodChange(t, "user-becomes-active")
	if c.Name != streamchange.Modify || c.EventID == "" || c.Sequence == "" || c.View != "NEW_AND_OLD_IMAGES" || c.Expired {
		t.Errorf("got %+v", c)
	}
	if want := time.Unix(1767323045, 0); !c.At.Equal(want) {
		t.Errorf("got at %v, want %v", c.At, want)
	}
	if c.Old["status"] != "pending" || c.New["status"] != "active" {
		t.Errorf("got %v and %v", c.Old["status"], c.New["status"])
	}
	wantKeys := streamchange.Image{"PK": "user#ann@example.com", "SK": "-"}
	if !reflect.DeepEqual(c.Keys, wantKeys) {
		t.Errorf("got keys %v", c.Keys)
	}
	if err := c.NeedImages(); err != nil {
		t.Error(err)
	}
}

func TestMissingImages(t *testing.T) {
	t.Parallel()
	if c := goodChange(t, "insert"); c.Old != nil || c.New == nil || c.NeedImages() != nil {
		t.Errorf("insert: got %v, %v and %v, want a new image only", c.Old, c.New, c.NeedImages())
	}
	if c := goodChange(t, "remove-by-a-user"); c.Old == nil || c.New != nil || c.NeedImages() != nil {
		t.Errorf("removal: got %v, %v and %v, want an old image only", c.Old, c.New, c.NeedImages())
	}
	for _, name := range []string{"keys-only", "new-image-only"} {
		err := goodChange(t, name).NeedImages()
		if !errors.Is(err, streamchange.ErrNoImages) {
			t.Errorf("%s: got %v, want ErrNoImages", name, err)
		} else if pipeline.IsPermanent(err) {
			t.Errorf("%s: got the Permanent error %v, want one that is not", name, err)
		}
	}
}

func TestOnlyDynamoDBExpiresItems(t *testing.T) {
	t.Parallel()
	if !goodChange(t, "remove-by-time-to-live").Expired {
		t.Error("removal by time to live: got expired false, want true")
	}
	if goodChange(t, "remove-by-a-user").Expired {
		t.Error("removal by a user: got expired true, want false")
	}
	ttl := string(recordedEvent(t, "remove-by-time-to-live"))
	for _, c := range [][2]string{{`"Service"`, `"User"`}, {`dynamodb.amazonaws.com`, `replication.dynamodb.amazonaws.com`}, {`"REMOVE"`, `"MODIFY"`}} {
		change, err := streamchange.Decode(records(t, []byte(strings.Replace(ttl, c[0], c[1], 1)))[0])
		if err != nil || change.Expired {
			t.Errorf("with %s: expired %v, %v", c[1], change.Expired, err)
		}
	}
}

func TestUnknownTypeFailsOnlyItsRecord(t *testing.T) {
	t.Parallel()
	for i := range 3 {
		_, err := recordedChange(t, "unknown-attribute-type-in-one", i)
		if i != 1 {
			if err != nil {
				t.Errorf("record %d: %v", i, err)
			}
			continue
		}
		if want := `change: dynamodb.NewImage.profile.tags[1] has the unknown type "VECTOR"`; err == nil || !strings.HasSuffix(err.Error(), want) || !pipeline.IsPermanent(err) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestDecodeRejectsInvalidChanges(t *testing.T) {
	t.Parallel()
	const good = `{"eventID":"e-1","eventName":"MODIFY","eventVersion":"1.1","eventSource":"aws:dynamodb","awsRegion":"us-east-1",` +
		`"dynamodb":{"ApproximateCreationDateTime":1767225600,"Keys":{"PK":{"S":"a"},"SK":{"S":"-"}},"OldImage":{"x":{"S":"old"}},"NewImage":{"x":{"S":"new"}},` +
		`"SequenceNumber":"1","SizeBytes":10,"StreamViewType":"NEW_AND_OLD_IMAGES"},` +
		`"eventSourceARN":"arn:aws:dynamodb:us-east-1:123456789012:table/records/stream/2026-01-01T00:00:00.000"}`
	for _, c := range []struct{ old, new, want string }{
		{good, ``, "change is not JSON"},
		{good, `null`, `change: eventName is ""`},
		{good, good + `{}`, "change is not JSON"},
		{`"MODIFY"`, `"CREATE"`, `change: eventName is "CREATE"`},
		{`"Keys":{"PK":{"S":"a"},"SK":{"S":"-"}},`, ``, "change: Keys is missing"},
		{`{"S":"old"}`, `{}`, "change: dynamodb.OldImage.x has 0 types, want 1"},
		{`"NewImage":{"x":{"S":"new"}}`, `"NewImage":[]`, "change: dynamodb.NewImage is not an object"},
		{`1767225600`, `null,"Extra":1`, ""},
	} {
		_, err := streamchange.Decode(pipeline.Record{Body: []byte(strings.Replace(good, c.old, c.new, 1))})
		switch {
		case c.want == "":
			if err != nil {
				t.Errorf("%s: %v", c.new, err)
			}
		case err == nil || !strings.Contains(err.Error(), c.want) || !pipeline.IsPermanent(err):
			t.Errorf("%.60s: got %v, want %s", c.new, err, c.want)
		}
	}
}

func TestNumbersKeepTheirDigits(t *testing.T) {
	t.Parallel()
	c := goodChange(t, "large-numbers")
	const total = "12345678901234567890123456789012345678"
	plain := streamchange.Plain(c.New)
	if plain["serial"] != json.Number("9007199254740993") || plain["total"] != json.Number(total) || fmt.Sprint(plain["serial"]) != "9007199254740993" {
		t.Errorf("plain: got %v (%[1]T)", plain["serial"])
	}
}
