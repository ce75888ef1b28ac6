package aws_test

import (
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// someChannels are parameters that set one of two similar channels, so that
// confusing the two is noticed.
var someChannels = map[string]string{"SesFrom": "news@example.com", "RunBy": "container"}

// allInContainer returns the parameters with which TaskPolicy has every
// optional statement.
func allInContainer() map[string]string {
	all := maps.Clone(optional)
	all["RunBy"] = "container"
	return all
}

// checkAll runs every check of the template.
func checkAll(template map[string]any, parameters map[string]string, calls map[string]map[call]bool) []error {
	s, err := resolve(template, parameters)
	if err != nil {
		return []error{err}
	}
	some, err := resolve(template, someChannels)
	if err != nil {
		return []error{err}
	}
	container, err := resolve(template, allInContainer())
	if err != nil {
		return []error{err}
	}
	var problems []error
	for _, check := range []func() []error{
		func() []error { return checkShapes(s) },
		func() []error { return checkWiring(s) },
		func() []error { return checkVariables(s) },
		func() []error { return checkFunctions(s) },
		func() []error { return checkQueues(s) },
		func() []error { return checkMappings(s) },
		func() []error { return checkStores(s) },
		func() []error { return checkNotifications(s) },
		func() []error { return checkRoles(s, calls) },
		func() []error { return checkRoles(some, calls) },
		func() []error { return checkShapes(some) },
		func() []error { return checkTask(some, calls) },
		func() []error { return checkTask(container, calls) },
		func() []error { return checkDashboard(s) },
		func() []error { return checkRules(template) },
	} {
		problems = append(problems, guarded(check)...)
	}
	return problems
}

// guarded runs a check of a template in which resources may be missing: it
// turns a panic into a problem.
func guarded(check func() []error) (problems []error) {
	defer func() {
		if v := recover(); v != nil {
			problems = append(problems, fmt.Errorf("template: %v", v))
		}
	}()
	return check()
}

// A mutation removes or changes one part of the template. A problem that a
// check then reports must contain all of names.
type mutation struct {
	kind  string
	name  string
	apply func(template map[string]any)
	names []string
}

// removals returns a mutation for each part of the template: each resource,
// each property at every depth, each condition and each rule. They are derived
// from the template, so new parts are included. An intrinsic function such as
// !Ref counts as one part.
func removals(template map[string]any) []mutation {
	var all []mutation
	for _, section := range []string{"Resources", "Conditions", "Rules"} {
		for name, r := range object(template[section]) {
			all = append(all, mutation{section, name, func(template map[string]any) { delete(object(template[section]), name) }, []string{stem(name)}})
			if section == "Conditions" {
				continue // one intrinsic function
			}
			all = append(all, removalsIn(r, section, name)...)
		}
	}
	return all
}

// stem returns the common beginning of the names of a function's resources. For
// any other resource it returns the whole name.
func stem(resource string) string {
	for _, f := range lambdas {
		if resource == f.name+"Function" {
			return f.name
		}
	}
	return resource
}

// removalsIn returns the removals of the keys and elements below path.
func removalsIn(v any, path ...string) (all []mutation) {
	remove := func(kind string, names []string, key string) {
		path := slices.Clone(path)
		all = append(all, mutation{kind, strings.Join(append(path[1:], key), "."), func(template map[string]any) {
			if len(path) == 0 {
				return
			}
			inner := get(template, path...)
			if m, ok := inner.(map[string]any); ok {
				delete(m, key)
				return
			}
			i, _ := strconv.Atoi(key)
			put(template, slices.Delete(slices.Clone(inner.([]any)), i, i+1), path...)
		}, names})
	}
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 1 && isFunction(v) {
			if branches, ok := v["Fn::If"].([]any); ok {
				return removalsIn(branches[1], append(path, "Fn::If", "1")...)
			}
			return nil
		}
		for key, inner := range v {
			names := []string{stem(path[1])}
			kind := "property"
			switch {
			case len(path) == 2 && key == "Type":
				continue // a resource without a type does not resolve
			case len(path) == 2 && key == "Properties":
				all = append(all, removalsIn(inner, append(slices.Clone(path), key)...)...)
				continue
			case len(path) > 1 && path[len(path)-1] == "Variables":
				kind, names = "variable", append(names, key)
			case len(path) == 3 && path[2] == "Properties":
				names = append(names, key)
			}
			remove(kind, names, key)
			all = append(all, removalsIn(inner, append(slices.Clone(path), key)...)...)
		}
	case []any:
		for i, inner := range v {
			key, names, kind := strconv.Itoa(i), []string{stem(path[1])}, "element"
			switch last := path[len(path)-1]; {
			case last == "Action":
				kind, names = "action", append(names, fmt.Sprint(inner))
			case last == "Statement":
				kind = "statement"
			case last == "FunctionResponseTypes":
				kind = "response type"
			}
			remove(kind, names, key)
			all = append(all, removalsIn(inner, append(slices.Clone(path), key)...)...)
		}
	}
	return all
}

