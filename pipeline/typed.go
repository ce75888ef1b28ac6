package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Typed returns a Handler that decodes the record's body into a T by
// encoding/json and calls h with it. A body that does not decode is a Permanent
// *BodyError. If *T has a method Validate() error, its error is Permanent too.
func Typed[T any](h func(ctx context.Context, r Record, body T) error) Handler {
	return func(ctx context.Context, r Record) error {
		var body T
		if err := DecodeJSON(r.Body, &body); err != nil {
			return Permanent(err)
		}
		if v, ok := any(&body).(interface{ Validate() error }); ok {
			if err := v.Validate(); err != nil {
				return Permanent(err)
			}
		}
		return h(ctx, r, body)
	}
}

// BodyError reports a JSON body that cannot be decoded.
type BodyError struct {
	Field  string // path of the field, separated by dots; "" if unknown
	Offset int64  // bytes read before the problem; 0 if unknown
	Err    error
}

func (e *BodyError) Error() string {
	var where string
	if e.Field != "" {
		where = fmt.Sprintf(" field %q", e.Field)
	}
	if e.Offset > 0 {
		where += fmt.Sprintf(" at byte %d", e.Offset)
	}
	if where != "" {
		where += ":"
	}
	return fmt.Sprintf("body:%s %v", where, e.Err)
}

func (e *BodyError) Unwrap() error { return e.Err }

// DecodeJSON unmarshals body into v. Its error is a *BodyError. An empty body and
// the JSON value null are errors, because they would leave v unchanged.
func DecodeJSON(body []byte, v any) error {
	trimmed := bytes.TrimSpace(body)
	if len(trimmed) == 0 {
		return &BodyError{Err: errors.New("got nothing, want JSON")}
	}
	if string(trimmed) == "null" {
		return &BodyError{Err: errors.New("got null, want a JSON value")}
	}
	err := json.Unmarshal(body, v)
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return &BodyError{Offset: e.Offset, Err: fmt.Errorf("invalid JSON: %w", e)}
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return &BodyError{Field: fieldPath(reflect.TypeOf(v), e.Field), Offset: e.Offset, Err: fmt.Errorf("got a JSON %s, want %s", e.Value, jsonKind(e.Type))}
	}
	return &BodyError{Err: err}
}

// fieldPath removes the names of embedded structs from a path, because the JSON
// does not have them.
func fieldPath(t reflect.Type, path string) string {
	parts := strings.Split(path, ".")
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	for len(parts) > 1 && t.Kind() == reflect.Struct {
		i := slices.IndexFunc(reflect.VisibleFields(t), func(f reflect.StructField) bool { return f.Anonymous && f.Name == parts[0] })
		if i < 0 {
			break
		}
		if t = reflect.VisibleFields(t)[i].Type; t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		parts = parts[1:]
	}
	return strings.Join(parts, ".")
}

// jsonKind describes the JSON form of a Go type.
func jsonKind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number of at least 0"
	case reflect.Float32, reflect.Float64:
		return "a number"
	}
	return t.String()
}
