package eventsource

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
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
	absent []string // {"exists":false} is among the rules: the path at which the whole record must hold no leaf
}

// rule says whether a leaf value matches. Its argument is a string, json.Number, bool or nil.
type rule func(leaf any) bool

// compilePattern reads a pattern in the syntax of Lambda's FilterCriteria: exact text, numbers, booleans and null, prefix,
// suffix, equals-ignore-case, anything-but, numeric, exists, and $or between fields. What only EventBridge's own rules know
// (wildcard, cidr, a rule inside anything-but, prefix or suffix) is refused: Lambda's documentation does not list it, and
// a pattern that is read otherwise than meant deletes messages.
//
// Numbers are equal by value, as in the matcher that AWS published, so that 300 matches 300.0. The documentation says that
// only the text counts; the difference lets a record pass, and deletes none.
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
	return compileObject(object, nil)
}

func compileObject(object map[string]any, parents []string) (*pattern, error) {
	if len(object) == 0 {
		return nil, fmt.Errorf("%s: empty object", orRoot(strings.Join(parents, ".")))
	}
	p := &pattern{}
	for name, v := range object {
		path := append(slices.Clip(parents), name)
		at := strings.Join(path, ".")
		switch v := v.(type) {
		case map[string]any:
			nested, err := compileObject(v, path)
			if err != nil {
				return nil, err
			}
			p.fields = append(p.fields, fieldPattern{name: name, nested: nested})
		case []any:
			if name == "$or" {
				alternatives, err := compileOr(v, parents)
				if err != nil {
					return nil, err
				}
				p.either = append(p.either, alternatives)
				continue
			}
			f := fieldPattern{name: name}
			if err := f.compileRules(v, path); err != nil {
				return nil, fmt.Errorf("%s: %w", at, err)
			}
			p.fields = append(p.fields, f)
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

func compileOr(list []any, parents []string) ([]*pattern, error) {
	at := strings.Join(append(slices.Clip(parents), "$or"), ".")
	if len(list) < 2 {
		return nil, fmt.Errorf("%s: needs two or more alternatives", at)
	}
	var alternatives []*pattern
	for i, v := range list {
		object, ok := v.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%s[%d]: not an object", at, i)
		}
		p, err := compileObject(object, parents)
		if err != nil {
			return nil, err
		}
		alternatives = append(alternatives, p)
	}
	return alternatives, nil
}

func (f *fieldPattern) compileRules(list []any, path []string) error {
	if len(list) == 0 {
		return errors.New("empty list, nothing can match it")
	}
	for _, v := range list {
		if rule, ok := v.(map[string]any); ok && len(rule) == 1 && rule["exists"] == false {
			f.absent = path
			continue
		}
		r, err := compileRule(v)
		if err != nil {
			return err
		}
		f.rules = append(f.rules, r)
	}
	return nil
}

func compileRule(v any) (rule, error) {
	switch v := v.(type) {
	case nil, string, json.Number, bool:
		return func(leaf any) bool { return equal(leaf, v) }, nil
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
		if operand != true { // false is not a rule for a leaf
			return nil, errors.New("wants true or false")
		}
		return func(any) bool { return true }, nil
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

// anythingBut matches a leaf that is none of the listed texts, or none of the listed numbers.
func anythingBut(operand any) (rule, error) {
	values, ok := operand.([]any)
	if !ok {
		values = []any{operand}
	}
	if len(values) == 0 {
		return nil, errors.New("empty list")
	}
	texts := 0
	for _, v := range values {
		switch v.(type) {
		case string:
			texts++
		case json.Number:
		default:
			return nil, errors.New("wants text, a number, or a list of either")
		}
	}
	if texts != 0 && texts != len(values) {
		return nil, errors.New("wants a list of texts or of numbers, not both")
	}
	return func(leaf any) bool {
		return !slices.ContainsFunc(values, func(v any) bool { return equal(leaf, v) })
	}, nil
}

// equal compares two leaves. Integers of more than 53 bits are equal by their text alone.
func equal(a, b any) bool {
	x, ok := a.(json.Number)
	y, both := b.(json.Number)
	if !ok || !both {
		return a == b
	}
	if x == y {
		return true
	}
	m, errM := x.Float64()
	n, errN := y.Float64()
	return errM == nil && errN == nil && m == n && math.Abs(m) < 1<<53
}

// maxNumeric is the largest number that numeric compares with, as EventBridge documents it.
const maxNumeric = 5e9

// numeric matches a number that fulfils one comparison, or lies in a range like [">", 0, "<=", 5]. Text never matches, so it
// does not reach DynamoDB's numbers, which are text.
func numeric(operand any) (rule, error) {
	list, ok := operand.([]any)
	if !ok || len(list) != 2 && len(list) != 4 {
		return nil, errors.New(`wants a comparison or a range, as in ["=", 1] or [">", 0, "<=", 5]`)
	}
	var tests []func(float64) bool
	var bounds []float64
	for i := 0; i < len(list); i += 2 {
		number, ok := list[i+1].(json.Number)
		if !ok {
			return nil, fmt.Errorf("%v is not a number", list[i+1])
		}
		want, err := number.Float64()
		if err != nil || math.Abs(want) > maxNumeric {
			return nil, fmt.Errorf("%v is not within -%g to %g", number, maxNumeric, maxNumeric)
		}
		test, err := comparison(list[i], want)
		if err != nil {
			return nil, err
		}
		tests, bounds = append(tests, test), append(bounds, want)
	}
	if len(list) == 4 {
		lower, upper := list[0] == ">" || list[0] == ">=", list[2] == "<" || list[2] == "<="
		if !lower || !upper || bounds[0] >= bounds[1] {
			return nil, fmt.Errorf("%v is not a range from below to above", list)
		}
	}
	return func(leaf any) bool {
		number, ok := leaf.(json.Number)
		if !ok {
			return false
		}
		n, err := number.Float64()
		return err == nil && !slices.ContainsFunc(tests, func(test func(float64) bool) bool { return !test(n) })
	}, nil
}

func comparison(operator any, want float64) (func(float64) bool, error) {
	switch operator {
	case "=":
		return func(n float64) bool { return n == want }, nil
	case "<":
		return func(n float64) bool { return n < want }, nil
	case "<=":
		return func(n float64) bool { return n <= want }, nil
	case ">":
		return func(n float64) bool { return n > want }, nil
	case ">=":
		return func(n float64) bool { return n >= want }, nil
	}
	return nil, fmt.Errorf("%v is not one of = < <= > >=", operator)
}

// match says whether v, a part of the decoded record, matches. In a list of objects one of them must match as a whole.
func (p *pattern) match(v, record any) bool {
	if list, ok := v.([]any); ok && len(list) > 0 {
		return slices.ContainsFunc(list, func(v any) bool { return p.match(v, record) })
	}
	object, _ := v.(map[string]any) // anything else has no fields: only "does not exist" can match
	for _, f := range p.fields {
		child, ok := object[f.name]
		if f.nested != nil && !f.nested.match(child, record) {
			return false
		}
		if f.nested == nil && !f.matchLeaf(child, ok, record) {
			return false
		}
	}
	for _, alternatives := range p.either {
		if !slices.ContainsFunc(alternatives, func(a *pattern) bool { return a.match(v, record) }) {
			return false
		}
	}
	return true
}

// matchLeaf tries the rules on the leaves of a field that is there, or looks whether the record holds none at its path.
func (f *fieldPattern) matchLeaf(v any, there bool, record any) bool {
	if there && anyLeaf(v, func(leaf any) bool {
		return slices.ContainsFunc(f.rules, func(r rule) bool { return r(leaf) })
	}) {
		return true
	}
	return f.absent != nil && !holdsLeaf(record, f.absent)
}

// anyLeaf says whether f is true of v, or of a leaf of the list v, in however many lists. An object is no leaf.
func anyLeaf(v any, f func(leaf any) bool) bool {
	switch v := v.(type) {
	case map[string]any:
		return false
	case []any:
		return slices.ContainsFunc(v, func(v any) bool { return anyLeaf(v, f) })
	}
	return f(v)
}

// holdsLeaf says whether there is a leaf at a path, in any element of the lists on the way.
func holdsLeaf(v any, path []string) bool {
	if len(path) == 0 {
		return anyLeaf(v, func(any) bool { return true })
	}
	switch v := v.(type) {
	case map[string]any:
		child, ok := v[path[0]]
		return ok && holdsLeaf(child, path[1:])
	case []any:
		return slices.ContainsFunc(v, func(v any) bool { return holdsLeaf(v, path) })
	}
	return false
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
	return err == nil && slices.ContainsFunc(fs, func(p *pattern) bool { return p.match(v, v) })
}

// bodyOnly says whether a pattern names nothing but a message's body. Lambda filters queues by nothing else, and a filter
// that never matches would delete every message.
func (p *pattern) bodyOnly() bool {
	for _, alternatives := range p.either {
		if slices.ContainsFunc(alternatives, func(a *pattern) bool { return !a.bodyOnly() }) {
			return false
		}
	}
	return !slices.ContainsFunc(p.fields, func(f fieldPattern) bool { return f.name != "body" })
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
	message := map[string]any{"body": value}
	return slices.ContainsFunc(fs, func(p *pattern) bool { return p.matchMessage(message, isJSON) })
}

// matchMessage is match for a pattern that is bodyOnly. Each alternative's format is looked at by itself.
func (p *pattern) matchMessage(message map[string]any, isJSON bool) bool {
	for _, f := range p.fields {
		if (f.nested != nil) != isJSON {
			return false
		}
	}
	for _, alternatives := range p.either {
		if !slices.ContainsFunc(alternatives, func(a *pattern) bool { return a.matchMessage(message, isJSON) }) {
			return false
		}
	}
	fields := pattern{fields: p.fields}
	return fields.match(message, message)
}

// decodeJSON decodes exactly one JSON value. Numbers become json.Number.
func decodeJSON(data []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("not JSON: more after the first value")
	}
	return v, nil
}
