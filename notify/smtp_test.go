package notify

import "testing"

func newTestSMTP(t *testing.T, addr string, change func(*SMTPOptions)) *SMTP {
	t.Helper()
	o := SMTPOptions{Addr: addr, From: "Sluice <noreply@sluice.example>", Security: PlainLoopback, Hello: "tests.example"}
	if change != nil {
		change(&o)
	}
	s, err := NewSMTP(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
