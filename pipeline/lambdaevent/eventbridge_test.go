package lambdaevent_test

import (
	"testing"

	"sluice/pipeline/lambdaevent"
)

func TestEventBridgeRecord(t *testing.T) {
	t.Parallel()
	payload := string(read(t, "../../testdata/events/uploads/eventbridge-direct.json"))
	b := decode(t, payload, lambdaevent.EventBridge)
	r := b.Records[0]
	if r.Err != nil || r.ID == "" || r.Cause != r.ID || r.Source != "arn:aws:s3:::uploads" || string(r.Body) != payload || r.Attrs["detail-type"] != "Object Created" {
		t.Errorf("got %+v", r)
	}
	r = decode(t, `{"id":"1","detail-type":"Tick","source":"my.clock","time":"noon"}`).Records[0]
	if r.Source != "my.clock" || r.Err == nil || r.Err.Error() != `event: time is "noon", want a time such as 2026-01-02T03:04:05Z` {
		t.Errorf("got %+v", r)
	}
}
