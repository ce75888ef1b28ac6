package notify

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func welcomeRule() Rule {
	return Rule{
		Name: "welcome", On: StatusChanged, Keys: "user#*", From: "pending", To: "active", Channel: "mail",
		Recipient: "{{.New.email}}", Subject: "Welcome, {{.New.name}}", Body: "Hello {{.New.name}},\nyou are {{.To}} since {{.At.Format \"15:04\"}}.\n",
	}
}

func welcomeChange() Change {
	return Change{
		ID: "event-1", Key: "user#ann@b.example", At: at,
		Old: map[string]any{"status": "pending", "email": "ann@b.example", "name": "Ann"},
		New: map[string]any{"status": "active", "email": "ann@b.example", "name": "Ann"},
	}
}

func mustRules(t *testing.T, rules ...Rule) *Rules {
	t.Helper()
	rs, err := NewRules(rules)
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

func TestNotifications(t *testing.T) {
	t.Parallel()
	rs := mustRules(t, welcomeRule())
	got, err := rs.Notifications(welcomeChange())
	if err != nil || len(got) != 1 {
		t.Fatalf("got %d notifications and %v, want 1", len(got), err)
	}
	want := Notification{
		ID: got[0].ID, Rule: "welcome", Channel: "mail", To: "ann@b.example", Subject: "Welcome, Ann",
		Body: "Hello Ann,\nyou are active since 12:30.\n", At: at, Key: "user#ann@b.example", Cause: "event-1",
	}
	if got[0] != want {
		t.Errorf("got %+v\nwant %+v", got[0], want)
	}
	if !strings.HasPrefix(got[0].ID, "welcome_") {
		t.Errorf("got ID %q, want the rule's name in front", got[0].ID)
	}
}

func TestRuleMatches(t *testing.T) {
	t.Parallel()
	status := func(from, to string) (Change, Kind) {
		return Change{ID: "e", Key: "user#a", At: at, Old: map[string]any{"status": from}, New: map[string]any{"status": to}}, StatusChanged
	}
	for name, row := range map[string]struct {
		change func(*Rule)
		from   string
		to     string
		want   int
	}{
		"as written":      {func(*Rule) {}, "pending", "active", 1},
		"another from":    {func(*Rule) {}, "blocked", "active", 0},
		"another to":      {func(*Rule) {}, "pending", "blocked", 0},
		"no change":       {func(*Rule) {}, "active", "active", 0},
		"any from":        {func(r *Rule) { r.From = "" }, "blocked", "active", 1},
		"any to":          {func(r *Rule) { r.To = "" }, "pending", "blocked", 1},
		"another key":     {func(r *Rule) { r.Keys = "image#**" }, "pending", "active", 0},
		"every key":       {func(r *Rule) { r.Keys = "" }, "pending", "active", 1},
		"another kind":    {func(r *Rule) { r.On, r.From = Created, "" }, "pending", "active", 0},
		"kind of removal": {func(r *Rule) { r.On, r.To = Removed, "" }, "pending", "active", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := Rule{Name: "r", On: StatusChanged, Keys: "user#*", From: "pending", To: "active", Channel: "c", Body: "b"}
			row.change(&r)
			c, _ := status(row.from, row.to)
			got, err := mustRules(t, r).Notifications(c)
			if err != nil || len(got) != row.want {
				t.Errorf("got %d notifications and %v, want %d", len(got), err, row.want)
			}
		})
	}
}

// Notifications of one change have different IDs, are in the order of events and
// then of rules, and are the same each time.
func TestNotificationsAreStable(t *testing.T) {
	t.Parallel()
	rs := mustRules(
		t,
		Rule{Name: "z-gone", On: AttributeRemoved, Channel: "c", Body: "{{.Attribute}}"},
		Rule{Name: "changed", On: StatusChanged, Channel: "c", Body: "{{.From}} {{.To}}"},
		Rule{Name: "a-gone-b", On: AttributeRemoved, Attribute: "b", Channel: "c", Body: "{{.Old.b}}"},
	)
	c := Change{ID: "e", Key: "k", At: at, Old: map[string]any{"status": "x", "b": json.Number("9007199254740993"), "a": "1"}, New: map[string]any{"status": "y"}}
	got, err := rs.Notifications(c)
	if err != nil {
		t.Fatal(err)
	}
	var bodies []string
	ids := map[string]bool{}
	for _, n := range got {
		bodies = append(bodies, n.Rule+":"+n.Body)
		ids[n.ID] = true
	}
	want := []string{"changed:x y", "z-gone:a", "z-gone:b", "a-gone-b:9007199254740993"}
	if !slices.Equal(bodies, want) {
		t.Errorf("got %q, want %q", bodies, want)
	}
	if len(ids) != len(got) {
		t.Errorf("got %d IDs for %d notifications", len(ids), len(got))
	}
	again, err := rs.Notifications(c)
	if err != nil || !reflect.DeepEqual(got, again) {
		t.Errorf("the same change gave others the second time: %v", err)
	}
	c.ID = "e2"
	other, err := rs.Notifications(c)
	if err != nil || other[0].ID == got[0].ID {
		t.Errorf("another change of the same record has the ID of the first: %v", err)
	}
}

