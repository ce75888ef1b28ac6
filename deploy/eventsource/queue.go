package eventsource

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// SQS is the part of *sqs.Client that a [QueueMapping] uses.
type SQS interface {
	ReceiveMessage(context.Context, *sqs.ReceiveMessageInput, ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error)
	DeleteMessageBatch(context.Context, *sqs.DeleteMessageBatchInput, ...func(*sqs.Options)) (*sqs.DeleteMessageBatchOutput, error)
	ChangeMessageVisibilityBatch(context.Context, *sqs.ChangeMessageVisibilityBatchInput, ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityBatchOutput, error)
	GetQueueAttributes(context.Context, *sqs.GetQueueAttributesInput, ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error)
}

var _ SQS = (*sqs.Client)(nil)

// Limits and defaults of a queue's mapping.
const (
	minConcurrency     = 2
	maxConcurrency     = 1000
	defaultConcurrency = 5 // Lambda starts there; one machine does not grow to Lambda's 1,000
	maxPollers         = 5
	defaultQueueBatch  = 10
	receiveMax         = 10 // SQS gives, deletes and changes ten messages a call
	longPoll           = 20 * time.Second
	recommendedFactor  = 6 // Lambda recommends a visibility of six timeouts
	recommendedReceive = 5 // and a maxReceiveCount of five or more
)

// QueueMapping is an event source mapping from an SQS queue to a function.
//
// A message whose record succeeded is deleted. One that failed is left alone: it comes back when its visibility ends, as with
// Lambda. After a function error polling slows down; after an answer that names failures it does not. Messages whose visibility
// might end before their invocation does, because they waited in the window or behind another part of a batch that is over
// the payload limit, are kept invisible.
// The fields are not changed after Run was called. One value runs once at a time.
type QueueMapping struct {
	Client       SQS
	QueueURL     string
	QueueARN     string // region and account of the events come from it; a name that ends in ".fifo" makes it a FIFO queue
	Function     Function
	FunctionName string
	// Timeout is the function's deadline, 1 s to 15 min. Zero means Lambda's 3 s. Run refuses one over the queue's visibility.
	Timeout time.Duration
	// BatchSize is the most messages of one event. Zero means 10. Over 10 it needs a Window; a FIFO queue has at most 10.
	BatchSize int
	// Window is how long a batch gathers after its first message, in whole seconds up to 300. Zero takes what one receive gives.
	Window time.Duration
	// MaxConcurrency is how many invocations run at the same time, 2 to 1000. Zero means 5.
	MaxConcurrency int
	// ReportBatchItemFailures obeys the failures an answer names. Without it every answer means success.
	ReportBatchItemFailures bool
	// MaxAttempts is after how many attempts the function itself writes a dead letter; zero means that it does not. It changes
	// nothing here: Run warns of a queue that moves its messages earlier, without a reason.
	MaxAttempts int
	// Filters are FilterCriteria patterns over the key "body". A message that matches none of them is DELETED.
	Filters []string
	// DrainLimit is how long Run waits for running invocations after its context ended. Zero means the Timeout. Run takes up
	// to 2 s more to tell the queue what became of them.
	DrainLimit time.Duration
	// CancelPolls ends open polls at once when the context ends, for a queue that notices a caller who hung up. SQS does not:
	// it gives the messages that come to nobody, until their visibility ends. Without CancelPolls open polls are let finish,
	// what they bring is given back after the last, and a poll waits at most the DrainLimit.
	CancelPolls bool
	// MaxAbandoned is how many invocations may run on past their deadline before polling stops. Zero means 10.
	MaxAbandoned int
	// Backoff paces polling after function errors, and retries of failed calls to SQS. Nil doubles from 200 ms to 30 s.
	Backoff Backoff
	// Logger gets what went wrong. Nil discards.
	Logger *slog.Logger
}

