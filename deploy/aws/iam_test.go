package aws_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// actions maps each operation that a worker calls to its IAM action. A call of
// an operation that is missing here fails the tests.
var actions = map[string]string{
	"S3.GetObject":                "s3:GetObject",
	"S3.GetObject of a version":   "s3:GetObjectVersion",
	"S3.HeadObject":               "s3:GetObject", // there is no s3:HeadObject
	"S3.PutObject":                "s3:PutObject",
	"S3.DeleteObject":             "s3:DeleteObject",
	"SQS.SendMessage":             "sqs:SendMessage",
	"SQS.SendMessageBatch":        "sqs:SendMessage", // there is no sqs:SendMessageBatch
	"SQS.ChangeMessageVisibility": "sqs:ChangeMessageVisibility",
	"DynamoDB.GetItem":            "dynamodb:GetItem",
	"DynamoDB.PutItem":            "dynamodb:PutItem",
	"DynamoDB.DeleteItem":         "dynamodb:DeleteItem",
	// Calls of the event source mappings of deploy/container.
	"SQS.ReceiveMessage":                "sqs:ReceiveMessage",
	"SQS.DeleteMessage":                 "sqs:DeleteMessage",
	"SQS.GetQueueAttributes":            "sqs:GetQueueAttributes",
	"DynamoDB.DescribeTable":            "dynamodb:DescribeTable",
	"DynamoDB.Query":                    "dynamodb:Query",
	"DynamoDB Streams.DescribeStream":   "dynamodb:DescribeStream",
	"DynamoDB Streams.GetShardIterator": "dynamodb:GetShardIterator",
	"DynamoDB Streams.GetRecords":       "dynamodb:GetRecords",
	"SNS.Publish":                       "sns:Publish",
	"SESv2.SendEmail":                   "ses:SendEmail",
}

// A permit is one action on one resource, which a role grants or a function
// needs. The resource of a granted permit may contain *.
type permit struct {
	action, resource string
	why              string
}

func (p permit) String() string { return p.action + " on " + p.resource }

// grants reports whether p, granted by a role, covers need.
func (p permit) grants(need permit) bool {
	return p.action == need.action && matches(p.resource, need.resource)
}

// matches reports whether pattern, in which * stands for any text, covers s.
func matches(pattern, s string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	if !strings.HasPrefix(s, first) {
		return false
	}
	if !star {
		return s == first
	}
	for s = s[len(first):]; ; s = s[1:] {
		if matches(rest, s) {
			return true
		}
		if s == "" {
			return false
		}
	}
}

// needOf returns the permit that a recorded call needs, with the stack's
// resource names.
func (s *stack) needOf(function string, c call) (permit, error) {
	operation := c.service + "." + c.operation
	resource, version, _ := strings.Cut(c.resource, "?versionId=")
	if version != "" {
		operation += " of a version"
	}
	action, ok := actions[operation]
	if !ok {
		return permit{}, fmt.Errorf("function %s calls %s: no IAM action for it in the table actions", function, operation)
	}
	need := permit{action: action, why: "it calls " + operation}
	att := func(name string) string { return fmt.Sprint(s.attribute(name, "Arn")) }
	switch c.service {
	case "S3":
		bucket, key, _ := strings.Cut(resource, "/")
		logical, ok := map[string]string{"uploads": "UploadsBucket", "thumbnails": "ThumbnailsBucket", "failures": "FailuresBucket"}[bucket]
		if !ok {
			return need, fmt.Errorf("function %s calls %s of bucket %q, which the template does not have", function, operation, bucket)
		}
		need.resource = att(logical) + "/" + key
	case "SQS":
		queue := resource[strings.LastIndex(resource, "/")+1:]
		logical, ok := map[string]string{
			"jobs": "JobsQueue", "notifications": "NotificationsQueue", "source": function + "Queue", "dead": function + "DeadQueue",
		}[queue]
		if !ok {
			return need, fmt.Errorf("function %s calls %s of queue %q, which the template does not have", function, operation, queue)
		}
		need.resource = att(logical)
	case "DynamoDB":
		logical, ok := map[string]string{"records": "RecordsTable", "state": "StateTable"}[resource]
		if !ok {
			return need, fmt.Errorf("function %s calls %s of table %q, which the template does not have", function, operation, resource)
		}
		need.resource = att(logical)
	case "DynamoDB Streams":
		need.resource = fmt.Sprint(s.attribute("RecordsTable", "StreamArn"))
	case "SNS":
		need.resource = resource
	case "SESv2":
		need.resource = "arn:aws:ses:" + region + ":" + account + ":identity/" + resource
	}
	return need, nil
}

