package messages

import (
	"slices"
	"testing"

	"sluice/pipeline"
	"sluice/workers/schema"
)

var ada = schema.UserKey("ada@example.com")

func registration(id string) message {
	return message{ID: id, Type: schema.TypeUserRegistration, Data: schema.UserRegistration{Email: "ada@example.com", Name: "Ada", ID: "u-1"}}
}

func TestUserIsWrittenAsPendingAndThenActive(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.done(t, registration("m1"))
	f.want(t, ada, map[string]any{"status": "active", "cause": "m1", "email": "ada@example.com", "name": "Ada", "id": "u-1"})
	if want := []string{"pending", "active"}; !slices.Equal(f.records.statuses, want) {
		t.Errorf("written: got %q, want %q: the stream must see the step", f.records.statuses, want)
	}
	f.done(t, registration("m1"), registration("m2"))
	f.want(t, ada, map[string]any{"status": "active", "cause": "m1"})
	if len(f.records.statuses) != 2 {
		t.Errorf("written: %q, want no further write by the second delivery", f.records.statuses)
	}
}

func TestUserPendingKeepsTheProfile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, before string
		want         map[string]any
	}{
		{"own name and id stay", `{"status":"pending","email":"ada@example.com","name":"Countess","id":"u-0"}`, map[string]any{"name": "Countess", "id": "u-0"}},
		{"what is missing is filled in", `{"status":"pending"}`, map[string]any{"name": "Ada", "id": "u-1", "email": "ada@example.com"}},
		{"what is not known stays", `{"status":"pending","plan":"gold","cause":"before"}`, map[string]any{"plan": "gold", "cause": "m1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, nil)
			f.put(t, ada, c.before)
			f.done(t, registration("m1"))
			c.want["status"] = "active"
			f.want(t, ada, c.want)
		})
	}
}

func TestUserOfAnotherStatusStaysUnchanged(t *testing.T) {
	t.Parallel()
	for _, before := range []string{`{"status":"active","name":"A"}`, `{"status":"blocked","name":"A"}`, `{"name":"A"}`} {
		f := newFixture(t, nil)
		f.put(t, ada, before)
		f.done(t, registration("m1"))
		if len(f.records.statuses) > 0 {
			t.Errorf("%s: got %v, want it untouched", before, f.item(t, ada))
		}
	}
}

func TestUserRegistrationResumesAfterCrash(t *testing.T) {
	t.Parallel()
	for _, written := range []bool{false, true} {
		f := newFixture(t, nil)
		f.records.onPut = func(status string, done bool) error {
			if status == "active" && done == written {
				panic("the process dies")
			}
			return nil
		}
		if back := f.deliver(t, registration("m1")); len(back) != 1 {
			t.Errorf("failed messages: got %q, want m1", back)
		}
		f.records.onPut = nil
		f.done(t, registration("m1"))
		f.want(t, ada, map[string]any{"status": "active", "cause": "m1"})
	}
}

func TestUserRegistrationWithoutAnAddressIsPermanent(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	if back := f.deliver(t, message{ID: "m", Type: schema.TypeUserRegistration, Data: `{"email":"Ada <ada@example.com>"}`}); len(back) > 0 {
		t.Errorf("failed messages: got %q, want none", back)
	}
	f.wantDeadLetter(t, "m", "email")
	if f.item(t, pipeline.Key{PK: "user#Ada <ada@example.com>", SK: "-"}) != nil {
		t.Error("got a user record, want none")
	}
}
