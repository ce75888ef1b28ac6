package aws_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// checkAll is everything that the template is held to.
func checkAll(template map[string]any, parameters map[string]string, calls map[string]map[call]bool) []error {
	s, err := resolve(template, parameters)
	if err != nil {
		return []error{err}
	}
	return slices.Concat(
		checkVariables(s), checkFunctions(s), checkQueues(s), checkMappings(s), checkStores(s),
		checkNotices(s), checkRoles(s, calls), checkAlarms(s), checkDashboard(s),
	)
}

// A theft is one thing taken out of the template, and what the failure that
// follows must name.
type theft struct {
	name  string
	take  func(template map[string]any)
	names []string
}

// thefts are every IAM action, every variable and every response type of the
// template, and every property that a rule is about.
func thefts(template map[string]any) []theft {
	var all []theft
	resources := object(template["Resources"])
	for _, f := range functions {
		for i, st := range statementsOf(template, f.name) {
			sid := fmt.Sprint(st["Sid"])
			for _, action := range list(st["Action"]) {
				all = append(all, theft{
					fmt.Sprintf("action %s of %sRole %s", action, f.name, sid),
					func(template map[string]any) {
						st := statementsOf(template, f.name)[i]
						st["Action"] = slices.DeleteFunc(slices.Clone(st["Action"].([]any)), func(a any) bool { return a == action })
					},
					[]string{f.name + "Role", action},
				})
			}
			if resources, ok := st["Resource"].([]any); ok {
				for j := range resources {
					all = append(all, theft{
						fmt.Sprintf("resource %d of %sRole %s", j, f.name, sid),
						func(template map[string]any) {
							st := statementsOf(template, f.name)[i]
							st["Resource"] = slices.Delete(slices.Clone(st["Resource"].([]any)), j, j+1)
						},
						[]string{f.name + "Role"},
					})
				}
			}
		}
		for name := range object(get(resources, f.name+"Function", "Properties", "Environment", "Variables")) {
			all = append(all, theft{
				fmt.Sprintf("variable %s of %sFunction", name, f.name),
				func(template map[string]any) {
					delete(object(get(template, "Resources", f.name+"Function", "Properties", "Environment", "Variables")), name)
				},
				[]string{f.name, name},
			})
		}
		all = append(all, property(f.name+"Mapping", "FunctionResponseTypes", f.name+"Mapping", "ReportBatchItemFailures"))
	}
	for _, name := range sources {
		all = append(all,
			property(name+"Queue", "VisibilityTimeout", name+"Queue", "VisibilityTimeout"),
			property(name+"Queue", "MessageRetentionPeriod", name+"Queue", "MessageRetentionPeriod"),
			property(name+"Queue", "RedrivePolicy", name+"Queue", "maxReceiveCount"),
			property(name+"Mapping", "ScalingConfig", name+"Mapping", "MaximumConcurrency"),
			property(name+"DeadQueue", "MessageRetentionPeriod", name+"DeadQueue", "MessageRetentionPeriod"),
		)
	}
	for _, name := range []string{"BisectBatchOnFunctionError", "MaximumRecordAgeInSeconds", "StartingPosition", "DestinationConfig"} {
		all = append(all, property("ChangesMapping", name, "ChangesMapping"))
	}
	for _, name := range []string{"UploadsBucket", "ThumbnailsBucket", "FailuresBucket"} {
		for _, p := range []string{"BucketEncryption", "PublicAccessBlockConfiguration", "LifecycleConfiguration"} {
			all = append(all, property(name, p, name))
		}
	}
	all = append(all,
		property("UploadsBucket", "NotificationConfiguration", "UploadsBucket", "s3:ObjectCreated:*"),
		property("RecordsTable", "StreamSpecification", "RecordsTable", "StreamViewType"),
		property("RecordsTable", "PointInTimeRecoverySpecification", "RecordsTable", "point-in-time"),
		property("StateTable", "TimeToLiveSpecification", "StateTable", "expires"),
	)
	for name, r := range resources {
		switch object(r)["Type"] {
		case "AWS::CloudWatch::Alarm":
			metric := fmt.Sprint(get(r, "Properties", "MetricName"))
			all = append(all, theft{name, func(template map[string]any) { delete(object(template["Resources"]), name) }, []string{"no alarm", metric}})
		case "AWS::SQS::Queue":
			all = append(all, property(name, "SqsManagedSseEnabled", name, "encrypted"))
		}
	}
	for _, condition := range []string{"SourceArn", "SourceAccount"} {
		all = append(all, theft{
			condition + " of UploadsQueuePolicy",
			func(template map[string]any) {
				st := get(template, "Resources", "UploadsQueuePolicy", "Properties", "PolicyDocument", "Statement", "0", "Condition")
				for _, test := range object(st) {
					delete(object(test), "aws:"+condition)
				}
			},
			[]string{"UploadsQueuePolicy", condition},
		})
	}
	return all
}

