package aws_test

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// wiring says for each function which resource a variable names, or which
// parameter of another name.
var wiring = map[string]map[string]string{
	"Uploads": {
		"THUMBNAIL_BUCKET": "ThumbnailsBucket", "JOBS_QUEUE_URL": "JobsQueue", "NOTIFICATIONS_QUEUE_URL": "NotificationsQueue", "LETTER_BUCKET": "FailuresBucket",
		"SOURCE_QUEUE_URL": "UploadsQueue", "DEAD_LETTER_QUEUE_URL": "UploadsDeadQueue",
	},
	"Jobs": {
		"RECORDS_TABLE": "RecordsTable", "STATE_TABLE": "StateTable", "LETTER_BUCKET": "FailuresBucket",
		"SOURCE_QUEUE_URL": "JobsQueue", "DEAD_LETTER_QUEUE_URL": "JobsDeadQueue",
	},
	"Notifications": {
		"RECORDS_TABLE": "RecordsTable", "STATE_TABLE": "StateTable", "LETTER_BUCKET": "FailuresBucket",
		"SOURCE_QUEUE_URL": "NotificationsQueue", "DEAD_LETTER_QUEUE_URL": "NotificationsDeadQueue",
		"PARALLEL": "NotificationsParallel", // Jobs is the same code with a constant
	},
	"Changes": {
		"JOBS_QUEUE_URL": "JobsQueue", "NOTIFICATIONS_QUEUE_URL": "NotificationsQueue", "LETTER_BUCKET": "FailuresBucket",
		"DEAD_LETTER_QUEUE_URL": "ChangesDeadQueue",
	},
}

// constants are the variables that name nothing, and that nobody who deploys
// needs to choose.
var constants = map[string]map[string]string{
	"Uploads":       {"INBOX_PREFIX": "inbox/", "MAX_ATTEMPTS": "8", "PARALLEL": "4", "RESERVE": "2s"},
	"Jobs":          {"MAX_ATTEMPTS": "8", "PARALLEL": "10", "RESERVE": "2s"},
	"Notifications": {"MAX_ATTEMPTS": "8", "RESERVE": "2s"},
	"Changes":       {"PARALLEL": "10", "RESERVE": "2s"},
}

// secretVariables hold what stands in Secrets Manager, under the name that the
// parameter has.
var secretVariables = map[string]string{
	"SMTP_PASSWORD": "SmtpPasswordSecret", "WEBHOOK_SECRET": "WebhookSecret", "CHAT_URL": "ChatUrlSecret",
}

// conditions say for each condition which parameter is not empty.
var conditions = map[string]string{
	"HasSes": "SesFrom", "HasSns": "SnsTopicArn", "HasSmtpPassword": "SmtpPasswordSecret", "HasWebhookSecret": "WebhookSecret",
	"HasChatUrl": "ChatUrlSecret", "HasAlarmEmail": "AlarmEmail",
}

var word = regexp.MustCompile("[A-Z0-9]+")

// camel is the parameter's name of a variable: SES_FROM is SesFrom.
func camel(variable string) string {
	return strings.ReplaceAll(word.ReplaceAllStringFunc(variable, func(w string) string { return w[:1] + strings.ToLower(w[1:]) }), "_", "")
}

