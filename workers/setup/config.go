package setup

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/caarlos0/env/v11"
)

// Environ returns the process's environment as a map.
func Environ() map[string]string { return env.ToMap(os.Environ()) }

// ConfigError has everything that is wrong with a worker's settings.
type ConfigError struct {
	Problems []error // each names its variable
}

func (e *ConfigError) Error() string {
	return "configuration: " + strings.ReplaceAll(errors.Join(e.Problems...).Error(), "\n", "; ")
}

func (e *ConfigError) Unwrap() []error { return e.Problems }

// Read fills a T from environ by its env tags and calls its Validate, if it has
// one. All problems come back at once, in a *ConfigError.
func Read[T any](environ map[string]string) (T, error) {
	c, err := env.ParseAsWithOptions[T](env.Options{Environment: environ})
	var problems []error
	unread := map[string]bool{} // its zero value is nobody's setting
	for _, err := range each(err) {
		if p, ok := errors.AsType[env.ParseError](err); ok {
			name := variable(reflect.TypeFor[T](), p.Name)
			unread[name] = true
			err = fmt.Errorf("%s: %w", name, p.Err)
		}
		problems = append(problems, err)
	}
	if v, ok := any(&c).(interface{ Validate() error }); ok {
		for _, err := range each(v.Validate()) {
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

// Invalid is the *ConfigError of the problems that a Validate returned.
func Invalid(err error) error { return &ConfigError{Problems: each(err)} }

// each gives the errors that were joined to err.
func each(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// variable is the name of the variable that fills a field of t.
func variable(t reflect.Type, field string) string {
	if f, ok := t.FieldByName(field); ok {
		if name, _, _ := strings.Cut(f.Tag.Get("env"), ","); name != "" {
			return name
		}
	}
	return field
}
