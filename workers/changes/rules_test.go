package changes

import (
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/notify"
	"sluice/pipeline"
	"sluice/workers/schema"
)

func TestDefaultRules(t *testing.T) {
	t.Parallel()
	order := func(status string, more ...string) map[string]string {
		m := map[string]string{"status": status, "email": "ada@example.com", "id": "7"}
		for i := 0; i < len(more); i += 2 {
			m[more[i]] = more[i+1]
		}
		return m
	}
	image := func(status string, more ...string) map[string]string {
		m := order(status, more...)
		m["bucket"], m["key"] = "uploads", "photos/cat.jpg"
		return m
	}
	user := func(status, name string) map[string]string {
		m := map[string]string{"status": status, "email": "ada@example.com"}
		if name != "" {
			m["name"] = name
		}
		return m
	}
	const ada7, operator = "ada@example.com", "operator@example.com"
	for _, c := range []struct {
		name string
		change
		rule, to, subject, body string // rule "": no notification
	}{
		{"welcome", change{Key: ada, Old: user("pending", "Ada"), New: user("active", "Ada")}, "welcome", ada7, "Welcome", "Hello Ada, "},
		{"welcome without a name", change{Key: ada, Old: user("pending", ""), New: user("active", "")}, "welcome", ada7, "Welcome", "Hello ada@example.com, "},
		{"pending", change{Key: ada, Old: user("active", ""), New: user("pending", "")}, "", "", "", ""},
		{"still active", change{Key: ada, Old: user("active", ""), New: user("active", "Ada")}, "", "", "", ""},
		{"an order's welcome", change{Key: order7, Old: order("pending"), New: order("active")}, "", "", "", ""},
		{"order completed", change{Key: order7, Old: order("processing"), New: order("completed")}, "order-completed", ada7, "Order 7 is complete", "order 7 is complete"},
		{"order failed", change{Key: order7, Old: order("processing"), New: order("failed", "reason", "out of stock")}, "order-failed", ada7, "Order 7 failed", "failed: out of stock"},
		{"order failed for no reason", change{Key: order7, Old: order("processing"), New: order("failed")}, "order-failed", ada7, "Order 7 failed", "no reason was given"},
		{"order cancelled", change{Key: order7, Old: order("received"), New: order("cancelled")}, "order-cancelled", ada7, "Order 7 is cancelled", "is cancelled"},
		{"order received", change{Key: order7, New: order("received")}, "", "", "", ""},
		{"order processing", change{Key: order7, Old: order("received"), New: order("processing")}, "", "", "", ""},
		{"order removed", change{Key: order7, Old: order("completed")}, "", "", "", ""},
		{"picture ready", change{Key: cat, New: image("ready")}, "image-ready-created", operator, "Picture photos/cat.jpg is ready", "uploads/photos/cat.jpg"},
		{"picture ready after all", change{Key: cat, Old: image("rejected"), New: image("ready")}, "image-ready-status-changed", operator, "Picture photos/cat.jpg is ready", ""},
		{"picture rejected", change{Key: cat, New: image("rejected", "reason", "it is truncated")}, "image-rejected-created", operator, "was rejected", "it is truncated"},
		{"picture rejected later", change{Key: cat, Old: image("ready"), New: image("rejected")}, "image-rejected-status-changed", operator, "was rejected", "no reason was given"},
		{"picture removed", change{Key: cat, Old: image("ready"), New: image("removed")}, "", "", "", ""},
		{"picture made anew", change{Key: cat, Old: image("ready", "etag", "a"), New: image("ready", "etag", "b")}, "", "", "", ""},
		{"picture expected", change{Key: cat, New: image("uploaded")}, "", "", "", ""},
		{"record expired", change{Key: cat, Old: image("ready"), Service: true}, "", "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, nil)
			c.Seq = 1
			f.done(t, c.change)
			told := f.told(t)
			if c.rule == "" {
				if len(told) > 0 {
					t.Errorf("notifications: got %+v, want none", told)
				}
				return
			}
			if len(told) != 1 {
				t.Fatalf("notifications: got %+v, want one", told)
			}
			n := told[0]
			if n.Rule != c.rule || n.Channel != "email" || n.To != c.to || n.Key != schema.KeyText(c.Key) || n.Cause != "event-1" || !n.At.Equal(morning) {
				t.Errorf("got %+v, want rule %s to %s", n, c.rule, c.to)
			}
			if !strings.Contains(n.Subject, c.subject) || !strings.Contains(n.Body, c.body) {
				t.Errorf("got %q, %q, want %q, %q in it", n.Subject, n.Body, c.subject, c.body)
			}
		})
	}
}

