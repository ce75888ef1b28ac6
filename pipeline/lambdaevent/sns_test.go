package lambdaevent_test

import (
	"strings"
	"testing"
	"time"

	"sluice/pipeline/lambdaevent"
)

func TestSNSRecord(t *testing.T) {
	t.Parallel()
	payload := string(read(t, "../../testdata/events/uploads/put-from-topic-direct.json"))
	b := decode(t, payload, lambdaevent.SNS)
	r := b.Records[0]
	if r.Err != nil || r.ID == "" || r.Cause != r.ID || r.Source != "arn:aws:sns:us-east-1:123456789012:uploads" {
		t.Errorf("got %+v", r)
	}
	if want := time.Date(2026, 1, 2, 3, 4, 4, 873e6, time.UTC); !r.At.Equal(want) {
		t.Errorf("got at %v, want %v", r.At, want)
	}
	if _, binary := r.Attrs["blob"]; binary || r.Attrs["origin"] != "phone" || r.Attrs["Subject"] != "Amazon S3 Notification" {
		t.Errorf("got attributes %v", r.Attrs)
	}
	withCause := strings.Replace(payload, `"origin"`, `"sluice-cause"`, 1)
	if got := decode(t, withCause).Records[0].Cause; got != "phone" {
		t.Errorf("got cause %q, want that of the attribute", got)
	}
	for _, c := range []struct{ old, new, want string }{
		{`"Message":`, `"Text":`, "Sns.Message is missing"},
		{`"MessageId":`, `"Id":`, "Sns.MessageId is missing"},
		{`"2026-01-02T03:04:04.873Z"`, `"today"`, `Sns.Timestamp is "today", want a time such as 2026-01-02T03:04:05Z`},
		{`"aws:sns"`, `"aws:sns", "Sns": 3`, `Sns is not an object`},
	} {
		r := decode(t, strings.Replace(payload, c.old, c.new, 1)).Records[0]
		if r.Err == nil || r.Err.Error() != "event: Records[0]."+c.want || r.ID == "" {
			t.Errorf("with %s: got %v, want %s", c.new, r.Err, c.want)
		}
	}
}
