package eventsource

import (
	"cmp"
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
	"golang.org/x/sync/semaphore"
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
	defaultConcurrency = 5 // where Lambda starts; one machine does not scale to Lambda's 1,000
	maxPollers         = 5
	maxQueueBatch      = 10 // SQS receives, deletes and changes up to ten messages a call
	longPoll           = 20 * time.Second
	recommendedFactor  = 6 // Lambda recommends a visibility timeout of six function timeouts
	recommendedReceive = 5 // and a maxReceiveCount of five or more
)

// QueueMapping is an event source mapping from an SQS queue to a function,
// without a batching window.
//
// It deletes the messages that succeeded. It leaves the others, as Lambda does:
// they become visible again when their visibility timeout ends. After a
// function error it polls more slowly; after a response that names failures it
// does not. If the visibility timeout of messages might end before their
// invocation does, because they wait for another part of a batch that is over
// the payload limit or for another batch of their message group, it extends the
// timeout.
//
// The fields must not change after Run was called, and only one Run of a value
// may be active at a time.
type QueueMapping struct {
	Client       SQS
	QueueURL     string
	QueueARN     string // events carry its region, and the ARN of the function its account; a FIFO queue has the suffix ".fifo"
	Function     Function
	FunctionName string
	// Timeout is the deadline of an invocation, 1 s to 15 min. Zero means
	// Lambda's 3 s. Run refuses a Timeout that is longer than the visibility
	// timeout of the queue.
	Timeout time.Duration
	// BatchSize is the maximum number of messages of an event, 1 to 10. Zero
	// means 10.
	BatchSize int
	// MaxConcurrency is the number of invocations that may run at the same
	// time, 2 to 1000. Zero means 5.
	MaxConcurrency int
	// ReportBatchItemFailures reads the failures that a response names. If it
	// is false, every response means success.
	ReportBatchItemFailures bool
	// MaxAttempts is the number of attempts after which the function itself
	// sends a dead letter. Zero means that it sends none. It only serves for a
	// warning if the queue moves messages to its dead-letter queue earlier,
	// without a reason.
	MaxAttempts int
	// DrainLimit is how long Run waits for running invocations after its
	// context has ended. Zero means the Timeout. Run may take 2 s more to
	// delete messages or make them visible.
	DrainLimit time.Duration
	// CancelPolls cancels open polls when the context ends, for a queue that
	// notices a client that disconnects. SQS does not: it would deliver
	// messages to no one until their visibility timeout ends. If CancelPolls is
	// false, Run lets open polls finish and then makes their messages visible
	// again, and a poll waits at most the DrainLimit.
	CancelPolls bool
	// MaxAbandoned is the number of invocations that may run past their
	// deadline before polling stops. Zero means 10.
	MaxAbandoned int
	// Backoff paces polling after function errors, and the retries of failed
	// calls of SQS. Nil doubles from 200 ms to 30 s.
	Backoff Backoff
	// Logger receives problems. Nil discards them.
	Logger *slog.Logger
}

