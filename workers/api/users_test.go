package api

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"

	"sluice/pipeline"
	"sluice/pipeline/tabletest"
	"sluice/workers/schema"
)

func TestARegisteredUserLogsIn(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	got := f.want(201, "POST", "/auth/register", `{"email":"ADA@Example.com","password":"correct horse","name":"Ada"}`)
	var u user
	got.decode(t, &u)
	if u.Email != "ada@example.com" || u.Name != "Ada" || u.Status != "pending" || u.ID == "" {
		t.Errorf("got %+v", u)
	}
	for _, email := range []string{"ada@example.com", "Ada@EXAMPLE.com"} {
		f.want(409, "POST", "/auth/register", `{"email":"`+email+`","password":"another horse"}`)
	}
	var login struct {
		Token     string
		ExpiresAt time.Time
		User      user
	}
	f.want(200, "POST", "/auth/login", `{"email":"aDa@example.com","password":"correct horse"}`).decode(t, &login)
	if login.User != u || time.Until(login.ExpiresAt).Round(time.Hour) != 24*time.Hour {
		t.Errorf("got %+v, want %+v for 24 hours", login, u)
	}
	var me user
	f.want(200, "GET", "/users/me", "", "Authorization", "Bearer "+login.Token).decode(t, &me)
	if me != u {
		t.Errorf("me: got %+v, want %+v", me, u)
	}
}

// TestNoHashLeavesTheCredentials: neither the record, which is streamed, nor a
// response or the log has the hash, the password or a token.
func TestNoHashLeavesTheCredentials(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	responses := f.want(201, "POST", "/auth/register", adaJSON).body
	login := f.want(200, "POST", "/auth/login", loginJSON)
	var out struct{ Token string }
	login.decode(t, &out)
	responses += f.want(200, "GET", "/users/me", "", "Authorization", "Bearer "+out.Token).body
	record, err := f.records.Get(t.Context(), schema.UserKey("ada@example.com"))
	if err != nil {
		t.Fatal(err)
	}
	it, err := f.state.Get(t.Context(), credentialsKey("ada@example.com"))
	var c credentials
	if err != nil || it.Decode(&c) != nil || c.Hash == "" {
		t.Fatalf("credentials: got %s, %v", it.Data, err)
	}
	for where, text := range map[string]string{"record": string(record.Data), "log": f.log.String(), "responses": responses + login.body} {
		for _, secret := range []string{c.Hash, "correct horse", "$2a$", c.Epoch} {
			if strings.Contains(text, secret) {
				t.Errorf("%s: got %s, want no %s", where, text, secret)
			}
		}
	}
	if strings.Contains(f.log.String()+string(it.Data)+string(record.Data), out.Token) {
		t.Error("the token is stored or logged")
	}
}

func TestRegistrationRefusesWhatIsNoAddressPasswordOrName(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for name, c := range map[string]struct{ email, password, name, field string }{
		"no address":             {"ada", "correct horse", "", "body.email"},
		"a display name":         {"Ada <ada@example.com>", "correct horse", "", "body.email"},
		"a header injection":     {"ada@example.com\\r\\nBcc: eve@example.com", "correct horse", "", "body.email"},
		"a Cyrillic a":           {"\u0430da@example.com", "correct horse", "", "body.email"},
		"a Kelvin sign":          {"\u212Aay@example.com", "correct horse", "", "body.email"},
		"a look-alike domain":    {"ada@ex\u0430mple.com", "correct horse", "", "body.email"},
		"a path":                 {"ada@example.com/order#1", "correct horse", "", "body.email"},
		"73 bytes":               {"ada@example.com", strings.Repeat("x", 73), "", "body.password"},
		"73 bytes in runes":      {"ada@example.com", strings.Repeat("\u00e9", 37), "", "body.password"},
		"7 bytes":                {"ada@example.com", "1234567", "", "body.password"},
		"a NUL":                  {"ada@example.com", "1234\\u00005678", "", "body.password"},
		"a line break in a name": {"ada@example.com", "correct horse", "Ada\\nBcc: eve", "body.name"},
	} {
		got := f.want(422, "POST", "/auth/register", fmt.Sprintf(`{"email":"%s","password":"%s","name":"%s"}`, c.email, c.password, c.name))
		if !strings.Contains(got.body, c.field) || strings.Contains(got.body, c.password) {
			t.Errorf("%s: got %s, want it to name %s without the value", name, got.body, c.field)
		}
	}
	f.want(201, "POST", "/auth/register", `{"email":"ada@example.com","password":"`+strings.Repeat("x", 72)+`"}`)
	f.want(401, "POST", "/auth/login", `{"email":"ada@example.com","password":"`+strings.Repeat("x", 73)+`"}`)
	f.want(200, "POST", "/auth/login", `{"email":"ada@example.com","password":"`+strings.Repeat("x", 72)+`"}`)
}

