package lambdaevent_test

import (
	"strings"
	"testing"

	"sluice/pipeline/lambdaevent"
)

func TestDirectS3RecordsDecodeLikeThoseInAQueue(t *testing.T) {
	t.Parallel()
	b := decode(t, string(read(t, "../../testdata/events/uploads/two-puts-direct.json")), lambdaevent.S3)
	if len(b.Records) != 2 || b.Source != "arn:aws:s3:::uploads" {
		t.Fatalf("got %d records from %q", len(b.Records), b.Source)
	}
	for i, key := range []string{"photos/orientation-3-upside-down.jpg", "photos/transparent.png"} {
		r := b.Records[i]
		events, err := lambdaevent.S3Events(r.Body)
		if err != nil || len(events) != 1 || events[0].Key != key {
			t.Errorf("record %d: got %+v and %v", i, events, err)
			continue
		}
		if r.ID != events[0].Cause() || r.Cause != r.ID || !r.At.Equal(events[0].EventTime) || r.Attrs[lambdaevent.AttrEventName] != "ObjectCreated:Put" {
			t.Errorf("record %d: got %+v", i, r)
		}
	}
}

func TestInvalidDirectS3RecordHasItsPositionAsID(t *testing.T) {
	t.Parallel()
	b := decode(t, string(read(t, "../../testdata/events/uploads/bad-escape-direct.json")))
	bad, good := b.Records[0], b.Records[1]
	if bad.ID != "Records[0]" || bad.Err == nil || !strings.Contains(bad.Err.Error(), "Records[0].s3.object.key") {
		t.Errorf("got %+v", bad)
	}
	if good.Err != nil {
		t.Errorf("the good one: %v", good.Err)
	}
}

func TestFunctionAcceptsTheTestEvent(t *testing.T) {
	t.Parallel()
	b := decode(t, `{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"uploads"}`, lambdaevent.S3)
	if len(b.Records) != 1 || b.Kind != lambdaevent.S3 || !isTestEvent(b.Records[0].Body) {
		t.Errorf("got %+v", b)
	}
}