func TestFailingRuleKeepsTheOthers(t *testing.T) {
	t.Parallel()
	broken := Rule{Name: "broken", On: StatusChanged, Channel: "mail", Recipient: "{{.New.phone}}", Body: "b"}
	also := Rule{Name: "also", On: StatusChanged, Channel: "mail", Subject: "{{.Old.nope}}", Body: "b"}
	last := Rule{Name: "last", On: StatusChanged, Channel: "chat", Body: "b"}
	got, err := mustRules(t, broken, welcomeRule(), also, last).Notifications(welcomeChange())
	if len(got) != 2 || got[0].Rule != "welcome" || got[1].Rule != "last" {
		t.Errorf("got %+v, want those of the two good rules", got)
	}
	for _, want := range []string{`rule "broken": recipient: for "user#ann@b.example"`, "phone", `rule "also": subject:`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q in it", err, want)
		}
	}
	re, ok := errors.AsType[*RuleError](err)
	if !ok || re.Rule != "broken" || re.Field != "recipient" || re.Key != "user#ann@b.example" {
		t.Errorf("got %+v, want the rule, field and key", re)
	}
}

func TestAttributesCannotInjectTemplatesOrHeaders(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		value    any
		subject  string
		errorHas string
	}{
		"line breaks":            {"Ann\r\nBcc: x@y.example\n\n<b>", "Welcome, Ann Bcc: x@y.example <b>", ""},
		"other line ends":        {"A\u0085n\u2028n\vx\x00y", "Welcome, A n n x y", ""},
		"template text":          {"{{.New.email}}", "Welcome, {{.New.email}}", ""},
		"not UTF-8":              {"A\xffn", "Welcome, A\uFFFDn", ""},
		"too long":               {strings.Repeat("é", MaxSubjectBytes), "Welcome, " + strings.Repeat("é", 244) + "…", ""},
		"far too long":           {strings.Repeat("n", maxSubjectText), "", "rendered to more than 8192 bytes"},
		"null is missing":        {nil, "", `no entry for key "name"`},
		"number stays exact":     {json.Number("9007199254740993"), "Welcome, 9007199254740993", ""},
		"a list prints as it is": {[]any{"a", "b"}, "Welcome, [a b]", ""},
		"null in a list":         {map[string]any{"a": nil}, "Welcome, map[a:<nil>]", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := welcomeChange()
			c.New["name"] = row.value
			got, err := mustRules(t, welcomeRule()).Notifications(c)
			if _, ok := c.New["name"]; !ok {
				t.Error("rendering changed the image")
			}
			if row.errorHas != "" {
				if err == nil || !strings.Contains(err.Error(), row.errorHas) || len(got) != 0 {
					t.Errorf("got %v and %v, want an error with %q", got, err, row.errorHas)
				}
				return
			}
			if err != nil || len(got) != 1 || got[0].Subject != row.subject {
				t.Errorf("got %+v and %v, want subject %q", got, err, row.subject)
			}
		})
	}
}

func TestNotificationsRejectIncompleteChanges(t *testing.T) {
	t.Parallel()
	rs := mustRules(t, welcomeRule())
	c := welcomeChange()
	c.ID = ""
	if _, err := rs.Notifications(c); err == nil || !strings.Contains(err.Error(), "user#ann@b.example") {
		t.Errorf("got %v for a change without ID, want an error with its key", err)
	}
	c = welcomeChange()
	c.At = c.At.AddDate(20000, 0, 0)
	if _, err := rs.Notifications(c); err == nil || !strings.Contains(err.Error(), "year") {
		t.Errorf("got %v for a time that JSON cannot represent", err)
	}
	c = welcomeChange()
	c.New["email"] = " \n"
	if _, err := rs.Notifications(c); err == nil || !strings.Contains(err.Error(), "recipient: for \"user#ann@b.example\": rendered to nothing, want a recipient") {
		t.Errorf("got %v for an empty recipient", err)
	}
	unnamed := welcomeRule()
	unnamed.Body = "Hello {{index .Item \"nickname\"}}"
	if _, err := mustRules(t, unnamed).Notifications(welcomeChange()); err == nil || !strings.Contains(err.Error(), "body: for \"user#ann@b.example\": uses a missing value") {
		t.Errorf("got %v for a missing value", err)
	}
	if got, err := new(Rules).Notifications(welcomeChange()); got != nil || err != nil {
		t.Errorf("got %v and %v from no rules", got, err)
	}
}