// pollerNeeds returns the permits that Lambda itself needs from the function's
// role: to read the source, to store failed batches, and to write the log.
func (s *stack) pollerNeeds(f function) []permit {
	function := f.name
	log := permit{resource: fmt.Sprint(s.attribute(function+"Log", "Arn")), why: "Lambda writes the log"}
	needs := []permit{{"logs:CreateLogStream", log.resource, log.why}, {"logs:PutLogEvents", log.resource, log.why}}
	add := func(why, resource string, actions ...string) {
		for _, a := range actions {
			needs = append(needs, permit{a, resource, why})
		}
	}
	if f.Source.Queue != "" {
		add("Lambda polls the queue", fmt.Sprint(s.attribute(function+"Queue", "Arn")), "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
		return needs
	}
	add("Lambda reads the stream", fmt.Sprint(s.attribute(logicalName(f.Source.Stream)+"Table", "StreamArn")),
		"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams")
	bucket := fmt.Sprint(s.attribute("FailuresBucket", "Arn"))
	add("Lambda stores failed batches", bucket+"/aws/lambda/uuid/shard/2026/01/02/03.04.05.json", "s3:PutObject")
	add("Lambda stores failed batches", bucket, "s3:ListBucket")
	return needs
}

// exceptions returns the needed permits that no recorded call shows, with the
// reason.
func (s *stack) exceptions(function string) []permit {
	switch function {
	case "Uploads":
		return []permit{{
			"s3:ListBucket", fmt.Sprint(s.attribute("UploadsBucket", "Arn")),
			"without it S3 responds 403 for a missing object, and not 404",
		}}
	case "Notifications":
		if s.parameters["SesFrom"] == "" {
			return nil
		}
		return []permit{{
			"ses:SendEmail", "arn:aws:ses:" + region + ":" + account + ":configuration-set/default",
			"SES also requires it for the default configuration set of an identity",
		}}
	}
	return nil
}

// grants returns the resources of the statements that a function's role may
// have, by Sid. Which statements and actions it needs follows from the recorded
// calls.
func (s *stack) grants(f function) map[string][]string {
	att := func(name, attr string) string { return fmt.Sprint(s.attribute(name, attr)) }
	ses := "arn:aws:ses:" + region + ":" + account + ":"
	all := map[string][]string{
		"Log":                      {att(f.name+"Log", "Arn")},
		"SendLetters":              {att(f.name+"DeadQueue", "Arn")},
		"KeepLongLetters":          {att("FailuresBucket", "Arn") + "/letters/" + f.Worker + "/*"},
		"ReadUploads":              {att("UploadsBucket", "Arn") + "/*"},
		"SeeWhatIsGone":            {att("UploadsBucket", "Arn")},
		"WriteThumbnails":          {att("ThumbnailsBucket", "Arn") + "/thumbnails/*"},
		"SendJobs":                 {att("JobsQueue", "Arn")},
		"SendNotifications":        {att("NotificationsQueue", "Arn")},
		"SendJobsAndNotifications": {att("JobsQueue", "Arn"), att("NotificationsQueue", "Arn")},
		"ChangeRecords":            {att("RecordsTable", "Arn")},
		"ClaimSteps":               {att("StateTable", "Arn")},
		"ClaimSends":               {att("StateTable", "Arn")},
		"SendMails":                {ses + "identity/*", ses + "configuration-set/*"},
		"Publish":                  {s.parameters["SnsTopicArn"]},
	}
	if f.Source.Queue != "" {
		all["Poll"], all["Wait"] = []string{att(f.name+"Queue", "Arn")}, []string{att(f.name+"Queue", "Arn")}
		return all
	}
	all["Poll"] = []string{att(logicalName(f.Source.Stream)+"Table", "StreamArn")}
	all["KeepWhatFailed"] = []string{att("FailuresBucket", "Arn") + "/aws/lambda/*"}
	all["FindTheFailuresBucket"] = []string{att("FailuresBucket", "Arn")}
	return all
}

// conditionsOf returns the conditions of a statement, by Sid. Any other
// condition could widen a grant or disable it.
func (s *stack) conditionsOf(sid string) map[string]any {
	if sid == "SendMails" {
		return map[string]any{"StringEquals": map[string]any{"ses:FromAddress": s.parameters["SesFrom"]}}
	}
	return nil
}

// statements returns the statements of a function's role and of the policies
// attached to it.
func (s *stack) statements(function string) (all []any, problems []error) {
	role := function + "Role"
	policies, _ := s.Resources[role].Properties["Policies"].([]any)
	for _, p := range policies {
		st, _ := get(p, "PolicyDocument", "Statement").([]any)
		all = append(all, st...)
	}
	for name, r := range s.Resources {
		roles, _ := r.Properties["Roles"].([]any)
		for _, other := range roles {
			if other == s.ref(role) {
				problems = append(problems, fmt.Errorf("%s is attached to %s: want all its statements in the role", name, role))
				st, _ := get(r.Properties, "PolicyDocument", "Statement").([]any)
				all = append(all, st...)
			}
		}
	}
	if s.Resources[role].Properties["ManagedPolicyArns"] != nil || s.Resources[function+"Function"].Properties["Policies"] != nil {
		problems = append(problems, fmt.Errorf("%s has managed policies: want all its statements in the template", role))
	}
	return all, problems
}

// granted returns all permits of a function's role.
func (s *stack) granted(f function) (permits []permit, problems []error) {
	statements, outside := s.statements(f.name)
	permits, problems = s.permits(f.name+"Role", statements, s.grants(f))
	return permits, append(outside, problems...)
}

// permits returns the permits that statements grant. The resources of a
// statement must be those of its Sid in written, and its conditions those of
// conditionsOf.
func (s *stack) permits(holder string, statements []any, written map[string][]string) (permits []permit, problems []error) {
	wrong := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf(holder+": "+format, args...))
	}
	seen := map[string]bool{}
	for _, st := range statements {
		sid := fmt.Sprint(get(st, "Sid"))
		if seen[sid] {
			wrong("statement %s occurs twice", sid)
		}
		seen[sid] = true
		if get(st, "Effect") != "Allow" {
			wrong("statement %s: got another Effect, want Allow", sid)
		}
		for key := range object(st) {
			if !slices.Contains([]string{"Sid", "Effect", "Action", "Resource", "Condition"}, key) {
				wrong("statement %s has the unknown key %s", sid, key)
			}
		}
		if got, want := object(get(st, "Condition")), s.conditionsOf(sid); !reflect.DeepEqual(got, want) {
			wrong("statement %s: got the condition %v, want %v", sid, got, want)
		}
		if got := list(get(st, "Resource")); !slices.Equal(got, written[sid]) {
			wrong("statement %s: got the resources %v, want %v", sid, got, written[sid])
		}
		for _, action := range list(get(st, "Action")) {
			for _, resource := range list(get(st, "Resource")) {
				if strings.Contains(action, "*") || resource == "*" {
					wrong("grants %s on %s: want an action and a resource without *", action, resource)
				}
				permits = append(permits, permit{action: action, resource: resource, why: "statement " + sid})
			}
		}
	}
	return permits, problems
}

