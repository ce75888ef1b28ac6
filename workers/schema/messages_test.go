package schema

import (
	"strings"
	"testing"
)

func TestQueueOf(t *testing.T) {
	t.Parallel()
	for typ, want := range map[string]string{
		TypeNotification: "notifications", TypeEmailNotification: "notifications",
		TypeOrderProcessing: "jobs", TypeImageProcessed: "jobs", "report-ready": "jobs",
	} {
		if got := QueueOf(typ); got != want {
			t.Errorf("%s goes to %q, want %q", typ, got, want)
		}
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	src := Source{Bucket: "b", Key: "k"}
	long := strings.Repeat("a", 250) + "@x.org"
	rows := []struct {
		name string
		data interface{ Validate() error }
		want []string // none: it is valid
	}{
		{"processed", ImageProcessed{Source: src}, nil},
		{"processed, empty", ImageProcessed{}, []string{"bucket is required", "key is required"}},
		{"rejected", ImageRejected{Source: src, Reason: "r"}, nil},
		{"rejected, empty", ImageRejected{}, []string{"bucket is required", "key is required", "reason is required"}},
		{"removed", ImageRemoved{src}, nil},
		{"removed, empty", ImageRemoved{Source{Key: "k"}}, []string{"bucket is required"}},
		{"user", UserRegistration{Email: "ada@example.com"}, nil},
		{"user without an address", UserRegistration{Name: "Ada"}, []string{"email is required"}},
		{"user with a name around", UserRegistration{Email: "Ada <ada@example.com>"}, []string{`email: got "Ada <ada@example.com>", want an e-mail address`}},
		{"user with too long an address", UserRegistration{Email: long}, []string{"want an e-mail address"}},
		{"order", OrderProcessing{Email: "ada@example.com", ID: "1", OrderDetails: OrderDetails{Items: []OrderItem{{"mug", 1}}, Amount: 1}}, nil},
		{"order that says no more", OrderProcessing{Email: "ada@example.com", ID: "1"}, nil},
		{
			"order, all wrong",
			OrderProcessing{Email: "ada", OrderDetails: OrderDetails{Items: []OrderItem{{"mug", 1}, {"", 1}, {"mug", 0}}, Amount: -1}},
			[]string{`email: got "ada"`, "id is required", "amount: got -1", "items[1]: ", "items[2]: "},
		},
		{"mail", EmailNotification{To: "ada@example.com", Subject: "s", Body: "b"}, nil},
		{"mail, empty", EmailNotification{}, []string{"to is required", "subject is required", "body is required"}},
		{"mail to two", EmailNotification{To: "a@x.org, b@x.org", Subject: "s", Body: "b"}, []string{"to: "}},
	}
	for _, r := range rows {
		err := r.data.Validate()
		if (err == nil) != (r.want == nil) {
			t.Errorf("%s: got %v, want %q", r.name, err, r.want)
			continue
		}
		if err == nil {
			continue
		}
		if lines := strings.Split(err.Error(), "\n"); len(lines) != len(r.want) {
			t.Errorf("%s: got %q, want %q", r.name, lines, r.want)
		}
		for _, want := range r.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v, want %q", r.name, err, want)
			}
		}
	}
}

func TestEmailAddresses(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"a@b", "ada.lovelace+x@mail.example.com", "o'neil/x#1@x.org", "ü@münchen.example", "a@xn--mnchen-3ya.example", strings.Repeat("a", 248) + "@x.org"} {
		if err := checkEmail("email", good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{
		"", "a", "@x.org", "a@", "a b@x.org", "a@x.org ", "<a@x.org>", `"a b"@x.org`, "a@x.org\r\nBcc: b@x.org", "a@x.org,b@x.org", "a@@x.org",
		"a@x.org/order#1", "a@x#org", "a@x_y.org", "a@x..org", "a@[127.0.0.1]", "a@x.org (Ada)", "\xff@x.org",
	} {
		if err := checkEmail("email", bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
