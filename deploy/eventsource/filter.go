package eventsource

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Lambda's limits on filters.
const (
	// MaxFilters is the most filters of one mapping (5, and 10 after a quota increase).
	MaxFilters = 10
	// MaxFilterBytes is the longest pattern.
	MaxFilterBytes = 4096
)

// pattern is one compiled FilterCriteria pattern: every field must match, and for each "$or" one of its alternatives.
type pattern struct {
	fields []fieldPattern
	either [][]*pattern
}

// fieldPattern holds either a nested pattern or the rules of a leaf, of which one must match.
type fieldPattern struct {
	name   string
	nested *pattern
	rules  []rule
}

// rule says whether a leaf value matches. Its argument is a string, float64, bool, nil, or absent.
type rule func(leaf any) bool

// absent is the value of a field that is not there, or that holds no leaf.
type absent struct{}

// compilePattern reads a pattern in the syntax of Lambda's FilterCriteria: exact text, numbers, booleans and null, prefix,
// suffix, equals-ignore-case, anything-but, numeric, exists, and $or between fields. Operators that only EventBridge's
// own rules know (wildcard, cidr, nested anything-but) are refused, as Lambda does.
func compilePattern(text string) (*pattern, error) {
	if len(text) > MaxFilterBytes {
		return nil, fmt.Errorf("%d bytes, at most %d are allowed", len(text), MaxFilterBytes)
	}
	v, err := decodeJSON([]byte(text))
	if err != nil {
		return nil, err
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("not an object")
	}
	return compileObject(object, "")
}

func compileObject(object map[string]any, path string) (*pattern, error) {
	if len(object) == 0 {
		return nil, fmt.Errorf("%s: empty object", orRoot(path))
	}
	p := &pattern{}
	for name, v := range object {
		at := strings.TrimPrefix(path+"."+name, ".")
		switch v := v.(type) {
		case map[string]any:
			nested, err := compileObject(v, at)
			if err != nil {
				return nil, err
			}
			p.fields = append(p.fields, fieldPattern{name: name, nested: nested})
		case []any:
			if name == "$or" {
				alternatives, err := compileOr(v, path)
				if err != nil {
					return nil, err
				}
				p.either = append(p.either, alternatives)
				continue
			}
			rules, err := compileRules(v, at)
			if err != nil {
				return nil, err
			}
			p.fields = append(p.fields, fieldPattern{name: name, rules: rules})
		default:
			return nil, fmt.Errorf("%s: the value stands in a list, as in [%v]", at, v)
		}
	}
	return p, nil
}

func orRoot(path string) string {
	if path == "" {
		return "pattern"
	}
	return path
}

func compileOr(list []any, path string) ([]*pattern, error) {
	if len(list) < 2 {
		return nil, fmt.Errorf("%s.$or: needs two or more alternatives", path)
	}
	var alternatives []*pattern
	for i, v := range list {
		object, ok := v.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%s.$or[%d]: not an object", path, i)
		}
		p, err := compileObject(object, path)
		if err != nil {
			return nil, err
		}
		alternatives = append(alternatives, p)
	}
	return alternatives, nil
}

func compileRules(list []any, path string) ([]rule, error) {
	if len(list) == 0 {
		return nil, fmt.Errorf("%s: empty list, nothing can match it", path)
	}
	rules := make([]rule, 0, len(list))
	for _, v := range list {
		r, err := compileRule(v)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		rules = append(rules, r)
	}
	return rules, nil
}

func compileRule(v any) (rule, error) {
	switch v := v.(type) {
	case nil, string, float64, bool:
		return func(leaf any) bool { return leaf == v }, nil
	case map[string]any:
		if len(v) != 1 {
			return nil, fmt.Errorf("a rule has one operator, not %d", len(v))
		}
		for operator, operand := range v {
			r, err := compileOperator(operator, operand)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", operator, err)
			}
			return r, nil
		}
	}
	return nil, fmt.Errorf("%v is no value and no rule", v)
}

func compileOperator(operator string, operand any) (rule, error) {
	switch operator {
	case "prefix":
		return textRule(operand, strings.HasPrefix)
	case "suffix":
		return textRule(operand, strings.HasSuffix)
	case "equals-ignore-case":
		return textRule(operand, strings.EqualFold)
	case "exists":
		want, ok := operand.(bool)
		if !ok {
			return nil, errors.New("wants true or false")
		}
		return func(leaf any) bool { return (leaf != absent{}) == want }, nil
	case "anything-but":
		return anythingBut(operand)
	case "numeric":
		return numeric(operand)
	}
	return nil, errors.New("unknown operator")
}

func textRule(operand any, match func(s, want string) bool) (rule, error) {
	want, ok := operand.(string)
	if !ok {
		return nil, errors.New("wants text")
	}
	return func(leaf any) bool {
		s, ok := leaf.(string)
		return ok && match(s, want)
	}, nil
}

