// Package aws_test compares the template with the workers: its variables,
// permissions and timeouts.
package aws_test

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// The account and region of the tests.
const (
	account   = "123456789012"
	region    = "us-east-1"
	partition = "aws"
)

// stack is the template resolved with parameters, as CloudFormation does.
// Values are string, bool, int, []any and map[string]any.
type stack struct {
	parameters map[string]string
	conditions map[string]any
	template   map[string]any      // unresolved, with intrinsic functions as {"Fn::X": ...}
	Resources  map[string]resource // by logical name
}

type resource struct {
	Type       string
	Properties map[string]any
	Attributes map[string]any // DeletionPolicy, DependsOn, Metadata
}

// optional are parameters that enable every optional part.
var optional = map[string]string{
	"SesFrom": "news@example.com", "SnsTopicArn": "arn:aws:sns:us-east-1:123456789012:news",
	"WebhookUrl": "https://hooks.example.com/sluice", "WebhookSecret": "sluice/webhook", "ChatUrlSecret": "sluice/chat",
	"SmtpPasswordSecret": "sluice/smtp", "NotifyTo": "operator@example.com", "OrderEndpoint": "https://orders.example.com/",
	"AlarmEmail": "operator@example.com", "InboxTypes": "user-registration",
	// All numbers differ, so that confusing two of them is noticed.
	"Name": "other", "UploadsMemory": "1025", "MessagesMemory": "257", "ChangesMemory": "258",
	"UploadsConcurrency": "21", "JobsConcurrency": "22", "NotificationsConcurrency": "6", "NotificationsParallel": "4", "ChangesParallelization": "3", "LogRetentionDays": "14",
}

// readTemplate returns the template with unresolved intrinsic functions.
func readTemplate(t *testing.T) map[string]any {
	t.Helper()
	text, err := os.ReadFile("template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	return plain(root.Content[0]).(map[string]any)
}

// plain converts a YAML node. A tag !X becomes {"Fn::X": ...}.
func plain(n *yaml.Node) any {
	var v any
	switch n.Kind {
	case yaml.MappingNode:
		m := make(map[string]any, len(n.Content)/2)
		for i := 0; i < len(n.Content); i += 2 {
			m[n.Content[i].Value] = plain(n.Content[i+1])
		}
		v = m
	case yaml.SequenceNode:
		s := make([]any, 0, len(n.Content))
		for _, c := range n.Content {
			s = append(s, plain(c))
		}
		v = s
	default:
		v = n.Value
		if n.Style == 0 { // unquoted, so possibly a number or a bool
			if i, err := strconv.Atoi(n.Value); err == nil {
				v = i
			} else if n.Value == "true" || n.Value == "false" {
				v = n.Value == "true"
			}
		}
	}
	switch tag := n.Tag; {
	case tag == "!Ref" || tag == "!Condition":
		return map[string]any{tag[1:]: v}
	case tag == "!GetAtt":
		name, attr, _ := strings.Cut(v.(string), ".")
		return map[string]any{"Fn::GetAtt": []any{name, attr}}
	case strings.HasPrefix(tag, "!") && !strings.HasPrefix(tag, "!!"):
		return map[string]any{"Fn::" + tag[1:]: v}
	}
	return v
}

// resolve resolves a template with parameters. An intrinsic function that it
// does not know is an error.
func resolve(template map[string]any, parameters map[string]string) (s *stack, err error) {
	defer func() {
		if v := recover(); v != nil {
			s, err = nil, fmt.Errorf("template: %v", v)
		}
	}()
	s = &stack{parameters: map[string]string{}, conditions: object(template["Conditions"]), template: template, Resources: map[string]resource{}}
	for name, p := range object(template["Parameters"]) {
		s.parameters[name] = fmt.Sprint(object(p)["Default"])
	}
	for name, value := range parameters {
		if _, ok := s.parameters[name]; !ok {
			return nil, fmt.Errorf("template: parameter %q does not exist", name)
		}
		s.parameters[name] = value
	}
	globals := object(object(template["Globals"])["Function"])
	for name, r := range object(template["Resources"]) {
		r := object(r)
		if c, ok := r["Condition"]; ok && !s.condition(c.(string)) {
			continue
		}
		res := resource{Type: r["Type"].(string), Properties: map[string]any{}, Attributes: map[string]any{}}
		properties := object(r["Properties"])
		if res.Type == "AWS::Serverless::Function" {
			merged := maps.Clone(globals)
			maps.Copy(merged, properties)
			properties = merged
		}
		if v, ok := s.value(properties).(map[string]any); ok {
			res.Properties = v
		}
		for k, v := range r {
			if k != "Type" && k != "Properties" {
				res.Attributes[k] = v
			}
		}
		s.Resources[name] = res
	}
	return s, nil
}

func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

type noValue struct{}

func (s *stack) condition(name string) bool {
	c, ok := s.conditions[name]
	if !ok {
		panic(fmt.Sprintf("condition %q does not exist", name))
	}
	return s.value(c).(bool)
}

func (s *stack) value(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, 0, len(v))
		for _, e := range v {
			if e := s.value(e); e != (noValue{}) {
				out = append(out, e)
			}
		}
		return out
	case map[string]any:
		if len(v) == 1 {
			for name, arg := range v {
				if name == "Ref" || name == "Condition" && isText(arg) || strings.HasPrefix(name, "Fn::") {
					return s.call(name, arg)
				}
			}
		}
		out := make(map[string]any, len(v))
		for k, e := range v {
			if e := s.value(e); e != (noValue{}) {
				out[k] = e
			}
		}
		return out
	}
	return v
}