// withDefaults returns a copy with defaults filled in.
func (m *QueueMapping) withDefaults() QueueMapping {
	d := *m
	d.Timeout = cmp.Or(d.Timeout, defaultTimeout)
	d.BatchSize = cmp.Or(d.BatchSize, maxQueueBatch)
	d.MaxConcurrency = cmp.Or(d.MaxConcurrency, defaultConcurrency)
	d.DrainLimit = cmp.Or(d.DrainLimit, d.Timeout)
	d.MaxAbandoned = cmp.Or(d.MaxAbandoned, defaultMaxAbandoned)
	if d.Backoff == nil {
		d.Backoff = defaultBackoff
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	return d
}

// Validate returns all that Lambda would refuse in the mapping without asking
// the queue: a join of [*FieldError]. Run also asks the queue.
func (m *QueueMapping) Validate() error {
	d := m.withDefaults()
	var p problems
	p.refuse(d.Client == nil, "Client", "is required")
	p.refuse(d.QueueURL == "", "QueueURL", "is required")
	source, err := arn.Parse(d.QueueARN)
	p.refuse(err != nil || source.Service != "sqs", "QueueARN", "got %q, want the ARN of a queue, such as arn:aws:sqs:REGION:ACCOUNT:NAME", d.QueueARN)
	p.refuse(d.BatchSize < 1 || d.BatchSize > maxQueueBatch, "BatchSize", "got %d, want 1 to %d", d.BatchSize, maxQueueBatch)
	p.refuse(d.MaxAttempts < 0, "MaxAttempts", "got %d, want 0 or more", d.MaxAttempts)
	p.refuse(d.MaxConcurrency < minConcurrency || d.MaxConcurrency > maxConcurrency, "MaxConcurrency",
		"got %d, want %d to %d", d.MaxConcurrency, minConcurrency, maxConcurrency)
	p.refuseCommon(d.Function, d.FunctionName, d.Timeout, d.DrainLimit, d.MaxAbandoned)
	return p.join(d.QueueARN)
}

// isFIFO recognizes a FIFO queue by its name. Message groups do not: they also
// appear on standard queues.
func isFIFO(queueARN string) bool { return strings.HasSuffix(queueARN, ".fifo") }

// VisibilityError reports a function that may run longer than its messages stay
// invisible.
type VisibilityError struct {
	QueueARN   string
	Visibility time.Duration
	Timeout    time.Duration
}

func (e *VisibilityError) Error() string {
	return fmt.Sprintf("mapping from %q: Timeout: got %v, want at most the queue's visibility timeout of %v", e.QueueARN, e.Timeout, e.Visibility)
}

// checkQueue returns the visibility timeout of the queue. It logs a warning for
// settings that Lambda advises against.
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
		return 0, fmt.Errorf("read the attributes of queue %q: VisibilityTimeout: got %q, want a number of seconds", m.QueueARN, text)
	}
	visibility := time.Duration(seconds) * time.Second
	if m.Timeout > visibility {
		return 0, &VisibilityError{QueueARN: m.QueueARN, Visibility: visibility, Timeout: m.Timeout}
	}
	if recommended := recommendedFactor * m.Timeout; visibility < recommended {
		m.Logger.WarnContext(ctx, "the queue's visibility timeout is short", "visibility", visibility, "recommended", recommended)
	}
	if problem := m.redriveProblem(out.Attributes[string(types.QueueAttributeNameRedrivePolicy)]); problem != "" {
		m.Logger.WarnContext(ctx, "the queue's redrive policy", "problem", problem)
	}
	return visibility, nil
}

// redriveProblem returns a problem with the queue's RedrivePolicy, or "".
func (m *QueueMapping) redriveProblem(policy string) string {
	if policy == "" {
		return "there is none: a message that always fails is received until its retention ends, and is then lost"
	}
	var p struct {
		MaxReceiveCount json.RawMessage `json:"maxReceiveCount"` // a number, or a string with one
	}
	err := json.Unmarshal([]byte(policy), &p)
	most, convErr := strconv.Atoi(strings.Trim(string(p.MaxReceiveCount), `"`))
	switch {
	case err != nil || convErr != nil:
		return fmt.Sprintf("got %q, want an object with maxReceiveCount", policy)
	case m.MaxAttempts > 0 && most <= m.MaxAttempts:
		return fmt.Sprintf("maxReceiveCount is %d and MaxAttempts %d: the queue moves messages to its dead-letter queue before the function can add a reason", most, m.MaxAttempts)
	case most < recommendedReceive:
		return fmt.Sprintf("maxReceiveCount is %d, %d or more are recommended: receives of messages that were not started or were delayed count too", most, recommendedReceive)
	}
	return ""
}

// Run validates the mapping, checks its queue and polls until ctx ends. It then
// waits up to DrainLimit for open polls and makes their messages, and all
// others that were not started, visible again. It waits as long for running
// invocations and processes their responses.
//
// It returns nil after a complete drain, a [*LeftError] if messages were left,
// a [*VisibilityError], or the error of Validate.
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
	r := &queueRun{
		QueueMapping: d,
		region:       source.Region,
		fifo:         isFIFO(d.QueueARN),
		invoker:      newInvoker(d.Function, functionARN(source, d.FunctionName), d.Timeout, d.MaxAbandoned, d.Logger),
		slots:        semaphore.NewWeighted(int64(d.MaxConcurrency)),
		slow:         &slowdown{backoff: d.Backoff},
		groups:       newGroups(),
		url:          aws.String(d.QueueURL),
		visibility:   visibility,
	}
	return r.run(ctx)
}
