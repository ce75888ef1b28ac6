package changes

import (
	"encoding/json"
	"testing"

	"sluice/pipeline"
	"sluice/workers/schema"
)

func TestNextQueuesJobs(t *testing.T) {
	t.Parallel()
	with := func(status string, more ...string) map[string]string {
		m := map[string]string{"status": status}
		for i := 0; i < len(more); i += 2 {
			m[more[i]] = more[i+1]
		}
		return m
	}
	const (
		none     = ""
		register = schema.TypeUserRegistration
		process  = schema.TypeOrderProcessing
	)
	for _, c := range []struct {
		name string
		change
		want string
		data string
	}{
		{"a pending user is created", change{Key: ada, New: with("pending", "name", "Ada", "id", "u-1")}, register, `{"email":"ada@example.com","name":"Ada","id":"u-1"}`},
		{"a user turns pending", change{Key: ada, Old: with("active"), New: with("pending")}, register, `{"email":"ada@example.com"}`},
		{"a user stays pending", change{Key: ada, Old: with("pending"), New: with("pending", "name", "Ada")}, none, ""},
		{"a user turns active", change{Key: ada, Old: with("pending"), New: with("active", "email", "ada@example.com")}, none, ""},
		{"a pending user is removed", change{Key: ada, Old: with("pending")}, none, ""},
		{"a pending user expires", change{Key: ada, Old: with("pending"), Service: true}, none, ""},
		{"a message created the pending user", change{Key: ada, New: with("pending", "cause", "m1")}, none, ""},
		{"a message made the user pending", change{Key: ada, Old: with("active", "cause", "m1"), New: with("pending", "cause", "m2")}, none, ""},
		{"set to pending by hand", change{Key: ada, Old: with("active", "cause", "m1"), New: with("pending", "cause", "m1")}, register, `{"email":"ada@example.com"}`},
		{"an order is received", change{Key: order7, New: with("received")}, process, `{"email":"ada@example.com","id":"7"}`},
		{"a message received the order", change{Key: order7, New: with("received", "cause", "m1")}, none, ""},
		{"an order is set back to received by hand", change{Key: order7, Old: with("failed", "cause", "m1"), New: with("received", "cause", "m1")}, process, `{"email":"ada@example.com","id":"7"}`},
		{"set back to received by a write without a cause", change{Key: order7, Old: with("failed", "cause", "m1"), New: with("received")}, process, `{"email":"ada@example.com","id":"7"}`},
		{"an order goes on", change{Key: order7, Old: with("received"), New: with("processing", "cause", "m1")}, none, ""},
		{"an order is pending", change{Key: order7, New: with("pending")}, none, ""},
		{"a user is received", change{Key: ada, New: with("received")}, none, ""},
		{"an image is pending", change{Key: cat, New: with("pending")}, none, ""},
		{"a record of no known kind", change{Key: pipeline.Key{PK: "user#ada@example.com", SK: "invoice#1"}, New: with("pending")}, none, ""},
		{
			"an order whose id looks like another",
			change{Key: schema.OrderKey("ada@example.com", "1/order#2"), New: with("received")},
			process, `{"email":"ada@example.com","id":"1/order#2"}`,
		},
		{
			"a user whose address looks like an order",
			change{Key: schema.UserKey("ada/order#7@example.com"), New: with("pending")},
			register, `{"email":"ada/order#7@example.com"}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, nil)
			c.Seq = 1
			f.done(t, c.change)
			jobs := f.queues.to(jobsURL)
			if c.want == none {
				if len(jobs) > 0 {
					t.Errorf("got %+v, want no job", jobs)
				}
				return
			}
			if len(jobs) != 1 {
				t.Fatalf("got %d jobs, want one", len(jobs))
			}
			m := jobs[0]
			if m.Type != c.want || string(m.Data) != c.data {
				t.Errorf("got %s %s, want %s %s", m.Type, m.Data, c.want, c.data)
			}
			if m.ID != pipeline.DeriveID(c.want, c.eventID()) || m.Source != "sluice/changes" || m.Subject != schema.KeyText(c.Key) || !m.Time.Equal(morning) {
				t.Errorf("got %+v, want its cause", m)
			}
		})
	}
}

// TestNextMessagesDecodeInMessagesWorker decodes the messages as the messages
// worker does.
func TestNextMessagesDecodeInMessagesWorker(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.done(t,
		change{Seq: 1, Key: ada, New: map[string]string{"status": "pending"}},
		change{Seq: 2, Key: order7, New: map[string]string{"status": "received"}})
	jobs := f.queues.to(jobsURL)
	if len(jobs) != 2 {
		t.Fatalf("got %d jobs, want 2", len(jobs))
	}
	var user schema.UserRegistration
	var order schema.OrderProcessing
	for i, v := range []interface{ Validate() error }{&user, &order} {
		if err := json.Unmarshal(jobs[i].Data, v); err != nil {
			t.Error(err)
		}
		if err := v.Validate(); err != nil {
			t.Errorf("%s: %v", jobs[i].Type, err)
		}
	}
}
