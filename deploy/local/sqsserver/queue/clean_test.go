package queue

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"sluice/deploy/local/sqsserver/settings"
)

// TestShortPollSkipsExpiredAndDeadMessages has more messages to remove or to move
// than one transaction handles.
func TestShortPollSkipsExpiredAndDeadMessages(t *testing.T) {
	t.Parallel()
	const old = 10*cleanLimit + 50
	for name, attrs := range map[string]map[string]string{
		"expired":   {settings.MessageRetentionPeriod: "60"},
		"too often": {settings.VisibilityTimeout: "0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, db := reopen(t, t.TempDir(), nil, nil)
				defer db.Close()
				defer s.Close()
				if err := s.Create(t.Context(), "dead", nil); err != nil {
					t.Fatal(err)
				}
				if name == "too often" {
					attrs[settings.RedrivePolicy] = fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":1}`, s.ARN("dead"))
				}
				if err := s.Create(t.Context(), "q", attrs); err != nil {
					t.Fatal(err)
				}
				time.Sleep(sweepInterval / 30) // between two sweeps, which would remove them
				for range old {
					mustSend(t, s, "q", "old")
				}
				if name == "too often" {
					for n := 0; n < old; n += 10 { // with a visibility timeout, so that none is received twice
						hidden := int64(1)
						if got, err := s.receive(t.Context(), "q", receiveOptions{max: 10, visibility: &hidden}); err != nil || len(got) != 10 {
							t.Fatal(len(got), err)
						}
					}
				}
				time.Sleep(60 * time.Second)
				mustSend(t, s, "q", "new")
				got, err := s.receive(t.Context(), "q", receiveOptions{max: 1})
				if err != nil || len(got) != 1 || got[0].body != "new" {
					t.Errorf("got %v, %v, want the message behind %d old ones", got, err, old)
				}
			})
		})
	}
}
