package setup_test

import (
	"errors"
	"fmt"
	"slices"
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
	Size     setup.Bytes   `env:"SIZE"`
	Rate     float64       `env:"RATE"`
	Sharp    bool          `env:"SHARP"`
}

func (c config) Validate() error {
	var p setup.Problems
	setup.Between(&p, "PARALLEL", c.Parallel, 1, 9)
	setup.Between(&p, "RATE", c.Rate, 0, 1)
	p.Positive("WAIT", c.Wait)
	if c.Secret == "short" {
		p.Addf("SECRET", "too short")
	}
	return p.Err()
}

func TestRead(t *testing.T) {
	t.Parallel()
	c, err := setup.Read[config](map[string]string{"THING_URL": "a", "OTHER_URL": "b", "WAIT": "5s", "TYPES": "x,y", "PARALLEL": "", "SIZE": "64KiB"})
	if err != nil {
		t.Fatal(err)
	}
	want := config{URL: "a", Other: "b", Parallel: 4, Wait: 5 * time.Second, Types: []string{"x", "y"}, Size: 64 << 10}
	if fmt.Sprint(c) != fmt.Sprint(want) {
		t.Errorf("got %+v, want %+v", c, want)
	}
}

func TestReadReportsAllProblems(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	with := func(pairs ...string) map[string]string {
		environ := map[string]string{"THING_URL": "a", "OTHER_URL": "b"}
		for pair := range slices.Chunk(pairs, 2) {
			environ[pair[0]] = pair[1]
		}
		return environ
	}
	rows := []struct {
		name    string
		environ map[string]string
		want    []string
	}{
		{"missing", nil, []string{"THING_URL: required, but not set", "OTHER_URL: required, but not set"}},
		{"empty", with("THING_URL", ""), []string{"THING_URL: required, but empty"}},
		{"not an int", with("PARALLEL", "many"), []string{`PARALLEL: got "many", want a whole number`}},
		{"not a duration", with("WAIT", "5"), []string{`WAIT: got "5", want a duration such as 500ms or 2s`}},
		{"not a size", with("SIZE", "64 megs"), []string{`SIZE: got "64 megs", want bytes such as 67108864 or 64MiB`}},
		{"not a float", with("RATE", "fast"), []string{`RATE: got "fast", want a number such as 0.5`}},
		{"not a bool", with("SHARP", "perhaps"), []string{`SHARP: got "perhaps", want true or false`}},
		{"not a number", with("RATE", "NaN"), []string{"RATE: got NaN, want 0 to 1"}},
		{"out of range", with("PARALLEL", "-1", "WAIT", "-1s", "SECRET", "short"), []string{
			"PARALLEL: got -1, want 1 to 9", "WAIT: got -1s, want a duration above zero, such as 2s", "SECRET: too short",
		}},
		{"all of them", map[string]string{"OTHER_URL": "", "PARALLEL": "many", "WAIT": "-1s", "SECRET": secret}, []string{
			"THING_URL: required, but not set", "OTHER_URL: required, but empty", `PARALLEL: got "many", want a whole number`, "WAIT: got -1s",
		}},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			_, err := setup.Read[config](r.environ)
			if e, ok := errors.AsType[*setup.ConfigError](err); !ok || len(e.Problems) != len(r.want) {
				t.Fatalf("got %v, want a *ConfigError of %d problems", err, len(r.want))
			}
			text := err.Error()
			for _, want := range r.want {
				if strings.Count(text, want) != 1 {
					t.Errorf("got %q, want %q in it once", text, want)
				}
			}
			if strings.Contains(text, "\n") || !strings.HasPrefix(text, "configuration: ") {
				t.Errorf("got %q, want one line that starts with configuration:", text)
			}
			if strings.Contains(text, secret) {
				t.Errorf("%q contains the secret", text)
			}
			if strings.Contains(text, "strconv") || strings.Contains(text, "time:") || strings.Contains(text, "env:") {
				t.Errorf("%q has words of a parser", text)
			}
		})
	}
}

func TestValidateIsOptionalAndMayHaveAPointerReceiver(t *testing.T) {
	t.Parallel()
	type bare struct {
		N int `env:"N"`
	}
	if c, err := setup.Read[bare](map[string]string{"N": "3"}); err != nil || c.N != 3 {
		t.Errorf("got %+v, %v", c, err)
	}
	if _, err := setup.Read[byPointer](nil); err == nil || !strings.Contains(err.Error(), "N: required") {
		t.Errorf("got %v", err)
	}
}

type byPointer struct {
	N int `env:"N"`
}

func (*byPointer) Validate() error { return errors.New("N: required") }

func TestEnviron(t *testing.T) {
	t.Setenv("SLUICE_TEST", "a=b")
	if got := setup.Environ()["SLUICE_TEST"]; got != "a=b" {
		t.Errorf("got %q", got)
	}
}

func TestReadCutsOffALineBreakAtTheEndAndRefusesOthers(t *testing.T) {
	t.Parallel()
	type config struct {
		Password setup.Secret  `env:"PASSWORD,required,notEmpty"`
		Wait     time.Duration `env:"WAIT" envDefault:"1s"`
		Rules    string        `env:"RULES" lines:"true"`
	}
	for _, end := range []string{"", "\n", "\r\n", "\r"} {
		c, err := setup.Read[config](map[string]string{"PASSWORD": "hunter2" + end, "WAIT": "2s" + end, "RULES": "[\n]" + end})
		if err != nil || c.Password != "hunter2" || c.Wait != 2*time.Second || c.Rules != "[\n]" {
			t.Errorf("end %q: got %q, %v, %q, %v", end, string(c.Password), c.Wait, c.Rules, err)
		}
	}
	for _, value := range []string{"hunter2\nx", "\nhunter2", "hunter2\n\n", "hunter2\rx"} {
		_, err := setup.Read[config](map[string]string{"PASSWORD": value, "WAIT": value})
		e, ok := errors.AsType[*setup.ConfigError](err)
		if !ok || len(e.Problems) != 2 {
			t.Fatalf("%q: got %v, want a problem of each variable", value, err)
		}
		for _, name := range []string{"PASSWORD", "WAIT"} {
			if strings.Count(err.Error(), name+": got a line break within the value, want one line") != 1 {
				t.Errorf("%q: got %v, want it to name %s once", value, err, name)
			}
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v has the value", err)
		}
	}
}
