package main

import (
	"testing"

	"sluice/deploy/functions"
	"sluice/deploy/replay/harness/harnesstest"
)

// TestReplay holds every recorded event to its expected outcome.
func TestReplay(t *testing.T) {
	for _, worker := range functions.Workers() {
		t.Run(worker, func(t *testing.T) {
			t.Parallel()
			harnesstest.Run(t, "../../testdata", worker, harnesstest.InProcess)
		})
	}
}