// anythingBut matches a leaf that is there and is none of the listed texts or numbers.
func anythingBut(operand any) (rule, error) {
	values, ok := operand.([]any)
	if !ok {
		values = []any{operand}
	}
	if len(values) == 0 {
		return nil, errors.New("empty list")
	}
	for _, v := range values {
		switch v.(type) {
		case string, float64:
		default:
			return nil, errors.New("wants text, a number, or a list of them")
		}
	}
	return func(leaf any) bool { return leaf != absent{} && !slices.Contains(values, leaf) }, nil
}

// numeric matches a number that fulfils each comparison of a list like [">", 0, "<=", 5]. Text never matches, so it does not
// reach DynamoDB's numbers, which are text.
func numeric(operand any) (rule, error) {
	list, ok := operand.([]any)
	if !ok || len(list) == 0 || len(list)%2 != 0 {
		return nil, errors.New(`wants pairs, as in [">", 0, "<=", 5]`)
	}
	var tests []func(float64) bool
	for i := 0; i < len(list); i += 2 {
		want, ok := list[i+1].(float64)
		if !ok {
			return nil, fmt.Errorf("%v is not a number", list[i+1])
		}
		switch list[i] {
		case "=":
			tests = append(tests, func(n float64) bool { return n == want })
		case "<":
			tests = append(tests, func(n float64) bool { return n < want })
		case "<=":
			tests = append(tests, func(n float64) bool { return n <= want })
		case ">":
			tests = append(tests, func(n float64) bool { return n > want })
		case ">=":
			tests = append(tests, func(n float64) bool { return n >= want })
		default:
			return nil, fmt.Errorf("%v is not one of = < <= > >=", list[i])
		}
	}
	return func(leaf any) bool {
		n, ok := leaf.(float64)
		if !ok {
			return false
		}
		for _, test := range tests {
			if !test(n) {
				return false
			}
		}
		return true
	}, nil
}

// match says whether v, decoded JSON, matches. In a list of objects one of them must match as a whole.
func (p *pattern) match(v any) bool {
	if list, ok := v.([]any); ok && len(list) > 0 {
		return slices.ContainsFunc(list, p.match)
	}
	object, _ := v.(map[string]any) // anything else has no fields: only "does not exist" can match
	for _, f := range p.fields {
		child, ok := object[f.name]
		if !ok {
			child = absent{}
		}
		if f.nested != nil && !f.nested.match(child) {
			return false
		}
		if f.nested == nil && !f.matchLeaf(child) {
			return false
		}
	}
	for _, alternatives := range p.either {
		if !slices.ContainsFunc(alternatives, func(a *pattern) bool { return a.match(v) }) {
			return false
		}
	}
	return true
}

// matchLeaf tries the rules on a leaf, or on each leaf of a list. An object, and a list without a leaf, count as absent.
func (f *fieldPattern) matchLeaf(v any) bool {
	leaves := []any{v}
	if list, ok := v.([]any); ok {
		leaves = list
	}
	found := false
	for _, leaf := range leaves {
		switch leaf.(type) {
		case map[string]any, []any, absent:
			continue
		}
		found = true
		if slices.ContainsFunc(f.rules, func(r rule) bool { return r(leaf) }) {
			return true
		}
	}
	return !found && slices.ContainsFunc(f.rules, func(r rule) bool { return r(absent{}) })
}

// filters are the patterns of one mapping. A record passes when one of them matches; no filter lets everything pass.
type filters []*pattern

// compileFilters compiles the patterns and returns the problems of all.
func compileFilters(patterns []string) (filters, []error) {
	var fs filters
	var errs []error
	for i, text := range patterns {
		p, err := compilePattern(text)
		if err != nil {
			errs = append(errs, &FieldError{Field: fmt.Sprintf("Filters[%d]", i), Problem: err.Error()})
			continue
		}
		fs = append(fs, p)
	}
	return fs, errs
}

// matchRecord says whether a feed's record passes. One that is not JSON does not.
func (fs filters) matchRecord(record []byte) bool {
	if len(fs) == 0 {
		return true
	}
	v, err := decodeJSON(record)
	return err == nil && slices.ContainsFunc(fs, func(p *pattern) bool { return p.match(v) })
}

// bodyOnly says whether a pattern names nothing but a message's body. Lambda filters queues by nothing else, and a filter
// that never matches would delete every message.
func (p *pattern) bodyOnly() bool {
	return len(p.either) == 0 && !slices.ContainsFunc(p.fields, func(f fieldPattern) bool { return f.name != "body" })
}

// matchBody says whether a message with this body passes. A JSON pattern never matches a plain body, nor a plain-text
// pattern a JSON body: Lambda drops the message in both cases. JSON means an object or a list.
func (fs filters) matchBody(body string) bool {
	if len(fs) == 0 {
		return true
	}
	var value any = body
	isJSON := false
	if v, err := decodeJSON([]byte(body)); err == nil {
		switch v.(type) {
		case map[string]any, []any:
			value, isJSON = v, true
		}
	}
	return slices.ContainsFunc(fs, func(p *pattern) bool {
		for _, f := range p.fields {
			if (f.nested != nil) != isJSON {
				return false
			}
		}
		return p.match(map[string]any{"body": value})
	})
}

// decodeJSON decodes exactly one JSON value. Numbers become float64, the precision that filters compare in.
func decodeJSON(data []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("not JSON: more after the first value")
	}
	return v, nil
}
