package streamchange

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"

	"sluice/pipeline/lambdaevent"
	"sluice/pipeline/lambdaevent/internal/jsonscan"
)

// An Image is an item, by the names of its attributes. The DynamoDB types are
// decoded as: S string, N json.Number, B Binary, BOOL bool, NULL nil, SS
// StringSet, NS NumberSet, BS BinarySet, L []any, M map[string]any.
type Image map[string]any

// The DynamoDB types that JSON does not have.
type (
	Binary    []byte
	StringSet []string
	NumberSet []json.Number
	BinarySet [][]byte
)

// MaxDepth is DynamoDB's limit on nested lists and maps.
const MaxDepth = 32

const formImage = "image"

// DecodeImage decodes an item in DynamoDB JSON, {"name":{"S":"value"},...}, and
// returns nil for null. The error is a *lambdaevent.EventError with the path of
// the attribute.
func DecodeImage(data []byte) (Image, error) {
	d := imageDecoder{Scanner: jsonscan.New(data)}
	image := d.image()
	d.End()
	if e := d.Failed(); e != nil {
		return nil, &lambdaevent.EventError{Form: formImage, Field: e.Field, Reason: e.Reason}
	}
	return image, nil
}

// An imageDecoder decodes attributes. It joins path only for an error, because
// names may be long and values many.
type imageDecoder struct {
	*jsonscan.Scanner
	path []string
}

func (d *imageDecoder) problem(reason string) {
	d.Scanner.Problem(jsonscan.Path(d.path), reason)
}

// mistyped reports that the next value is not a want, and skips it.
func (d *imageDecoder) mistyped(want string) {
	d.problem("is not " + want)
	d.Skip()
}

func (d *imageDecoder) push(name string) { d.path = append(d.path, name) }
func (d *imageDecoder) pop()             { d.path = d.path[:len(d.path)-1] }

// image decodes the next value, a map of attributes.
func (d *imageDecoder) image() Image {
	if d.Null() {
		return nil
	}
	return d.attributes(0)
}

// below decodes the next image. Errors have path before the attribute.
func (d *imageDecoder) below(path ...string) Image {
	d.path = append(d.path[:0], path...)
	return d.image()
}

func (d *imageDecoder) attributes(depth int) map[string]any {
	if d.Peek() != '{' {
		d.mistyped("an object")
		return nil
	}
	m := make(map[string]any)
	for name := range d.Members() {
		d.push(name)
		if _, twice := m[name]; twice {
			d.problem("appears twice")
		}
		m[name] = d.attribute(depth)
		d.pop()
	}
	return m
}

// attribute decodes an object such as {"S":"text"}, whose only member is named
// for the type.
func (d *imageDecoder) attribute(depth int) (v any) {
	if d.Peek() != '{' || depth > MaxDepth {
		if d.Peek() == '{' {
			d.problem(fmt.Sprintf("is nested deeper than %d levels", MaxDepth))
		}
		d.mistyped("an attribute")
		return nil
	}
	n := 0
	for typ := range d.Members() {
		n++
		v = d.value(typ, depth)
	}
	if n != 1 {
		d.problem(fmt.Sprintf("has %d types, want 1", n))
	}
	return v
}

func (d *imageDecoder) value(typ string, depth int) any {
	switch typ {
	case "S":
		return d.text()
	case "N":
		return d.digits()
	case "B":
		return Binary(d.binary())
	case "BOOL":
		return d.boolean()
	case "NULL":
		d.boolean() // DynamoDB always writes true
		return nil
	case "SS":
		return StringSet(list(d, d.text))
	case "NS":
		return NumberSet(list(d, d.digits))
	case "BS":
		return BinarySet(list(d, d.binary))
	case "L":
		return list(d, func() any { return d.attribute(depth + 1) })
	case "M":
		return d.attributes(depth + 1)
	}
	d.problem(fmt.Sprintf("has the unknown type %q", typ))
	d.Skip()
	return nil
}

// list decodes the next value, a list. An empty list is not nil.
func list[T any](d *imageDecoder, element func() T) []T {
	all := []T{}
	if d.Peek() != '[' {
		d.mistyped("a list")
		return all
	}
	for i := range d.Elements() {
		d.push("[" + strconv.Itoa(i) + "]")
		all = append(all, element())
		d.pop()
	}
	return all
}

func (d *imageDecoder) text() string {
	if d.Peek() != '"' {
		d.mistyped("a string")
		return ""
	}
	return d.Str()
}

// digits decodes a number, which DynamoDB writes as a string so that no decoder
// rounds it.
func (d *imageDecoder) digits() json.Number {
	text := d.text()
	if !jsonscan.IsNumber(text) {
		d.problem(fmt.Sprintf("is %q, want a number", text))
	}
	return json.Number(text)
}

func (d *imageDecoder) binary() []byte {
	if d.Peek() != '"' {
		d.mistyped("a string")
		return nil
	}
	b, err := base64.StdEncoding.AppendDecode([]byte{}, d.Bytes())
	if err != nil {
		d.problem("is not base64: " + err.Error())
	}
	return b
}

func (d *imageDecoder) boolean() bool {
	switch d.Peek() {
	case 't':
		d.Skip()
		return true
	case 'f':
		d.Skip()
	default:
		d.mistyped("true or false")
	}
	return false
}