func TestNewRulesFindsProblems(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		change func(*Rule)
		field  string // empty: fine
		text   string
	}{
		"as written":                {func(*Rule) {}, "", ""},
		"no name":                   {func(r *Rule) { r.Name = "" }, "name", `rule "#1"`},
		"name with space":           {func(r *Rule) { r.Name = "a b" }, "name", `"a b"`},
		"name with a line end":      {func(r *Rule) { r.Name = "a\n" }, "name", `"a\n"`},
		"name begins with a dash":   {func(r *Rule) { r.Name = "-a" }, "name", `"-a"`},
		"name in capitals":          {func(r *Rule) { r.Name = "Welcome" }, "name", `"Welcome"`},
		"longest name":              {func(r *Rule) { r.Name = "0" + strings.Repeat("-", 63) }, "", ""},
		"long name":                 {func(r *Rule) { r.Name = strings.Repeat("a", 65) }, "name", "1 to 64"},
		"unknown kind":              {func(r *Rule) { r.On = "changed" }, "on", `unknown kind "changed", want one of ["created" "status-changed" "attribute-removed" "removed" "expired"]`},
		"long pattern":              {func(r *Rule) { r.Keys = strings.Repeat("a", 1025) }, "keys", "1024"},
		"pattern not UTF-8":         {func(r *Rule) { r.Keys = "\xff" }, "keys", "UTF-8"},
		"from on created":           {func(r *Rule) { *r = Rule{Name: "r", On: Created, From: "x", Channel: "c", Body: "b"} }, "from", "no status before"},
		"to on expired":             {func(r *Rule) { *r = Rule{Name: "r", On: Expired, To: "x", Channel: "c", Body: "b"} }, "to", "a removed record has no status"},
		"from is to":                {func(r *Rule) { r.To = r.From }, "to", "want another status"},
		"attribute on status":       {func(r *Rule) { r.Attribute = "a" }, "attribute", "attribute-removed"},
		"no channel":                {func(r *Rule) { r.Channel = "" }, "channel", "missing"},
		"nothing to say":            {func(r *Rule) { r.Subject, r.Body = " ", "" }, "body", "missing"},
		"broken template":           {func(r *Rule) { r.Body = "a\n{{.New.x" }, "body", "line 2"},
		"unknown function":          {func(r *Rule) { r.Body = "{{env \"HOME\"}}" }, "body", `"env" not defined`},
		"unknown field":             {func(r *Rule) { r.Subject = "{{.Name}}" }, "subject", "unknown field .Name, want one of .Kind"},
		"unknown field in if":       {func(r *Rule) { r.Subject = "{{if .To}}x{{else}}{{.Nope}}{{end}}" }, "subject", ".Nope"},
		"unknown field by variable": {func(r *Rule) { r.Subject = "{{range .New.l}}{{$.Nope}}{{end}}" }, "subject", ".Nope"},
		"unknown field in else":     {func(r *Rule) { r.Subject = "{{with .New.l}}x{{else}}{{.Nope}}{{end}}" }, "subject", ".Nope"},
		"other dot in range":        {func(r *Rule) { r.Subject = "{{range .New.l}}{{.price}}{{end}}" }, "", ""},
		"other dot in with":         {func(r *Rule) { r.Subject = "{{with .New.l}}{{.price}}{{end}}" }, "", ""},
		"old on created":            {func(r *Rule) { r.On, r.From, r.Body = Created, "", "{{.Old.x}}" }, "body", ".Old is not available"},
		"new on removed":            {func(r *Rule) { r.On, r.To, r.Body = Removed, "", "{{index .New \"x\"}}" }, "body", ".New is not available"},
		"new on removed, spelt out": {func(r *Rule) { r.On, r.To, r.Body = Removed, "", "{{.Change.New.x}}" }, "body", ".New is not available"},
		"attribute elsewhere":       {func(r *Rule) { r.Body = "{{.Attribute}}" }, "body", ".Attribute is only available"},
		"field of a text":           {func(r *Rule) { r.Body = "{{.Key.name}}" }, "body", "can't evaluate field name in type string"},
		"no such method":            {func(r *Rule) { r.Body = "{{.At.Fmt}}" }, "body", "Fmt"},
		"wrong argument":            {func(r *Rule) { r.Body = "{{.At.Format 1}}" }, "body", "expected string"},
		"too few arguments":         {func(r *Rule) { r.Body = "{{.New.a}}{{.New.b.c}}{{.New.b}}{{printf}}" }, "body", "printf"},
		"names with a dash":         {func(r *Rule) { r.Body = "{{index .Item \"content-type\"}}" }, "", ""},
		"may be missing":            {func(r *Rule) { r.Body = "{{or (index .Item \"name\") \"there\"}}" }, "", ""},
		"compares":                  {func(r *Rule) { r.Body = "{{if eq .New.paid true}}x{{end}}" }, "", ""},
		"indexes an attribute":      {func(r *Rule) { r.Body = "{{index .New.sizes \"200x200\"}}" }, "", ""},
		"define":                    {func(r *Rule) { r.Body = "{{define \"a\"}}{{end}}" }, "body", "not available"},
		"template":                  {func(r *Rule) { r.Body = "{{template \"a\"}}" }, "body", "not available"},
		"comment only":              {func(r *Rule) { r.Body = "{{/* nothing */}}" }, "", ""},
		"template over the limit":   {func(r *Rule) { r.Body = strings.Repeat("x", maxTemplateBytes+1) }, "body", "want at most 65536"},
		"text over the limit":       {func(r *Rule) { r.Recipient = strings.Repeat("x", MaxRecipientBytes+1) }, "recipient", "rendered to more than 2048 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := welcomeRule()
			r.Recipient, r.Subject, r.Body = "a@b.example", "s", "b"
			row.change(&r)
			_, err := NewRules([]Rule{r})
			if row.field == "" {
				if err != nil {
					t.Errorf("got %v, want it taken", err)
				}
				return
			}
			re, ok := errors.AsType[*RuleError](err)
			if !ok || re.Field != row.field || !strings.Contains(err.Error(), row.text) {
				t.Errorf("got %v, want field %q and %q", err, row.field, row.text)
			}
		})
	}
}

