// Package tabletest is the conformance suite of [pipeline.Table]. It has a case
// for every sentence of the contract. Every backend runs it.
//
//	func TestContract(t *testing.T) {
//		tabletest.Run(t, func(t *testing.T) pipeline.Table { return open(t) })
//	}
//
// The package also provides [Memory], a table for tests.
package tabletest

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"testing"
	"time"

	"sluice/pipeline"
)

// caseTimeout ends a case whose backend does not return.
const caseTimeout = time.Minute

// A Case is one sentence of the contract and the check of it.
type Case struct {
	// Name is the name of the subtest: lower case, with hyphens.
	Name string
	// Rule is the sentence of the contract that Check checks.
	Rule string

	check func(*trial) error
}

// Cases returns all cases, in the order of the contract.
func Cases() []Case {
	return slices.Concat(
		readCases(), versionCases(), putCases(), conditionCases(), deleteCases(), raceCases(),
		queryCases(), dataCases(), limitCases(), expiryCases(), callCases(),
	)
}

// Check runs the case on table and returns an error that describes the violation,
// or nil. It uses new partition keys, so any number of checks may share a table,
// one after the other or concurrently.
func (c Case) Check(ctx context.Context, table pipeline.Table) error {
	ctx, cancel := context.WithTimeout(ctx, caseTimeout)
	defer cancel()
	if err := c.check(&trial{ctx: ctx, table: table, pk: c.Name + "#" + rand.Text()}); err != nil {
		return fmt.Errorf("%s: %w", c.Name, err)
	}
	return nil
}

// Run runs each case as a parallel subtest on the table that open returns for it.
// open may return the same table each time. A failure prints the rule.
func Run(t *testing.T, open func(*testing.T) pipeline.Table) {
	t.Helper()
	for _, c := range Cases() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			if err := c.Check(t.Context(), open(t)); err != nil {
				t.Errorf("%v\nrule: %s", err, c.Rule)
			}
		})
	}
}
