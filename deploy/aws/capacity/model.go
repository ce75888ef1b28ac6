package main

import (
	"errors"
	"fmt"
	"math"
)

// coreMB is the memory at which Lambda gives a function one whole core.
const coreMB = 1769

// Load is what comes in from outside, a day.
type Load struct {
	Uploads  float64 // pictures
	Messages float64 // messages that others put on the queue jobs
	Changes  float64 // changes that others make to table records
	Peak     float64 // the busiest hour against the mean; 1 or more
}

// times is the load n times.
func (l Load) times(n float64) Load {
	return Load{l.Uploads * n, l.Messages * n, l.Changes * n, l.Peak}
}

// Stage is one function with its source, and what one record costs it.
type Stage struct {
	Name        string
	MemoryMB    float64
	Batch       float64 // records of an invocation when there is a backlog
	QuietBatch  float64 // records of an invocation when there is none
	Parallel    float64 // records in hand at once
	Concurrency float64 // invocations at once, at most
	Rate        float64 // records a second of one invocation, at most; 0 has no limit
	Setting     string  // the template's parameter that moves Concurrency

	CPU  float64 // milliseconds of a whole core a record
	Wait float64 // milliseconds of waiting for others a record

	// What a record asks of others, beside being received and deleted.
	Sends            float64 // SQS requests
	S3Writes         float64
	S3Reads          float64
	DBWrites         float64 // units of 1 KB
	DBReads          float64 // units of 4 KB
	Mails            float64
	LogBytes         float64 // a record
	LogBytesOfInvoke float64 // an invocation: the platform's lines and the batch's
	Stream           bool    // reads a stream, not a queue
}

// Milliseconds is how long an invocation with n records takes: they share the
// function's cores, and wait side by side.
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

// PerSecond is how many records the stage can do when it is as wide as it may be.
func (s Stage) PerSecond() float64 { return s.perSecondAt(s.Concurrency) }

func (s Stage) perSecondAt(concurrency float64) float64 {
	r := concurrency * s.Batch / s.Milliseconds(s.Batch) * 1000
	if s.Rate > 0 {
		r = min(r, concurrency*s.Rate) // the rate goes on from batch to batch
	}
	return r
}

// Needed is the concurrency at a rate of records a second, in full batches:
// Little's law.
func (s Stage) Needed(perSecond float64) float64 {
	return perSecond / s.Batch * s.Milliseconds(s.Batch) / 1000
}

// Quiet is the concurrency at a rate with the batches of a queue without
// backlog, which is what one sees by day.
func (s Stage) Quiet(perSecond float64) float64 {
	return perSecond / s.QuietBatch * s.Milliseconds(s.QuietBatch) / 1000
}

// Bill is what a stage uses and costs for a number of records.
type Bill struct {
	Records, Invocations, GBSeconds float64
	SQSRequests, S3Writes, S3Reads  float64
	DBWrites, DBReads, Mails, LogGB float64
	Dollars                         float64
}

// Bill for records, in batches of QuietBatch.
func (s Stage) Bill(records float64) Bill {
	b := Bill{Records: records, Invocations: records / s.QuietBatch}
	b.GBSeconds = b.Invocations * math.Ceil(s.Milliseconds(s.QuietBatch)) / 1000 * s.MemoryMB / 1024
	if !s.Stream {
		// A receive and a delete for each batch. The send is its sender's.
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

// plus is both bills in one.
func (b Bill) plus(o Bill) Bill {
	return Bill{
		b.Records + o.Records, b.Invocations + o.Invocations, b.GBSeconds + o.GBSeconds,
		b.SQSRequests + o.SQSRequests, b.S3Writes + o.S3Writes, b.S3Reads + o.S3Reads,
		b.DBWrites + o.DBWrites, b.DBReads + o.DBReads, b.Mails + o.Mails, b.LogGB + o.LogGB,
		b.Dollars + o.Dollars,
	}
}

// The stages, in the order in which records travel.
const (
	uploads = iota
	jobs
	changes
	notifications
	stageCount
)

// Flow says how many records of the next stage come of one record.
type Flow struct {
	Orders          float64 // share of what is no upload: orders, the others are registrations
	ChangesOfUpload float64 // a picture's record changes once
	JobsOfChange    float64 // of a change that others made: a user is pending, an order received
	Notifications   float64 // of an upload, of a message, of a change of others: each
}

// Records are the records of each stage that come of a load, a day.
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
	Shards float64 // of the stream of table records, at least
	Factor float64 // invocations at once for each shard
}

// shards are the shards of the stream under so many writes a second: a table on
// demand splits where it is written much.
func (m Model) shards(writes float64) float64 {
	return max(m.Shards, math.Ceil(writes/shardWrites))
}

// stages are the model's for a load: what a job asks of the tables depends on
// which jobs there are.
func (m Model) stages(l Load) [stageCount]Stage {
	s, job := m.Stages, m.Flow.job(l)
	s[jobs].DBReads = job.recordGets + job.stateGets
	s[jobs].DBWrites = job.recordPuts + job.statePuts
	return s
}

// Outside is what those pay who bring the load: the uploads' PUTs, the
// messages' sends, the changes' writes.
func Outside(l Load) Bill {
	b := Bill{Records: l.Uploads + l.Messages + l.Changes, S3Writes: l.Uploads, SQSRequests: l.Messages, DBWrites: l.Changes}
	b.Dollars = b.dollars()
	return b
}

// EndToEnd is everything that a load costs. Its records are those that came in.
func (m Model) EndToEnd(l Load) Bill {
	b := Outside(l)
	for i, n := range m.Flow.Records(l) {
		b = b.plus(m.stages(l)[i].Bill(n))
	}
	b.Records = Outside(l).Records
	return b
}

// Validate says what cannot be computed with.
func (m Model) Validate() error {
	var problems []error
	for name, v := range map[string]float64{"shards": m.Shards, "changes-parallelization": m.Factor} {
		if !(v > 0) || math.IsInf(v, 0) {
			problems = append(problems, fmt.Errorf("%s %v is not above zero", name, v))
		}
	}
	if o := m.Flow.Orders; !(o >= 0 && o <= 1) {
		problems = append(problems, fmt.Errorf("orders: %v is no share", o))
	}
	for _, s := range m.Stages {
		for name, v := range map[string]float64{
			"memory": s.MemoryMB, "batch": s.Batch, "quiet batch": s.QuietBatch, "parallel": s.Parallel, "concurrency": s.Concurrency,
		} {
			if !(v > 0) || math.IsInf(v, 0) {
				problems = append(problems, fmt.Errorf("%s: %s %v is not above zero", s.Name, name, v))
			}
		}
		for name, v := range map[string]float64{"cpu": s.CPU, "wait": s.Wait, "rate": s.Rate} {
			if !(v >= 0) || math.IsInf(v, 0) {
				problems = append(problems, fmt.Errorf("%s: %s %v is below zero", s.Name, name, v))
			}
		}
		if s.CPU+s.Wait == 0 {
			problems = append(problems, fmt.Errorf("%s: a record takes no time", s.Name))
		}
	}
	return errors.Join(problems...)
}

// perSecond is a day's number in the busiest hour.
func perSecond(records float64, l Load) float64 { return records * l.Peak / daySeconds }