// TestLoginTellsNothingOfUsers: an unknown user, a wrong password and one too
// long have the same response after exactly one comparison of the same cost.
func TestLoginTellsNothingOfUsers(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.want(201, "POST", "/auth/register", adaJSON)
	var hashes []string
	compare := f.compare
	f.compare = func(hash, password []byte) error {
		hashes = append(hashes, string(hash))
		return compare(hash, password)
	}
	want := ""
	for i, body := range []string{
		`{"email":"ada@example.com","password":"wrong horse"}`,
		`{"email":"eve@example.com","password":"correct horse"}`,
		`{"email":"no address","password":"correct horse"}`,
		`{"email":"ada@example.com","password":"` + strings.Repeat("x", 100) + `"}`,
		`{"email":"ada@example.com","password":""}`,
	} {
		got := f.want(401, "POST", "/auth/login", body)
		if want == "" {
			want = got.body
		}
		if got.body != want || int(f.comparisons.Load()) != i+1 {
			t.Errorf("%s: got %s after %d comparisons, want %s after %d", body, got.body, f.comparisons.Load(), want, i+1)
		}
	}
	for _, hash := range hashes {
		if cost, err := bcrypt.Cost([]byte(hash)); err != nil || cost != 4 {
			t.Errorf("%s: got the cost %d, %v, want 4", hash, cost, err)
		}
	}
	if err := bcrypt.CompareHashAndPassword([]byte(noPassword(4)), []byte("x")); err != bcrypt.ErrMismatchedHashAndPassword {
		t.Errorf("comparison without a user: got %v, want a mismatch", err)
	}
}

// racing runs before as a Put of the table begins, once.
type racing struct {
	pipeline.Table
	before func()
}

func (r *racing) Put(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
	if before := r.before; before != nil {
		r.before = nil
		before()
	}
	return r.Table.Put(ctx, it, c)
}

// TestTwoRegistrationsAtOnce: at each write of one, the other runs as a whole. At
// most one succeeds, and only its password logs in.
func TestTwoRegistrationsAtOnce(t *testing.T) {
	t.Parallel()
	const eve = `{"email":"ada@example.com","password":"eve's horse"}`
	const eveLogin = eve
	for _, when := range []string{"before the credentials", "before the record"} {
		for _, late := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, nil)
				race := &racing{before: func() {
					if late { // the first registration took longer than an invocation can
						time.Sleep(registering + time.Second)
					}
					f.do("POST", "/auth/register", eve)
				}}
				if when == "before the credentials" {
					race.Table, f.Worker.state = f.state, race
					// The throttle's two writes come first.
					f.Worker.state = &skipping{Table: f.state, skip: 2, then: race}
				} else {
					race.Table, f.Worker.records = f.records, race
				}
				first := f.do("POST", "/auth/register", adaJSON).status
				mine := f.do("POST", "/auth/login", loginJSON).status
				others := f.do("POST", "/auth/login", eveLogin).status
				if mine == 200 && others == 200 {
					t.Error("both passwords log in")
				}
				if mine == 200 && first != 201 {
					t.Errorf("%s, late %v: ada got %d and logs in", when, late, first)
				}
				if !late && mine != 200 && others != 200 {
					t.Errorf("%s: nobody logs in: ada got %d", when, first)
				}
				var u schema.User
				it, err := f.records.Get(t.Context(), schema.UserKey("ada@example.com"))
				if err != nil || it.Decode(&u) != nil {
					t.Fatal(err)
				}
				if others == 200 && u.Name == "Ada" || mine == 200 && u.Name != "Ada" {
					t.Errorf("%s, late %v: the record of %q has the other's password", when, late, u.Name)
				}
			})
		}
	}
}

