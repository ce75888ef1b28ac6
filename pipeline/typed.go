package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
		return &BodyError{Field: e.Field, Offset: e.Offset, Err: fmt.Errorf("a JSON %s where %s is wanted", e.Value, e.Type)}
	}
	return &BodyError{Err: err}
}