// taskStatements returns the resources of each statement of TaskPolicy, by Sid.
func (s *stack) taskStatements() map[string][]string {
	att := func(name, attr string) string { return fmt.Sprint(s.attribute(name, attr)) }
	arns := func(names ...string) (all []string) {
		for _, name := range names {
			all = append(all, att(name, "Arn"))
		}
		return all
	}
	failures := att("FailuresBucket", "Arn")
	all := map[string][]string{
		"FindTheStream": arns("RecordsTable"), "ReadTheStream": {att("RecordsTable", "StreamArn")},
		"ChangeRecords": arns("RecordsTable"), "HoldLeasesAndClaims": arns("StateTable"),
		"Send":        arns("JobsQueue", "NotificationsQueue"),
		"ReadUploads": {att("UploadsBucket", "Arn") + "/*"}, "SeeWhatIsGone": arns("UploadsBucket"),
		"WriteThumbnails": {att("ThumbnailsBucket", "Arn") + "/thumbnails/*"},
		"KeepLongLetters": {failures + "/letters/*"}, "KeepWhatFailed": {failures + "/aws/lambda/changes/*"},
	}
	for _, f := range lambdas {
		all["SendLetters"] = append(all["SendLetters"], att(f.name+"DeadQueue", "Arn"))
		if f.Source.Queue != "" {
			all["WorkQueues"] = append(all["WorkQueues"], att(f.name+"Queue", "Arn"))
		}
	}
	for _, sid := range []string{"SendMails", "Publish"} {
		all[sid] = s.grants(lambda("Notifications"))[sid]
	}
	return all
}