// TestARecordAndAnothersPasswordAreNoAccount: eve replaces the credentials of
// ada's late registration, whose record is then written before eve's.
func TestARecordAndAnothersPasswordAreNoAccount(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	const eve = `{"email":"ada@example.com","password":"eve's horse"}`
	adas := schema.User{Change: schema.Change{Status: schema.StatusPending}, Email: "ada@example.com", ID: "u-1", Credentials: "adas"}
	f.Worker.records = &racing{f.records, func() {
		if _, err := putJSON(t.Context(), f.records, schema.UserKey(adas.Email), adas, pipeline.Absent()); err != nil {
			t.Error(err)
		}
	}}
	f.want(409, "POST", "/auth/register", eve)
	f.want(401, "POST", "/auth/login", eve)
}

// skipping passes the first writes to Table, and those after them to then.
type skipping struct {
	pipeline.Table
	skip int
	then pipeline.Table
}

func (s *skipping) Put(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
	if s.skip > 0 {
		s.skip--
		return s.Table.Put(ctx, it, c)
	}
	return s.then.Put(ctx, it, c)
}

// TestCredentialsWithoutARecordAreReplaced: of a registration that ended early,
// once it cannot go on.
func TestCredentialsWithoutARecordAreReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		c, err := f.newCredentials("j", "stranger's")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := putJSON(t.Context(), f.state, credentialsKey("ada@example.com"), c, pipeline.Absent()); err != nil {
			t.Fatal(err)
		}
		if got := f.want(409, "POST", "/auth/register", adaJSON); got.header.Get("Retry-After") == "" {
			t.Errorf("got %v, want Retry-After", got.header)
		}
		time.Sleep(registering)
		f.want(201, "POST", "/auth/register", adaJSON)
		f.want(200, "POST", "/auth/login", loginJSON)
		f.want(401, "POST", "/auth/login", `{"email":"ada@example.com","password":"stranger's"}`)
	})
}

func TestThrottle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, map[string]string{"AUTH_PER_ADDRESS": "3", "AUTH_PER_CLIENT": "7", "AUTH_WINDOW": "10m"})
		login := func(email string) response {
			return f.do("POST", "/auth/login", `{"email":"`+email+`","password":"wrong"}`)
		}
		for i := range 3 {
			if got := login("ada@example.com"); got.status != 401 {
				t.Fatalf("attempt %d: got %d", i, got.status)
			}
		}
		time.Sleep(time.Minute)
		compared := f.comparisons.Load()
		if got := login("ADA@example.com"); got.status != 429 || got.header.Get("Retry-After") != "540" || f.comparisons.Load() != compared {
			t.Errorf("got %d, Retry-After %s, want 429 after no comparison and 540", got.status, got.header.Get("Retry-After"))
		}
		if got := f.do("POST", "/auth/register", adaJSON); got.status != 429 {
			t.Errorf("registration: got %d, want 429", got.status)
		}
		login("bob@example.com")
		login("eve@example.com")
		if got := login("joe@example.com"); got.status != 429 {
			t.Errorf("the client's eighth attempt: got %d, want 429", got.status)
		}
		time.Sleep(9 * time.Minute)
		if got := login("ada@example.com"); got.status != 401 {
			t.Errorf("in the next window: got %d, want 401", got.status)
		}
	})
}

// TestAttemptsAtOnceAreAllCounted: no conflict of two writes loses an attempt.
func TestAttemptsAtOnceAreAllCounted(t *testing.T) {
	t.Parallel()
	f := newFixture(t, map[string]string{"AUTH_PER_ADDRESS": "3"})
	table := &racing{Table: f.state}
	f.Worker.state = table
	key := pipeline.Key{PK: "throttle#x", SK: "-"}
	table.before = func() {
		if wait, err := f.count(t.Context(), key, 3); wait != 0 || err != nil {
			t.Errorf("got %v, %v", wait, err)
		}
	}
	for range 2 {
		if wait, err := f.count(t.Context(), key, 3); wait != 0 || err != nil {
			t.Errorf("got %v, %v", wait, err)
		}
	}
	if wait, err := f.count(t.Context(), key, 3); wait <= 0 || err != nil {
		t.Errorf("the fourth attempt: got %v, %v, want to wait", wait, err)
	}
}

