// Package functions is the table of Sluice's Lambda functions. The local stack,
// the container, replay, packaging, the capacity model and the tests of the
// template read it, so that a function is added by one row.
package functions

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sluice/notify"
	"sluice/pipeline"
	"sluice/workers/api"
	"sluice/workers/changes"
	"sluice/workers/messages"
	"sluice/workers/schema"
	"sluice/workers/uploads"
)

// All has one row for each Lambda function, in the order in which an event
// passes them. A worker may have several functions.
var All = []Function{
	{
		Name: "uploads", Worker: "uploads", Source: Source{Queue: QueueUploads},
		Timeout: time.Minute, MemoryMB: 1024, Config: uploads.Config{}, Build: buildUploads,
	},
	{
		Name: "jobs", Worker: "messages", Source: Source{Queue: schema.QueueJobs},
		Timeout: time.Minute, MemoryMB: 256, Config: messages.Config{}, Build: buildMessages,
	},
	{
		Name: "changes", Worker: "changes", Source: Source{Stream: TableRecords},
		Timeout: time.Minute, MemoryMB: 256, Config: changes.Config{}, Build: buildChanges,
	},
	{
		Name: "notifications", Worker: "messages", Source: Source{Queue: schema.QueueNotifications},
		Timeout: time.Minute, MemoryMB: 256, Config: messages.Config{}, Build: buildMessages,
	},
	{
		Name: "api", Worker: "api", Source: Source{HTTP: true},
		Timeout: 10 * time.Second, MemoryMB: 512, Config: api.Config{}, Build: buildAPI,
	},
}

// QueueUploads is the queue that S3 event notifications of bucket uploads go to.
const QueueUploads = "uploads"

// TableRecords is the table whose change stream is a source.
const TableRecords = "records"

// A Function is one Lambda function: a worker and what invokes it.
type Function struct {
	// Name is the function's name in lower case. With its first letter in
	// upper case it begins the logical names in the template: UploadsFunction,
	// UploadsRole, UploadsMapping.
	Name string
	// Worker is the folder under workers whose bootstrap the function runs.
	Worker string
	// Source is what invokes the function.
	Source Source
	// Timeout bounds an invocation. A queue's visibility timeout is
	// VisibilityFactor times as long.
	Timeout time.Duration
	// MemoryMB is the template's default.
	MemoryMB int
	// Config is the zero value of the worker's settings. Its env tags name the
	// variables that the worker reads.
	Config any
	// Build builds the worker over b. Its error names every setting that is
	// wrong.
	Build func(b Backends) (Worker, error)
}

// VisibilityFactor times a function's timeout is the visibility timeout of its
// queue, as AWS advises.
const VisibilityFactor = 6

// A Source is what invokes a function: HTTP requests, or the event source mapping
// that reads a queue or a stream. One of its fields is set.
type Source struct {
	Queue  string // an SQS queue
	Stream string // a table with a change stream
	HTTP   bool
}

// A Worker handles Lambda events. Invoke takes an event and returns the
// response to Lambda. It is safe for concurrent use.
type Worker interface {
	Invoke(ctx context.Context, payload []byte) ([]byte, error)
}

// Backends are what a worker is built over. A worker uses those that it needs.
type Backends struct {
	Settings map[string]string // the function's environment
	AWS      *aws.Config       // of the clients of SES and SNS; nil leaves out their channels
	S3       *s3.Client
	SQS      *sqs.Client
	Records  pipeline.Table // has a change stream
	State    pipeline.Table // has none

	// Outbox is the channel "email" where Settings name no other. Nil leaves it
	// out.
	Outbox notify.Channel
	// OrderStep is done for an order. Nil: what ORDER_ENDPOINT says.
	OrderStep messages.Step
	// ProcessID is that of pipeline.Once: set where one process owns State.
	ProcessID string
	// Logger is the worker's. Nil discards.
	Logger *slog.Logger
}

// Mapped returns the functions that an event source mapping invokes, in the order
// of All. The template has these.
func Mapped() []Function {
	return slices.DeleteFunc(slices.Clone(All), func(f Function) bool { return f.Source.HTTP })
}

// Named returns the function with a name.
func Named(name string) (Function, error) {
	for _, f := range All {
		if f.Name == name {
			return f, nil
		}
	}
	return Function{}, fmt.Errorf("no function %q: want one of %s", name, strings.Join(Names(), ", "))
}

// Names are the names of all functions.
func Names() []string {
	names := make([]string, len(All))
	for i, f := range All {
		names[i] = f.Name
	}
	return names
}

// Workers are the names of all workers, sorted.
func Workers() []string {
	return workersOf(All)
}

// MappedWorkers are the names of the workers of Mapped, sorted.
func MappedWorkers() []string { return workersOf(Mapped()) }

func workersOf(functions []Function) []string {
	names := make([]string, len(functions))
	for i, f := range functions {
		names[i] = f.Worker
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// DeadLetterQueue is the queue that takes the function's dead letters.
func (f Function) DeadLetterQueue() string { return f.Name + "-dead" }

// LogicalName begins the names of the function's resources in the template.
func (f Function) LogicalName() string { return strings.ToUpper(f.Name[:1]) + f.Name[1:] }

// QueueVariable is the environment variable that holds the URL of the source
// queue where the function runs outside of Lambda; "" for a stream.
func (f Function) QueueVariable() string {
	if f.Source.Queue == "" {
		return ""
	}
	return strings.ToUpper(f.Name) + "_QUEUE_URL"
}
