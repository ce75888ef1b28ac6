package aws_test

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/deploy/functions"
)

// A function is a row of the table of functions, with what the template's tests
// know about it.
type function struct {
	functions.Function
	name  string            // begins the logical names: nameFunction, nameRole, nameMapping
	unset map[string]string // variables of the worker that the function does not set, and why
}

const (
	setByLambda = "Lambda sets it"
	noSends     = "this function sends no notifications: they have a queue of their own"
	noOrders    = "orders are jobs, and this function processes none"
	noDisk      = "a function has no durable disk"
)

// unset has the variables that functions do not set, and why, by the function's
// name.
var unset = map[string]map[string]string{
	"uploads": {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": setByLambda},
	"jobs": {
		"SES_FROM": noSends, "SES_RATE": noSends, "SNS_TOPIC_ARN": noSends, "SMTP_ADDR": noSends, "SMTP_FROM": noSends, "SMTP_USER": noSends,
		"SMTP_PASSWORD": noSends, "SMTP_SECURITY": noSends, "WEBHOOK_URL": noSends, "WEBHOOK_SECRET": noSends,
		"CHAT_URL": noSends, "NOTIFY_MAX_AGE": noSends, "OUTBOX_DIR": noDisk,
	},
	"notifications": {"ORDER_ENDPOINT": noOrders, "OUTBOX_DIR": noDisk},
}

// lambdas are the functions of the template.
var lambdas = func() (all []function) {
	for _, f := range functions.Mapped() {
		all = append(all, function{f, f.LogicalName(), unset[f.Name]})
	}
	return all
}()

// queueFunctions returns the functions that a queue invokes.
func queueFunctions() []function {
	return invokedBy(func(s functions.Source) bool { return s.Queue != "" })
}

// streamFunctions returns the functions that a change stream invokes.
func streamFunctions() []function {
	return invokedBy(func(s functions.Source) bool { return s.Stream != "" })
}

func invokedBy(source func(functions.Source) bool) (some []function) {
	for _, f := range lambdas {
		if source(f.Source) {
			some = append(some, f)
		}
	}
	return some
}

// lambda returns the function with this logical name.
func lambda(name string) function {
	for _, f := range lambdas {
		if f.name == name {
			return f
		}
	}
	panic("no function " + name)
}

// logicalName returns the beginning of a logical name: uploads is Uploads.
func logicalName(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

// variables returns the names in the env tags of a Config.
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

// environ returns the variables that the template sets for a function.
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

// secrets are the values in Secrets Manager, by the variable that receives
// them.
var secrets = map[string]string{
	"SMTP_PASSWORD": "password", "WEBHOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "CHAT_URL": "https://chat.example.com/hook",
}

// checkVariables compares the variables that functions set with those that
// their workers read.
func checkVariables(s *stack) (problems []error) {
	for _, f := range lambdas {
		set, known := s.environ(f), variables(f.Config)
		for _, name := range known {
			_, isSet := set[name]
			switch reason := f.unset[name]; {
			case !isSet && reason == "":
				problems = append(problems, fmt.Errorf("function %s does not set %s, which worker %s reads", f.name, name, f.Worker))
			case isSet && reason != "":
				problems = append(problems, fmt.Errorf("function %s sets %s, but %s", f.name, name, reason))
			}
		}
		for name := range set {
			if !slices.Contains(known, name) {
				problems = append(problems, fmt.Errorf("function %s sets %s, which worker %s does not read", f.name, name, f.Worker))
			}
		}
		for name := range f.unset {
			if !slices.Contains(known, name) {
				problems = append(problems, fmt.Errorf("table unset has %s for function %s, which worker %s does not read", name, f.name, f.Worker))
			}
		}
		if _, err := f.Build(functions.Backends{Settings: set}); err != nil {
			problems = append(problems, fmt.Errorf("function %s does not start with its variables: %w", f.name, err))
		}
	}
	return problems
}

func TestFunctionsSetEveryVariableOfTheirWorker(t *testing.T) {
	t.Parallel()
	report(t, checkVariables(deploy(t, nil)))
	report(t, checkVariables(deploy(t, optional)))
}

// checkFunctions checks what all functions have in common, and compares timeout
// and memory with the table of functions.
func checkFunctions(s *stack) (problems []error) {
	if got := s.of("AWS::Serverless::Function"); len(got) != len(lambdas) {
		problems = append(problems, fmt.Errorf("functions: got %v, want %d", got, len(lambdas)))
	}
	wrong := func(f function, format string, args ...any) {
		problems = append(problems, fmt.Errorf("function "+f.name+": "+format, args...))
	}
	for _, f := range lambdas {
		p := s.Resources[f.name+"Function"].Properties
		if p["Runtime"] != "provided.al2023" || get(p, "Architectures", "0") != "arm64" || p["Handler"] != "bootstrap" {
			wrong(f, "got the runtime %v %v %v, want provided.al2023 arm64 bootstrap", p["Runtime"], p["Architectures"], p["Handler"])
		}
		if p["Role"] != "arn:aws:iam::"+account+":role/"+f.name+"Role" {
			wrong(f, "got the role %v, want its own", p["Role"])
		}
		log := s.Resources[f.name+"Log"]
		if get(p, "LoggingConfig", "LogFormat") != "JSON" || get(p, "LoggingConfig", "LogGroup") != log.Properties["LogGroupName"] {
			wrong(f, "got the logging %v, want JSON to %v", p["LoggingConfig"], log.Properties["LogGroupName"])
		}
		if number(log.Properties["RetentionInDays"]) < 1 {
			wrong(f, "got a log without retention, want RetentionInDays")
		}
		if memory := number(p["MemorySize"]); memory < 128 || memory > 10240 {
			wrong(f, "got the memory %v, want 128 to 10240", p["MemorySize"])
		}
		if timeout := number(p["Timeout"]); time.Duration(timeout)*time.Second != f.Timeout {
			wrong(f, "got the timeout %d s, want %v as in the table of functions", timeout, f.Timeout)
		}
		memory := logicalName(f.Worker) + "Memory"
		if standard := number(get(s.template, "Parameters", memory, "Default")); standard != f.MemoryMB {
			wrong(f, "got %d MB by default in %s, want %d as in the table of functions", standard, memory, f.MemoryMB)
		}
	}
	return problems
}

func TestFunctionsFollowTheTable(t *testing.T) {
	t.Parallel()
	report(t, checkFunctions(deploy(t, nil)))
}

// TestMakefileBuildsEveryFunction compares the targets of sam build with the
// workers of the functions.
func TestMakefileBuildsEveryFunction(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	const rule = "\nbuild-%:\n\tgo run ./deploy/aws/package -bare $(ARTIFACTS_DIR) $*\n"
	if !strings.Contains(string(text), rule) {
		t.Errorf("Makefile: got\n%s\nwant the rule%s", text, rule)
	}
	s := deploy(t, nil)
	for _, f := range lambdas {
		m := s.Resources[f.name+"Function"].Attributes["Metadata"]
		if get(m, "BuildMethod") != "makefile" || get(m, "WorkingDirectory") != "../.." {
			t.Errorf("%sFunction: got the Metadata %v, want make in the root of the repository", f.name, m)
		}
	}
}
