// Command capacity computes how the stack of deploy/aws behaves under a load:
// the concurrency, the cost, the course of a burst, and which limit a growing
// load exceeds first. README.md has the formulas.
//
//	go run ./deploy/aws/capacity -uploads 10000 -messages 50000 -changes 10000 -burst 5000
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"sluice/deploy/functions"
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
	flags.Float64Var(&l.Uploads, "uploads", 10_000, "pictures per day")
	flags.Float64Var(&l.Messages, "messages", 50_000, "messages per day that clients send to queue jobs")
	flags.Float64Var(&l.Changes, "changes", 10_000, "changes per day that clients make to table records")
	flags.Float64Var(&l.Peak, "peak", 4, "load of the busiest hour, as a multiple of the mean")
	burst := flags.Float64("burst", 5_000, "uploads at the same time")
	for i := range m.Stages {
		s := &m.Stages[i]
		flags.Float64Var(&s.CPU, s.Name+"-cpu", s.CPU, "milliseconds of a whole core per record")
		flags.Float64Var(&s.Wait, s.Name+"-wait", s.Wait, "milliseconds of waiting for other services per record")
		flags.Float64Var(&s.MemoryMB, s.Name+"-memory", s.MemoryMB, "MB")
		flags.Float64Var(&s.Rate, s.Name+"-rate", s.Rate, "maximum records per second of one invocation; 0 means no limit")
		flags.Float64Var(&s.QuietBatch, s.Name+"-quiet-batch", s.QuietBatch, "records per invocation without a backlog")
		if !s.Stream {
			flags.Float64Var(&s.Concurrency, s.Name+"-concurrency", s.Concurrency, "maximum concurrent invocations")
		}
	}
	flags.Float64Var(&m.Shards, "shards", m.Shards, "shards of the stream, one per partition of table records")
	flags.Float64Var(&m.Factor, "changes-parallelization", m.Factor, "concurrent invocations per shard")
	flags.Float64Var(&m.Flow.Orders, "orders", m.Flow.Orders, "share of orders among messages and changes; the others are registrations")
	flags.Float64Var(&m.Flow.Notifications, "notifications", m.Flow.Notifications, "notifications per upload, message and change")
	if err := flags.Parse(args); err != nil {
		return err
	}
	m.Stages[changes].Concurrency = m.Shards * m.Factor
	if l.Uploads < 0 || l.Messages < 0 || l.Changes < 0 || l.Peak < 1 || *burst < 0 {
		return fmt.Errorf("got -uploads %v, -messages %v, -changes %v, -burst %v and -peak %v, want 0 or more, and 1 or more for -peak", l.Uploads, l.Messages, l.Changes, *burst, l.Peak)
	}
	if err := m.Validate(); err != nil {
		return err
	}
	return m.print(out, l, *burst)
}

// defaults returns the model with the template's settings. The memory of the
// functions comes from the table of functions.
//
// CPU times are measured by the benchmark beside them, on one x86 core, and
// rounded up for a core of Lambda. Waiting times are assumed: common latencies
// of AWS services inside one region. Replace both by the values of the
// function's Duration metric. operations.go has the calls per record.
func defaults() Model {
	m := Model{
		Shards: 4, Factor: 1, // an on-demand table starts with four
		Flow: Flow{Orders: 0.5, ChangesOfUpload: 1, JobsOfChange: 1, Notifications: 1},
		Stages: [stageCount]Stage{
			uploads: {
				Name: "uploads", Batch: 5, QuietBatch: 1, Parallel: 4, Concurrency: 20, Setting: "UploadsConcurrency; UploadsMemory",
				// A 24 MP progressive JPEG, and four calls. go test -run '^$'
				// -bench Make/src=24mp-progressive ./thumbnail go test -run
				// '^$' -bench 'Calls/(HeadObject|PutObject|SendMessageBatch)'
				// ./deploy/aws/capacity
				CPU:  25,
				Wait: 150, // assumed: 8 MB from S3, a HEAD, a PUT and a send
				// The S3 event notification and the worker's message.
				Sends: 1 + picture.sends, S3Reads: picture.objectReads, S3Writes: picture.objectWrites,
				LogBytesOfInvoke: 1400,
			},
			jobs: {
				Name: "jobs", Batch: 10, QuietBatch: 1, Parallel: 10, Concurrency: 20, Setting: "JobsConcurrency",
				// Two reads and two writes, as for a registration. go test -run
				// '^$' -bench 'Calls/(GetItem|PutItem)' ./deploy/aws/capacity
				CPU:              1,
				Wait:             25, // assumed: 6 ms per call
				LogBytesOfInvoke: 1400,
			},
			changes: {
				Name: "changes", Batch: 100, QuietBatch: 1, Parallel: 10, Concurrency: 4, Setting: "ChangesParallelization",
				// One send. go test -run '^$' -bench Calls/SendMessageBatch
				// ./deploy/aws/capacity
				CPU:   1,
				Wait:  10, // assumed
				Sends: change.sends, LogBytesOfInvoke: 1400, Stream: true,
			},
			notifications: {
				Name: "notifications", Batch: 10, QuietBatch: 1, Parallel: 1, Concurrency: 2, Setting: "NotificationsConcurrency; SesRate",
				Rate: 7, // SesRate
				// Two writes and a mail.
				// go test -run '^$' -bench Calls/PutItem ./deploy/aws/capacity
				CPU:      1,
				Wait:     110, // assumed: 6 ms per write, 100 ms per mail
				DBWrites: mail.statePuts, Mails: 1,
				LogBytes: 250, LogBytesOfInvoke: 1400,
			},
		},
	}
	for i := range m.Stages {
		f, err := functions.Named(m.Stages[i].Name)
		if err != nil {
			panic(err) // a stage is a function
		}
		m.Stages[i].MemoryMB = float64(f.MemoryMB)
	}
	return m
}
