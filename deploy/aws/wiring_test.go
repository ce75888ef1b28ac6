package aws_test

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// wired returns the resource that a variable of the function must name.
func (f function) wired(variable string) (logical string, ok bool) {
	switch variable {
	case "SOURCE_QUEUE_URL":
		return f.name + "Queue", true
	case "DEAD_LETTER_QUEUE_URL":
		return f.name + "DeadQueue", true
	}
	logical, ok = wiring[variable]
	return logical, ok
}

// wiring has the resources that variables of any function name.
var wiring = map[string]string{
	"THUMBNAIL_BUCKET": "ThumbnailsBucket", "LETTER_BUCKET": "FailuresBucket",
	"JOBS_QUEUE_URL": "JobsQueue", "NOTIFICATIONS_QUEUE_URL": "NotificationsQueue",
	"RECORDS_TABLE": "RecordsTable", "STATE_TABLE": "StateTable",
}

// constant returns the value of a variable that names no resource and that
// deployments need not choose.
func (f function) constant(variable string) (text string, ok bool) {
	if f.Name == "uploads" && variable == "PARALLEL" {
		return "4", true // pictures take memory
	}
	text, ok = map[string]string{"INBOX_PREFIX": "inbox/", "MAX_ATTEMPTS": "8", "PARALLEL": "10", "RESERVE": "2s"}[variable]
	return text, ok
}

// parameter returns the parameter of a variable: the function's own, such as
// NotificationsParallel for PARALLEL, or the common one.
func (s *stack) parameter(f function, variable string) (name string, ok bool) {
	for _, name := range []string{f.name + camel(variable), camel(variable)} {
		if _, ok := s.parameters[name]; ok {
			return name, true
		}
	}
	return "", false
}

// secretVariables are the variables whose values are in Secrets Manager, with
// the parameter that names the secret.
var secretVariables = map[string]string{
	"SMTP_PASSWORD": "SmtpPasswordSecret", "WEBHOOK_SECRET": "WebhookSecret", "CHAT_URL": "ChatUrlSecret",
}

// conditions has the conditions that hold when a parameter is not empty.
var conditions = map[string]string{
	"HasSes": "SesFrom", "HasSns": "SnsTopicArn", "HasSmtpPassword": "SmtpPasswordSecret", "HasWebhookSecret": "WebhookSecret",
	"HasChatUrl": "ChatUrlSecret", "HasAlarmEmail": "AlarmEmail",
}

var word = regexp.MustCompile("[A-Z0-9]+")

// camel returns the parameter name of a variable: SesFrom for SES_FROM.
func camel(variable string) string {
	return strings.ReplaceAll(word.ReplaceAllStringFunc(variable, func(w string) string { return w[:1] + strings.ToLower(w[1:]) }), "_", "")
}

// checkWiring compares each variable with the resource that it must name, its
// secret, its parameter or its constant.
func checkWiring(s *stack) (problems []error) {
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	for _, f := range lambdas {
		raw := object(get(s.template, "Resources", f.name+"Function", "Properties", "Environment", "Variables"))
		expected := func(name string) (any, bool) {
			if logical, ok := f.wired(name); ok {
				return map[string]any{"Ref": logical}, true
			}
			if parameter, ok := secretVariables[name]; ok {
				condition := ""
				for c, p := range conditions {
					if p == parameter {
						condition = c
					}
				}
				return map[string]any{"Fn::If": []any{condition, map[string]any{"Fn::Sub": "{{resolve:secretsmanager:${" + parameter + "}}}"}, ""}}, true
			}
			if parameter, ok := s.parameter(f, name); ok {
				return map[string]any{"Ref": parameter}, true
			}
			if text, ok := f.constant(name); ok {
				return text, true
			}
			return nil, false
		}
		for name, got := range raw {
			want, ok := expected(name)
			switch {
			case !ok:
				wrong("function %s: %s is unknown to the tests: add it to wiring, secretVariables or constant, or make it a parameter", f.name, name)
			case !reflect.DeepEqual(got, want):
				wrong("function %s: got %s %v, want %v", f.name, name, got, want)
			}
		}
		for _, name := range variables(f.Config) {
			if _, wired := f.wired(name); !wired || f.unset[name] != "" {
				continue
			}
			if _, ok := raw[name]; !ok {
				wrong("function %s: %s is not set", f.name, name)
			}
		}
	}
	defined := object(s.template["Conditions"])
	for name, parameter := range conditions {
		want := map[string]any{"Fn::Not": []any{map[string]any{"Fn::Equals": []any{map[string]any{"Ref": parameter}, ""}}}}
		if got := defined[name]; !reflect.DeepEqual(got, want) {
			wrong("condition %s: got %v, want that %s is not empty", name, got, parameter)
		}
	}
	for condition, by := range map[string]string{"ByLambda": "lambda", "ByContainer": "container"} {
		if got, want := defined[condition], map[string]any{"Fn::Equals": []any{map[string]any{"Ref": "RunBy"}, by}}; !reflect.DeepEqual(got, any(want)) {
			wrong("condition %s: got %v, want that RunBy is %s", condition, got, by)
		}
	}
	for name := range defined {
		if name == "ByLambda" || name == "ByContainer" {
			continue
		}
		if _, ok := conditions[name]; !ok {
			wrong("condition %s is unknown to the tests", name)
		}
	}
	return problems
}

