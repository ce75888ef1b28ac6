package aws_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// An alarm is an alarm that the template must have. It fires when the statistic
// of one period reaches least.
type alarm struct {
	logical, name        string
	namespace, metric    string
	dimension, value     string // "" for a metric without dimensions
	statistic            string
	periodSeconds, least int
}

// oldestSeconds has the ages of the oldest message at which an alarm fires,
// where they are not 900 seconds. A mail server may ask for an hour.
var oldestSeconds = map[string]int{"notifications": 7200}

// alarms returns all alarms of the stack.
func (s *stack) alarms() []alarm {
	var all []alarm
	for _, f := range lambdas {
		lower, fn := f.Name, fmt.Sprint(s.ref(f.name+"Function"))
		all = append(all,
			// Each dead letter is one job that was not done.
			alarm{f.name + "Dead", lower + "-dead", "AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", s.property(f.name+"DeadQueue", "QueueName"), "Maximum", 60, 1},
			alarm{f.name + "Errors", lower + "-errors", "AWS/Lambda", "Errors", "FunctionName", fn, "Sum", 300, 1},
			alarm{f.name + "Throttles", lower + "-throttles", "AWS/Lambda", "Throttles", "FunctionName", fn, "Sum", 300, 1},
			alarm{f.name + "GivenBack", lower + "-given-back", "Sluice/" + s.parameters["Name"], "given-back-" + lower, "", "", "Sum", 300, 1},
		)
	}
	for _, f := range queueFunctions() {
		all = append(all, alarm{
			f.name + "Oldest", f.Name + "-oldest", "AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", s.property(f.name+"Queue", "QueueName"),
			"Maximum", 300, cmp.Or(oldestSeconds[f.Name], 900),
		})
	}
	for _, f := range streamFunctions() {
		fn, mapping := fmt.Sprint(s.ref(f.name+"Function")), fmt.Sprint(s.ref(f.name+"Mapping"))
		all = append(all,
			// In milliseconds: long before the 12 hours after which records are
			// sent to the failures bucket.
			alarm{f.name + "Age", f.Name + "-age", "AWS/Lambda", "IteratorAge", "FunctionName", fn, "Maximum", 300, 900_000},
			alarm{f.name + "GivenUp", f.Name + "-given-up", "AWS/Lambda", "OnFailureDestinationDeliveredEventCount", "EventSourceMappingUUID", mapping, "Sum", 300, 1},
			alarm{f.name + "Lost", f.Name + "-lost", "AWS/Lambda", "DroppedEventCount", "EventSourceMappingUUID", mapping, "Sum", 300, 1},
		)
	}
	return all
}

// alarmShapes adds the alarms, and the metric filters that some of them read.
func (s *stack) alarmShapes(all map[string]shape) {
	for _, a := range s.alarms() {
		p := props{
			"AlarmName": s.parameters["Name"] + "-" + a.name, "AlarmDescription": rule{"the operator"},
			"Namespace": a.namespace, "MetricName": a.metric, "Statistic": a.statistic,
			"Period": a.periodSeconds, "EvaluationPeriods": 1, "Threshold": a.least,
			"ComparisonOperator": "GreaterThanOrEqualToThreshold", "TreatMissingData": "notBreaching", "AlarmActions": items{s.ref("AlarmTopic")},
		}
		if a.dimension != "" {
			p["Dimensions"] = items{props{"Name": a.dimension, "Value": a.value}}
		}
		all[a.logical+"Alarm"] = shape{typ: "AWS::CloudWatch::Alarm", properties: p}
	}
	for _, f := range lambdas {
		all[f.name+"GivenBackFilter"] = shape{typ: "AWS::Logs::MetricFilter", properties: props{
			"LogGroupName": s.ref(f.name + "Log"), "FilterPattern": notStartedPattern,
			"MetricTransformations": items{props{
				"MetricNamespace": "Sluice/" + s.parameters["Name"], "MetricName": "given-back-" + f.Name,
				"MetricValue": "$.not_started", "Unit": "Count",
			}},
		}}
	}
}

// notStartedPattern matches the log line of a batch with records that were not
// started.
const notStartedPattern = `{ $.message = "batch" && $.not_started > 0 }`

// checkDashboard checks that the dashboard names resources of the stack, and
// shows every function.
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
			wrong("Dashboard: widget %q: got no metric or another region", w.Properties.Title)
		}
		for _, m := range w.Properties.Metrics {
			shown += strings.Join(m, " ") + "\n"
			if name := m[len(m)-1]; len(m) == 4 && !s.named(name) {
				wrong("Dashboard: widget %q shows %s, which is not in the stack", w.Properties.Title, name)
			}
		}
	}
	for _, f := range lambdas {
		for _, want := range []string{
			"AWS/SQS ApproximateNumberOfMessagesVisible QueueName " + s.property(f.name+"DeadQueue", "QueueName"),
			fmt.Sprintf("AWS/Lambda Duration FunctionName %v", s.ref(f.name+"Function")),
			"Sluice/" + s.parameters["Name"] + " given-back-" + f.Name,
		} {
			if !strings.Contains(shown, want+"\n") {
				wrong("Dashboard: got no metric %s", want)
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

func TestDashboardShowsEveryFunction(t *testing.T) {
	t.Parallel()
	report(t, checkDashboard(deploy(t, nil)))
	report(t, checkDashboard(deploy(t, map[string]string{"Name": "other"})))
}
