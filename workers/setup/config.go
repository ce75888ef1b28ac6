package setup

import (
	"errors"
	"os"
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
	if all, ok := errors.AsType[env.AggregateError](err); ok {
		problems = append(problems, all.Errors...)
	} else if err != nil {
		problems = append(problems, err)
	}
	if v, ok := any(&c).(interface{ Validate() error }); ok {
		if err := v.Validate(); err != nil {
			problems = append(problems, err)
		}
	}
	if len(problems) > 0 {
		return c, &ConfigError{Problems: problems}
	}
	return c, nil
}