// isFunction reports whether a map of one key is an intrinsic function.
func isFunction(m map[string]any) bool {
	for key, arg := range m {
		return key == "Ref" || key == "Condition" && isText(arg) || strings.HasPrefix(key, "Fn::")
	}
	return false
}

// put sets the value at path.
func put(template map[string]any, v any, path ...string) {
	last := len(path) - 1
	switch outer := get(template, path[:last]...).(type) {
	case map[string]any:
		outer[path[last]] = v
	case []any:
		i, _ := strconv.Atoi(path[last])
		outer[i] = v
	}
}

// A reference is an intrinsic function in the template and its path.
type reference struct {
	path []string
	to   map[string]any
}

// references returns the references below v.
func references(v any, path ...string) (all []reference) {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 1 && isFunction(v) {
			if branches, ok := v["Fn::If"].([]any); ok && !isText(branches[1]) && !isFunction(object(branches[1])) {
				return references(branches[1], append(path, "Fn::If", "1")...)
			}
			return []reference{{slices.Clone(path), v}}
		}
		for key, inner := range v {
			all = append(all, references(inner, append(slices.Clone(path), key)...)...)
		}
	case []any:
		for i, inner := range v {
			all = append(all, references(inner, append(slices.Clone(path), strconv.Itoa(i))...)...)
		}
	}
	return all
}

// exchanges returns a mutation for every two references of a resource, which it
// swaps, and for every reference, which it redirects to another resource of the
// same type.
func exchanges(s *stack) (all []mutation) {
	template := s.template
	ofType := map[string][]string{}
	for name, r := range object(template["Resources"]) {
		typ := fmt.Sprint(object(r)["Type"])
		ofType[typ] = append(ofType[typ], name)
	}
	for name, r := range object(template["Resources"]) {
		in := references(r, "Resources", name)
		for i, a := range in {
			place := strings.Join(a.path[1:], ".")
			for _, b := range in[i+1:] {
				if s.value(a.to) == s.value(b.to) {
					continue // equal values, such as a queue's and its alarm's name
				}
				all = append(all, mutation{"swap", place + " and " + strings.Join(b.path[1:], "."), func(template map[string]any) {
					put(template, clone(b.to), a.path...)
					put(template, clone(a.to), b.path...)
				}, []string{stem(name)}})
			}
			target, attribute := "", any(nil)
			if ref, ok := a.to["Ref"].(string); ok {
				target = ref
			} else if att, ok := a.to["Fn::GetAtt"].([]any); ok {
				target, attribute = att[0].(string), att[1]
			}
			siblings := ofType[fmt.Sprint(get(template, "Resources", target, "Type"))]
			slices.Sort(siblings)
			if len(siblings) < 2 {
				continue
			}
			other := siblings[(slices.Index(siblings, target)+1)%len(siblings)]
			redirected := map[string]any{"Ref": other}
			if attribute != nil {
				redirected = map[string]any{"Fn::GetAtt": []any{other, attribute}}
			}
			all = append(all, mutation{"redirect", place + " to " + other, func(template map[string]any) { put(template, redirected, a.path...) }, []string{}})
		}
	}
	return all
}

// statementsOf returns the statements of a function's role, including
// conditional ones.
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

// clone returns a deep copy of a template.
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

// TestChecksNoticeEveryMutation applies each removal and each exchange by
// itself: a check must report a problem that names the part.
func TestChecksNoticeEveryMutation(t *testing.T) {
	t.Parallel()
	template, calls := readTemplate(t), callsOf(t)
	if problems := checkAll(template, optional, calls); len(problems) > 0 {
		t.Fatalf("the unchanged template has problems: %v", errors.Join(problems...))
	}
	s, err := resolve(template, optional)
	if err != nil {
		t.Fatal(err)
	}
	all := append(removals(template), exchanges(s)...)
	kinds := map[string]int{}
	for _, m := range all {
		kinds[m.kind]++
	}
	t.Log(kinds)
	for kind, least := range map[string]int{
		"action": 40, "variable": 40, "statement": 40, "response type": len(lambdas), "Resources": 60, "Conditions": len(conditions) + 2, "property": 500, "swap": 300, "redirect": 100,
	} {
		if kinds[kind] < least {
			t.Errorf("mutations of kind %q: got %d, want at least %d", kind, kinds[kind], least)
		}
	}
	// Subtests would cost more than the checks: one goroutine per processor.
	work := make(chan mutation)
	var running sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		running.Go(func() {
			for m := range work {
				mutated := clone(template).(map[string]any)
				m.apply(mutated)
				problems := checkAll(mutated, optional, calls)
				if len(problems) == 0 {
					t.Errorf("%s %s: got no problem", m.kind, m.name)
					continue
				}
				if !named(problems, m.names...) {
					t.Errorf("%s %s: got no problem that names %v: %v", m.kind, m.name, m.names, errors.Join(problems...))
				}
			}
		})
	}
	for i, m := range all {
		if raceEnabled && i%10 != 0 {
			continue // every mutation runs without the race detector
		}
		work <- m
	}
	close(work)
	running.Wait()
}

