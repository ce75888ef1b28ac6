package notify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of a rule set.
const (
	MaxRules      = 1000
	MaxRulesBytes = 1 << 20 // of the JSON that ParseRules takes
)

// Rule maps events to a notification.
//
// Record and ID match the parts of a record's key. Keys matches its text, whose
// parts may contain "/": an id of "2024/7" does not match "*".
//
// Recipient, Subject and Body are text templates (text/template without
// define, block and template). Their dot is the [Event]: {{.Key}}, {{.Record}},
// {{.RecordID}}, {{.From}}, {{.To}}, {{.Attribute}}, {{.At}}, and the images {{.Old.name}} and
// {{.New.name}}; {{.Item.name}} is the new image or, of a removed record, the
// old one. A missing or null attribute is an error. For an optional one, write
// {{or (index .Item "name") "there"}} or {{with index .Item "name"}}…{{end}}.
// {{line .Item.name}} is one line of at most 1,000 bytes: white space and control
// characters become single spaces, and the rest is cut off. It keeps an attribute
// that users choose from adding lines to a body.
type Rule struct {
	Name      string `json:"name"`                // lower case letters, digits and "-", at most 64; part of each notification's ID
	On        Kind   `json:"on"`                  // the kind of event
	Record    string `json:"record,omitempty"`    // the kind of record, such as "user"; empty: any
	ID        string `json:"id,omitempty"`        // pattern of the record's id: "*" matches any characters; needs Record; empty: every id
	Keys      string `json:"keys,omitempty"`      // pattern of the key: "*" matches any characters except "/", "**" any characters; empty: every key
	From      string `json:"from,omitempty"`      // the status before; empty: any
	To        string `json:"to,omitempty"`        // the status after; empty: any
	Attribute string `json:"attribute,omitempty"` // the removed attribute; empty: any
	Channel   string `json:"channel"`             // the channel's name
	Recipient string `json:"recipient,omitempty"` // template; empty if the channel has its own recipient
	Subject   string `json:"subject,omitempty"`   // template; white space becomes single spaces, and the result is truncated to MaxSubjectBytes
	Body      string `json:"body"`                // template
}

// Rules is a validated set of rules. It is immutable and safe for concurrent use.
// The zero value has no rules.
type Rules struct{ rules []compiledRule }

type compiledRule struct {
	Rule
	keys, id                 keyPattern
	recipient, subject, body *fieldTemplate
}

// isRuleName reports whether name is a valid Rule.Name. A regular expression would
// add a quarter of a millisecond to the start-up time of every program.
func isRuleName(name string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyz0123456789-"
	return name != "" && len(name) <= 64 && name[0] != '-' && strings.Trim(name, allowed) == ""
}

// NewRules validates rules and parses their templates. It detects an unknown kind,
// a condition that never holds, and a template that does not parse, uses an
// unknown field, or fails on sample values. The error joins all problems, each a
// *RuleError.
func NewRules(rules []Rule) (*Rules, error) {
	if len(rules) > MaxRules {
		return nil, fmt.Errorf("rules: got %d, want at most %d", len(rules), MaxRules)
	}
	var problems []error
	seen := map[string]bool{}
	out := &Rules{}
	for i, r := range rules {
		c, errs := compileRule(i, r)
		problems = append(problems, errs...)
		if r.Name != "" && seen[r.Name] {
			problems = append(problems, &RuleError{Rule: r.Name, Field: "name", Err: errors.New("is used twice")})
		}
		seen[r.Name] = true
		out.rules = append(out.rules, c)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return out, nil
}

// ParseRules decodes a JSON array of rules and validates them like NewRules.
// Unknown fields and data after the array are errors. The error joins all
// problems of all rules.
func ParseRules(data []byte) (*Rules, error) {
	if len(data) > MaxRulesBytes {
		return nil, fmt.Errorf("rules: got %d bytes, want at most %d", len(data), MaxRulesBytes)
	}
	var raw []json.RawMessage
	if err := strictJSON(data, &raw); err != nil {
		return nil, fmt.Errorf("rules: want a JSON array: %w", err)
	}
	if raw == nil {
		return nil, errors.New("rules: got null, want a JSON array")
	}
	if len(raw) > MaxRules {
		return nil, fmt.Errorf("rules: got %d, want at most %d", len(raw), MaxRules)
	}
	var problems []error
	rules := make([]Rule, 0, len(raw))
	for i, data := range raw {
		var r Rule
		if err := strictJSON(data, &r); err != nil {
			problems = append(problems, &RuleError{Rule: ruleLabel(i, r), Field: "json", Err: err})
			continue
		}
		rules = append(rules, r)
	}
	parsed, err := NewRules(rules)
	if problems = append(problems, err); errors.Join(problems...) != nil {
		return nil, errors.Join(problems...)
	}
	return parsed, nil
}

func strictJSON(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if e.Field != "" {
			return fmt.Errorf("%s: got a JSON %s at byte %d", e.Field, e.Value, e.Offset)
		}
		return fmt.Errorf("got a JSON %s at byte %d", e.Value, e.Offset)
	}
	if errors.Is(err, io.EOF) {
		return errors.New("got nothing")
	}
	if err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("got data after the value at byte %d", d.InputOffset())
	}
	return nil
}

// ruleLabel returns the name of a rule for errors, or its position.
func ruleLabel(i int, r Rule) string {
	if r.Name == "" {
		return "#" + strconv.Itoa(i+1)
	}
	return r.Name
}

