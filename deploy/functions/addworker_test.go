package functions_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The worker that TestAddAWorkerInThreeSteps adds: step 1, a folder.
var greetings = map[string]string{
	"workers/greetings/worker.go": `// Package greetings is a worker that greets.
package greetings

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sluice/pipeline"
	"sluice/pipeline/lambdaevent"
	"sluice/pipeline/sqsqueue"
	"sluice/workers/setup"
	"sluice/workers/setup/runner"
)

// Config is the worker's settings.
type Config struct {
	SourceQueueURL     string        ` + "`env:\"SOURCE_QUEUE_URL\"`" + `
	DeadLetterQueueURL string        ` + "`env:\"DEAD_LETTER_QUEUE_URL,required,notEmpty\"`" + `
	MaxAttempts        int           ` + "`env:\"MAX_ATTEMPTS\" envDefault:\"8\"`" + `
	Parallel           int           ` + "`env:\"PARALLEL\" envDefault:\"10\"`" + `
	Reserve            time.Duration ` + "`env:\"RESERVE\" envDefault:\"2s\"`" + `
}

// Worker greets.
type Worker struct{ runner *runner.Runner }

// Build makes a worker of its settings and its client.
func Build(c Config, client sqsqueue.Client, log *slog.Logger) *Worker {
	return &Worker{runner.New(runner.Config{
		Worker: "greetings", Kinds: []lambdaevent.Kind{lambdaevent.SQS},
		Parallel: c.Parallel, MaxAttempts: c.MaxAttempts, Reserve: c.Reserve,
		SQS: client, SourceQueueURL: c.SourceQueueURL, DeadLetterQueueURL: c.DeadLetterQueueURL,
	}, log)}
}

// New builds the worker for Lambda.
func New(ctx context.Context, environ map[string]string) (*Worker, error) {
	c, err := setup.Read[Config](environ)
	if err != nil {
		return nil, err
	}
	cfg, err := setup.AWS(ctx)
	if err != nil {
		return nil, err
	}
	return Build(c, sqs.NewFromConfig(cfg), setup.Logger("greetings")), nil
}

// Invoke handles a Lambda event.
func (w *Worker) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	return w.runner.Run(ctx, payload, pipeline.Typed(w.greet))
}

// Greeting is the body of a message.
type Greeting struct {
	Name string ` + "`json:\"name\"`" + `
}

func (w *Worker) greet(ctx context.Context, r pipeline.Record, g Greeting) error {
	if g.Name == "" {
		return pipeline.Permanent(fmt.Errorf("name is required"))
	}
	if g.Name == "later" {
		return fmt.Errorf("not now")
	}
	return nil
}
`,
	"workers/greetings/bootstrap/main.go": `// Command bootstrap is the greetings worker as a Lambda function.
package main

import (
	"sluice/workers/greetings"
	"sluice/workers/setup"
)

func main() { setup.Start("greetings", greetings.New) }
`,
	"testdata/events/greetings/greetings.json": `{"Records": [
  {"messageId": "1", "receiptHandle": "a", "body": "{\"name\": \"Ada\"}", "attributes": {"ApproximateReceiveCount": "1"}, "messageAttributes": {}, "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:greetings", "awsRegion": "us-east-1"},
  {"messageId": "3", "receiptHandle": "c", "body": "{\"name\": \"later\"}", "attributes": {"ApproximateReceiveCount": "1"}, "messageAttributes": {}, "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:greetings", "awsRegion": "us-east-1"},
  {"messageId": "2", "receiptHandle": "b", "body": "{}", "attributes": {"ApproximateReceiveCount": "1"}, "messageAttributes": {}, "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:greetings", "awsRegion": "us-east-1"}
]}
`,
}

// Step 2, a row in the table of functions.
const (
	greetingsImport = "\t\"sluice/workers/greetings\"\n\t\"sluice/workers/setup\"\n"
	greetingsRow    = `	{
		Name: "greetings", Worker: "greetings", Source: Source{Queue: "greetings"}, Timeout: time.Minute, MemoryMB: 256, Config: greetings.Config{},
		Build: func(b Backends) (Worker, error) {
			c, err := setup.Read[greetings.Config](b.Settings)
			if err != nil {
				return nil, err
			}
			return greetings.Build(c, b.SQS, b.Logger), nil
		},
	},
`
)

