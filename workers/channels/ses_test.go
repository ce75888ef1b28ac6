package channels_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sesv2"

	"sluice/notify"
	"sluice/workers/channels"
)

func ses(t *testing.T, s *service, from string) notify.Channel {
	t.Helper()
	ch, err := channels.NewSES(sesv2.NewFromConfig(s.config()), from, 0)
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

func TestSESSendsAPlainMail(t *testing.T) {
	t.Parallel()
	s := start(t, http.StatusOK, `{"MessageId":"0100"}`)
	n := notification()
	n.To, n.Subject = "Ann Ähm <ann@example.com>", "Grüße"
	if err := ses(t, s, "Sluice <news@example.com>").Send(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	if s.path != "/v2/email/outbound-emails" {
		t.Errorf("path: got %q", s.path)
	}
	for _, want := range []string{
		`"FromEmailAddress":"\"Sluice\" <news@example.com>"`,
		`"ToAddresses":["=?utf-8?q?Ann_=C3=84hm?= <ann@example.com>"]`,
		`"Data":"Grüße"`, `"Charset":"UTF-8"`, `"Data":"the body\n"`,
		`{"Name":"X-Notification-Id","Value":"5f3a"}`, `{"Name":"Auto-Submitted","Value":"auto-generated"}`,
		`"EmailTags":[{"Name":"notification","Value":"5f3a"}]`,
	} {
		if !strings.Contains(s.body, want) {
			t.Errorf("the request has no %s:\n%s", want, s.body)
		}
	}
	if strings.Contains(s.body, "Html") {
		t.Errorf("the mail is not plain text: %s", s.body)
	}
}

func TestSESErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		code     string
		status   int
		rejected bool
		wait     time.Duration
	}{
		{code: "MessageRejected", status: 400, rejected: true},
		{code: "BadRequestException", status: 400, rejected: true},
		{code: "TooManyRequestsException", status: 429, wait: time.Minute},
		{code: "LimitExceededException", status: 400, wait: time.Hour},
		{code: "SendingPausedException", status: 400, wait: time.Hour},
		{code: "AccountSuspendedException", status: 400, wait: time.Hour},
		{code: "MailFromDomainNotVerifiedException", status: 400},
		{code: "NotFoundException", status: 404},
		{code: "AccessDeniedException", status: 403},
		{code: "InternalFailure", status: 500},
	} {
		t.Run(tt.code, func(t *testing.T) {
			t.Parallel()
			s := start(t, tt.status, `{"message":"said the service"}`)
			s.header = http.Header{"X-Amzn-ErrorType": {tt.code}}
			n := notification()
			n.To = "ann@example.com"
			expect(t, ses(t, s, "news@example.com").Send(t.Context(), n), tt.rejected, tt.wait)
		})
	}
}

func TestSESRejectsBeforeItSends(t *testing.T) {
	t.Parallel()
	s := start(t, http.StatusOK, `{}`)
	ch := ses(t, s, "news@example.com")
	nobody, empty := notification(), notification()
	nobody.To = "nobody"
	empty.ID, empty.To = "", "ann@example.com"
	for name, n := range map[string]notify.Notification{"no address": nobody, "no id": empty} {
		if _, ok := errors.AsType[*notify.RejectedError](ch.Send(t.Context(), n)); !ok || s.calls.Load() != 0 {
			t.Errorf("%s: want a RejectedError and no call, got %d calls", name, s.calls.Load())
		}
	}
	if _, err := channels.NewSES(sesv2.New(sesv2.Options{}), "nobody", 0); err == nil {
		t.Error("a sender that is no address was taken")
	}
}

func TestSESGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	s := start(t, http.StatusOK, `{}`)
	ch := ses(t, s, "news@example.com")
	n := notification()
	n.To = "ann@example.com"
	ctx, cancel := contextThatEnds(t)
	cancel()
	err := ch.Send(ctx, n)
	if _, rejected := errors.AsType[*notify.RejectedError](err); err == nil || rejected {
		t.Errorf("got %v, want an error that is tried again", err)
	}
}
