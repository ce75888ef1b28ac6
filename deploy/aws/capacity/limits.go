package main

import (
	"cmp"
	"slices"
)

// AWS's quotas that a pipeline of this form meets, as they are by default in a
// grown account. A new account has less: see README.md.
const (
	accountConcurrency = 1000   // Lambda, of all functions together; can be raised
	inFlight           = 120000 // messages of a standard queue that are received and not deleted
	prefixWrites       = 3500   // S3, PUTs a second on one prefix
	tableWrites        = 40000  // DynamoDB on demand, units a second of a table; can be raised
	shardWrites        = 1000   // DynamoDB, units a second of one partition, which is one shard of the stream
	mailsPerSecond     = 14     // SES, what it gives first outside of the sandbox; can be raised
	mailsPerDay        = 50000  // likewise
)

// Limit is something that breaks.
type Limit struct {
	Name    string
	Load    float64 // in the busiest hour
	Limit   float64
	Setting string // what moves it
}

// Share is how much of the limit is used; above 1 it is broken.
func (l Limit) Share() float64 { return l.Load / l.Limit }

// Limits are all limits under a load, the one that breaks first in front.
func (m Model) Limits(l Load) []Limit {
	records := m.Flow.Records(l)
	rate := func(stage int) float64 { return perSecond(records[stage], l) }
	job := m.Flow.job(l)
	writes := rate(jobs)*job.recordPuts + perSecond(l.Changes, l)
	m.Stages[changes].Concurrency = m.shards(writes) * m.Factor

	var limits []Limit
	total := 0.0
	for i, s := range m.Stages {
		needed := s.Needed(rate(i))
		total += needed // as it would be when each mapping were let
		limits = append(limits, Limit{s.Name + " concurrency", needed, s.Concurrency, s.Setting})
		if !s.Stream {
			limits = append(limits, Limit{s.Name + " in flight", needed * s.Batch, inFlight, "a queue for each kind, or less time a record"})
		}
	}
	claims := rate(notifications)*mail.statePuts + rate(jobs)*job.statePuts
	limits = append(limits,
		Limit{"Lambda concurrency of the account", total, accountConcurrency, "Service Quotas: Concurrent executions"},
		Limit{"S3 writes under one prefix", rate(uploads) * m.Stages[uploads].S3Writes, prefixWrites, "S3 splits by load, within minutes; names that begin at random spread it early"},
		Limit{"DynamoDB writes of table records", writes, tableWrites, "Service Quotas: table-level write throughput"},
		Limit{"DynamoDB writes of table state", claims, tableWrites, "Service Quotas: table-level write throughput"},
		Limit{"SES mails a day", records[notifications] * m.Stages[notifications].Mails, mailsPerDay, "SES: sending quota; NotificationRules: fewer mails"},
		Limit{"SES mails a second", rate(notifications) * m.Stages[notifications].Mails, mailsPerSecond, "SES: sending quota; NotificationRules: fewer mails"},
	)
	slices.SortStableFunc(limits, func(a, b Limit) int { return cmp.Compare(b.Share(), a.Share()) })
	return limits
}