// TestAddAWorkerInThreeSteps adds a worker to a copy of the module by the steps
// that the README names and by nothing else: a folder, a row, its resources in the
// template. Everything that reads the table of functions then has the worker.
func TestAddAWorkerInThreeSteps(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a copy of the module")
	}
	t.Parallel()
	dir := t.TempDir()
	copyModule(t, "../..", dir)

	for name, content := range greetings {
		write(t, filepath.Join(dir, name), content)
	}
	edit(t, filepath.Join(dir, "deploy/functions/functions.go"), func(s string) string {
		s = strings.Replace(s, "\t\"sluice/workers/messages\"\n", greetingsImport+"\t\"sluice/workers/messages\"\n", 1)
		return strings.Replace(s, "\n}\n\n// QueueUploads", "\n"+greetingsRow+"}\n\n// QueueUploads", 1)
	})
	edit(t, filepath.Join(dir, "deploy/aws/template.yaml"), addGreetings)

	run := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=readonly")
		out, err := cmd.CombinedOutput()
		if _, exited := err.(*exec.ExitError); err != nil && !exited {
			t.Fatal(err)
		}
		return string(bytes.TrimSpace(out))
	}
	if out := run("go", "build", "-o", filepath.Join(t.TempDir(), "bootstrap"), "./workers/greetings/bootstrap"); out != "" {
		t.Fatalf("build the worker's binary: %s", out)
	}
	out := run("go", "run", "./deploy/replay", "testdata/events/greetings/greetings.json")
	for _, want := range []string{"→ greetings", "done", "dead-lettered", "name is required"} {
		if !strings.Contains(out, want) {
			t.Errorf("replay: got\n%s\nwant %q in it", out, want)
		}
	}
	// The capacity model has costs of its own for each function, which its README
	// repeats.
	if out := run("go", "test", "-short", "-skip=TestREADMEShowsTheReport|TestFixedMonthAddsUp|TestChecksNoticeEveryMutation|TestEveryResourceHasFixedProperties|TestEveryResourceIsClosed", "./deploy/aws/...", "./deploy/functions", "./deploy/replay/harness"); strings.Contains(out, "FAIL") {
		t.Errorf("the tests that read the table of functions: got\n%s", out)
	}
}

// addGreetings is step 3: the parameters and resources of function jobs, copied
// for the new one, and its place in the policies and on the dashboard.
func addGreetings(template string) string {
	rename := strings.NewReplacer("Jobs", "Greetings", "jobs", "greetings", "MessagesMemory", "GreetingsMemory", "letters/messages", "letters/greetings").Replace
	parameters := rename(blocks(template, "Parameters", "JobsConcurrency") + blocks(template, "Parameters", "MessagesMemory"))
	resources := rename(blocks(template, "Resources", "Jobs"))
	// The function has fewer settings and permissions.
	for _, variable := range []string{"RECORDS_TABLE", "STATE_TABLE", "ORDER_ENDPOINT", "LETTER_BUCKET"} {
		resources = regexp.MustCompile(`(?m)^ *`+variable+`:.*\n`).ReplaceAllString(resources, "")
	}
	for _, sid := range []string{"ChangeRecords", "ClaimSteps", "KeepLongLetters"} {
		resources = regexp.MustCompile(`(?m)^ *- Sid: `+sid+`\b.*\n(.*\n){3}`).ReplaceAllString(resources, "")
	}
	// Lists of queues.
	template = strings.Replace(template, "        - !Ref NotificationsDeadQueue\n",
		"        - !Ref NotificationsDeadQueue\n        - !Ref GreetingsQueue\n        - !Ref GreetingsDeadQueue\n", 1)
	template = strings.Replace(template, "[!GetAtt UploadsQueue.Arn, !GetAtt JobsQueue.Arn, !GetAtt NotificationsQueue.Arn]",
		"[!GetAtt UploadsQueue.Arn, !GetAtt JobsQueue.Arn, !GetAtt NotificationsQueue.Arn, !GetAtt GreetingsQueue.Arn]", 1)
	template = strings.Replace(template, "!GetAtt NotificationsDeadQueue.Arn]", "!GetAtt NotificationsDeadQueue.Arn, !GetAtt GreetingsDeadQueue.Arn]", 1)
	// Metrics of the dashboard.
	template = regexp.MustCompile(`\["[^]]*jobs(-dead)?"\]`).ReplaceAllStringFunc(template, func(metric string) string { return metric + ", " + rename(metric) })
	template = strings.Replace(template, "\nParameters:\n", "\nParameters:\n"+parameters, 1)
	return strings.Replace(template, "\nOutputs:", "\n"+resources+"\nOutputs:", 1)
}

// blocks returns the entries of a section of the template whose names begin with
// prefix.
func blocks(template, section, prefix string) string {
	text := template[strings.Index(template, "\n"+section+":\n")+len(section)+3:]
	if end := regexp.MustCompile(`(?m)^\w`).FindStringIndex(text); end != nil {
		text = text[:end[0]]
	}
	starts := regexp.MustCompile(`(?m)^  (\w+):`).FindAllStringSubmatchIndex(text, -1)
	var found strings.Builder
	for i, m := range starts {
		end := len(text)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		if strings.HasPrefix(text[m[2]:m[3]], prefix) {
			found.WriteString(strings.TrimRight(text[m[0]:end], "\n") + "\n")
		}
	}
	return found.String()
}

// copyModule copies the module's files, except for those that a build or a run
// leaves behind.
func copyModule(t *testing.T, from, to string) {
	t.Helper()
	keep := []string{"workers", "pipeline", "thumbnail", "notify", "deploy", "testdata", "go.mod", "go.sum"}
	err := fs.WalkDir(os.DirFS(from), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		if top, _, _ := strings.Cut(name, "/"); !slices.Contains(keep, top) || strings.HasPrefix(d.Name(), ".") {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, name), 0o755)
		}
		b, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), b, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func edit(t *testing.T, name string, change func(string) string) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	after := change(string(b))
	if after == string(b) {
		t.Fatalf("%s: the edit changes nothing", name)
	}
	write(t, name, after)
}