func TestDefaultRulesWithoutAnOperator(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *Config) { c.NotifyTo = "" })
	f.done(t,
		change{Seq: 1, Key: cat, New: map[string]string{"status": "ready", "bucket": "b", "key": "k"}},
		userTo(2, "pending", "active"))
	if got := f.rules(t); !slices.Equal(got, []string{"welcome"}) {
		t.Errorf("rules of the notifications: got %q, want welcome alone", got)
	}
}

// TestDefaultRulesUseOperatorVerbatim has an operator address that contains
// template syntax.
func TestDefaultRulesUseOperatorVerbatim(t *testing.T) {
	t.Parallel()
	const odd = "{{.Item.key}}@example.com"
	f := newFixture(t, func(c *Config) { c.NotifyTo = odd })
	f.done(t, change{Seq: 1, Key: cat, New: map[string]string{"status": "ready", "bucket": "b", "key": "k"}})
	if told := f.told(t); len(told) != 1 || told[0].To != odd {
		t.Errorf("notifications: got %+v, want %s", told, odd)
	}
}

const customRules = `[
	{"name":"gone","on":"removed","keys":"user#*","channel":"webhook","body":"{{.Key}} went"},
	{"name":"timeout","on":"expired","keys":"user#*","channel":"chat","body":"{{.Key}} timed out"},
	{"name":"nameless","on":"attribute-removed","attribute":"name","channel":"chat","body":"{{.Old.name}} lost the name"}
]`

func TestCustomRulesReplaceTheDefaults(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *Config) { c.Rules = customRules })
	full := map[string]string{"status": "active", "email": "ada@example.com", "name": "Ada"}
	f.done(t,
		userTo(1, "pending", "active"),
		change{Seq: 2, Key: ada, Old: full},
		change{Seq: 3, Key: ada, Old: full, Service: true},
		change{Seq: 4, Key: ada, Old: full, New: map[string]string{"status": "active"}})
	if got, want := f.rules(t), []string{"gone", "timeout", "nameless"}; !slices.Equal(got, want) {
		t.Errorf("rules of the notifications: got %q, want %q", got, want)
	}
	told := f.told(t)
	if told[0].Channel != "webhook" || told[0].Body != ada.PK+" went" || told[2].Body != "Ada lost the name" {
		t.Errorf("notifications: got %+v", told)
	}
}

// TestBrokenRuleLosesOnlyItsOwnNotification checks that the notifications of the
// other rules are queued before the change becomes a dead letter.
func TestBrokenRuleLosesOnlyItsOwnNotification(t *testing.T) {
	t.Parallel()
	rules := `[
		{"name":"breaks","on":"status-changed","channel":"email","recipient":"{{.Item.manager}}","body":"b"},
		{"name":"works","on":"status-changed","channel":"email","recipient":"{{.Item.email}}","body":"b"}
	]`
	f := newFixture(t, func(c *Config) { c.Rules = rules })
	if at := f.deliver(t, userTo(1, "active", "pending"), userTo(2, "", "pending")); at != 0 {
		t.Errorf("failed at %d, want the stream to go on", at)
	}
	if got := f.rules(t); !slices.Equal(got, []string{"works"}) {
		t.Errorf("rules of the notifications: got %q, want works", got)
	}
	if jobs := len(f.queues.to(jobsURL)); jobs != 2 {
		t.Errorf("jobs: got %d, want 2", jobs)
	}
	if len(f.queues.deadLetters) != 1 || !strings.Contains(f.queues.deadLetters[0], `rule "breaks"`) || !strings.Contains(f.queues.deadLetters[0], "recipient") {
		t.Errorf("dead letters: got %q, want one that names the rule and the field", f.queues.deadLetters)
	}
	// If the queue fails, the change is retried and does not become a dead letter.
	f = newFixture(t, func(c *Config) { c.Rules = rules })
	f.queues.down = notificationsURL
	if at := f.deliver(t, userTo(1, "active", "pending")); at != 1 || len(f.queues.deadLetters) > 0 {
		t.Errorf("got failure at %d, dead letters %q, want 1 and none", at, f.queues.deadLetters)
	}
}

