package aws_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/pipeline"
	"sluice/workers/setup"
)

// An alarm that must be there.
type wanted struct{ namespace, metric, dimension, value string }

// checkAlarms holds the alarms to what must be watched.
func checkAlarms(s *stack) (problems []error) {
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	var want []wanted
	for _, f := range functions {
		name := fmt.Sprint(s.ref(f.name + "Function"))
		want = append(want,
			wanted{"AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", s.property(f.name+"DeadQueue", "QueueName")},
			wanted{"AWS/Lambda", "Errors", "FunctionName", name},
			wanted{"AWS/Lambda", "Throttles", "FunctionName", name},
			wanted{"Sluice/" + s.parameters["Name"], "given-back-" + strings.ToLower(f.name), "", ""},
		)
	}
	for _, name := range sources {
		want = append(want, wanted{"AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", s.property(name+"Queue", "QueueName")})
	}
	mapping := fmt.Sprint(s.ref("ChangesMapping"))
	want = append(want,
		wanted{"AWS/Lambda", "IteratorAge", "FunctionName", fmt.Sprint(s.ref("ChangesFunction"))},
		wanted{"AWS/Lambda", "OnFailureDestinationDeliveredEventCount", "EventSourceMappingUUID", mapping},
		wanted{"AWS/Lambda", "DroppedEventCount", "EventSourceMappingUUID", mapping},
	)
	topic := s.ref("AlarmTopic")
	var got []wanted
	for _, name := range s.of("AWS::CloudWatch::Alarm") {
		p := s.Resources[name].Properties
		w := wanted{fmt.Sprint(p["Namespace"]), fmt.Sprint(p["MetricName"]), "", ""}
		if d := get(p, "Dimensions", "0"); d != nil {
			w.dimension, w.value = fmt.Sprint(get(d, "Name")), fmt.Sprint(get(d, "Value"))
		}
		got = append(got, w)
		if !slices.Contains(want, w) {
			wrong("%s watches %v, which is not on the list", name, w)
		}
		if get(p, "AlarmActions", "0") != topic || p["TreatMissingData"] != "notBreaching" || fmt.Sprint(p["AlarmDescription"]) == "" {
			wrong("%s: does not ring the topic, or does not say what it means", name)
		}
	}
	for _, w := range want {
		if !slices.Contains(got, w) {
			wrong("no alarm watches %v", w)
		}
	}
	if m := get(s.Resources["ChangesMapping"].Properties, "MetricsConfig", "Metrics", "0"); m != "EventCount" {
		wrong("ChangesMapping counts no events, which its alarms watch")
	}
	for _, f := range functions {
		p := s.Resources[f.name+"GivenBackFilter"].Properties
		if p["LogGroupName"] != s.ref(f.name+"Log") || p["FilterPattern"] != givenBack {
			wrong("%sGivenBackFilter reads %v by %v", f.name, p["LogGroupName"], p["FilterPattern"])
		}
		m := get(p, "MetricTransformations", "0")
		if get(m, "MetricValue") != "$.given_back" || get(m, "MetricName") != "given-back-"+strings.ToLower(f.name) || get(m, "MetricNamespace") != "Sluice/"+s.parameters["Name"] {
			wrong("%sGivenBackFilter counts %v", f.name, m)
		}
	}
	return problems
}

// givenBack is the pattern of a batch's log line that gave records back.
const givenBack = `{ $.message = "batch" && $.given_back > 0 }`

func TestAlarms(t *testing.T) {
	t.Parallel()
	report(t, checkAlarms(deploy(t, nil)))
	report(t, checkAlarms(deploy(t, map[string]string{"Name": "other"})))
}

// TestGivenBackIsLogged runs a batch that has no time, as a process whose
// environment is Lambda's, and looks for what the log's filter reads.
func TestGivenBackIsLogged(t *testing.T) {
	if os.Getenv("SLUICE_TEST_GIVES_BACK") != "" {
		deadline := time.Now() // nothing is left
		ctx, cancel := context.WithDeadline(t.Context(), deadline)
		defer cancel()
		pipeline.Run(ctx, []pipeline.Record{{ID: "one"}, {ID: "two"}}, nil, pipeline.Options{Logger: setup.Logger("uploads")})
		return
	}
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestGivenBackIsLogged$")
	cmd.Env = append(os.Environ(), "SLUICE_TEST_GIVES_BACK=1", "AWS_LAMBDA_RUNTIME_API=127.0.0.1:1", "AWS_LAMBDA_LOG_FORMAT=JSON")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var line map[string]any
		if err := dec.Decode(&line); err == io.EOF || err != nil {
			t.Fatalf("no line of the batch in %s", out)
		}
		if line["message"] == "batch" {
			if line["given_back"] != 2.0 {
				t.Errorf("given_back: got %v, want 2", line["given_back"])
			}
			return
		}
	}
}

// checkDashboard holds the dashboard to the names that are in the stack.
func checkDashboard(s *stack) (problems []error) {
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	var body struct {
		Widgets []struct {
			Properties struct {
				Title, Region string
				Metrics       [][]string
			}
		}
	}
	if err := json.Unmarshal([]byte(fmt.Sprint(s.Resources["Dashboard"].Properties["DashboardBody"])), &body); err != nil {
		return []error{fmt.Errorf("Dashboard: %w", err)}
	}
	shown := ""
	for _, w := range body.Widgets {
		if w.Properties.Region != region || len(w.Properties.Metrics) == 0 {
			wrong("Dashboard: %q shows nothing, or another region", w.Properties.Title)
		}
		for _, m := range w.Properties.Metrics {
			shown += strings.Join(m, " ") + "\n"
			if name := m[len(m)-1]; len(m) == 4 && !s.named(name) {
				wrong("Dashboard: %q shows %s, which is not in the stack", w.Properties.Title, name)
			}
		}
	}
	for _, f := range functions {
		for _, want := range []string{
			"AWS/SQS ApproximateNumberOfMessagesVisible QueueName " + s.property(f.name+"DeadQueue", "QueueName"),
			fmt.Sprintf("AWS/Lambda Duration FunctionName %v", s.ref(f.name+"Function")),
			"Sluice/" + s.parameters["Name"] + " given-back-" + strings.ToLower(f.name),
		} {
			if !strings.Contains(shown, want+"\n") {
				wrong("Dashboard does not show %s", want)
			}
		}
	}
	return problems
}

// named reports whether a queue or a function has this name.
func (s *stack) named(name string) bool {
	for _, r := range s.Resources {
		if r.Properties["QueueName"] == name || r.Properties["FunctionName"] == name && r.Type == "AWS::Serverless::Function" {
			return true
		}
	}
	return false
}

func TestDashboard(t *testing.T) {
	t.Parallel()
	report(t, checkDashboard(deploy(t, nil)))
	report(t, checkDashboard(deploy(t, map[string]string{"Name": "other"})))
}