func compileRule(i int, r Rule) (c compiledRule, problems []error) {
	wrong := func(field string, err error) {
		if err != nil {
			problems = append(problems, &RuleError{Rule: ruleLabel(i, r), Field: field, Err: err})
		}
	}
	c.Rule = r
	if !isRuleName(r.Name) {
		wrong("name", fmt.Errorf("got %q, want 1 to 64 lower case letters, digits and \"-\"", r.Name))
	}
	if !slices.Contains(kinds, r.On) {
		wrong("on", fmt.Errorf("unknown kind %q, want one of %q", r.On, kinds))
		return c, problems // the templates depend on it
	}
	pattern := func(field, text string, compile func(string) (keyPattern, error)) (p keyPattern) {
		if len(text) > maxPatternBytes || !utf8.ValidString(text) {
			wrong(field, fmt.Errorf("want a pattern of at most %d bytes in UTF-8", maxPatternBytes))
			return p
		}
		p, err := compile(text)
		wrong(field, err)
		return p
	}
	c.keys = pattern("keys", r.Keys, newKeyPattern)
	c.id = pattern("id", r.ID, newIDPattern)
	if r.ID != "" && r.Record == "" {
		wrong("id", errors.New("want record beside it, such as \"user\""))
	}
	if r.From != "" && r.On == Created {
		wrong("from", errors.New("a created record had no status before"))
	}
	if r.To != "" && (r.On == Removed || r.On == Expired) {
		wrong("to", errors.New("a removed record has no status"))
	}
	if r.From != "" && r.From == r.To && r.On == StatusChanged {
		wrong("to", fmt.Errorf("got %q as in from, want another status", r.To))
	}
	if r.Attribute != "" && r.On != AttributeRemoved {
		wrong("attribute", fmt.Errorf("is only available with %q", AttributeRemoved))
	}
	if r.Channel == "" {
		wrong("channel", errors.New("is missing"))
	}
	if strings.TrimSpace(r.Subject) == "" && strings.TrimSpace(r.Body) == "" {
		wrong("body", errors.New("is missing, as is subject: want at least one"))
	}
	var err error
	c.recipient, err = newFieldTemplate(r.On, r.Recipient, MaxRecipientBytes)
	wrong("recipient", err)
	c.subject, err = newFieldTemplate(r.On, r.Subject, maxSubjectText)
	wrong("subject", err)
	c.body, err = newFieldTemplate(r.On, r.Body, MaxBodyBytes)
	wrong("body", err)
	return c, problems
}

// Channels returns the sorted names of the channels that the rules use, so that a
// program can check at its start whether it has them.
func (rs *Rules) Channels() []string {
	var names []string
	for _, r := range rs.rules {
		names = append(names, r.Channel)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Records returns the sorted kinds of records that the rules name, so that a
// program can check that it has them.
func (rs *Rules) Records() []string {
	var names []string
	for _, r := range rs.rules {
		if r.Record != "" {
			names = append(names, r.Record)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Notifications returns the notifications of c: one for each event, in the order
// of [Events], and each matching rule, in the order of the rules. The same rules
// and change return the same notifications and IDs each time.
//
// If rules fail on the record, Notifications returns the notifications of the
// others and the joined errors, each a *RuleError. Retrying cannot fix them.
func (rs *Rules) Notifications(c Change) ([]Notification, error) {
	events := Events(c)
	if len(events) > 0 && c.ID == "" {
		return nil, fmt.Errorf("change of %q: ID is missing, want a stable one for its notifications", c.Key)
	}
	var out []Notification
	var problems []error
	for _, e := range events {
		for _, r := range rs.rules {
			if !r.match(e) {
				continue
			}
			n, err := r.render(e)
			if err != nil {
				problems = append(problems, err)
				continue
			}
			out = append(out, n)
		}
	}
	return out, errors.Join(problems...)
}

func (r compiledRule) match(e Event) bool {
	return r.On == e.Kind &&
		(r.From == "" || r.From == e.From) &&
		(r.To == "" || r.To == e.To) &&
		(r.Attribute == "" || r.Attribute == e.Attribute) &&
		(r.Record == "" || r.Record == e.Record) &&
		r.id.match(e.RecordID) && r.keys.match(e.Key)
}

func (r compiledRule) render(e Event) (Notification, error) {
	n := Notification{
		Rule: r.Name, Channel: r.Channel, At: e.At.UTC(), Key: e.Key, Cause: e.ID,
	}
	for _, f := range []struct {
		name     string
		template *fieldTemplate
		into     *string
		oneLine  bool
	}{
		{"recipient", r.recipient, &n.To, true},
		{"subject", r.subject, &n.Subject, true},
		{"body", r.body, &n.Body, false},
	} {
		text, err := f.template.render(e)
		if f.oneLine {
			text = oneLine(text)
		}
		if f.name == "subject" {
			text = cut(text, MaxSubjectBytes)
		}
		if err == nil && f.name == "recipient" && text == "" && r.Recipient != "" {
			err = errors.New("rendered to nothing, want a recipient")
		}
		if err != nil {
			return Notification{}, &RuleError{Rule: r.Name, Field: f.name, Key: e.Key, Err: err}
		}
		*f.into = text
	}
	n.ID = notificationID(r.Name, e, n.To)
	if err := n.Validate(); err != nil {
		return Notification{}, &RuleError{Rule: r.Name, Field: "notification", Key: e.Key, Err: err}
	}
	return n, nil
}