func TestVariablesNameTheirResources(t *testing.T) {
	t.Parallel()
	report(t, checkWiring(deploy(t, nil)))
}

// TestResourceVariablesAreWired finds variables that are named like a resource
// and are in no table.
func TestResourceVariablesAreWired(t *testing.T) {
	t.Parallel()
	s := deploy(t, nil)
	for _, f := range lambdas {
		for _, name := range variables(f.Config) {
			_, wired := f.wired(name)
			_, parameter := s.parameter(f, name)
			_, secret := secretVariables[name]
			named := slices.ContainsFunc([]string{"_URL", "_BUCKET", "_TABLE", "_ARN"}, func(end string) bool { return strings.HasSuffix(name, end) })
			if named && !wired && !parameter && !secret && f.unset[name] == "" {
				t.Errorf("function %s: %s is named like a resource; add it to wiring", f.name, name)
			}
		}
	}
}

// checkRules runs the template's rules over invalid and valid parameters.
func checkRules(template map[string]any) (problems []error) {
	for _, tt := range []struct {
		rule string
		bad  map[string]string
		fix  map[string]string
	}{
		{"OneMailServer", map[string]string{"SesFrom": "a@b.c", "SmtpAddr": "mail:587", "SmtpFrom": "a@b.c"}, map[string]string{"SmtpAddr": ""}},
		{"OneMailServer", map[string]string{"SesFrom": "a@b.c", "SmtpAddr": "mail:587", "SmtpFrom": "a@b.c"}, map[string]string{"SesFrom": ""}},
		{"SmtpSender", map[string]string{"SmtpAddr": "mail:587"}, map[string]string{"SmtpFrom": "a@b.c"}},
		{"SignedWebhooks", map[string]string{"WebhookUrl": "https://hooks.example.com"}, map[string]string{"WebhookSecret": "s"}},
	} {
		good := map[string]string{}
		for _, m := range []map[string]string{tt.bad, tt.fix} {
			for k, v := range m {
				good[k] = v
			}
		}
		if description, _ := get(template, "Rules", tt.rule, "Assertions", "0", "AssertDescription").(string); description == "" {
			problems = append(problems, fmt.Errorf("rule %s: got no AssertDescription", tt.rule))
		}
		for _, c := range []struct {
			parameters map[string]string
			want       bool
		}{{tt.bad, true}, {good, false}, {nil, false}} {
			if got, err := breaks(template, tt.rule, c.parameters); err != nil || got != c.want {
				problems = append(problems, fmt.Errorf("rule %s with %v: got broken %v and the error %v, want %v", tt.rule, c.parameters, got, err, c.want))
			}
		}
	}
	return problems
}

// breaks reports whether parameters break a rule of the template.
func breaks(template map[string]any, rule string, parameters map[string]string) (broken bool, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%v", v)
		}
	}()
	s := &stack{parameters: map[string]string{}, conditions: object(template["Conditions"]), template: template}
	for name, p := range object(template["Parameters"]) {
		s.parameters[name] = fmt.Sprint(object(p)["Default"])
	}
	for name, value := range parameters {
		s.parameters[name] = value
	}
	r := get(template, "Rules", rule)
	if r == nil {
		return false, errors.New("no such rule")
	}
	if c := get(r, "RuleCondition"); c != nil && !s.value(c).(bool) {
		return false, nil
	}
	assertions, _ := get(r, "Assertions").([]any)
	for _, a := range assertions {
		if !s.value(get(a, "Assert")).(bool) {
			return true, nil
		}
	}
	return false, nil
}

func TestRulesRefuseInvalidParameters(t *testing.T) {
	t.Parallel()
	report(t, checkRules(readTemplate(t)))
}