func TestAnotherPasswordEndsTokens(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	token := f.loggedIn()
	change := func(current, password string) string {
		return `{"current":"` + current + `","password":"` + password + `"}`
	}
	f.want(422, "POST", "/auth/password", change("wrong horse", "battery staple"), token...)
	f.want(422, "POST", "/auth/password", change("correct horse", "short"), token...)
	f.want(200, "GET", "/users/me", "", token...)
	f.want(204, "POST", "/auth/password", change("correct horse", "battery staple"), token...)
	f.want(401, "GET", "/users/me", "", token...)
	f.want(401, "POST", "/auth/login", loginJSON)
	f.want(200, "POST", "/auth/login", `{"email":"ada@example.com","password":"battery staple"}`)
}

func TestAUserChangesTheNameOnly(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	token := f.loggedIn()
	if _, err := pipeline.Update(t.Context(), f.records, schema.UserKey("ada@example.com"), func(schema.User, bool) (any, error) {
		return map[string]any{"status": "active", "unknown": 1}, nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{`{"name":"A","status":"pending"}`, `{"id":"x"}`, `{"name":"A\u0000"}`, `{}`} {
		f.want(422, "PATCH", "/users/me", body, token...)
	}
	var u user
	f.want(200, "PATCH", "/users/me", `{"name":"Ada L."}`, token...).decode(t, &u)
	it, err := f.records.Get(t.Context(), schema.UserKey("ada@example.com"))
	var members map[string]any
	if err != nil || it.Decode(&members) != nil || u.Name != "Ada L." || members["status"] != "active" || members["unknown"] != 1.0 {
		t.Errorf("got %+v and the record %s", u, it.Data)
	}
}

func TestADeletedUserLeavesOrdersWithoutAnAddress(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	token := f.loggedIn()
	order := func(id, status string) {
		t.Helper()
		if _, err := f.records.Put(t.Context(), pipeline.Item{
			Key: schema.OrderKey("ada@example.com", id), Data: json.RawMessage(`{"email":"ada@example.com","id":"` + id + `","status":"` + status + `","amount":7}`),
		}, pipeline.Always()); err != nil {
			t.Fatal(err)
		}
	}
	order("1", "completed")
	order("2", "processing")
	f.want(409, "DELETE", "/users/me", "", token...)
	f.want(200, "GET", "/users/me", "", token...)
	order("2", "failed")
	f.want(204, "DELETE", "/users/me", "", token...)
	f.want(401, "GET", "/users/me", "", token...)
	f.want(401, "POST", "/auth/login", loginJSON)
	for it, err := range f.records.Query(t.Context(), schema.UserKey("ada@example.com").PK, "") {
		t.Errorf("got %v, %v, want nothing under the address", it.Key, err)
	}
	if _, err := f.state.Get(t.Context(), credentialsKey("ada@example.com")); err != pipeline.ErrNotFound {
		t.Errorf("credentials: got %v, want none", err)
	}
	f.want(201, "POST", "/auth/register", adaJSON)
	anonymous := 0
	for _, key := range anonymousKeys(t, f.records) {
		it, err := f.records.Get(t.Context(), key)
		if err != nil || strings.Contains(string(it.Data), "ada") || !strings.Contains(string(it.Data), `"amount":7`) {
			t.Errorf("got %s, %v, want the order without the address", it.Data, err)
		}
		anonymous++
	}
	if anonymous != 2 {
		t.Errorf("got %d anonymous orders, want 2", anonymous)
	}
}

// anonymousKeys finds the partition that deletions write to by repeating one.
func anonymousKeys(t *testing.T, table *tabletest.Memory) (keys []pipeline.Key) {
	t.Helper()
	for _, k := range table.Keys() {
		if strings.HasPrefix(k.PK, "anonymous#") {
			keys = append(keys, k)
		}
	}
	return keys
}
