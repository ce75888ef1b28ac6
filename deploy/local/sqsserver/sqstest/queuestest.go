// Package queuestest is the suite of what Sluice needs from SQS. It runs through the real SDK, against any engine: the one of
// the one-machine home, ElasticMQ, or AWS itself.
//
//	sqstest.Run(t, sqstest.Target{With: func(t *testing.T, check func(*testing.T, *sqs.Client)) { check(t, client) }})
package sqstest

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// Target is the engine under test.
type Target struct {
	// With runs check with a client of the engine, and returns when check has. Cases make their own queues, with names that
	// differ, so one engine may serve them all, and they may run at the same time.
	//
	// Where a rule is about time, a case sleeps. An engine in the same process can run check inside testing/synctest, where that
	// takes none.
	With func(t *testing.T, check func(t *testing.T, c *sqs.Client))

	// Departs says of cases, by name, how the engine departs from AWS. They run all the same: one that passes fails the suite,
	// since the engine no longer departs. Where [ErrorTypes] is among them, the other cases ask only that the engine refuses, and
	// not with which type and code.
	Departs map[string]Departure

	// MaxSleep is the longest a case may sleep at a time, for engines where that takes real time; what would sleep for longer is
	// skipped from there on. Zero sets no limit. Negative lets no case sleep.
	MaxSleep time.Duration
}

// Departure is how an engine departs from AWS in a case.
type Departure struct {
	Why  string // what the engine does
	Page string // where AWS documents the rule, under [Docs]
	At   string // what to look for on that page
}

// Docs begins the addresses of AWS's documentation.
const Docs = "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/"

func (d Departure) String() string { return d.Why + "; AWS: " + Docs + d.Page + ", " + d.At }

// Case is one rule.
type Case struct {
	Name  string
	Rule  string // in one sentence; failures print it
	Check func(*T)
}

// Run runs every case as a subtest. Those that an engine departs in are skipped, with what it does, when they have failed.
func Run(t *testing.T, target Target) {
	t.Helper()
	for _, c := range Cases() {
		t.Run(c.Name, func(t *testing.T) {
			target.With(t, func(t *testing.T, client *sqs.Client) {
				if d, ok := target.Departs[c.Name]; ok {
					c.runDeparted(t, &target, client, d)
					return
				}
				c.run(t, &target, client)
			})
		})
	}
	for name := range target.Departs {
		if !known(name) {
			t.Errorf("Departs names %q, which is no case", name)
		}
	}
}

func (c Case) run(t *testing.T, target *Target, client *sqs.Client) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("the rule: %s", c.Rule)
		}
	}()
	c.Check(&T{TB: t, Client: client, target: target})
}

// departedLimit is how long a case may take in which an engine departs, beside its sleeps: one of an engine's ways is not to answer.
const departedLimit = 30 * time.Second

// runDeparted expects the case to fail.
func (c Case) runDeparted(t *testing.T, target *Target, client *sqs.Client, d Departure) {
	t.Helper()
	limit := departedLimit + 24*time.Hour
	if target.MaxSleep > 0 {
		limit = departedLimit + 4*target.MaxSleep
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	w := &witness{TB: t, ctx: ctx}
	done := make(chan struct{})
	go func() { // of its own, since FailNow and SkipNow end it
		defer close(done)
		c.Check(&T{TB: w, Client: client, target: target})
	}()
	<-done
	switch failure, skipped := w.verdict(); {
	case failure != "":
		t.Skipf("departs: %s (seen: %s)", d, failure)
	case skipped != "":
		t.Skipf("%s; listed as: departs: %s", skipped, d)
	default:
		t.Errorf("no longer departs: the case passes, and is listed as: %s", d)
	}
}

// Cases are all the rules.
func Cases() []Case {
	var all []Case
	for _, part := range [][]Case{queueCases, messageCases, receiveCases, visibilityCases, batchCases, fifoCases, deadLetterCases, errorCases} {
		all = append(all, part...)
	}
	return all
}

func known(name string) bool {
	for _, c := range Cases() {
		if c.Name == name {
			return true
		}
	}
	return false
}
