package aws_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// actions are what IAM asks for each operation that a worker calls. An operation
// that is missing here is unknown to the tests, and they fail.
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
	"SNS.Publish":                 "sns:Publish",
	"SESv2.SendEmail":             "ses:SendEmail",
}

// A permit is one action on one resource, which a role grants or somebody needs.
// In a role the resource may hold *.
type permit struct {
	action, resource string
	why              string
}

func (p permit) String() string { return p.action + " on " + p.resource }

// grants reports whether what a role grants is enough for a need.
func (p permit) grants(need permit) bool {
	return p.action == need.action && matches(p.resource, need.resource)
}

// matches reports whether a resource with * in it covers another.
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

// needOf is the permit that a recorded call needs, in the stack's names.
func (s *stack) needOf(function string, c call) (permit, error) {
	operation := c.service + "." + c.operation
	resource, version, _ := strings.Cut(c.resource, "?versionId=")
	if version != "" {
		operation += " of a version"
	}
	action, ok := actions[operation]
	if !ok {
		return permit{}, fmt.Errorf("function %s calls %s: no action is written down for it", function, operation)
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
	case "SNS":
		need.resource = resource
	case "SESv2":
		need.resource = "arn:aws:ses:" + region + ":" + account + ":identity/" + resource
	}
	return need, nil
}

// pollerNeeds are what Lambda itself does as the function: read its source, keep
// what failed, write its log.
func (s *stack) pollerNeeds(function string) []permit {
	log := permit{resource: fmt.Sprint(s.attribute(function+"Log", "Arn")), why: "Lambda writes the log"}
	needs := []permit{{"logs:CreateLogStream", log.resource, log.why}, {"logs:PutLogEvents", log.resource, log.why}}
	add := func(why, resource string, actions ...string) {
		for _, a := range actions {
			needs = append(needs, permit{a, resource, why})
		}
	}
	if function != "Changes" {
		add("Lambda polls the queue", fmt.Sprint(s.attribute(function+"Queue", "Arn")), "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
		return needs
	}
	add("Lambda reads the stream", fmt.Sprint(s.attribute("RecordsTable", "StreamArn")),
		"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams")
	bucket := fmt.Sprint(s.attribute("FailuresBucket", "Arn"))
	add("Lambda keeps what failed", bucket+"/aws/lambda/uuid/shard/2026/01/02/03.04.05.json", "s3:PutObject")
	add("Lambda keeps what failed", bucket, "s3:ListBucket")
	return needs
}

// exceptions are what no recorded call shows, with the reason.
func (s *stack) exceptions(function string) []permit {
	switch function {
	case "Uploads":
		return []permit{{
			"s3:ListBucket", fmt.Sprint(s.attribute("UploadsBucket", "Arn")),
			"without it S3 answers 403 for an object that is gone, and not 404",
		}}
	case "Notifications":
		if s.parameters["SesFrom"] == "" {
			return nil
		}
		return []permit{{
			"ses:SendEmail", "arn:aws:ses:" + region + ":" + account + ":configuration-set/default",
			"SES asks for the configuration set too that an identity has by default",
		}}
	}
	return nil
}

// grants are the resources of each statement of a function's role, by Sid: no
// statement is about more. Which actions are right is seen by what is called.
func (s *stack) grants(function string) map[string][]string {
	att := func(name, attr string) string { return fmt.Sprint(s.attribute(name, attr)) }
	letters := strings.ToLower(function)
	if function == "Jobs" || function == "Notifications" {
		letters = "messages"
	}
	all := map[string][]string{
		"Log":             {att(function+"Log", "Arn")},
		"SendLetters":     {att(function+"DeadQueue", "Arn")},
		"KeepLongLetters": {att("FailuresBucket", "Arn") + "/letters/" + letters + "/*"},
	}
	if function != "Changes" {
		all["Poll"], all["Wait"] = []string{att(function+"Queue", "Arn")}, []string{att(function+"Queue", "Arn")}
	}
	switch function {
	case "Uploads":
		all["ReadUploads"] = []string{att("UploadsBucket", "Arn") + "/*"}
		all["SeeWhatIsGone"] = []string{att("UploadsBucket", "Arn")}
		all["WriteThumbnails"] = []string{att("ThumbnailsBucket", "Arn") + "/thumbnails/*"}
		all["SendJobs"] = []string{att("JobsQueue", "Arn")}
		all["SendNotifications"] = []string{att("NotificationsQueue", "Arn")}
	case "Jobs":
		all["ChangeRecords"] = []string{att("RecordsTable", "Arn")}
		all["ClaimSteps"] = []string{att("StateTable", "Arn")}
	case "Notifications":
		all["ClaimSends"] = []string{att("StateTable", "Arn")}
		if s.parameters["SesFrom"] != "" {
			ses := "arn:aws:ses:" + region + ":" + account + ":"
			all["SendMails"] = []string{ses + "identity/*", ses + "configuration-set/*"}
		}
		if topic := s.parameters["SnsTopicArn"]; topic != "" {
			all["Publish"] = []string{topic}
		}
	case "Changes":
		all["Poll"] = []string{att("RecordsTable", "StreamArn")}
		all["SendJobsAndNotifications"] = []string{att("JobsQueue", "Arn"), att("NotificationsQueue", "Arn")}
		all["KeepWhatFailed"] = []string{att("FailuresBucket", "Arn") + "/aws/lambda/*"}
		all["FindTheFailuresBucket"] = []string{att("FailuresBucket", "Arn")}
	}
	return all
}

// conditionsOf are the conditions under which statements hold, by Sid. Any other
// would open a right, or shut it for ever.
func (s *stack) conditionsOf(sid string) map[string]any {
	if sid == "SendMails" {
		return map[string]any{"StringEquals": map[string]any{"ses:FromAddress": s.parameters["SesFrom"]}}
	}
	return nil
}

// statements are those of a function's role, and of the policies that are put on
// it from outside.
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
				problems = append(problems, fmt.Errorf("%s is put on %s: what it may do is to stand there", name, role))
				st, _ := get(r.Properties, "PolicyDocument", "Statement").([]any)
				all = append(all, st...)
			}
		}
	}
	if s.Resources[role].Properties["ManagedPolicyArns"] != nil || s.Resources[function+"Function"].Properties["Policies"] != nil {
		problems = append(problems, fmt.Errorf("%s has managed policies: what it may do is to stand in the template", role))
	}
	return all, problems
}

