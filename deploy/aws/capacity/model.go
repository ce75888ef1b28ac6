package main

import (
	"errors"
	"fmt"
	"math"
)

// coreMB is the memory at which a Lambda function has one whole core.
const coreMB = 1769

// Load is the daily load from clients.
type Load struct {
	Uploads  float64 // pictures
	Messages float64 // messages that clients send to queue jobs
	Changes  float64 // changes that clients make to table records
	Peak     float64 // load of the busiest hour, as a multiple of the mean; 1 or more
}

// times returns n times the load.
func (l Load) times(n float64) Load {
	return Load{l.Uploads * n, l.Messages * n, l.Changes * n, l.Peak}
}

// Stage is one function with its source, and the cost of one record.
type Stage struct {
	Name        string
	MemoryMB    float64
	Batch       float64 // records per invocation with a backlog
	QuietBatch  float64 // records per invocation without a backlog
	Parallel    float64 // records processed in parallel
	Concurrency float64 // maximum concurrent invocations
	Rate        float64 // maximum records per second of one invocation; 0 means no limit
	Setting     string  // the template's parameter that sets Concurrency

	CPU  float64 // milliseconds of a whole core per record
	Wait float64 // milliseconds of waiting for other services per record

	// Calls per record, without receiving and deleting it.
	Sends            float64 // SQS requests
	S3Writes         float64
	S3Reads          float64
	DBWrites         float64 // units of 1 KB
	DBReads          float64 // units of 4 KB
	Mails            float64
	LogBytes         float64 // per record
	LogBytesOfInvoke float64 // per invocation: the lines of the platform and of the batch
	Stream           bool    // the source is a stream and not a queue
}

// Milliseconds returns the duration of an invocation with n records. They share
// the function's cores and wait in parallel.
//
//	one = CPU / min(1, cores) + Wait,  cores = MemoryMB / 1769
//	max( n·CPU / cores , ⌈n / Parallel⌉ · one , one + 1000·(n-1) / Rate )
func (s Stage) Milliseconds(n float64) float64 {
	cores := s.MemoryMB / coreMB
	one := s.CPU/min(1, cores) + s.Wait
	ms := max(n*s.CPU/cores, math.Ceil(n/s.Parallel)*one)
	if s.Rate > 0 {
		ms = max(ms, one+1000*(n-1)/s.Rate)
	}
	return ms
}

// PerSecond returns the records per second at the maximum concurrency.
func (s Stage) PerSecond() float64 { return s.perSecondAt(s.Concurrency) }

func (s Stage) perSecondAt(concurrency float64) float64 {
	r := concurrency * s.Batch / s.Milliseconds(s.Batch) * 1000
	if s.Rate > 0 {
		r = min(r, concurrency*s.Rate) // the rate holds across batches
	}
	return r
}

// Needed returns the concurrency for a rate of records per second in full
// batches, by Little's law.
func (s Stage) Needed(perSecond float64) float64 {
	return perSecond / s.Batch * s.Milliseconds(s.Batch) / 1000
}

// Quiet returns the concurrency for a rate in the batches of a queue without a
// backlog.
func (s Stage) Quiet(perSecond float64) float64 {
	return perSecond / s.QuietBatch * s.Milliseconds(s.QuietBatch) / 1000
}

// Bill is the usage and the cost of a number of records.
type Bill struct {
	Records, Invocations, GBSeconds float64
	SQSRequests, S3Writes, S3Reads  float64
	DBWrites, DBReads, Mails, LogGB float64
	Dollars                         float64
}

// Bill returns the bill for records in batches of QuietBatch.
func (s Stage) Bill(records float64) Bill {
	b := Bill{Records: records, Invocations: records / s.QuietBatch}
	b.GBSeconds = b.Invocations * math.Ceil(s.Milliseconds(s.QuietBatch)) / 1000 * s.MemoryMB / 1024
	if !s.Stream {
		// A receive and a delete per batch. The send is counted at the sender.
		b.SQSRequests = 2 * b.Invocations
	}
	b.SQSRequests += s.Sends * records
	b.S3Writes, b.S3Reads = s.S3Writes*records, s.S3Reads*records
	b.DBWrites, b.DBReads = s.DBWrites*records, s.DBReads*records
	b.Mails = s.Mails * records
	b.LogGB = (s.LogBytes*records + s.LogBytesOfInvoke*b.Invocations) / 1e9
	b.Dollars = b.dollars()
	return b
}

func (b Bill) dollars() float64 {
	return b.GBSeconds*priceGBSecond + b.Invocations*priceInvocation + b.SQSRequests*priceSQS +
		b.S3Writes*priceS3Write + b.S3Reads*priceS3Read + b.DBWrites*priceDBWrite + b.DBReads*priceDBRead +
		b.Mails*priceMail + b.LogGB*priceLogGB
}