// TestDefaultRulesRenderOneLine runs every default rule on attributes that hold
// lines, control characters and 100 kB of text.
func TestDefaultRulesRenderOneLine(t *testing.T) {
	t.Parallel()
	hostile := "a\r\n\r\nPay at evil\u2028now\u202e\x00" + strings.Repeat("x", 100_000)
	for _, rule := range DefaultRules("operator@example.com") {
		t.Run(rule.Name, func(t *testing.T) {
			t.Parallel()
			rules, err := notify.NewRules([]notify.Rule{rule})
			if err != nil {
				t.Fatal(err)
			}
			for _, attribute := range []string{"name", "id", "key", "reason"} {
				image := map[string]any{"status": rule.To, "email": "ada@example.com", "name": "Ada", "id": "7", "bucket": "b", "key": "k", "reason": "r"}
				image[attribute] = hostile
				if attribute == "id" || attribute == "key" { // bounded by the key of the record
					image[attribute] = hostile[:500]
				}
				c := hostileChange(rule, image)
				notifications, err := rules.Notifications(c)
				if err != nil || len(notifications) != 1 {
					t.Fatalf("%s: got %d notifications and %v, want 1", attribute, len(notifications), err)
				}
				n := notifications[0]
				if strings.ContainsFunc(strings.TrimSuffix(n.Body, "\n")+n.Subject, func(r rune) bool { return r < ' ' || r == '\u2028' || r == '\u202e' }) {
					t.Errorf("%s: got subject %q and body %q, want one line each", attribute, n.Subject, n.Body)
				}
				if len(n.Body) > 3000 {
					t.Errorf("%s: got a body of %d bytes, want at most 3000", attribute, len(n.Body))
				}
			}
		})
	}
}

// hostileChange returns a change to image that the rule matches.
func hostileChange(rule notify.Rule, image map[string]any) notify.Change {
	c := notify.Change{ID: "event-1", Key: "k", Record: rule.Record, RecordID: "7", At: morning, New: image}
	if rule.On == notify.StatusChanged {
		c.Old = map[string]any{"status": "before"}
	}
	return c
}

// TestDefaultRulesMatchHostileIDs runs every default rule on records whose
// addresses, ids and keys hold the characters that structure the text of a key.
func TestDefaultRulesMatchHostileIDs(t *testing.T) {
	t.Parallel()
	hostile := []string{"7", "2024/7", "/", "a/order#1", "order#/order#", "#", "-", "*", "**", "a b", "\u00fc/\u5c71", "a\nb", "..", "{{.Key}}", "%2F"}
	for _, rule := range DefaultRules("operator@example.com") {
		t.Run(rule.Name, func(t *testing.T) {
			t.Parallel()
			for i, id := range hostile {
				var key pipeline.Key
				image := map[string]string{"status": rule.To, "email": "ada@example.com", "id": id, "bucket": "b", "key": id}
				switch rule.Record {
				case schema.RecordUser:
					local := strings.NewReplacer(" ", "_", "\n", "_", "..", "x").Replace(id)
					image["email"] = local + "@example.com"
					key = schema.UserKey(image["email"])
				case schema.RecordOrder:
					image["email"] = "o'neil/order#1@example.com"
					key = schema.OrderKey(image["email"], id)
				case schema.RecordImage:
					key = schema.ImageKey("b", id)
				default:
					t.Fatalf("rule without a kind of record: %+v", rule)
				}
				c := change{Seq: i + 1, Key: key, New: image}
				if rule.On == notify.StatusChanged {
					c.Old = map[string]string{"status": "before"}
				}
				f := newFixture(t, nil)
				f.done(t, c)
				if got := f.rules(t); !slices.Equal(got, []string{rule.Name}) {
					t.Errorf("id %q: got notifications of %q, want one of %s", id, got, rule.Name)
				}
			}
		})
	}
}

func TestUnknownRecordInRulesIsRejected(t *testing.T) {
	t.Parallel()
	c := Config{
		JobsQueueURL: "j", NotificationsQueueURL: "n", Parallel: 1, Reserve: time.Second,
		Rules: `[{"name":"a","on":"removed","record":"orders","channel":"chat","body":"b"}]`,
	}
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), `unknown record "orders", want one of ["image" "user" "order"]`) {
		t.Errorf("got %v, want an error that lists the kinds of records", err)
	}
	c.Rules = strings.Replace(c.Rules, "orders", "order", 1)
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}
