package setup

import (
	"encoding"
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// Environ returns the process's environment as a map.
func Environ() map[string]string { return env.ToMap(os.Environ()) }

// ConfigError has every problem of a worker's settings.
type ConfigError struct {
	Problems []error // each starts with the name of its variable
}

func (e *ConfigError) Error() string {
	return "configuration: " + strings.ReplaceAll(errors.Join(e.Problems...).Error(), "\n", "; ")
}

func (e *ConfigError) Unwrap() []error { return e.Problems }

// Invalid returns a *ConfigError of the problems that a Validate returned.
func Invalid(err error) error { return &ConfigError{Problems: split(err)} }

// Read fills a T from environ by its env tags and calls its Validate, if it has
// one. It returns all problems at once, in a *ConfigError.
//
// A line break at the end of a value is cut off, for a value read from a file
// usually has one. A value may have others only if its field has the tag
// lines:"true".
func Read[T any](environ map[string]string) (T, error) {
	environ, problems := trimLines(reflect.TypeFor[T](), environ)
	unread := map[string]bool{} // variables that Validate must not report again
	for _, err := range problems {
		name, _, _ := strings.Cut(err.Error(), ":")
		unread[name] = true
	}
	c, err := env.ParseAsWithOptions[T](env.Options{Environment: environ})
	for _, err := range split(err) {
		if p, ok := errors.AsType[env.ParseError](err); ok {
			name, want := describe(reflect.TypeFor[T](), p.Name)
			if unread[name] {
				continue
			}
			unread[name] = true
			err = fmt.Errorf("%s: got %q, want %s", name, environ[name], want)
		} else if missing, ok := errors.AsType[env.VarIsNotSetError](err); ok {
			err = fmt.Errorf("%s: required, but not set", missing.Key)
		} else if empty, ok := errors.AsType[env.EmptyVarError](err); ok {
			err = fmt.Errorf("%s: required, but empty", empty.Key)
		}
		problems = append(problems, err)
	}
	if v, ok := any(&c).(interface{ Validate() error }); ok {
		for _, err := range split(v.Validate()) {
			if name, _, _ := strings.Cut(err.Error(), ":"); !unread[name] {
				problems = append(problems, err)
			}
		}
	}
	if len(problems) > 0 {
		return c, &ConfigError{Problems: problems}
	}
	return c, nil
}

// trimLines returns environ with the values of t's variables less the line break
// at their end. A variable whose value has another is a problem, and its value is
// replaced.
func trimLines(t reflect.Type, environ map[string]string) (map[string]string, []error) {
	trimmed := maps.Clone(environ)
	var problems []error
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("env"), ",")
		value, ok := environ[name]
		if !ok || name == "" {
			continue
		}
		value = strings.TrimSuffix(strings.TrimSuffix(value, "\n"), "\r")
		trimmed[name] = value
		if strings.ContainsAny(value, "\r\n") && f.Tag.Get("lines") != "true" {
			// The value may be a secret.
			problems = append(problems, fmt.Errorf("%s: got a line break within the value, want one line", name))
			trimmed[name] = "0" // neither missing nor empty
		}
	}
	return trimmed, problems
}

// split returns the errors that err joins, or err alone.
func split(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// describe returns the variable that fills a field of t, and the values that it
// accepts.
func describe(t reflect.Type, field string) (name, want string) {
	f, ok := t.FieldByName(field)
	if !ok {
		return field, "another value"
	}
	name, _, _ = strings.Cut(f.Tag.Get("env"), ",")
	return name, wanted(f.Type)
}

// wanted describes the texts that are read as a t.
func wanted(t reflect.Type) string {
	switch v := reflect.New(t).Interface().(type) {
	case *Bytes:
		return wantBytes
	case *Count:
		return wantCount
	case *time.Duration:
		return "a duration such as 500ms or 2s"
	case encoding.TextUnmarshaler:
		return fmt.Sprintf("a %T", v)
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "a number such as 0.5"
	default:
		return "a whole number"
	}
}
