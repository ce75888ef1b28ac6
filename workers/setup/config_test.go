package setup_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sluice/workers/setup"
)

type config struct {
	URL      string        `env:"THING_URL,required,notEmpty"`
	Other    string        `env:"OTHER_URL,required,notEmpty"`
	Parallel int           `env:"PARALLEL" envDefault:"4"`
	Wait     time.Duration `env:"WAIT" envDefault:"2s"`
	Types    []string      `env:"TYPES"`
	Secret   string        `env:"SECRET"`
}

func (c config) Validate() error {
	var problems []error
	if c.Parallel < 1 {
		problems = append(problems, fmt.Errorf("PARALLEL: %d is below 1", c.Parallel))
	}
	if c.Wait <= 0 {
		problems = append(problems, fmt.Errorf("WAIT: %v is not above zero", c.Wait))
	}
	if c.Secret == "short" {
		problems = append(problems, errors.New("SECRET: is too short"))
	}
	return errors.Join(problems...)
}

func TestRead(t *testing.T) {
	t.Parallel()
	c, err := setup.Read[config](map[string]string{"THING_URL": "a", "OTHER_URL": "b", "WAIT": "5s", "TYPES": "x,y", "PARALLEL": ""})
	if err != nil {
		t.Fatal(err)
	}
	want := config{URL: "a", Other: "b", Parallel: 4, Wait: 5 * time.Second, Types: []string{"x", "y"}}
	if fmt.Sprint(c) != fmt.Sprint(want) {
		t.Errorf("got %+v, want %+v", c, want)
	}
}

func TestReadReportsAllProblems(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	rows := []struct {
		name    string
		environ map[string]string
		want    []string
	}{
		{"missing", nil, []string{"THING_URL", "OTHER_URL"}},
		{"empty", map[string]string{"THING_URL": "", "OTHER_URL": "b"}, []string{"THING_URL"}},
		{"not to be read", map[string]string{"THING_URL": "a", "OTHER_URL": "b", "PARALLEL": "many", "WAIT": "5"}, []string{"PARALLEL: ", `"many"`, "WAIT: ", `"5"`}},
		{"not to be", map[string]string{"THING_URL": "a", "OTHER_URL": "b", "PARALLEL": "-1", "WAIT": "-1s", "SECRET": "short"}, []string{"PARALLEL: -1 is below 1", "WAIT: -1s is not above zero", "SECRET: is too short"}},
		{"all of it", map[string]string{"OTHER_URL": "", "PARALLEL": "many", "WAIT": "-1s", "SECRET": secret}, []string{"THING_URL", "OTHER_URL", "PARALLEL: ", "WAIT: -1s"}},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			_, err := setup.Read[config](r.environ)
			if e, ok := errors.AsType[*setup.ConfigError](err); !ok || len(e.Problems) < len(r.want)/2 {
				t.Fatalf("got %v, want a *ConfigError of each problem", err)
			}
			text := err.Error()
			for _, want := range r.want {
				if strings.Count(text, want) != 1 {
					t.Errorf("%q is not once in %q", want, text)
				}
			}
			if strings.Contains(text, "\n") || !strings.HasPrefix(text, "configuration: ") {
				t.Errorf("%q is no line about the configuration", text)
			}
			if strings.Contains(text, secret) {
				t.Errorf("%q tells the secret", text)
			}
		})
	}
}

// TestReadOfWhatCannotBeValidated: a type needs no Validate, and a pointer's is
// found too.
func TestReadOfWhatCannotBeValidated(t *testing.T) {
	t.Parallel()
	type bare struct {
		N int `env:"N"`
	}
	if c, err := setup.Read[bare](map[string]string{"N": "3"}); err != nil || c.N != 3 {
		t.Errorf("got %+v, %v", c, err)
	}
	if _, err := setup.Read[byPointer](nil); err == nil || !strings.Contains(err.Error(), "N: is missing") {
		t.Errorf("got %v", err)
	}
}

type byPointer struct {
	N int `env:"N"`
}

func (*byPointer) Validate() error { return errors.New("N: is missing") }

func TestEnviron(t *testing.T) {
	t.Setenv("SLUICE_TEST", "a=b")
	if got := setup.Environ()["SLUICE_TEST"]; got != "a=b" {
		t.Errorf("got %q", got)
	}
}
