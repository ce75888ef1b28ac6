package harnesstest

import (
	"testing"

	"sluice/deploy/eventsource"
	"sluice/deploy/replay/harness"
)

// InProcess runs the worker in the test's process.
func InProcess(t *testing.T, h *harness.Harness, worker string) eventsource.Function {
	t.Helper()
	invoke, err := h.Worker(worker, nil)
	if err != nil {
		t.Fatal(err)
	}
	return invoke
}
