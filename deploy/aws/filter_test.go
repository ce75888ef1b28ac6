package aws_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice/pipeline"
	"sluice/workers/setup"
)

// matchesLine reports whether a metric filter's pattern matches a log line. It
// implements the part of CloudWatch's JSON patterns that the template uses:
// { term && term }, where a term is a selector, = or >, and a quoted text or a
// number. A missing value matches nothing.
func matchesLine(pattern string, line map[string]any) (bool, error) {
	inner, ok := strings.CutPrefix(pattern, "{ ")
	inner, closed := strings.CutSuffix(inner, " }")
	if !ok || !closed {
		return false, fmt.Errorf("pattern: got %s, want { ... }", pattern)
	}
	for term := range strings.SplitSeq(inner, " && ") {
		parts := strings.Fields(term)
		if len(parts) != 3 {
			return false, fmt.Errorf("pattern %s: got the term %q, want a selector, an operator and a value", pattern, term)
		}
		value, err := selected(parts[0], line)
		if err != nil {
			return false, err
		}
		holds := false
		if text, err := strconv.Unquote(parts[2]); err == nil && parts[1] == "=" {
			holds = value == text
		} else if n, err := strconv.ParseFloat(parts[2], 64); err == nil && parts[1] == ">" {
			f, isNumber := value.(float64)
			holds = isNumber && f > n
		} else {
			return false, fmt.Errorf("pattern %s: the term %q is unknown to the tests", pattern, term)
		}
		if !holds {
			return false, nil
		}
	}
	return true, nil
}

// selected returns the value of $.name in a line, or nil.
func selected(selector string, line map[string]any) (any, error) {
	name, ok := strings.CutPrefix(selector, "$.")
	if !ok || name == "" {
		return nil, fmt.Errorf("selector: got %q, want $.name", selector)
	}
	return get(line, strings.Split(name, ".")...), nil
}

// batchesOfLog are batches that a process with Lambda's environment runs, with
// the value that the filter counts for each.
var batchesOfLog = map[string]struct {
	counts float64
	run    func(ctx context.Context, o pipeline.Options)
}{
	"deadline passed": {2, func(ctx context.Context, o pipeline.Options) {
		ctx, cancel := context.WithDeadline(ctx, time.Now()) // no time is left
		defer cancel()
		pipeline.Run(ctx, []pipeline.Record{{ID: "one"}, {ID: "two"}}, nil, o)
	}},
	"all records done": {0, func(ctx context.Context, o pipeline.Options) {
		pipeline.Run(ctx, []pipeline.Record{{ID: "one"}}, func(context.Context, pipeline.Record) error { return nil }, o)
	}},
	"one record failed and blocks another": {0, func(ctx context.Context, o pipeline.Options) {
		o.Order = pipeline.Stream
		pipeline.Run(ctx, []pipeline.Record{{ID: "one"}, {ID: "two"}}, func(context.Context, pipeline.Record) error { return errors.New("not now") }, o)
	}},
}

// TestFilterCountsRecordsNotStarted runs the pattern of each function's filter
// over log lines of a worker: it counts the records that were not started
// before the deadline, and matches no other line.
func TestFilterCountsRecordsNotStarted(t *testing.T) {
	if name := os.Getenv("SLUICE_TEST_BATCH"); name != "" {
		batchesOfLog[name].run(t.Context(), pipeline.Options{Logger: setup.Logger(os.Getenv("SLUICE_TEST_WORKER"))})
		return
	}
	t.Parallel()
	s := deploy(t, nil)
	for name, tt := range batchesOfLog {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFilterCountsRecordsNotStarted$")
			cmd.Env = append(os.Environ(), "SLUICE_TEST_BATCH="+name, "SLUICE_TEST_WORKER=uploads", "AWS_LAMBDA_RUNTIME_API=127.0.0.1:1", "AWS_LAMBDA_LOG_FORMAT=JSON")
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			var lines []map[string]any
			for text := range strings.Lines(string(out)) {
				var line map[string]any
				if json.Unmarshal([]byte(text), &line) == nil {
					lines = append(lines, line)
				}
			}
			if len(lines) == 0 {
				t.Fatalf("got no JSON line in %s", out)
			}
			for _, f := range lambdas {
				p := s.Resources[f.name+"GivenBackFilter"].Properties
				counted := 0.0
				for _, line := range lines {
					matched, err := matchesLine(fmt.Sprint(p["FilterPattern"]), line)
					if err != nil {
						t.Fatal(err)
					}
					if !matched {
						continue
					}
					value, err := selected(fmt.Sprint(get(p, "MetricTransformations", "0", "MetricValue")), line)
					if err != nil {
						t.Fatal(err)
					}
					n, isNumber := value.(float64)
					if !isNumber {
						t.Fatalf("%s: got the metric value %v in %v, want a number", f.name, value, line)
					}
					counted += n
				}
				if counted != tt.counts {
					t.Errorf("%s: got the count %v, want %v, in\n%s", f.name, counted, tt.counts, out)
				}
			}
		})
	}
}

func TestMatchesLineComparesTerms(t *testing.T) {
	t.Parallel()
	line := map[string]any{"message": "batch", "not_started": 2.0, "inner": map[string]any{"n": 1.0}}
	for pattern, want := range map[string]bool{
		`{ $.not_started > 1 }`: true, `{ $.not_started > 2 }`: false, `{ $.message = "batch" && $.not_started > 0 }`: true,
		`{ $.message = "other" && $.not_started > 0 }`: false, `{ $.missing > 0 }`: false, `{ $.message > 0 }`: false, `{ $.inner.n > 0 }`: true,
	} {
		if got, err := matchesLine(pattern, line); err != nil || got != want {
			t.Errorf("%s: got %v %v, want %v", pattern, got, err, want)
		}
	}
	for _, bad := range []string{"", "{ $.a }", "{ a = 1 }", `{ $.a < 1 }`, `$.a > 1`} {
		if _, err := matchesLine(bad, line); err == nil {
			t.Errorf("%s: got it accepted, want an error", bad)
		}
	}
}
