package main

import (
	"cmp"
	"slices"
)

// AWS quotas that the pipeline can reach, with the defaults of an established
// account. A new account has less: see README.md.
const (
	accountConcurrency = 1000   // Lambda, of all functions together; adjustable
	inFlight           = 120000 // SQS, received and not deleted messages of a standard queue
	prefixWrites       = 3500   // S3, PUTs per second on one prefix
	tableWrites        = 40000  // DynamoDB on demand, write units per second of a table; adjustable
	shardWrites        = 1000   // DynamoDB, write units per second of one partition, which is one shard of the stream
	mailsPerSecond     = 14     // SES, initial rate outside the sandbox; adjustable
	mailsPerDay        = 50000  // SES, initial quota; adjustable
)

// Limit is a quota or setting, with its use under a load.
type Limit struct {
	Name    string
	Load    float64 // in the busiest hour
	Limit   float64
	Setting string // the setting that raises it
}

// Share returns the used part of the limit. Above 1 the limit is exceeded.
func (l Limit) Share() float64 { return l.Load / l.Limit }

// Limits returns all limits under a load, the one with the largest share first.
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
		total += needed // without the maximum concurrency of the mappings
		limits = append(limits, Limit{s.Name + " concurrency", needed, s.Concurrency, s.Setting})
		if !s.Stream {
			limits = append(limits, Limit{s.Name + " in flight", needed * s.Batch, inFlight, "a queue for each kind, or less time per record"})
		}
	}
	claims := rate(notifications)*mail.statePuts + rate(jobs)*job.statePuts
	limits = append(limits,
		Limit{"Lambda concurrency of the account", total, accountConcurrency, "Service Quotas: Concurrent executions"},
		Limit{"S3 writes under one prefix", rate(uploads) * m.Stages[uploads].S3Writes, prefixWrites, "S3 splits prefixes by load within minutes; keys with random beginnings spread the load from the start"},
		Limit{"DynamoDB writes of table records", writes, tableWrites, "Service Quotas: table-level write throughput"},
		Limit{"DynamoDB writes of table state", claims, tableWrites, "Service Quotas: table-level write throughput"},
		Limit{"SES mails a day", records[notifications] * m.Stages[notifications].Mails, mailsPerDay, "SES: sending quota; NotificationRules: fewer mails"},
		Limit{"SES mails a second", rate(notifications) * m.Stages[notifications].Mails, mailsPerSecond, "SES: sending quota; NotificationRules: fewer mails"},
	)
	slices.SortStableFunc(limits, func(a, b Limit) int { return cmp.Compare(b.Share(), a.Share()) })
	return limits
}