func property(resource, name string, names ...string) theft {
	return theft{
		name + " of " + resource,
		func(template map[string]any) {
			delete(object(get(template, "Resources", resource, "Properties")), name)
		},
		names,
	}
}

// statementsOf are the statements of a function's role, those behind a condition
// too.
func statementsOf(template map[string]any, function string) []map[string]any {
	var out []map[string]any
	policies, _ := get(template, "Resources", function+"Role", "Properties", "Policies").([]any)
	for _, p := range policies {
		statements, _ := get(p, "PolicyDocument", "Statement").([]any)
		for _, st := range statements {
			if inner := get(st, "Fn::If", "1"); inner != nil {
				st = inner
			}
			out = append(out, object(st))
		}
	}
	return out
}

// clone copies a template as far down as it goes.
func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = clone(e)
		}
		return out
	case []any:
		out := make([]any, 0, len(v))
		for _, e := range v {
			out = append(out, clone(e))
		}
		return out
	}
	return v
}

// TestTakeAway takes each thing out of the template by itself: each time some
// check fails and names it.
func TestTakeAway(t *testing.T) {
	t.Parallel()
	template, calls := readTemplate(t), callsOf(t)
	if problems := checkAll(template, optional, calls); len(problems) > 0 {
		t.Fatalf("the template is not right to begin with: %v", errors.Join(problems...))
	}
	all := thefts(template)
	kinds := map[string]int{}
	for _, th := range all {
		kind, _, _ := strings.Cut(th.name, " ")
		kinds[kind]++
		t.Run(th.name, func(t *testing.T) {
			t.Parallel()
			robbed := clone(template).(map[string]any)
			th.take(robbed)
			problems := checkAll(robbed, optional, calls)
			if len(problems) == 0 {
				t.Fatal("nobody missed it")
			}
			if !slices.ContainsFunc(problems, func(err error) bool {
				return !slices.ContainsFunc(th.names, func(name string) bool { return !strings.Contains(err.Error(), name) })
			}) {
				t.Errorf("no failure names %v: %v", th.names, errors.Join(problems...))
			}
		})
	}
	if kinds["action"] < 40 || kinds["variable"] < 40 || kinds["FunctionResponseTypes"] != len(functions) {
		t.Errorf("only %d actions, %d variables, %d response types were taken away", kinds["action"], kinds["variable"], kinds["FunctionResponseTypes"])
	}
}

