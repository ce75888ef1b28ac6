package sesnotify_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sesv2"

	"sluice/notify"
	"sluice/notify/internal/awsnotify/awsnotifytest"
	"sluice/notify/sesnotify"
)

func channel(t *testing.T, s *awsnotifytest.Service, from string) notify.Channel {
	t.Helper()
	ch, err := sesnotify.New(sesv2.NewFromConfig(s.Config()), from, 0)
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

func TestSendsAPlainMail(t *testing.T) {
	t.Parallel()
	s := awsnotifytest.Start(t, http.StatusOK, `{"MessageId":"0100"}`)
	n := awsnotifytest.Notification()
	n.To, n.Subject = "Ann Ähm <ann@example.com>", "Grüße"
	if err := channel(t, s, "Sluice <news@example.com>").Send(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	if s.Path != "/v2/email/outbound-emails" {
		t.Errorf("path: got %q", s.Path)
	}
	for _, want := range []string{
		`"FromEmailAddress":"\"Sluice\" <news@example.com>"`,
		`"ToAddresses":["=?utf-8?q?Ann_=C3=84hm?= <ann@example.com>"]`,
		`"Data":"Grüße"`, `"Charset":"UTF-8"`, `"Data":"the body\n"`,
		`{"Name":"X-Notification-Id","Value":"5f3a"}`, `{"Name":"Auto-Submitted","Value":"auto-generated"}`,
		`"EmailTags":[{"Name":"notification","Value":"5f3a"}]`,
	} {
		if !strings.Contains(s.Body, want) {
			t.Errorf("the request has no %s:\n%s", want, s.Body)
		}
	}
	if strings.Contains(s.Body, "Html") {
		t.Errorf("the mail is not plain text: %s", s.Body)
	}
}

func TestErrorCodes(t *testing.T) {
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
			s := awsnotifytest.Start(t, tt.status, `{"message":"from the service"}`)
			s.Header = http.Header{"X-Amzn-ErrorType": {tt.code}}
			n := awsnotifytest.Notification()
			n.To = "ann@example.com"
			awsnotifytest.ExpectError(t, channel(t, s, "news@example.com").Send(t.Context(), n), tt.rejected, tt.wait)
		})
	}
}

func TestRejectsInvalidNotificationWithoutARequest(t *testing.T) {
	t.Parallel()
	s := awsnotifytest.Start(t, http.StatusOK, `{}`)
	ch := channel(t, s, "news@example.com")
	nobody, empty := awsnotifytest.Notification(), awsnotifytest.Notification()
	nobody.To = "nobody"
	empty.ID, empty.To = "", "ann@example.com"
	for name, n := range map[string]notify.Notification{"no address": nobody, "no id": empty} {
		if _, ok := errors.AsType[*notify.RejectedError](ch.Send(t.Context(), n)); !ok || s.Requests.Load() != 0 {
			t.Errorf("%s: got %d requests, want a RejectedError and none", name, s.Requests.Load())
		}
	}
	if _, err := sesnotify.New(sesv2.New(sesv2.Options{}), "nobody", 0); err == nil {
		t.Error("New accepted a sender that is not an address")
	}
}

func TestCanceledContextIsRetried(t *testing.T) {
	t.Parallel()
	s := awsnotifytest.Start(t, http.StatusOK, `{}`)
	ch := channel(t, s, "news@example.com")
	n := awsnotifytest.Notification()
	n.To = "ann@example.com"
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := ch.Send(ctx, n)
	if _, rejected := errors.AsType[*notify.RejectedError](err); err == nil || rejected {
		t.Errorf("got %v, want an error that is retried", err)
	}
}
