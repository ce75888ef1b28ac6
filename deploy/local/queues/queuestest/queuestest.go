// Package queuestest is the suite of what Sluice needs from SQS. It runs through the real SDK, against any engine: the one of
// the one-machine home, ElasticMQ, or AWS itself.
//
//	queuestest.Run(t, queuestest.Target{With: func(t *testing.T, check func(*testing.T, *sqs.Client)) { check(t, client) }})
package queuestest

import (
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

	// Departs says of cases, by name, how the engine departs from AWS. They are skipped with that reason.
	Departs map[string]string

	// ErrorsDiffer tells that the engine refuses with other types and codes than AWS. Then it counts only that it refuses.
	ErrorsDiffer bool

	// MaxSleep is the longest a case may sleep at a time, for engines where that takes real time; what would sleep for longer is
	// skipped from there on. Zero sets no limit. Negative lets no case sleep.
	MaxSleep time.Duration
}

// Case is one rule.
type Case struct {
	Name  string
	Rule  string // in one sentence; failures print it
	Check func(*T)
}

// Run runs every case as a subtest.
func Run(t *testing.T, target Target) {
	t.Helper()
	for _, c := range Cases() {
		t.Run(c.Name, func(t *testing.T) {
			if why, ok := target.Departs[c.Name]; ok {
				t.Skip(why)
			}
			target.With(t, func(t *testing.T, client *sqs.Client) {
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
	c.Check(&T{T: t, Client: client, target: target})
}

// Cases are all the rules.
func Cases() []Case {
	var all []Case
	for _, part := range [][]Case{queueCases, messageCases, receiveCases, visibilityCases, batchCases, fifoCases, deadLetterCases} {
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