// plus returns the sum of two bills.
func (b Bill) plus(o Bill) Bill {
	return Bill{
		b.Records + o.Records, b.Invocations + o.Invocations, b.GBSeconds + o.GBSeconds,
		b.SQSRequests + o.SQSRequests, b.S3Writes + o.S3Writes, b.S3Reads + o.S3Reads,
		b.DBWrites + o.DBWrites, b.DBReads + o.DBReads, b.Mails + o.Mails, b.LogGB + o.LogGB,
		b.Dollars + o.Dollars,
	}
}

// The stages, in the order in which records pass them.
const (
	uploads = iota
	jobs
	changes
	notifications
	stageCount
)

// Flow has the number of records of the next stage that one record causes.
type Flow struct {
	Orders          float64 // share of orders among messages and changes; the others are registrations
	ChangesOfUpload float64 // changes of a picture's record
	JobsOfChange    float64 // jobs per change by a client, such as a pending user or a received order
	Notifications   float64 // per upload, per message and per change by a client
}

// Records returns the records per day of each stage under a load.
func (f Flow) Records(l Load) [stageCount]float64 {
	var r [stageCount]float64
	r[uploads] = l.Uploads
	queued := f.queuedJobs(l)
	r[jobs] = l.Uploads + queued
	// Each write of a job is a change.
	r[changes] = l.Changes + l.Uploads*f.ChangesOfUpload + queued*f.queued().recordPuts
	r[notifications] = (l.Uploads + l.Messages + l.Changes) * f.Notifications
	return r
}

// Model is the whole pipeline.
type Model struct {
	Stages [stageCount]Stage
	Flow   Flow
	Shards float64 // minimum of the stream of table records
	Factor float64 // concurrent invocations per shard
}

// shards returns the shards of the stream at a rate of writes per second: an
// on-demand table splits its partitions under load.
func (m Model) shards(writes float64) float64 {
	return max(m.Shards, math.Ceil(writes/shardWrites))
}

// stages returns the model's stages for a load. The table operations of a job
// depend on the mix of jobs.
func (m Model) stages(l Load) [stageCount]Stage {
	s, job := m.Stages, m.Flow.job(l)
	s[jobs].DBReads = job.recordGets + job.stateGets
	s[jobs].DBWrites = job.recordPuts + job.statePuts
	return s
}

// Outside returns the bill of the clients: the PUTs of uploads, the sends of
// messages and the writes of changes.
func Outside(l Load) Bill {
	b := Bill{Records: l.Uploads + l.Messages + l.Changes, S3Writes: l.Uploads, SQSRequests: l.Messages, DBWrites: l.Changes}
	b.Dollars = b.dollars()
	return b
}

// EndToEnd returns the total bill of a load. Its records are those of the load.
func (m Model) EndToEnd(l Load) Bill {
	b := Outside(l)
	for i, n := range m.Flow.Records(l) {
		b = b.plus(m.stages(l)[i].Bill(n))
	}
	b.Records = Outside(l).Records
	return b
}

// Validate reports every value that the model cannot use.
func (m Model) Validate() error {
	var problems []error
	for name, v := range map[string]float64{"shards": m.Shards, "changes-parallelization": m.Factor} {
		if !(v > 0) || math.IsInf(v, 0) {
			problems = append(problems, fmt.Errorf("%s: got %v, want more than 0", name, v))
		}
	}
	if o := m.Flow.Orders; !(o >= 0 && o <= 1) {
		problems = append(problems, fmt.Errorf("orders: got %v, want 0 to 1", o))
	}
	for _, s := range m.Stages {
		for name, v := range map[string]float64{
			"memory": s.MemoryMB, "batch": s.Batch, "quiet-batch": s.QuietBatch, "parallel": s.Parallel, "concurrency": s.Concurrency,
		} {
			if !(v > 0) || math.IsInf(v, 0) {
				problems = append(problems, fmt.Errorf("%s-%s: got %v, want more than 0", s.Name, name, v))
			}
		}
		for name, v := range map[string]float64{"cpu": s.CPU, "wait": s.Wait, "rate": s.Rate} {
			if !(v >= 0) || math.IsInf(v, 0) {
				problems = append(problems, fmt.Errorf("%s-%s: got %v, want 0 or more", s.Name, name, v))
			}
		}
		if s.CPU+s.Wait == 0 {
			problems = append(problems, fmt.Errorf("%s: got cpu and wait 0, want one above 0", s.Name))
		}
	}
	return errors.Join(problems...)
}

// perSecond returns the rate in the busiest hour of a daily number.
func perSecond(records float64, l Load) float64 { return records * l.Peak / daySeconds }