// named reports whether one problem contains all of names.
func named(problems []error, names ...string) bool {
	return slices.ContainsFunc(problems, func(err error) bool {
		return !slices.ContainsFunc(names, func(name string) bool { return !strings.Contains(err.Error(), name) })
	})
}

// TestChecksNoticeUnneededRights adds an unneeded action, variable or wider
// resource to each function.
func TestChecksNoticeUnneededRights(t *testing.T) {
	t.Parallel()
	template, calls := readTemplate(t), callsOf(t)
	for _, f := range lambdas {
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

// TestChecksNoticeWrongNumbers sets each number to a value that breaks its
// rule.
func TestChecksNoticeWrongNumbers(t *testing.T) {
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
	if !named(problems, names...) {
		t.Errorf("got no problem that names %v: %v", names, errors.Join(problems...))
	}
}

// TestChecksNoticeHarmfulChanges opens access, loses messages or silences an
// alarm, one at a time.
func TestChecksNoticeHarmfulChanges(t *testing.T) {
	t.Parallel()
	template, calls := readTemplate(t), callsOf(t)
	property := func(m map[string]any, resource string) map[string]any {
		return object(get(m, "Resources", resource, "Properties"))
	}
	statement := func(m map[string]any, function, sid string) map[string]any {
		for _, st := range statementsOf(m, function) {
			if st["Sid"] == sid {
				return st
			}
		}
		panic("no statement " + sid)
	}
	allow := func(m map[string]any, resource, action string) {
		document := object(property(m, resource)["PolicyDocument"])
		document["Statement"] = append(document["Statement"].([]any), map[string]any{"Effect": "Allow", "Principal": "*", "Action": action, "Resource": "*"})
	}
	for name, tt := range map[string]struct {
		do    func(m map[string]any)
		names []string
	}{
		"read access to every bucket": {func(m map[string]any) { statement(m, "Uploads", "ReadUploads")["Resource"] = "arn:aws:s3:::*" }, []string{"UploadsRole", "ReadUploads"}},
		"send access to every queue":  {func(m map[string]any) { statement(m, "Changes", "SendLetters")["Resource"] = "arn:aws:sqs:*" }, []string{"ChangesRole", "SendLetters"}},
		"write access to every table": {func(m map[string]any) { statement(m, "Jobs", "ChangeRecords")["Resource"] = "arn:aws:dynamodb:*" }, []string{"JobsRole", "ChangeRecords"}},
		"mail from any sender":        {func(m map[string]any) { delete(statement(m, "Notifications", "SendMails"), "Condition") }, []string{"NotificationsRole", "SendMails"}},
		"condition that never holds": {func(m map[string]any) {
			statement(m, "Uploads", "ReadUploads")["Condition"] = map[string]any{"StringEquals": map[string]any{"aws:SourceVpc": "x"}}
		}, []string{"UploadsRole", "ReadUploads"}},
		"NotAction in a statement": {func(m map[string]any) { statement(m, "Uploads", "ReadUploads")["NotAction"] = []any{"s3:PutObject"} }, []string{"UploadsRole", "NotAction"}},
		"policy attached to a role": {func(m map[string]any) {
			object(m["Resources"])["Extra"] = map[string]any{"Type": "AWS::IAM::Policy", "Properties": map[string]any{
				"PolicyName": "x", "Roles": []any{map[string]any{"Ref": "UploadsRole"}},
				"PolicyDocument": map[string]any{"Statement": []any{map[string]any{"Effect": "Allow", "Action": []any{"s3:*"}, "Resource": "*"}}},
			}}
		}, []string{"Extra is attached to UploadsRole"}},
		"SAM policies": {func(m map[string]any) { property(m, "JobsFunction")["Policies"] = []any{"AdministratorAccess"} }, []string{"JobsRole", "managed policies"}},
		"role that anyone can assume": {func(m map[string]any) {
			put(m, "*", "Resources", "UploadsRole", "Properties", "AssumeRolePolicyDocument", "Statement", "0", "Principal")
		}, []string{"UploadsRole", "AssumeRolePolicyDocument"}},
		"public queues":                     {func(m map[string]any) { allow(m, "OtherQueuesPolicy", "sqs:*") }, []string{"OtherQueuesPolicy", "Statement"}},
		"public bucket":                     {func(m map[string]any) { allow(m, "UploadsBucketPolicy", "s3:*") }, []string{"UploadsBucketPolicy", "Statement"}},
		"threshold that is never reached":   {func(m map[string]any) { property(m, "UploadsDeadAlarm")["Threshold"] = 1000000 }, []string{"UploadsDeadAlarm", "Threshold"}},
		"inverted comparison":               {func(m map[string]any) { property(m, "UploadsErrorsAlarm")["ComparisonOperator"] = "LessThanThreshold" }, []string{"UploadsErrorsAlarm", "ComparisonOperator"}},
		"statistic Minimum":                 {func(m map[string]any) { property(m, "UploadsErrorsAlarm")["Statistic"] = "Minimum" }, []string{"UploadsErrorsAlarm", "Statistic"}},
		"age beyond the stream's retention": {func(m map[string]any) { property(m, "ChangesAgeAlarm")["Threshold"] = 90000000 }, []string{"ChangesAgeAlarm", "Threshold"}},
		"alarm without actions":             {func(m map[string]any) { property(m, "ChangesAgeAlarm")["ActionsEnabled"] = false }, []string{"ChangesAgeAlarm", "ActionsEnabled"}},
		"empty description":                 {func(m map[string]any) { property(m, "ChangesAgeAlarm")["AlarmDescription"] = "" }, []string{"ChangesAgeAlarm", "AlarmDescription"}},
		"no retries":                        {func(m map[string]any) { property(m, "ChangesMapping")["MaximumRetryAttempts"] = 0 }, []string{"ChangesMapping", "MaximumRetryAttempts"}},
		"disabled mapping":                  {func(m map[string]any) { property(m, "JobsMapping")["Enabled"] = false }, []string{"JobsMapping", "Enabled"}},
		"event filter": {func(m map[string]any) {
			property(m, "JobsMapping")["FilterCriteria"] = map[string]any{"Filters": []any{map[string]any{"Pattern": "{}"}}}
		}, []string{"JobsMapping", "FilterCriteria"}},
		"reserved concurrency of 0": {func(m map[string]any) { property(m, "JobsFunction")["ReservedConcurrentExecutions"] = 0 }, []string{"JobsFunction", "ReservedConcurrentExecutions"}},
		"log level above INFO": {func(m map[string]any) {
			object(property(m, "UploadsFunction")["LoggingConfig"])["ApplicationLogLevel"] = "ERROR"
		}, []string{"UploadsFunction", "ApplicationLogLevel"}},
		"jobs sent to the notifications queue": {func(m map[string]any) {
			put(m, map[string]any{"Ref": "NotificationsQueue"}, "Resources", "UploadsFunction", "Properties", "Environment", "Variables", "JOBS_QUEUE_URL")
		}, []string{"Uploads", "JOBS_QUEUE_URL"}},
		"unknown variable": {func(m map[string]any) {
			put(m, "https://example.com", "Resources", "UploadsFunction", "Properties", "Environment", "Variables", "NEW_URL")
		}, []string{"Uploads", "NEW_URL"}},
		"unknown bucket": {func(m map[string]any) {
			object(m["Resources"])["NewBucket"] = map[string]any{"Type": "AWS::S3::Bucket", "Properties": map[string]any{"BucketName": "new"}}
		}, []string{"NewBucket"}},
		"unknown condition": {func(m map[string]any) {
			object(m["Conditions"])["Never"] = map[string]any{"Fn::Equals": []any{"a", "b"}}
		}, []string{"Never"}},
		"metric filter that matches nothing": {func(m map[string]any) { property(m, "UploadsGivenBackFilter")["FilterPattern"] = "{ $.nothing = 1 }" }, []string{"UploadsGivenBackFilter", "FilterPattern"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := clone(template).(map[string]any)
			tt.do(m)
			expectNamed(t, checkAll(m, optional, calls), tt.names...)
		})
	}
}

// TestChecksNoticeUnknownProperties adds a property to each resource.
func TestChecksNoticeUnknownProperties(t *testing.T) {
	t.Parallel()
	template, calls := readTemplate(t), callsOf(t)
	for name := range object(template["Resources"]) {
		m := clone(template).(map[string]any)
		object(get(m, "Resources", name, "Properties"))["Novelty"] = "x"
		expectNamed(t, checkAll(m, optional, calls), name, "Novelty")
	}
}