// granted are all permits of a function's role. Each statement is about what is
// written down for its Sid, under the condition that is written down.
func (s *stack) granted(function string) (permits []permit, problems []error) {
	wrong := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf(function+"Role: "+format, args...))
	}
	statements, outside := s.statements(function)
	problems = append(problems, outside...)
	written, seen := s.grants(function), map[string]bool{}
	for _, st := range statements {
		sid := fmt.Sprint(get(st, "Sid"))
		if seen[sid] {
			wrong("statement %s stands there twice", sid)
		}
		seen[sid] = true
		if get(st, "Effect") != "Allow" {
			wrong("statement %s is no Allow", sid)
		}
		for key := range object(st) {
			if !slices.Contains([]string{"Sid", "Effect", "Action", "Resource", "Condition"}, key) {
				wrong("statement %s has %s, which no check knows", sid, key)
			}
		}
		if got, want := object(get(st, "Condition")), s.conditionsOf(sid); !reflect.DeepEqual(got, want) {
			wrong("statement %s holds under %v, want %v", sid, got, want)
		}
		if got := list(get(st, "Resource")); !slices.Equal(got, written[sid]) {
			wrong("statement %s is on %v, want %v", sid, got, written[sid])
		}
		for _, action := range list(get(st, "Action")) {
			for _, resource := range list(get(st, "Resource")) {
				if strings.Contains(action, "*") || resource == "*" {
					wrong("grants %s on %s: want both by name", action, resource)
				}
				permits = append(permits, permit{action: action, resource: resource, why: "statement " + sid})
			}
		}
	}
	for sid := range written {
		if !seen[sid] {
			wrong("there is no statement %s", sid)
		}
	}
	return permits, problems
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

// checkRoles holds each role to what its function needs: no less and no more.
func checkRoles(s *stack, calls map[string]map[call]bool) (problems []error) {
	for _, f := range functions {
		granted, wrong := s.granted(f.name)
		problems = append(problems, wrong...)
		needs := slices.Concat(s.pollerNeeds(f.name), s.exceptions(f.name))
		for c := range calls[f.name] {
			need, err := s.needOf(f.name, c)
			if err != nil {
				problems = append(problems, err)
				continue
			}
			// What is not asked for is not granted, and the channels are optional.
			if c.service == "SESv2" && s.parameters["SesFrom"] == "" || c.service == "SNS" && s.parameters["SnsTopicArn"] == "" {
				continue
			}
			needs = append(needs, need)
		}
		for _, n := range needs {
			if !slices.ContainsFunc(granted, func(g permit) bool { return g.grants(n) }) {
				problems = append(problems, fmt.Errorf("%sRole does not grant %s: %s", f.name, n, n.why))
			}
		}
		for _, g := range granted {
			if !slices.ContainsFunc(needs, g.grants) {
				problems = append(problems, fmt.Errorf("%sRole grants %s (%s), which nobody needs", f.name, g, g.why))
			}
		}
	}
	return problems
}

func TestRoles(t *testing.T) {
	t.Parallel()
	calls := callsOf(t)
	report(t, checkRoles(deploy(t, nil), calls))
	report(t, checkRoles(deploy(t, optional), calls))
}

// TestActionsAreCalled keeps the table of operations free of what no worker
// calls any more.
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
	for operation := range actions {
		if !called[operation] {
			t.Errorf("the table of actions has %s, which no event makes a worker call", operation)
		}
	}
}

func TestMatches(t *testing.T) {
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
			t.Errorf("matches(%q, %q): got %v", tt.pattern, tt.s, got)
		}
	}
}
