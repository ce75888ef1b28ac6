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

// someChannels are parameters under which one of two things that are alike is
// there, so that one that is taken for the other is seen.
var someChannels = map[string]string{"SesFrom": "news@example.com", "RunBy": "container"}

// allInContainer are the parameters under which TaskPolicy has all that it may.
func allInContainer() map[string]string {
	all := maps.Clone(optional)
	all["RunBy"] = "container"
	return all
}

// checkAll is everything that the template is held to.
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
		func() []error { return checkNotices(s) },
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

// guarded is a check for which what it speaks of may not be there at all.
func guarded(check func() []error) (problems []error) {
	defer func() {
		if v := recover(); v != nil {
			problems = append(problems, fmt.Errorf("template: %v", v))
		}
	}()
	return check()
}

// A theft is one thing taken out of the template, or exchanged, and what the
// failure that follows must name.
type theft struct {
	kind  string
	name  string
	take  func(template map[string]any)
	names []string
}

// thefts are found in the template itself, so what it gains is taken too: each
// resource, each property down to the last word, each condition and each rule.
// Functions of the template, like !Ref, are taken as a whole.
func thefts(template map[string]any) []theft {
	var all []theft
	for _, section := range []string{"Resources", "Conditions", "Rules"} {
		for name, r := range object(template[section]) {
			all = append(all, theft{section, name, func(template map[string]any) { delete(object(template[section]), name) }, []string{stem(name)}})
			if section == "Conditions" {
				continue // a function as a whole
			}
			all = append(all, theftsIn(r, section, name)...)
		}
	}
	return all
}

// stem is what a function and all that belongs to it have in common; other
// resources are named in full.
func stem(resource string) string {
	for _, f := range functions {
		if resource == f.name+"Function" {
			return f.name
		}
	}
	return resource
}

