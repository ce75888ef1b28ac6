// Package sqstest is the conformance suite of the SQS rules that Sluice depends
// on. It runs through the SDK against any engine: the local stack's, ElasticMQ, or
// AWS itself.
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
	// With runs check with a client of the engine, and returns when check does.
	// Cases create queues with unique names, so one engine may serve all cases, and
	// they may run concurrently.
	//
	// Cases about time sleep. An engine in the same process can run check inside
	// testing/synctest, where sleeping takes no time.
	With func(t *testing.T, check func(t *testing.T, c *sqs.Client))

	// Departs describes, by the name of a case, how the engine departs from AWS.
	// Such a case still runs, and one that passes fails the suite, since the engine
	// no longer departs. If [ErrorTypes] is listed, the other cases require an error
	// and not a certain type and code.
	Departs map[string]Departure

	// MaxSleep is the longest sleep of a case, for engines where sleeping takes real
	// time; a case is skipped where it would sleep longer. Zero is without a limit,
	// a negative value allows no sleep.
	MaxSleep time.Duration
}

// Departure is how an engine departs from AWS in a case.
type Departure struct {
	Why  string // what the engine does instead
	Page string // where AWS documents the rule, relative to [Docs]
	At   string // the section or parameter on that page
}

// Docs is the base URL of AWS's documentation of SQS.
const Docs = "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/"

func (d Departure) String() string { return d.Why + "; AWS: " + Docs + d.Page + ", " + d.At }

// Case is one rule.
type Case struct {
	Name  string
	Rule  string // in one sentence; failures print it
	Check func(*T)
}

// Run runs every case as a subtest. A case in Departs that fails is skipped with
// the description of the departure.
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
			t.Errorf("Departs names %q, which is not a case", name)
		}
	}
}

func (c Case) run(t *testing.T, target *Target, client *sqs.Client) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("rule: %s", c.Rule)
		}
	}()
	c.Check(&T{TB: t, Client: client, target: target})
}

// departedLimit bounds a case in Departs, without its sleeps: an engine may depart
// by not responding.
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
	w := &recorder{TB: t, ctx: ctx}
	done := make(chan struct{})
	go func() { // FailNow and SkipNow end the goroutine
		defer close(done)
		c.Check(&T{TB: w, Client: client, target: target})
	}()
	<-done
	switch failure, skipped := w.outcome(); {
	case failure != "":
		t.Skipf("departs: %s (seen: %s)", d, failure)
	case skipped != "":
		t.Skipf("%s; listed as: departs: %s", skipped, d)
	default:
		t.Errorf("no longer departs: the case passes, and is listed as: %s", d)
	}
}

// Cases returns all cases.
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