// withDefaults returns a copy in which every zero value stands for itself no longer.
func (m *QueueMapping) withDefaults() QueueMapping {
	d := *m
	if d.Timeout == 0 {
		d.Timeout = defaultTimeout
	}
	if d.BatchSize == 0 {
		d.BatchSize = defaultQueueBatch
	}
	if d.MaxConcurrency == 0 {
		d.MaxConcurrency = defaultConcurrency
	}
	if d.DrainLimit == 0 {
		d.DrainLimit = d.Timeout
	}
	if d.MaxAbandoned == 0 {
		d.MaxAbandoned = defaultMaxAbandoned
	}
	if d.Backoff == nil {
		d.Backoff = defaultBackoff
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	return d
}

// Validate returns everything that Lambda would refuse in the mapping by itself, at once: a join of [*FieldError].
// Run also asks the queue.
func (m *QueueMapping) Validate() error {
	d := m.withDefaults()
	var p problems
	p.refuse(d.Client == nil, "Client", "missing")
	p.refuse(d.QueueURL == "", "QueueURL", "missing")
	source, err := arn.Parse(d.QueueARN)
	p.refuse(err != nil || source.Service != "sqs", "QueueARN", "%q is not the ARN of a queue", d.QueueARN)
	if isFIFO(d.QueueARN) {
		p.refuse(d.BatchSize > receiveMax, "BatchSize", "%d, a FIFO queue allows at most %d", d.BatchSize, receiveMax)
		p.refuse(d.Window > 0, "Window", "%v, a FIFO queue allows none", d.Window)
	} else {
		p.refuse(d.BatchSize > receiveMax && d.Window < time.Second, "Window",
			"%v, a BatchSize of %d (over %d) needs 1s or more", d.Window, d.BatchSize, receiveMax)
	}
	p.refuse(d.MaxAttempts < 0, "MaxAttempts", "%d is negative", d.MaxAttempts)
	p.refuse(d.MaxConcurrency < minConcurrency || d.MaxConcurrency > maxConcurrency, "MaxConcurrency",
		"%d is not within %d to %d", d.MaxConcurrency, minConcurrency, maxConcurrency)
	patterns := p.shared(d.Function, d.FunctionName, d.Timeout, d.Window, d.DrainLimit, d.BatchSize, d.MaxAbandoned, d.Filters)
	for _, f := range patterns {
		p.refuse(!f.bodyOnly(), "Filters", `a queue is filtered by the key "body" only`)
	}
	return p.join(d.QueueARN)
}

// isFIFO tells a FIFO queue by its name alone: message groups also appear on standard queues.
func isFIFO(queueARN string) bool { return strings.HasSuffix(queueARN, ".fifo") }

// VisibilityError refuses a function that may run longer than its messages stay invisible.
type VisibilityError struct {
	QueueARN   string
	Visibility time.Duration
	Timeout    time.Duration
}

func (e *VisibilityError) Error() string {
	return fmt.Sprintf("mapping from queue %q: Timeout: %v is longer than the queue's visibility timeout of %v", e.QueueARN, e.Timeout, e.Visibility)
}

// checkQueue asks the queue for its visibility timeout and returns it. It warns of settings that Lambda advises against.
func (m *QueueMapping) checkQueue(ctx context.Context) (time.Duration, error) {
	out, err := m.Client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl:       &m.QueueURL,
		AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameVisibilityTimeout, types.QueueAttributeNameRedrivePolicy},
	})
	if err != nil {
		return 0, fmt.Errorf("read the attributes of queue %q: %w", m.QueueARN, err)
	}
	text := out.Attributes[string(types.QueueAttributeNameVisibilityTimeout)]
	seconds, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("read the attributes of queue %q: VisibilityTimeout %q is not a number", m.QueueARN, text)
	}
	visibility := time.Duration(seconds) * time.Second
	if m.Timeout > visibility {
		return 0, &VisibilityError{QueueARN: m.QueueARN, Visibility: visibility, Timeout: m.Timeout}
	}
	if recommended := recommendedFactor*m.Timeout + m.Window; visibility < recommended {
		m.Logger.WarnContext(ctx, "the queue's visibility timeout is short", "visibility", visibility, "recommended", recommended)
	}
	if problem := m.redriveProblem(out.Attributes[string(types.QueueAttributeNameRedrivePolicy)]); problem != "" {
		m.Logger.WarnContext(ctx, "the queue's redrive policy", "problem", problem)
	}
	return visibility, nil
}

// redriveProblem says what is wrong with a queue's RedrivePolicy, "" when nothing is.
func (m *QueueMapping) redriveProblem(policy string) string {
	if policy == "" {
		return "there is none: a message that always fails comes back until its retention ends, and is then lost"
	}
	var p struct {
		MaxReceiveCount json.RawMessage `json:"maxReceiveCount"` // a number, or one as text
	}
	err := json.Unmarshal([]byte(policy), &p)
	most, convErr := strconv.Atoi(strings.Trim(string(p.MaxReceiveCount), `"`))
	switch {
	case err != nil || convErr != nil:
		return fmt.Sprintf("%q cannot be read", policy)
	case m.MaxAttempts > 0 && most <= m.MaxAttempts:
		return fmt.Sprintf("maxReceiveCount is %d and MaxAttempts %d: the queue moves messages to its dead letters before the function says why", most, m.MaxAttempts)
	case most < recommendedReceive:
		return fmt.Sprintf("maxReceiveCount is %d, %d or more are recommended: a message that is given back or waits counts too", most, recommendedReceive)
	}
	return ""
}

// Run checks the mapping and its queue, then polls until ctx ends. Then it waits up to DrainLimit for open polls, gives back
// what they brought and what else it did not start, waits as long for running invocations, and obeys their answers.
// It returns nil after a complete drain, a [*LeftError] when something was left, or what Validate and the queue refuse.
func (m *QueueMapping) Run(ctx context.Context) error {
	if err := m.Validate(); err != nil {
		return err
	}
	d := m.withDefaults()
	source, _ := arn.Parse(d.QueueARN)
	d.Logger = d.Logger.With("source", d.QueueARN, "function", d.FunctionName)
	visibility, err := d.checkQueue(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	patterns, _ := compileFilters(d.Filters)
	r := &queueRun{
		QueueMapping: d,
		region:       source.Region,
		fifo:         isFIFO(d.QueueARN),
		filters:      patterns,
		invoker:      newInvoker(d.Function, functionARN(source, d.FunctionName), d.Timeout, d.MaxAbandoned, d.Logger),
		slots:        make(chan struct{}, d.MaxConcurrency),
		slow:         newSlowdown(d.Backoff),
		groups:       newGroups(),
		url:          aws.String(d.QueueURL),
		visibility:   visibility,
	}
	return r.run(ctx)
}