// theftsIn are the keys and the elements below a place of the template.
func theftsIn(v any, path ...string) (all []theft) {
	take := func(kind string, names []string, key string) {
		path := slices.Clone(path)
		all = append(all, theft{kind, strings.Join(append(path[1:], key), "."), func(template map[string]any) {
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
				return theftsIn(branches[1], append(path, "Fn::If", "1")...)
			}
			return nil
		}
		for key, inner := range v {
			names := []string{stem(path[1])}
			kind := "property"
			switch {
			case len(path) == 2 && key == "Type":
				continue // nothing is left
			case len(path) == 2 && key == "Properties":
				all = append(all, theftsIn(inner, append(slices.Clone(path), key)...)...)
				continue
			case len(path) > 1 && path[len(path)-1] == "Variables":
				kind, names = "variable", append(names, key)
			case len(path) == 3 && path[2] == "Properties":
				names = append(names, key)
			}
			take(kind, names, key)
			all = append(all, theftsIn(inner, append(slices.Clone(path), key)...)...)
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
			take(kind, names, key)
			all = append(all, theftsIn(inner, append(slices.Clone(path), key)...)...)
		}
	}
	return all
}

// isFunction reports whether a map of one key is a function of the template.
func isFunction(m map[string]any) bool {
	for key, arg := range m {
		return key == "Ref" || key == "Condition" && isText(arg) || strings.HasPrefix(key, "Fn::")
	}
	return false
}

// put sets what stands at a place.
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

// A reference is a place at which the template names something of itself.
type reference struct {
	path []string
	to   map[string]any
}

// references are those below v.
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

// exchanges are every two references of one resource, each in the other's place,
// and every reference to a resource turned to the next one of the same type.
func exchanges(s *stack) (all []theft) {
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
					continue // a queue and its alarm have one name
				}
				all = append(all, theft{"swap", place + " and " + strings.Join(b.path[1:], "."), func(template map[string]any) {
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
			turned := map[string]any{"Ref": other}
			if attribute != nil {
				turned = map[string]any{"Fn::GetAtt": []any{other, attribute}}
			}
			all = append(all, theft{"turn", place + " to " + other, func(template map[string]any) { put(template, turned, a.path...) }, []string{}})
		}
	}
	return all
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

// TestTakeAway takes each thing out of the template by itself, and exchanges
// each two: each time some check fails and names it.
func TestTakeAway(t *testing.T) {
	t.Parallel()
	template, calls := readTemplate(t), callsOf(t)
	if problems := checkAll(template, optional, calls); len(problems) > 0 {
		t.Fatalf("the template is not right to begin with: %v", errors.Join(problems...))
	}
	s, err := resolve(template, optional)
	if err != nil {
		t.Fatal(err)
	}
	all := append(thefts(template), exchanges(s)...)
	kinds := map[string]int{}
	for _, th := range all {
		kinds[th.kind]++
	}
	t.Log(kinds)
	for kind, least := range map[string]int{
		"action": 40, "variable": 40, "statement": 40, "response type": len(functions), "Resources": 60, "Conditions": len(conditions) + 2, "property": 500, "swap": 300, "turn": 100,
	} {
		if kinds[kind] < least {
			t.Errorf("only %d of kind %q were found", kinds[kind], kind)
		}
	}
	// One goroutine a processor; a test each would cost more than the checks.
	work := make(chan theft)
	var running sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		running.Go(func() {
			for th := range work {
				robbed := clone(template).(map[string]any)
				th.take(robbed)
				problems := checkAll(robbed, optional, calls)
				if len(problems) == 0 {
					t.Errorf("%s %s: nobody missed it", th.kind, th.name)
					continue
				}
				if !named(problems, th.names...) {
					t.Errorf("%s %s: no failure names %v: %v", th.kind, th.name, th.names, errors.Join(problems...))
				}
			}
		})
	}
	for i, th := range all {
		if raceEnabled && i%10 != 0 {
			continue // all of them run without the race detector
		}
		work <- th
	}
	close(work)
	running.Wait()
}

// named reports whether a problem names all of names.
func named(problems []error, names ...string) bool {
	return slices.ContainsFunc(problems, func(err error) bool {
		return !slices.ContainsFunc(names, func(name string) bool { return !strings.Contains(err.Error(), name) })
	})
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
	if !named(problems, names...) {
		t.Errorf("no failure names %v: %v", names, errors.Join(problems...))
	}
}

// TestMischief changes the template as one would who opens a door, loses
// messages or silences an alarm: each time a check names it.
func TestMischief(t *testing.T) {
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
		"every bucket may be read":   {func(m map[string]any) { statement(m, "Uploads", "ReadUploads")["Resource"] = "arn:aws:s3:::*" }, []string{"UploadsRole", "ReadUploads"}},
		"every queue may be sent to": {func(m map[string]any) { statement(m, "Changes", "SendLetters")["Resource"] = "arn:aws:sqs:*" }, []string{"ChangesRole", "SendLetters"}},
		"every table may be changed": {func(m map[string]any) { statement(m, "Jobs", "ChangeRecords")["Resource"] = "arn:aws:dynamodb:*" }, []string{"JobsRole", "ChangeRecords"}},
		"mail from any sender":       {func(m map[string]any) { delete(statement(m, "Notifications", "SendMails"), "Condition") }, []string{"NotificationsRole", "SendMails"}},
		"a condition that never holds": {func(m map[string]any) {
			statement(m, "Uploads", "ReadUploads")["Condition"] = map[string]any{"StringEquals": map[string]any{"aws:SourceVpc": "x"}}
		}, []string{"UploadsRole", "ReadUploads"}},
		"a right but for one": {func(m map[string]any) { statement(m, "Uploads", "ReadUploads")["NotAction"] = []any{"s3:PutObject"} }, []string{"UploadsRole", "NotAction"}},
		"a policy put on a role": {func(m map[string]any) {
			object(m["Resources"])["Extra"] = map[string]any{"Type": "AWS::IAM::Policy", "Properties": map[string]any{
				"PolicyName": "x", "Roles": []any{map[string]any{"Ref": "UploadsRole"}},
				"PolicyDocument": map[string]any{"Statement": []any{map[string]any{"Effect": "Allow", "Action": []any{"s3:*"}, "Resource": "*"}}},
			}}
		}, []string{"Extra is put on UploadsRole"}},
		"policies of SAM": {func(m map[string]any) { property(m, "JobsFunction")["Policies"] = []any{"AdministratorAccess"} }, []string{"JobsRole", "managed policies"}},
		"a role for anybody": {func(m map[string]any) {
			put(m, "*", "Resources", "UploadsRole", "Properties", "AssumeRolePolicyDocument", "Statement", "0", "Principal")
		}, []string{"UploadsRole", "AssumeRolePolicyDocument"}},
		"queues for anybody":        {func(m map[string]any) { allow(m, "OtherQueuesPolicy", "sqs:*") }, []string{"OtherQueuesPolicy", "Statement"}},
		"a bucket for anybody":      {func(m map[string]any) { allow(m, "UploadsBucketPolicy", "s3:*") }, []string{"UploadsBucketPolicy", "Statement"}},
		"a threshold never reached": {func(m map[string]any) { property(m, "UploadsDeadAlarm")["Threshold"] = 1000000 }, []string{"UploadsDeadAlarm", "Threshold"}},
		"an alarm turned round":     {func(m map[string]any) { property(m, "UploadsErrorsAlarm")["ComparisonOperator"] = "LessThanThreshold" }, []string{"UploadsErrorsAlarm", "ComparisonOperator"}},
		"a minimum":                 {func(m map[string]any) { property(m, "UploadsErrorsAlarm")["Statistic"] = "Minimum" }, []string{"UploadsErrorsAlarm", "Statistic"}},
		"an age beyond the stream":  {func(m map[string]any) { property(m, "ChangesAgeAlarm")["Threshold"] = 90000000 }, []string{"ChangesAgeAlarm", "Threshold"}},
		"an alarm that is off":      {func(m map[string]any) { property(m, "ChangesAgeAlarm")["ActionsEnabled"] = false }, []string{"ChangesAgeAlarm", "ActionsEnabled"}},
		"an empty description":      {func(m map[string]any) { property(m, "ChangesAgeAlarm")["AlarmDescription"] = "" }, []string{"ChangesAgeAlarm", "AlarmDescription"}},
		"no retries":                {func(m map[string]any) { property(m, "ChangesMapping")["MaximumRetryAttempts"] = 0 }, []string{"ChangesMapping", "MaximumRetryAttempts"}},
		"a mapping that is off":     {func(m map[string]any) { property(m, "JobsMapping")["Enabled"] = false }, []string{"JobsMapping", "Enabled"}},
		"a filter that deletes": {func(m map[string]any) {
			property(m, "JobsMapping")["FilterCriteria"] = map[string]any{"Filters": []any{map[string]any{"Pattern": "{}"}}}
		}, []string{"JobsMapping", "FilterCriteria"}},
		"a function that never runs": {func(m map[string]any) { property(m, "JobsFunction")["ReservedConcurrentExecutions"] = 0 }, []string{"JobsFunction", "ReservedConcurrentExecutions"}},
		"logs without batches": {func(m map[string]any) {
			object(property(m, "UploadsFunction")["LoggingConfig"])["ApplicationLogLevel"] = "ERROR"
		}, []string{"UploadsFunction", "ApplicationLogLevel"}},
		"jobs sent as notifications": {func(m map[string]any) {
			put(m, map[string]any{"Ref": "NotificationsQueue"}, "Resources", "UploadsFunction", "Properties", "Environment", "Variables", "JOBS_QUEUE_URL")
		}, []string{"Uploads", "JOBS_QUEUE_URL"}},
		"a variable that nobody wires": {func(m map[string]any) {
			put(m, "https://example.com", "Resources", "UploadsFunction", "Properties", "Environment", "Variables", "NEW_URL")
		}, []string{"Uploads", "NEW_URL"}},
		"a bucket that nobody checks": {func(m map[string]any) {
			object(m["Resources"])["NewBucket"] = map[string]any{"Type": "AWS::S3::Bucket", "Properties": map[string]any{"BucketName": "new"}}
		}, []string{"NewBucket"}},
		"a condition that nobody checks": {func(m map[string]any) {
			object(m["Conditions"])["Never"] = map[string]any{"Fn::Equals": []any{"a", "b"}}
		}, []string{"Never"}},
		"a filter that reads nothing": {func(m map[string]any) { property(m, "UploadsGivenBackFilter")["FilterPattern"] = "{ $.nothing = 1 }" }, []string{"UploadsGivenBackFilter", "FilterPattern"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := clone(template).(map[string]any)
			tt.do(m)
			expectNamed(t, checkAll(m, optional, calls), tt.names...)
		})
	}
}

// TestEveryResourceIsClosed adds a property to each resource: each time a check
// says that it does not know it.
func TestEveryResourceIsClosed(t *testing.T) {
	t.Parallel()
	template, calls := readTemplate(t), callsOf(t)
	for name := range object(template["Resources"]) {
		m := clone(template).(map[string]any)
		object(get(m, "Resources", name, "Properties"))["Novelty"] = "x"
		expectNamed(t, checkAll(m, optional, calls), name, "Novelty")
	}
}
