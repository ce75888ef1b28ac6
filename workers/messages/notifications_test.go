package messages

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/notify"
	"sluice/workers/schema"
)

// fakeChannel records the notifications sent.
type fakeChannel struct {
	mu     sync.Mutex
	sent   []notify.Notification
	onSend func(n notify.Notification) error // Send returns its error
}

func (c *fakeChannel) Send(_ context.Context, n notify.Notification) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.onSend != nil {
		if err := c.onSend(n); err != nil {
			return err
		}
	}
	c.sent = append(c.sent, n)
	return nil
}

func (c *fakeChannel) ids() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var ids []string
	for _, n := range c.sent {
		ids = append(ids, n.ID)
	}
	return ids
}

func news(id, channel string) notify.Notification {
	return notify.Notification{ID: id, Channel: channel, To: "ada@example.com", Subject: "s", Body: "b", At: morning}
}

func telling(id string, n notify.Notification) message {
	return message{ID: id, Type: schema.TypeNotification, Data: n}
}

func TestNotificationIsSentOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	if sent, err := f.Sent(t.Context(), "n1"); sent || err != nil {
		t.Errorf("Sent before: got %v, %v", sent, err)
	}
	// Other messages carry the same notification.
	f.done(t, telling("m1", news("n1", "email")))
	f.done(t, telling("m1", news("n1", "email")))
	f.done(t, telling("m2", news("n1", "email")))
	f.done(t, telling("m3", news("n2", "email")))
	if got := f.channel.ids(); !slices.Equal(got, []string{"n1", "n2"}) {
		t.Errorf("sent: got %q, want n1 and n2 once each", got)
	}
	if f.channel.sent[0] != news("n1", "email") {
		t.Errorf("sent: got %+v, want it as it came", f.channel.sent[0])
	}
	if sent, err := f.Sent(t.Context(), "n1"); !sent || err != nil {
		t.Errorf("Sent: got %v, %v, want true", sent, err)
	}
}

func TestNotificationIsRememberedAsLongAsAMessageCanWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		f.done(t, telling("m1", news("n1", "email")))
		time.Sleep(14 * 24 * time.Hour)
		f.done(t, telling("m1", news("n1", "email")))
		if got := f.channel.ids(); len(got) != 1 {
			t.Errorf("sent: got %q, want it once within 14 days", got)
		}
	})
}

func TestNotificationDefaultsToMessageIDAndTime(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	n := news("", "email")
	n.At = time.Time{}
	m := telling("m1", n)
	m.Time = morning.Add(time.Minute)
	f.done(t, m)
	f.done(t, m) // apart from the first: in one batch it may find the claim in progress
	if len(f.channel.sent) != 1 || f.channel.sent[0].ID != "m1" || !f.channel.sent[0].At.Equal(m.Time) {
		t.Errorf("sent: got %+v, want it once, with id m1 and the message's time", f.channel.sent)
	}
}

func TestNotificationErrors(t *testing.T) {
	t.Parallel()
	wrapped := func(err error) error { return fmt.Errorf("by a channel: %w", err) }
	for _, c := range []struct {
		name      string
		err       error
		permanent bool
		delay     time.Duration // 0: the usual
	}{
		{"rejected", wrapped(&notify.RejectedError{Reason: "no such mailbox"}), true, 0},
		{"to wait", wrapped(&notify.RetryAfterError{After: 20 * time.Minute, Err: errAgain}), false, 20 * time.Minute},
		{"any other", errAgain, false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, nil)
			f.channel.onSend = func(notify.Notification) error { return c.err }
			back := f.deliver(t, telling("m1", news("n1", "email")))
			if (len(back) == 0) != c.permanent {
				t.Errorf("failed messages: got %q, want permanent: %v", back, c.permanent)
			}
			if c.permanent {
				f.wantDeadLetter(t, "m1", "n1", "email", "no such mailbox")
			}
			if d := f.queues.delay("m1"); c.delay > 0 && (d < c.delay || d > c.delay*5/4) {
				t.Errorf("delayed for %v, want %v plus up to a quarter", d, c.delay)
			}
			// A notification that was not sent is not claimed.
			f.channel.onSend = nil
			f.done(t, telling("m1", news("n1", "email")))
			if got := f.channel.ids(); !slices.Equal(got, []string{"n1"}) {
				t.Errorf("sent by the next delivery: got %q, want n1", got)
			}
		})
	}
}

