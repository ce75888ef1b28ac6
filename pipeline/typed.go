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

// Typed makes a Handler of one that takes the record's body as a T, decoded by
// encoding/json. A body that does not decode is Permanent, and the error says
// where. If *T has a method Validate() error, its error is Permanent too.
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

// BodyError says where a JSON body is not what was expected.
type BodyError struct {
	Field  string // path of the field, dots between; "" where it is unknown
	Offset int64  // bytes read when it was noticed
	Err    error
}

func (e *BodyError) Error() string {
	if e.Field != "" {
		return fmt.Sprintf("body: field %q at byte %d: %v", e.Field, e.Offset, e.Err)
	}
	return fmt.Sprintf("body: at byte %d: %v", e.Offset, e.Err)
}

func (e *BodyError) Unwrap() error { return e.Err }

// DecodeJSON unmarshals body into v. Its error is a *BodyError. A body that is
// empty, or the JSON null, is an error: it would leave v as it was.
func DecodeJSON(body []byte, v any) error {
	trimmed := bytes.TrimSpace(body)
	if len(trimmed) == 0 {
		return &BodyError{Err: errors.New("it is empty")}
	}
	if string(trimmed) == "null" {
		return &BodyError{Err: errors.New("it is null")}
	}
	err := json.Unmarshal(body, v)
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return &BodyError{Offset: e.Offset, Err: fmt.Errorf("not JSON: %w", e)}
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return &BodyError{Field: fieldPath(reflect.TypeOf(v), e.Field), Offset: e.Offset, Err: fmt.Errorf("a JSON %s where %s is wanted", e.Value, jsonKind(e.Type))}
	}
	return &BodyError{Err: err}
}

// fieldPath leaves the names of embedded structs out of a path: the JSON does
// not have them.
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

// jsonKind is what a Go type is in JSON.
func jsonKind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number that is not negative"
	case reflect.Float32, reflect.Float64:
		return "a number"
	}
	return t.String()
}
