package aws_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// An alarm is what must ring, and when: at a threshold of one period or above.
type alarm struct {
	logical, name        string
	namespace, metric    string
	dimension, value     string // "" for a metric without
	statistic            string
	periodSeconds, least int
}

// alarms are all alarms of the stack.
func (s *stack) alarms() []alarm {
	var all []alarm
	for _, f := range functions {
		lower, fn := strings.ToLower(f.name), fmt.Sprint(s.ref(f.name+"Function"))
		all = append(all,
			// One letter is one thing that nobody did.
			alarm{f.name + "Dead", lower + "-dead", "AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", s.property(f.name+"DeadQueue", "QueueName"), "Maximum", 60, 1},
			alarm{f.name + "Errors", lower + "-errors", "AWS/Lambda", "Errors", "FunctionName", fn, "Sum", 300, 1},
			alarm{f.name + "Throttles", lower + "-throttles", "AWS/Lambda", "Throttles", "FunctionName", fn, "Sum", 300, 1},
			alarm{f.name + "NotStarted", lower + "-given-back", "Sluice/" + s.parameters["Name"], "given-back-" + lower, "", "", "Sum", 300, 1},
		)
	}
	for name, seconds := range map[string]int{"Uploads": 900, "Jobs": 900, "Notifications": 7200} { // a mail server may ask for an hour
		all = append(all, alarm{
			name + "Oldest", strings.ToLower(name) + "-oldest", "AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", s.property(name+"Queue", "QueueName"),
			"Maximum", 300, seconds,
		})
	}
	fn, mapping := fmt.Sprint(s.ref("ChangesFunction")), fmt.Sprint(s.ref("ChangesMapping"))
	return append(all,
		// In milliseconds: long before the 12 hours after which changes are given up.
		alarm{"ChangesAge", "changes-age", "AWS/Lambda", "IteratorAge", "FunctionName", fn, "Maximum", 300, 900_000},
		alarm{"ChangesGivenUp", "changes-given-up", "AWS/Lambda", "OnFailureDestinationDeliveredEventCount", "EventSourceMappingUUID", mapping, "Sum", 300, 1},
		alarm{"ChangesLost", "changes-lost", "AWS/Lambda", "DroppedEventCount", "EventSourceMappingUUID", mapping, "Sum", 300, 1},
	)
}

// alarmShapes are the alarms, and the filters of logs that some of them read.
func (s *stack) alarmShapes(all map[string]shape) {
	for _, a := range s.alarms() {
		p := props{
			"AlarmName": s.parameters["Name"] + "-" + a.name, "AlarmDescription": rule{"a reader at night"},
			"Namespace": a.namespace, "MetricName": a.metric, "Statistic": a.statistic,
			"Period": a.periodSeconds, "EvaluationPeriods": 1, "Threshold": a.least,
			"ComparisonOperator": "GreaterThanOrEqualToThreshold", "TreatMissingData": "notBreaching", "AlarmActions": items{s.ref("AlarmTopic")},
		}
		if a.dimension != "" {
			p["Dimensions"] = items{props{"Name": a.dimension, "Value": a.value}}
		}
		all[a.logical+"Alarm"] = shape{typ: "AWS::CloudWatch::Alarm", properties: p}
	}
	for _, f := range functions {
		all[f.name+"GivenBackFilter"] = shape{typ: "AWS::Logs::MetricFilter", properties: props{
			"LogGroupName": s.ref(f.name + "Log"), "FilterPattern": givenBack,
			"MetricTransformations": items{props{
				"MetricNamespace": "Sluice/" + s.parameters["Name"], "MetricName": "given-back-" + strings.ToLower(f.name),
				"MetricValue": "$.not_started", "Unit": "Count",
			}},
		}}
	}
}

// givenBack is the pattern of a batch's log line that gave records back.
const givenBack = `{ $.message = "batch" && $.not_started > 0 }`

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
