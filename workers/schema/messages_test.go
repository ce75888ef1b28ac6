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

// longText is a text of n bytes.
func longText(n int) string { return strings.Repeat("a", n) }

func TestTextsForOthersAreOneBoundedLine(t *testing.T) {
	t.Parallel()
	const email = "ada@example.com"
	fields := []struct {
		name  string
		limit int
		data  func(text string) interface{ Validate() error }
	}{
		{"name of a user", MaxNameBytes, func(s string) interface{ Validate() error } { return UserRegistration{Email: email, Name: s} }},
		{"id of a user", MaxIDBytes, func(s string) interface{ Validate() error } { return UserRegistration{Email: email, ID: s} }},
		{"id of an order", MaxIDBytes, func(s string) interface{ Validate() error } { return OrderProcessing{Email: email, ID: s} }},
		{"currency of an order", MaxNameBytes, func(s string) interface{ Validate() error } {
			return OrderProcessing{Email: email, ID: "1", OrderDetails: OrderDetails{Currency: s}}
		}},
		{"sku of an item", MaxNameBytes, func(s string) interface{ Validate() error } {
			return OrderProcessing{Email: email, ID: "1", OrderDetails: OrderDetails{Items: []OrderItem{{SKU: s, Quantity: 1}}}}
		}},
		{"subject of a mail", MaxSubjectBytes, func(s string) interface{ Validate() error } {
			return EmailNotification{To: email, Subject: s, Body: "b"}
		}},
	}
	for _, f := range fields {
		for _, good := range []string{"Ada", "2024/7#1", "Jürgen Ölçer", "\u5c71\u7530 \u592a\u90ce", "O'Neil & Co. c/o Ada", "a\u200db", longText(f.limit)} {
			if err := f.data(good).Validate(); err != nil {
				t.Errorf("%s: %.40q is refused: %v", f.name, good, err)
			}
		}
		for _, bad := range []string{"a\nb", "a\r\nBcc: b@x.org", "a\x00b", "a\x1b[2Jb", "a\u0085b", "a\u2028b", "a\u2029b", "a\u202egpj.exe", "\xff", longText(f.limit + 1)} {
			err := f.data(bad).Validate()
			if err == nil {
				t.Errorf("%s: %.40q is accepted", f.name, bad)
			} else if len(err.Error()) > 2*f.limit+200 {
				t.Errorf("%s: the error has %d bytes", f.name, len(err.Error()))
			}
		}
	}
}

func TestNameWithLinkIsRefused(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"https://evil.example", "Ada, see HTTP://evil.example/x", "www.evil.example", "click evil.example/win now"} {
		if err := (UserRegistration{Email: "ada@example.com", Name: bad}).Validate(); err == nil || !strings.Contains(err.Error(), "link") {
			t.Errorf("%q: got %v, want an error that names the link", bad, err)
		}
	}
	for _, good := range []string{"J. R. R. Tolkien", "Ada c/o Bob", "Dr. Who", "A/S Example Inc.", "N.N."} {
		if err := (UserRegistration{Email: "ada@example.com", Name: good}).Validate(); err != nil {
			t.Errorf("%q is refused: %v", good, err)
		}
	}
}