func TestNewRulesJoinsProblems(t *testing.T) {
	t.Parallel()
	_, err := NewRules([]Rule{
		{Name: "one", On: Created, Body: "{{"},
		welcomeRule(),
		welcomeRule(),
		{Name: "two", On: "x"},
	})
	for _, want := range []string{`rule "one": channel`, `rule "one": body`, `rule "welcome": name: is used twice`, `rule "two": on`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
	if _, err := NewRules(make([]Rule, MaxRules+1)); err == nil || !strings.Contains(err.Error(), "got 1001") {
		t.Errorf("got %v for too many rules", err)
	}
}

func TestParseRules(t *testing.T) {
	t.Parallel()
	data, err := json.Marshal([]Rule{welcomeRule()})
	if err != nil {
		t.Fatal(err)
	}
	rs, err := ParseRules(data)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := rs.Notifications(welcomeChange()); len(got) != 1 {
		t.Errorf("got %d notifications from parsed rules, want 1", len(got))
	}
	if got := rs.Channels(); !slices.Equal(got, []string{"mail"}) {
		t.Errorf("got channels %q", got)
	}
	if rs, err := ParseRules([]byte(" [] ")); err != nil || len(rs.Channels()) != 0 {
		t.Errorf("got %v for no rules, want it taken", err)
	}
	for in, wants := range map[string][]string{
		``:             {"rules: want a JSON array"},
		`null`:         {"null"},
		`{"rules":[]}`: {"rules: want a JSON array"},
		`[] []`:        {"got data after the value"},
		`[{"name":"a","onn":"created","channel":"c","body":"b"},{"name":"b","on":"created","body":"b"}]`: {`rule "a": json: json: unknown field "onn"`, `rule "b": channel`},
		`[{"name":"a","on":"created","channel":"c","body":7}]`:                                           {`rule "a"`, "body"},
		`["x"]`: {`rule "#1"`},
		`[{"name":"a","on":"created","channel":"c","body":"{{.New.x"}]`: {`rule "a": body`},
		strings.Repeat(" ", MaxRulesBytes+1):                            {"want at most 1048576"},
		"[" + strings.Repeat("0,", MaxRules) + "0]":                     {"got 1001"},
	} {
		_, err := ParseRules([]byte(in))
		for _, want := range wants {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%.60q: got %v, want %q in it", in, err, want)
			}
		}
	}
}