// TestTooMuch adds what nobody needs: each time the check names it.
func TestTooMuch(t *testing.T) {
	t.Parallel()
	template, calls := readTemplate(t), callsOf(t)
	for _, f := range functions {
		for _, action := range []string{"s3:DeleteObjectVersion", "sqs:PurgeQueue", "dynamodb:Scan", "sqs:*"} {
			t.Run(f.name+" "+action, func(t *testing.T) {
				t.Parallel()
				more := clone(template).(map[string]any)
				st := statementsOf(more, f.name)[1]
				st["Action"] = append(st["Action"].([]any), action)
				expectNamed(t, checkAll(more, optional, calls), f.name+"Role", action)
			})
		}
		t.Run(f.name+" variable", func(t *testing.T) {
			t.Parallel()
			more := clone(template).(map[string]any)
			object(get(more, "Resources", f.name+"Function", "Properties", "Environment", "Variables"))["NOT_READ"] = "x"
			expectNamed(t, checkAll(more, optional, calls), f.name, "NOT_READ")
		})
		t.Run(f.name+" wider resource", func(t *testing.T) {
			t.Parallel()
			more := clone(template).(map[string]any)
			st := statementsOf(more, f.name)[1]
			st["Resource"] = "*"
			expectNamed(t, checkAll(more, optional, calls), f.name+"Role", "on *")
		})
	}
}

// TestNumbers moves each number to where its rule no longer holds.
func TestNumbers(t *testing.T) {
	t.Parallel()
	template, calls := readTemplate(t), callsOf(t)
	for _, tt := range []struct {
		resource string
		path     []string
		to       any
		want     string
	}{
		{"JobsQueue", []string{"VisibilityTimeout"}, 359, "VisibilityTimeout"},
		{"JobsQueue", []string{"MessageRetentionPeriod"}, 4*day + 1, "MessageRetentionPeriod"},
		{"JobsQueue", []string{"RedrivePolicy", "maxReceiveCount"}, 15, "maxReceiveCount"},
		{"JobsDeadQueue", []string{"MessageRetentionPeriod"}, 4 * day, "MessageRetentionPeriod"},
		{"UploadsQueue", []string{"MaximumMessageSize"}, 32 << 10, "UploadsQueue"},
		{"JobsFunction", []string{"Environment", "Variables", "MAX_ATTEMPTS"}, "7", "MAX_ATTEMPTS"},
		{"JobsFunction", []string{"Timeout"}, 61, "VisibilityTimeout"},
		{"JobsFunction", []string{"Environment", "Variables", "RESERVE"}, "15s", "RESERVE"},
		{"JobsMapping", []string{"BatchSize"}, 11, "BatchSize"},
		{"JobsMapping", []string{"ScalingConfig", "MaximumConcurrency"}, 1, "MaximumConcurrency"},
		{"ChangesMapping", []string{"MaximumRecordAgeInSeconds"}, 43201, "MaximumRecordAgeInSeconds"},
		{"ChangesMapping", []string{"MaximumRecordAgeInSeconds"}, -1, "MaximumRecordAgeInSeconds"},
		{"ChangesMapping", []string{"DestinationConfig", "OnFailure", "Destination"}, "arn:aws:sqs:us-east-1:123456789012:q", "OnFailure"},
		{"RecordsTable", []string{"StreamSpecification", "StreamViewType"}, "KEYS_ONLY", "StreamViewType"},
		{"FailuresBucket", []string{"LifecycleConfiguration", "Rules", "1", "ExpirationInDays"}, 14, "FailuresBucket"},
		{"UploadsFunction", []string{"Role"}, "arn:aws:iam::123456789012:role/JobsRole", "role"},
	} {
		t.Run(tt.resource+" "+strings.Join(tt.path, "."), func(t *testing.T) {
			t.Parallel()
			moved := clone(template).(map[string]any)
			last := len(tt.path) - 1
			object(get(object(get(moved, "Resources", tt.resource, "Properties")), tt.path[:last]...))[tt.path[last]] = tt.to
			expectNamed(t, checkAll(moved, nil, calls), strings.TrimSuffix(strings.TrimSuffix(tt.resource, "Function"), "Mapping"), tt.want)
		})
	}
}

func expectNamed(t *testing.T, problems []error, names ...string) {
	t.Helper()
	for _, p := range problems {
		if !slices.ContainsFunc(names, func(name string) bool { return !strings.Contains(p.Error(), name) }) {
			return
		}
	}
	t.Errorf("no failure names %v: %v", names, errors.Join(problems...))
}