// checkWiring holds each variable to the resource that it must name, to the
// parameter of its own name, to a secret or to its constant.
func checkWiring(s *stack) (problems []error) {
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	for _, f := range functions {
		raw := object(get(s.template, "Resources", f.name+"Function", "Properties", "Environment", "Variables"))
		expected := func(name string) (any, bool) {
			if logical, ok := wiring[f.name][name]; ok {
				return map[string]any{"Ref": logical}, true
			}
			if text, ok := constants[f.name][name]; ok {
				return text, true
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
			if _, ok := s.parameters[camel(name)]; ok {
				return map[string]any{"Ref": camel(name)}, true
			}
			return nil, false
		}
		for name, got := range raw {
			want, ok := expected(name)
			switch {
			case !ok:
				wrong("function %s: %s is neither wired to a resource nor a parameter nor a constant that the tests know", f.name, name)
			case !reflect.DeepEqual(got, want):
				wrong("function %s: %s is %v, want %v", f.name, name, got, want)
			}
		}
		for name := range wiring[f.name] {
			if _, ok := raw[name]; !ok {
				wrong("function %s: %s is not set", f.name, name)
			}
		}
	}
	defined := object(s.template["Conditions"])
	for name, parameter := range conditions {
		want := map[string]any{"Fn::Not": []any{map[string]any{"Fn::Equals": []any{map[string]any{"Ref": parameter}, ""}}}}
		if got := defined[name]; !reflect.DeepEqual(got, want) {
			wrong("condition %s is %v, want that %s is not empty", name, got, parameter)
		}
	}
	for condition, by := range map[string]string{"ByLambda": "lambda", "ByContainer": "container"} {
		if got, want := defined[condition], map[string]any{"Fn::Equals": []any{map[string]any{"Ref": "RunBy"}, by}}; !reflect.DeepEqual(got, any(want)) {
			wrong("condition %s is %v, want that RunBy is %s", condition, got, by)
		}
	}
	for name := range defined {
		if name == "ByLambda" || name == "ByContainer" {
			continue
		}
		if _, ok := conditions[name]; !ok {
			wrong("condition %s is one that no check knows", name)
		}
	}
	return problems
}

func TestWiring(t *testing.T) {
	t.Parallel()
	report(t, checkWiring(deploy(t, nil)))
}

// TestNamesAreWired keeps the table of wiring whole: what is named like a
// resource's name stands in it, or is a parameter.
func TestNamesAreWired(t *testing.T) {
	t.Parallel()
	s := deploy(t, nil)
	for _, f := range functions {
		for _, name := range variables(f.config) {
			_, wired := wiring[f.name][name]
			_, parameter := s.parameters[camel(name)]
			_, secret := secretVariables[name]
			named := slices.ContainsFunc([]string{"_URL", "_BUCKET", "_TABLE", "_ARN"}, func(end string) bool { return strings.HasSuffix(name, end) })
			if named && !wired && !parameter && !secret && f.without[name] == "" {
				t.Errorf("function %s: %s is in no table", f.name, name)
			}
		}
	}
}

// checkRules holds the rules of the template to the settings that must not be.
func checkRules(template map[string]any) (problems []error) {
	for _, tt := range []struct {
		rule string
		bad  map[string]string
		mend map[string]string
	}{
		{"OneMailServer", map[string]string{"SesFrom": "a@b.c", "SmtpAddr": "mail:587", "SmtpFrom": "a@b.c"}, map[string]string{"SmtpAddr": ""}},
		{"OneMailServer", map[string]string{"SesFrom": "a@b.c", "SmtpAddr": "mail:587", "SmtpFrom": "a@b.c"}, map[string]string{"SesFrom": ""}},
		{"SmtpSender", map[string]string{"SmtpAddr": "mail:587"}, map[string]string{"SmtpFrom": "a@b.c"}},
		{"SignedWebhooks", map[string]string{"WebhookUrl": "https://hooks.example.com"}, map[string]string{"WebhookSecret": "s"}},
	} {
		good := map[string]string{}
		for _, m := range []map[string]string{tt.bad, tt.mend} {
			for k, v := range m {
				good[k] = v
			}
		}
		if description, _ := get(template, "Rules", tt.rule, "Assertions", "0", "AssertDescription").(string); description == "" {
			problems = append(problems, fmt.Errorf("rule %s does not say what is wrong", tt.rule))
		}
		for _, c := range []struct {
			parameters map[string]string
			want       bool
		}{{tt.bad, true}, {good, false}, {nil, false}} {
			if got, err := breaks(template, tt.rule, c.parameters); err != nil || got != c.want {
				problems = append(problems, fmt.Errorf("rule %s: broken by %v: got %v %v, want %v", tt.rule, c.parameters, got, err, c.want))
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
		return false, fmt.Errorf("it is not there")
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

func TestRules(t *testing.T) {
	t.Parallel()
	report(t, checkRules(readTemplate(t)))
}