// withoutLambda returns the calls of the container command, as a test of
// deploy/container recorded them.
func withoutLambda() (calls []call, err error) {
	text, err := os.ReadFile("testdata/without-lambda.json")
	if err != nil {
		return nil, err
	}
	var lines []string
	if err := json.Unmarshal(text, &lines); err != nil {
		return nil, err
	}
	for _, line := range lines {
		operation, resource, _ := strings.Cut(line, " ")
		if strings.HasPrefix(resource, "Streams.") { // the service's name contains a space
			operation, resource, _ = strings.Cut(resource, " ")
			operation = "DynamoDB " + operation
		}
		service, operation, _ := strings.Cut(operation, ".")
		calls = append(calls, call{service, operation, resource})
	}
	return calls, nil
}

// checkTask compares TaskPolicy with the calls in a container: those of the
// workers on Lambda, and those of the event source mappings.
func checkTask(s *stack, calls map[string]map[call]bool) (problems []error) {
	const policy = "TaskPolicy"
	if s.parameters["RunBy"] != "container" {
		return nil // checkShapes checks that it is absent
	}
	document := s.Resources[policy].Properties["PolicyDocument"]
	statements, _ := get(document, "Statement").([]any)
	granted, problems := s.permits(policy, statements, s.taskStatements())
	needs := slices.Concat(s.exceptions("Uploads"), s.exceptions("Notifications"))
	add := func(function string, c call) {
		if c.service == "SESv2" && s.parameters["SesFrom"] == "" || c.service == "SNS" && s.parameters["SnsTopicArn"] == "" {
			return
		}
		need, err := s.needOf(function, c)
		if err != nil {
			problems = append(problems, err)
			return
		}
		needs = append(needs, need)
	}
	for _, f := range lambdas {
		for c := range calls[f.name] {
			add(f.name, c)
		}
	}
	// The container polls the queue of each function in the same way.
	for _, f := range lambdas {
		if f.Source.Queue == "" {
			continue
		}
		for _, operation := range []string{"ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility", "GetQueueAttributes"} {
			add(f.name, call{"SQS", operation, "source"})
		}
	}
	without, err := withoutLambda()
	if err != nil {
		return append(problems, err)
	}
	for _, c := range without {
		if c.resource == "source" {
			add("Uploads", c)
			continue
		}
		for _, f := range lambdas {
			add(f.name, c)
		}
	}
	return append(problems, compare(policy, granted, needs)...)
}