func TestInvalidNotificationBecomesDeadLetter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		m    message
		want string
	}{
		{"unknown channel", telling("m1", news("n1", "pigeon")), `unknown channel "pigeon", want one of "email"`},
		{"no channel", telling("m1", news("n1", "")), `unknown channel ""`},
		{"not valid", message{ID: "m1", Type: schema.TypeNotification, Data: `{"id":"n1","channel":"email"}`}, "subject and body are both missing"},
		{"not a notification", message{ID: "m1", Type: schema.TypeNotification, Data: `{"id":7}`}, `field "id"`},
		{"short form without a body", message{ID: "m1", Type: schema.TypeEmailNotification, Data: `{"to":"ada@example.com","subject":"s"}`}, "body is required"},
		{"short form without a recipient", message{ID: "m1", Type: schema.TypeEmailNotification, Data: `{"subject":"s","body":"b"}`}, "to is required"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, nil)
			if back := f.deliver(t, c.m); len(back) > 0 {
				t.Errorf("failed messages: got %q, want none and a dead letter", back)
			}
			f.wantDeadLetter(t, "m1", c.want)
			if len(f.channel.sent) > 0 {
				t.Errorf("sent: %v", f.channel.sent)
			}
		})
	}
}

func TestNotificationOverAgeLimitIsNotSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, func(c *Config, _ *Clients) { c.NotifyMaxAge = time.Hour })
		var log strings.Builder
		f.log = slog.New(slog.NewTextHandler(&log, nil))
		n := news("n1", "email")
		n.At = time.Now()
		time.Sleep(time.Hour)
		f.done(t, telling("m1", n)) // exactly the age limit
		n.ID = "n2"
		time.Sleep(time.Second)
		f.done(t, telling("m2", n)) // neither sent nor a dead letter
		if line := "msg=\"notification too old to be sent\" notification=n2 channel=email age=1h0m1s limit=1h0m0s"; strings.Count(log.String(), line) != 1 {
			t.Errorf("log: got %s, want one line with %s", log.String(), line)
		}
		if got := f.channel.ids(); !slices.Equal(got, []string{"n1"}) {
			t.Errorf("sent: got %q, want n1 alone", got)
		}
	})
}

func TestEmailNotificationShortForm(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	m := message{ID: "m1", Type: schema.TypeEmailNotification, Data: `{"to":"ada@example.com","subject":"s","body":"b"}`, Time: morning}
	f.done(t, m)
	f.done(t, m) // apart from the first: in one batch it may find the claim in progress
	want := notify.Notification{ID: "m1", Channel: "email", To: "ada@example.com", Subject: "s", Body: "b", At: morning}
	if len(f.channel.sent) != 1 || f.channel.sent[0] != want {
		t.Errorf("sent: got %+v, want %+v once", f.channel.sent, want)
	}
}

// TestNotificationIsSentAgainAfterCrash stops the process between the send and the
// completion of its claim. The next delivery waits until the claim expires, then
// sends again under the same id.
func TestNotificationIsSentAgainAfterCrash(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		f.state.onPut = func(status string, _ bool) error {
			if status == "completed" {
				return errors.New("the process is dead")
			}
			return nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if back, err := f.invoke(ctx, telling("m1", news("n1", "email"))); err != nil || len(back) != 1 {
			t.Errorf("first delivery: got failed messages %q, %v, want m1", back, err)
		}
		f.state.onPut = nil
		last := telling("m1", news("n1", "email"))
		last.Attempt = 4 // waiting does not count as an attempt
		if back := f.deliver(t, last); len(back) != 1 || len(f.queues.deadLetters) > 0 {
			t.Errorf("while the claim is held: got failed messages %q and dead letters %v, want m1 and none", back, f.queues.deadLetters)
		}
		if d := f.queues.delay("m1"); d < 50*time.Second || d > 75*time.Second {
			t.Errorf("delayed for %v, want the rest of the claim plus up to a quarter", d)
		}
		time.Sleep(f.queues.delay("m1"))
		f.done(t, last)
		f.done(t, last)
		if got := f.channel.ids(); !slices.Equal(got, []string{"n1", "n1"}) {
			t.Errorf("sent: got %q, want n1 before and after the crash", got)
		}
	})
}

func TestConcurrentDeliveriesSendNotificationOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		inHand, goOn := make(chan struct{}), make(chan struct{})
		f.channel.onSend = func(notify.Notification) error {
			close(inHand)
			<-goOn
			return nil
		}
		first := make(chan []string)
		go func() {
			back, _ := f.invoke(t.Context(), telling("m1", news("n1", "email")))
			first <- back
		}()
		<-inHand
		if back := f.deliver(t, telling("m2", news("n1", "email"))); !slices.Equal(back, []string{"m2"}) {
			t.Errorf("second delivery: got failed messages %q, want its message", back)
		}
		close(goOn)
		if back := <-first; len(back) > 0 {
			t.Errorf("first delivery: got failed messages %q, want none", back)
		}
		f.done(t, telling("m2", news("n1", "email")))
		if got := f.channel.ids(); len(got) != 1 {
			t.Errorf("sent: got %q, want one", got)
		}
	})
}
