// Command capacity says on paper what the stack of deploy/aws does with a load:
// concurrency, cost, what happens after a burst, and what breaks first when there
// is more. README.md has the formulas.
//
//	go run ./deploy/aws/capacity -uploads 10000 -messages 50000 -changes 10000 -burst 5000
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	err := run(os.Args[1:], os.Stdout)
	if errors.Is(err, flag.ErrHelp) {
		return // -h was asked for
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "capacity:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("capacity", flag.ContinueOnError)
	m := defaults()
	var l Load
	flags.Float64Var(&l.Uploads, "uploads", 10_000, "pictures a day")
	flags.Float64Var(&l.Messages, "messages", 50_000, "messages a day that others put on the queue jobs")
	flags.Float64Var(&l.Changes, "changes", 10_000, "changes a day that others make to table records")
	flags.Float64Var(&l.Peak, "peak", 4, "the busiest hour against the mean")
	burst := flags.Float64("burst", 5_000, "uploads that come all at once")
	for i := range m.Stages {
		s := &m.Stages[i]
		flags.Float64Var(&s.CPU, s.Name+"-cpu", s.CPU, "milliseconds of a whole core a record")
		flags.Float64Var(&s.Wait, s.Name+"-wait", s.Wait, "milliseconds of waiting for others a record")
		flags.Float64Var(&s.MemoryMB, s.Name+"-memory", s.MemoryMB, "MB")
		flags.Float64Var(&s.Rate, s.Name+"-rate", s.Rate, "records a second of one invocation, at most; 0 has no limit")
		flags.Float64Var(&s.QuietBatch, s.Name+"-quiet-batch", s.QuietBatch, "records of an invocation without a backlog")
		if !s.Stream {
			flags.Float64Var(&s.Concurrency, s.Name+"-concurrency", s.Concurrency, "invocations at once, at most")
		}
	}
	flags.Float64Var(&m.Shards, "shards", m.Shards, "shards of the stream: one for each partition of table records")
	flags.Float64Var(&m.Factor, "changes-parallelization", m.Factor, "invocations at once for each shard")
	flags.Float64Var(&m.Flow.Orders, "orders", m.Flow.Orders, "share of the messages and changes that are orders; the others are registrations")
	flags.Float64Var(&m.Flow.Notifications, "notifications", m.Flow.Notifications, "notifications of each upload, message and change")
	if err := flags.Parse(args); err != nil {
		return err
	}
	m.Stages[changes].Concurrency = m.Shards * m.Factor
	if l.Uploads < 0 || l.Messages < 0 || l.Changes < 0 || l.Peak < 1 || *burst < 0 {
		return errors.New("a load is not below zero, and the peak not below 1")
	}
	if err := m.Validate(); err != nil {
		return err
	}
	return m.print(out, l, *burst)
}

// defaults are the template's settings.
//
// CPU is measured by the benchmark that stands beside it, on one x86 core, and
// rounded up for a core of Lambda. Waits are assumed: what AWS's services
// commonly take inside one region. Replace both by what the function's own
// Duration metric says. What a record asks of others is counted, in
// operations.go.
func defaults() Model {
	return Model{
		Shards: 4, Factor: 1, // a new table on demand begins with four
		Flow: Flow{Orders: 0.5, ChangesOfUpload: 1, JobsOfChange: 1, Notifications: 1},
		Stages: [stageCount]Stage{
			uploads: {
				Name: "uploads", MemoryMB: 1024, Batch: 5, QuietBatch: 1, Parallel: 4, Concurrency: 20, Setting: "UploadsConcurrency; UploadsMemory",
				// A 24 MP progressive JPEG, and four calls.
				// go test -run '^$' -bench Make/src=24mp-progressive ./thumbnail
				// go test -run '^$' -bench 'Calls/(HeadObject|PutObject|SendMessageBatch)' ./deploy/aws/capacity
				CPU:  25,
				Wait: 150, // assumed: 8 MB from S3, a HEAD, a PUT, a send
				// S3's notice and the worker's message.
				Sends: 1 + picture.sends, S3Reads: picture.objectReads, S3Writes: picture.objectWrites,
				LogBytesOfInvoke: 1400,
			},
			jobs: {
				Name: "jobs", MemoryMB: 256, Batch: 10, QuietBatch: 1, Parallel: 10, Concurrency: 20, Setting: "JobsConcurrency",
				// Two reads and two writes, as a registration.
				// go test -run '^$' -bench 'Calls/(GetItem|PutItem)' ./deploy/aws/capacity
				CPU:              1,
				Wait:             25, // assumed: 6 ms each
				LogBytesOfInvoke: 1400,
			},
			changes: {
				Name: "changes", MemoryMB: 256, Batch: 100, QuietBatch: 1, Parallel: 10, Concurrency: 4, Setting: "ChangesParallelization",
				// A send.
				// go test -run '^$' -bench Calls/SendMessageBatch ./deploy/aws/capacity
				CPU:   1,
				Wait:  10, // assumed
				Sends: change.sends, LogBytesOfInvoke: 1400, Stream: true,
			},
			notifications: {
				Name: "notifications", MemoryMB: 256, Batch: 10, QuietBatch: 1, Parallel: 1, Concurrency: 2, Setting: "NotificationsConcurrency; SesRate",
				Rate: 7, // SesRate
				// Two writes and a mail.
				// go test -run '^$' -bench Calls/PutItem ./deploy/aws/capacity
				CPU:      1,
				Wait:     110, // assumed: 6 ms a write, 100 a mail
				DBWrites: mail.statePuts, Mails: 1,
				LogBytes: 250, LogBytesOfInvoke: 1400,
			},
		},
	}
}