func isText(v any) bool { _, ok := v.(string); return ok }

func (s *stack) call(name string, arg any) any {
	switch name {
	case "Ref":
		return s.ref(arg.(string))
	case "Condition":
		return s.condition(arg.(string))
	case "Fn::GetAtt":
		a := arg.([]any)
		return s.attribute(a[0].(string), a[1].(string))
	case "Fn::Sub":
		return s.sub(arg.(string))
	case "Fn::If":
		a := arg.([]any)
		if s.condition(a[0].(string)) {
			return s.value(a[1])
		}
		return s.value(a[2])
	case "Fn::Equals":
		a := s.value(arg).([]any)
		return fmt.Sprint(a[0]) == fmt.Sprint(a[1])
	case "Fn::Not":
		return !s.value(arg).([]any)[0].(bool)
	}
	panic(fmt.Sprintf("intrinsic function %s is unknown to the tests", name))
}

func (s *stack) ref(name string) any {
	switch name {
	case "AWS::AccountId":
		return account
	case "AWS::Region":
		return region
	case "AWS::Partition":
		return partition
	case "AWS::NoValue":
		return noValue{}
	}
	if v, ok := s.parameters[name]; ok {
		return v
	}
	r := s.raw(name)
	switch r["Type"] {
	case "AWS::SQS::Queue":
		return "https://sqs." + region + ".amazonaws.com/" + account + "/" + s.property(name, "QueueName")
	case "AWS::S3::Bucket":
		return s.property(name, "BucketName")
	case "AWS::DynamoDB::Table":
		return s.property(name, "TableName")
	case "AWS::Serverless::Function":
		return s.property(name, "FunctionName")
	case "AWS::Logs::LogGroup":
		return s.property(name, "LogGroupName")
	case "AWS::IAM::Role":
		return name
	case "AWS::SNS::Topic":
		return "arn:aws:sns:" + region + ":" + account + ":" + s.property(name, "TopicName")
	case "AWS::Lambda::EventSourceMapping":
		return "uuid-of-" + name
	}
	panic(fmt.Sprintf("Ref %s: the type %v is unknown to the tests", name, r["Type"]))
}

func (s *stack) attribute(name, attr string) any {
	arn := func(service, rest string) string {
		return "arn:aws:" + service + ":" + region + ":" + account + ":" + rest
	}
	switch typ := s.raw(name)["Type"]; fmt.Sprint(typ, ".", attr) {
	case "AWS::SQS::Queue.Arn":
		return arn("sqs", s.property(name, "QueueName"))
	case "AWS::SQS::Queue.QueueName":
		return s.property(name, "QueueName")
	case "AWS::S3::Bucket.Arn":
		return "arn:aws:s3:::" + s.property(name, "BucketName")
	case "AWS::DynamoDB::Table.Arn":
		return arn("dynamodb", "table/"+s.property(name, "TableName"))
	case "AWS::DynamoDB::Table.StreamArn":
		return arn("dynamodb", "table/"+s.property(name, "TableName")+"/stream/2026-01-02T03:04:05.678")
	case "AWS::Logs::LogGroup.Arn":
		return arn("logs", "log-group:"+s.property(name, "LogGroupName")+":*")
	case "AWS::IAM::Role.Arn":
		return "arn:aws:iam::" + account + ":role/" + name
	default:
		panic(fmt.Sprintf("GetAtt %s.%s of a %v is unknown to the tests", name, attr, typ))
	}
}

func (s *stack) raw(name string) map[string]any {
	r, ok := object(s.template["Resources"])[name]
	if !ok {
		panic(fmt.Sprintf("%q is neither a parameter nor a resource", name))
	}
	return object(r)
}

func (s *stack) property(name, property string) string {
	v, ok := s.value(object(s.raw(name)["Properties"])[property]).(string)
	if !ok {
		panic(fmt.Sprintf("%s has no %s", name, property))
	}
	return v
}

var placeholder = regexp.MustCompile(`\$\{([^}!]+)\}`)

func (s *stack) sub(text string) string {
	return placeholder.ReplaceAllStringFunc(text, func(p string) string {
		name := p[2 : len(p)-1]
		if res, attr, ok := strings.Cut(name, "."); ok {
			return fmt.Sprint(s.attribute(res, attr))
		}
		return fmt.Sprint(s.ref(name))
	})
}

// of returns the sorted names of the resources of a type.
func (s *stack) of(typ string) []string {
	var names []string
	for name, r := range s.Resources {
		if r.Type == typ {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// get returns the value at path, whose elements are keys and positions. It is
// nil if there is none.
func get(v any, path ...string) any {
	for _, p := range path {
		switch w := v.(type) {
		case map[string]any:
			v = w[p]
		case []any:
			i, err := strconv.Atoi(p)
			if err != nil || i >= len(w) {
				return nil
			}
			v = w[i]
		default:
			return nil
		}
	}
	return v
}

// number returns v as a number, or -1.
func number(v any) int {
	n, err := strconv.Atoi(fmt.Sprint(v))
	if err != nil {
		return -1
	}
	return n
}

// deploy resolves the template with parameters.
func deploy(t *testing.T, parameters map[string]string) *stack {
	t.Helper()
	s, err := resolve(readTemplate(t), parameters)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func report(t *testing.T, problems []error) {
	t.Helper()
	for _, p := range problems {
		t.Error(p)
	}
}
