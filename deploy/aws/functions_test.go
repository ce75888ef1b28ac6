package aws_test

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"sluice/workers/changes"
	"sluice/workers/messages"
	"sluice/workers/setup"
	"sluice/workers/uploads"
)

// A function is one of the template's, and what it runs.
type function struct {
	name    string // in logical names: nameFunction, nameRole, nameMapping
	worker  string
	config  any
	read    func(environ map[string]string) error
	without map[string]string // variables of the worker that it does not set, and why
}

const (
	lambdaSets = "Lambda sets it itself, and lets nobody else"
	noSends    = "this function sends no notifications: they have a queue of their own"
	noOrders   = "orders are jobs, and this function does none"
	noDisk     = "a function has no disk that lasts"
)

var functions = []function{
	{"Uploads", "uploads", uploads.Config{}, reads[uploads.Config], map[string]string{"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": lambdaSets}},
	{"Jobs", "messages", messages.Config{}, reads[messages.Config], map[string]string{
		"SES_FROM": noSends, "SES_RATE": noSends, "SNS_TOPIC_ARN": noSends, "SMTP_ADDR": noSends, "SMTP_FROM": noSends, "SMTP_USER": noSends,
		"SMTP_PASSWORD": noSends, "SMTP_SECURITY": noSends, "WEBHOOK_URL": noSends, "WEBHOOK_SECRET": noSends,
		"CHAT_URL": noSends, "NOTIFY_MAX_AGE": noSends, "OUTBOX_DIR": noDisk,
	}},
	{"Notifications", "messages", messages.Config{}, reads[messages.Config], map[string]string{
		"ORDER_ENDPOINT": noOrders, "OUTBOX_DIR": noDisk,
	}},
	{"Changes", "changes", changes.Config{}, reads[changes.Config], nil},
}

func reads[T any](environ map[string]string) error {
	_, err := setup.Read[T](environ)
	return err
}

// variables are the names in the env tags of a Config.
func variables(config any) []string {
	var names []string
	for f := range reflect.TypeOf(config).Fields() {
		if name, _, _ := strings.Cut(f.Tag.Get("env"), ","); name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// environ is what the template sets for a function.
func (s *stack) environ(f function) map[string]string {
	out := map[string]string{}
	for k, v := range object(get(s.Resources[f.name+"Function"].Properties, "Environment", "Variables")) {
		out[k] = fmt.Sprint(v)
		if strings.HasPrefix(out[k], "{{resolve:secretsmanager:") {
			out[k] = secrets[k]
		}
	}
	return out
}

// secrets are what stands in Secrets Manager, by the variable that shows it.
var secrets = map[string]string{
	"SMTP_PASSWORD": "password", "WEBHOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "CHAT_URL": "https://chat.example.com/hook",
}

// checkVariables holds what functions set to what their workers read.
func checkVariables(s *stack) (problems []error) {
	for _, f := range functions {
		set, known := s.environ(f), variables(f.config)
		for _, name := range known {
			_, isSet := set[name]
			switch reason := f.without[name]; {
			case !isSet && reason == "":
				problems = append(problems, fmt.Errorf("function %s does not set %s, which worker %s reads", f.name, name, f.worker))
			case isSet && reason != "":
				problems = append(problems, fmt.Errorf("function %s sets %s, but %s", f.name, name, reason))
			}
		}
		for name := range set {
			if !slices.Contains(known, name) {
				problems = append(problems, fmt.Errorf("function %s sets %s, which worker %s does not read", f.name, name, f.worker))
			}
		}
		for name := range f.without {
			if !slices.Contains(known, name) {
				problems = append(problems, fmt.Errorf("the tests except %s of function %s, which worker %s does not read", name, f.name, f.worker))
			}
		}
		if err := f.read(set); err != nil {
			problems = append(problems, fmt.Errorf("function %s would not start: %w", f.name, err))
		}
	}
	return problems
}

func TestVariables(t *testing.T) {
	t.Parallel()
	report(t, checkVariables(deploy(t, nil)))
	report(t, checkVariables(deploy(t, optional)))
}

// checkFunctions holds what is said of all functions.
func checkFunctions(s *stack) (problems []error) {
	if got := s.of("AWS::Serverless::Function"); len(got) != len(functions) {
		problems = append(problems, fmt.Errorf("functions: got %v, want %d of them", got, len(functions)))
	}
	wrong := func(f function, format string, args ...any) {
		problems = append(problems, fmt.Errorf("function "+f.name+": "+format, args...))
	}
	for _, f := range functions {
		p := s.Resources[f.name+"Function"].Properties
		if p["Runtime"] != "provided.al2023" || get(p, "Architectures", "0") != "arm64" || p["Handler"] != "bootstrap" {
			wrong(f, "runtime %v %v %v, want provided.al2023 arm64 bootstrap", p["Runtime"], p["Architectures"], p["Handler"])
		}
		if p["Role"] != "arn:aws:iam::"+account+":role/"+f.name+"Role" {
			wrong(f, "role %v is not its own", p["Role"])
		}
		log := s.Resources[f.name+"Log"]
		if get(p, "LoggingConfig", "LogFormat") != "JSON" || get(p, "LoggingConfig", "LogGroup") != log.Properties["LogGroupName"] {
			wrong(f, "logs %v, want JSON to %v", p["LoggingConfig"], log.Properties["LogGroupName"])
		}
		if number(log.Properties["RetentionInDays"]) < 1 {
			wrong(f, "its log is kept for ever")
		}
		if memory := number(p["MemorySize"]); memory < 128 || memory > 10240 {
			wrong(f, "memory %v", p["MemorySize"])
		}
	}
	return problems
}

func TestFunctions(t *testing.T) {
	t.Parallel()
	report(t, checkFunctions(deploy(t, nil)))
}

// TestMakefile holds what sam build calls to the workers that functions run.
func TestMakefile(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	rules := map[string]string{}
	for rule := range strings.SplitSeq(string(text), "\nbuild-") {
		targets, recipe, ok := strings.Cut("build-"+rule, ":\n")
		if !ok {
			continue
		}
		for _, target := range strings.Fields(targets) {
			rules[target] = strings.TrimSpace(recipe)
		}
	}
	s := deploy(t, nil)
	for _, f := range functions {
		want := "go run ./deploy/aws/package -bare $(ARTIFACTS_DIR) " + f.worker
		if got := rules["build-"+f.name+"Function"]; got != want {
			t.Errorf("build-%sFunction: got %q, want %q", f.name, got, want)
		}
		m := s.Resources[f.name+"Function"].Attributes["Metadata"]
		if get(m, "BuildMethod") != "makefile" || get(m, "WorkingDirectory") != "../.." {
			t.Errorf("%sFunction: Metadata %v: make is called in the repository's root", f.name, m)
		}
	}
}