func TestTaskPolicyGrantsRecordedCallsOnly(t *testing.T) {
	t.Parallel()
	calls := callsOf(t)
	for _, parameters := range []map[string]string{{}, optional} {
		parameters = maps.Clone(parameters)
		parameters["RunBy"] = "container"
		report(t, checkTask(deploy(t, parameters), calls))
	}
}

func list(v any) []string {
	var out []string
	switch v := v.(type) {
	case string:
		out = append(out, v)
	case []any:
		for _, e := range v {
			out = append(out, fmt.Sprint(e))
		}
	}
	return out
}

// checkRoles compares what each role grants with what its function needs.
func checkRoles(s *stack, calls map[string]map[call]bool) (problems []error) {
	for _, f := range lambdas {
		granted, wrong := s.granted(f)
		problems = append(problems, wrong...)
		needs := slices.Concat(s.pollerNeeds(f), s.exceptions(f.name))
		for c := range calls[f.name] {
			need, err := s.needOf(f.name, c)
			if err != nil {
				problems = append(problems, err)
				continue
			}
			// The channels are optional, and a role grants nothing for an unset
			// one.
			if c.service == "SESv2" && s.parameters["SesFrom"] == "" || c.service == "SNS" && s.parameters["SnsTopicArn"] == "" {
				continue
			}
			needs = append(needs, need)
		}
		problems = append(problems, compare(f.name+"Role", granted, needs)...)
	}
	return problems
}

// compare reports needed permits that are not granted, and granted permits that
// are not needed.
func compare(holder string, granted, needs []permit) (problems []error) {
	for _, n := range needs {
		if !slices.ContainsFunc(granted, func(g permit) bool { return g.grants(n) }) {
			problems = append(problems, fmt.Errorf("%s does not grant %s: %s", holder, n, n.why))
		}
	}
	for _, g := range granted {
		if !slices.ContainsFunc(needs, g.grants) {
			problems = append(problems, fmt.Errorf("%s grants %s (%s), which is not needed", holder, g, g.why))
		}
	}
	return problems
}

func TestRolesGrantRecordedCallsOnly(t *testing.T) {
	t.Parallel()
	calls := callsOf(t)
	report(t, checkRoles(deploy(t, nil), calls))
	report(t, checkRoles(deploy(t, optional), calls))
}

// TestActionsAreCalled finds operations in the table that no worker calls.
func TestActionsAreCalled(t *testing.T) {
	t.Parallel()
	called := map[string]bool{}
	for _, calls := range callsOf(t) {
		for c := range calls {
			called[c.service+"."+c.operation] = true
			if strings.Contains(c.resource, "?versionId=") {
				called[c.service+"."+c.operation+" of a version"] = true
			}
		}
	}
	without, err := withoutLambda()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range without {
		called[c.service+"."+c.operation] = true
	}
	for operation := range actions {
		if !called[operation] {
			t.Errorf("table actions: no recorded event makes a worker call %s", operation)
		}
	}
}

func TestMatchesExpandsStars(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pattern, s string
		want       bool
	}{
		{"a", "a", true},
		{"a", "ab", false},
		{"a/*", "a/b/c", true},
		{"a/*", "a/", true},
		{"a/*", "a", false},
		{"a*c", "abc", true},
		{"a*c", "abcd", false},
		{"*", "", true},
	} {
		if got := matches(tt.pattern, tt.s); got != tt.want {
			t.Errorf("matches(%q, %q): got %v, want %v", tt.pattern, tt.s, got, tt.want)
		}
	}
}
