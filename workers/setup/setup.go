// Package setup is what the mains of all workers do alike: settings from the
// environment, a logger, and the configuration of AWS's clients.
package setup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"strings"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/caarlos0/env/v11"

	"sluice/pipeline"
)

// Environ returns the process's environment as a map.
func Environ() map[string]string { return env.ToMap(os.Environ()) }

// Read fills a T from environ by its env tags and calls its Validate, if it has
// one. All problems come back at once, each with the variable's name.
func Read[T any](environ map[string]string) (T, error) {
	c, err := env.ParseAsWithOptions[T](env.Options{Environment: environ})
	var problems []string
	unread := map[string]bool{} // its zero value is nobody's setting
	for _, err := range each(err) {
		if p, ok := errors.AsType[env.ParseError](err); ok {
			name := variable(reflect.TypeFor[T](), p.Name)
			unread[name] = true
			err = fmt.Errorf("%s: %w", name, p.Err)
		}
		problems = append(problems, err.Error())
	}
	if v, ok := any(&c).(interface{ Validate() error }); ok {
		for _, err := range each(v.Validate()) {
			if name, _, _ := strings.Cut(err.Error(), ":"); !unread[name] {
				problems = append(problems, err.Error())
			}
		}
	}
	if len(problems) > 0 {
		return c, fmt.Errorf("configuration: %s", strings.ReplaceAll(strings.Join(problems, "; "), "\n", "; "))
	}
	return c, nil
}

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

// Logger returns a worker's logger. In Lambda it writes as
// lambdacontext.NewLogHandler does, with the request's id; elsewhere readable
// lines on standard error. Lines of a record carry its id, source and attempt.
func Logger(worker string) *slog.Logger {
	var h slog.Handler = slog.NewTextHandler(os.Stderr, nil)
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") != "" {
		h = lambdacontext.NewLogHandler()
	}
	return slog.New(pipeline.LogHandler(h)).With("worker", worker)
}

// AWS loads what the SDK's clients need, once a process. AWS_ENDPOINT_URL and
// its forms for one service are honoured by the SDK.
func AWS(ctx context.Context) (aws.Config, error) {
	c, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return c, fmt.Errorf("AWS configuration: %w", err)
	}
	return c, nil
}
