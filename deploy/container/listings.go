package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"sluice/deploy/functions"
	"sluice/deploy/internal/deadletters"
	"sluice/deploy/internal/termtext"
	"sluice/pipeline/dynamotable"
	"sluice/workers/schema"
	"sluice/workers/setup"
)

// listing is a command that reads the queues and the table of the environment.
// It runs no function.
type listing struct {
	environ map[string]string
	sqs     *sqs.Client
	db      *dynamodb.Client
	json    bool
	reason  string
	all     bool
	stdout  io.Writer
}

// listings are the listing commands.
var listings = map[string]func(*listing, context.Context, []string) error{
	"status":       (*listing).status,
	"records":      (*listing).records,
	"dead-letters": (*listing).deadLetters,
}

const listingUsage = `       container [flags] status                  queue depths
       container [flags] records [KEY]           list records, or print the one with this key
       container [flags] dead-letters ` + deadletters.Usage + "\n"

// runListing runs a listing command; args begin with its name.
func runListing(ctx context.Context, args []string, environ map[string]string, stdout, stderr io.Writer) error {
	cfg, err := setup.AWS(ctx)
	if err != nil {
		return err
	}
	l := &listing{environ: environ, sqs: sqs.NewFromConfig(cfg), db: dynamodb.NewFromConfig(cfg), stdout: stdout}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&l.json, "json", false, "print JSON")
	flags.StringVar(&l.reason, "reason", "", "with dead-letters redrive: those whose reason contains this text")
	flags.BoolVar(&l.all, "all", false, "with dead-letters redrive: all dead letters")
	var rest []string
	for left := args[1:]; ; { // flags may follow arguments
		if err := flags.Parse(left); err != nil {
			return flag.ErrHelp
		}
		if flags.NArg() == 0 {
			break
		}
		rest, left = append(rest, flags.Arg(0)), flags.Args()[1:]
	}
	return listings[args[0]](l, ctx, rest)
}

// queueStatus is the depth of a queue.
type queueStatus struct {
	Function string `json:"function"`
	Queue    string `json:"queue"` // URL
	Ready    string `json:"ready"`
	InFlight string `json:"inFlight"`
	Delayed  string `json:"delayed"`
}

func (l *listing) status(ctx context.Context, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("status: got %q, want no arguments", args)
	}
	all := []queueStatus{}
	var problems []error
	for _, q := range l.queues() {
		out, err := l.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
			QueueUrl: &q.Queue, AttributeNames: []types.QueueAttributeName{
				types.QueueAttributeNameApproximateNumberOfMessages, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
				types.QueueAttributeNameApproximateNumberOfMessagesDelayed,
			},
		})
		if err != nil {
			problems = append(problems, fmt.Errorf("queue %s: %w", q.Queue, err))
			continue
		}
		q.Ready, q.InFlight, q.Delayed = out.Attributes["ApproximateNumberOfMessages"],
			out.Attributes["ApproximateNumberOfMessagesNotVisible"], out.Attributes["ApproximateNumberOfMessagesDelayed"]
		all = append(all, q)
	}
	if l.json {
		return errors.Join(append(problems, termtext.PrintJSON(l.stdout, all))...)
	}
	tw := tabwriter.NewWriter(l.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "FUNCTION\tQUEUE\tREADY\tIN FLIGHT\tDELAYED")
	for _, q := range all {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\n", q.Function, q.Queue, q.Ready, q.InFlight, q.Delayed)
	}
	return errors.Join(append(problems, tw.Flush())...)
}

// queues are the source and dead-letter queues that the environment names.
func (l *listing) queues() (all []queueStatus) {
	for _, f := range functions.Mapped() {
		for _, url := range []string{l.environ[f.QueueVariable()], environOf(f, l.environ)["DEAD_LETTER_QUEUE_URL"]} {
			if url != "" && !slices.ContainsFunc(all, func(q queueStatus) bool { return q.Queue == url }) {
				all = append(all, queueStatus{Function: f.Name, Queue: url})
			}
		}
	}
	return all
}

func (l *listing) deadLetters(ctx context.Context, args []string) error {
	var queues []deadletters.Queue
	for _, f := range functions.Mapped() {
		url := environOf(f, l.environ)["DEAD_LETTER_QUEUE_URL"]
		if url == "" {
			continue
		}
		i := slices.IndexFunc(queues, func(q deadletters.Queue) bool { return q.URL == url })
		if i < 0 {
			queues = append(queues, deadletters.Queue{URL: url})
			i = len(queues) - 1
		}
		if source := l.environ[f.QueueVariable()]; source != "" {
			queues[i].SourceURLs = append(queues[i].SourceURLs, source)
		}
	}
	if len(queues) == 0 {
		return errors.New("dead-letters: DEAD_LETTER_QUEUE_URL is required, or one for a function, such as JOBS_DEAD_LETTER_QUEUE_URL")
	}
	c := deadletters.Command{Client: l.sqs, Queues: queues, JSON: l.json, Reason: l.reason, All: l.all, Stdout: l.stdout}
	return c.Run(ctx, args)
}

func (l *listing) records(ctx context.Context, args []string) error {
	name := l.environ["RECORDS_TABLE"]
	if name == "" {
		return errors.New("records: RECORDS_TABLE is required")
	}
	table := dynamotable.New(l.db, name, dynamotable.Options{})
	switch len(args) {
	case 0:
	case 1:
		it, err := table.Get(ctx, schema.ParseKeyText(args[0]))
		if err != nil {
			return fmt.Errorf("record %q: %w", args[0], err)
		}
		return termtext.PrintJSON(l.stdout, it.Data)
	default:
		return fmt.Errorf("records: got %d arguments, want a key at most", len(args))
	}
	type record struct {
		Key  string          `json:"key"`
		Data json.RawMessage `json:"data"`
	}
	all := []record{}
	for it, err := range dynamotable.Scan(ctx, l.db, name) {
		if err != nil {
			return err
		}
		all = append(all, record{schema.KeyText(it.Key), it.Data})
	}
	slices.SortFunc(all, func(a, b record) int { return strings.Compare(a.Key, b.Key) })
	if l.json {
		return termtext.PrintJSON(l.stdout, all)
	}
	tw := tabwriter.NewWriter(l.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "KEY\tSTATUS")
	for _, r := range all {
		var change schema.Change
		_ = json.Unmarshal(r.Data, &change) // a record of another shape has no status
		fmt.Fprintf(tw, "%s\t%s\n", termtext.Safe(r.Key), termtext.Safe(change.Status))
	}
	return tw.Flush()
}
