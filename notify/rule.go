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

// Rule says which events become a notification, and which.
//
// Recipient, Subject and Body are text templates (text/template without
// define, block and template). Their dot is the [Event]: {{.Key}}, {{.From}},
// {{.To}}, {{.Attribute}}, {{.At}}, and the images {{.Old.name}} and
// {{.New.name}}; {{.Item.name}} is the new image or, of a removed record, the
// old one. An attribute that the record lacks, or that is null, is an error. For one that may
// be missing, write {{or (index .Item "name") "there"}} or
// {{with index .Item "name"}}…{{end}}.
type Rule struct {
	Name      string `json:"name"`                // lower case letters, digits and "-", at most 64; part of each notification's ID
	On        Kind   `json:"on"`                  // the kind of event
	Keys      string `json:"keys,omitempty"`      // pattern on the record's key: "*" any run without "/", "**" any run; empty: every key
	From      string `json:"from,omitempty"`      // the status before; empty: any
	To        string `json:"to,omitempty"`        // the status after; empty: any
	Attribute string `json:"attribute,omitempty"` // the removed attribute; empty: any
	Channel   string `json:"channel"`             // the channel's name
	Recipient string `json:"recipient,omitempty"` // template; empty where the channel knows where to send
	Subject   string `json:"subject,omitempty"`   // template; white space is folded to single spaces, and what is over MaxSubjectBytes is cut
	Body      string `json:"body"`                // template
}

// Rules are rules that were checked and parsed. They never change, so they are
// safe for concurrent use. The zero value has no rules and notifies nobody.
type Rules struct{ rules []compiledRule }

type compiledRule struct {
	Rule
	keys                     keyPattern
	recipient, subject, body *fieldTemplate
}

// isRuleName says what Rule.Name may be. As a regular expression it would cost
// each program that links this package a quarter of a millisecond of its start.
func isRuleName(name string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyz0123456789-"
	return name != "" && len(name) <= 64 && name[0] != '-' && strings.Trim(name, allowed) == ""
}

// NewRules checks rules and parses their templates. It finds what it can
// without a record: an unknown kind, a condition that can never hold, a
// template that does not parse, that names a field which events do not have, or
// that fails on made-up values. The error joins every problem, each a
// *RuleError.
func NewRules(rules []Rule) (*Rules, error) {
	if len(rules) > MaxRules {
		return nil, fmt.Errorf("%d rules, the limit is %d", len(rules), MaxRules)
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

// ParseRules reads a JSON array of rules. Unknown fields are errors, and so is
// anything after the array. It then does what NewRules does; all problems of
// all rules are joined.
func ParseRules(data []byte) (*Rules, error) {
	if len(data) > MaxRulesBytes {
		return nil, fmt.Errorf("rules have %d bytes, the limit is %d", len(data), MaxRulesBytes)
	}
	var raw []json.RawMessage
	if err := strictJSON(data, &raw); err != nil {
		return nil, fmt.Errorf("rules are not a JSON array: %w", err)
	}
	if raw == nil {
		return nil, errors.New("rules are null, a JSON array is wanted")
	}
	if len(raw) > MaxRules {
		return nil, fmt.Errorf("%d rules, the limit is %d", len(raw), MaxRules)
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
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("something follows at byte %d", d.InputOffset())
	}
	return nil
}

// ruleLabel names a rule in errors also when it has no name.
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
		wrong("name", fmt.Errorf("%q is not 1 to 64 lower case letters, digits and \"-\"", r.Name))
	}
	if !slices.Contains(kinds, r.On) {
		wrong("on", fmt.Errorf("unknown kind %q, known are %q", r.On, kinds))
		return c, problems // the templates cannot be judged without it
	}
	if len(r.Keys) > maxPatternBytes || !utf8.ValidString(r.Keys) {
		wrong("keys", fmt.Errorf("pattern is over %d bytes or not UTF-8", maxPatternBytes))
	} else {
		var err error
		c.keys, err = newKeyPattern(r.Keys)
		wrong("keys", err)
	}
	if r.From != "" && r.On == Created {
		wrong("from", errors.New("a record that was created had no status before"))
	}
	if r.To != "" && (r.On == Removed || r.On == Expired) {
		wrong("to", errors.New("a record that is gone has no status"))
	}
	if r.From != "" && r.From == r.To && r.On == StatusChanged {
		wrong("to", fmt.Errorf("is %q as from, so the status does not change", r.To))
	}
	if r.Attribute != "" && r.On != AttributeRemoved {
		wrong("attribute", fmt.Errorf("only %q has one", AttributeRemoved))
	}
	if r.Channel == "" {
		wrong("channel", errors.New("is missing"))
	}
	if strings.TrimSpace(r.Subject) == "" && strings.TrimSpace(r.Body) == "" {
		wrong("body", errors.New("is missing, and so is subject"))
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

// Channels returns the names of the channels that the rules use, sorted. A
// program compares them at its start with the channels that it has.
func (rs *Rules) Channels() []string {
	var names []string
	for _, r := range rs.rules {
		names = append(names, r.Channel)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Notifications returns what c gives: for each event, in the order of
// [Events], for each rule that matches it, in the order of the rules, one
// notification. The same rules and change give the same notifications and IDs
// each time. A change without a match gives none.
//
// A rule that fails on this record loses its own notification only: the others
// are returned together with the joined errors, each a *RuleError. It would
// fail again, so trying again is of no use.
func (rs *Rules) Notifications(c Change) ([]Notification, error) {
	events := Events(c)
	if len(events) > 0 && c.ID == "" {
		return nil, fmt.Errorf("change of %q has no ID, so its notifications would have none that is stable", c.Key)
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
		r.keys.match(e.Key)
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
			err = errors.New("renders to nothing")
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