// FuzzRules checks that parsing does not panic, and that valid rules return valid
// notifications or RuleErrors.
func FuzzRules(f *testing.F) {
	seed, _ := json.Marshal([]Rule{welcomeRule()})
	f.Add(seed, "Ann", "active")
	f.Add([]byte(`[{"name":"a","on":"removed","keys":"**x*","channel":"c","subject":"{{.Item.a.b}}","body":"{{with index .Old \"a\"}}{{.}}{{end}}"}]`), "x", "")
	f.Add([]byte(`[{"name":"a","on":"created","channel":"c","body":"{{if and .To (eq .To \"b\")}}{{html .New.name}}{{else}}{{printf \"%q\" .Key}}{{end}}"}]`), "x", "b")
	f.Add([]byte(`[{"name":"a","on":"attribute-removed","attribute":"a removed record has no status","channel":"c","body":"{{.Attribute | printf \"%s %v\" .Expired}}"}]`), "\n\xff", "\n")
	f.Fuzz(func(t *testing.T, data []byte, name, status string) {
		if strings.Contains(string(data), "range") || strings.Contains(string(data), `\u`) {
			t.Skip("range over a large number takes as long as it says")
		}
		rs, err := ParseRules(data)
		if err != nil {
			return
		}
		image := map[string]any{"name": name, "email": name, "status": status, "a": nil, "a removed record has no status": map[string]any{"b": []any{json.Number("1")}}}
		less := map[string]any{"name": name, "status": "before"}
		for _, c := range []Change{{Old: nil, New: image}, {Old: image, New: nil}, {Old: image, New: nil, Expired: true}, {Old: image, New: less}, {Old: less, New: image}} {
			c.ID, c.Key, c.At = "e", "user#"+name, at
			got, err := rs.Notifications(c)
			again, _ := rs.Notifications(c)
			if !reflect.DeepEqual(got, again) {
				t.Errorf("the same change gave %v and then %v", got, again)
			}
			for _, n := range got {
				if err := n.Validate(); err != nil {
					t.Errorf("%+v: %v", n, err)
				}
			}
			if _, ok := errors.AsType[*RuleError](err); err != nil && !ok {
				t.Errorf("got %T %v, want a RuleError", err, err)
			}
		}
	})
}

func TestRecordAndIDMatchPartsOfTheKey(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		record, id, keys string
		want             bool
	}{
		{"", "", "", true},
		{"order", "", "", true},
		{"user", "", "", false},
		{"order", "*", "", true},
		{"order", "2024/*", "", true},
		{"order", "*7", "", true},
		{"order", "**/7", "", true},
		{"order", "7", "", false},
		{"order", "2025*", "", false},
		{"order", "", "user#*/order#*", false}, // today's pattern stops at "/"
		{"", "", "user#**/order#**", true},
		{"order", "2024/7", "user#**", true},
		{"order", "2024/7", "image#**", false},
	} {
		rs := mustRules(t, Rule{Name: "r", On: Created, Record: row.record, ID: row.id, Keys: row.keys, Channel: "c", Body: "{{.Record}} {{.RecordID}}"})
		got, err := rs.Notifications(Change{ID: "e", Key: "user#a@b.example/order#2024/7", Record: "order", RecordID: "2024/7", At: at, New: map[string]any{}})
		if err != nil || (len(got) == 1) != row.want {
			t.Errorf("%+v: got %d notifications and %v", row, len(got), err)
		}
		if len(got) == 1 && got[0].Body != "order 2024/7" {
			t.Errorf("%+v: got body %q", row, got[0].Body)
		}
	}
	rs := mustRules(t, Rule{Name: "r", On: Created, Record: "order", Channel: "c", Body: "b"}, Rule{Name: "s", On: Created, Channel: "c", Body: "b"})
	if got := rs.Records(); !slices.Equal(got, []string{"order"}) {
		t.Errorf("records: got %q", got)
	}
	if _, err := NewRules([]Rule{{Name: "r", On: Created, ID: "7", Channel: "c", Body: "b"}}); err == nil || !strings.Contains(err.Error(), "want record") {
		t.Errorf("id without record: got %v, want an error", err)
	}
}
