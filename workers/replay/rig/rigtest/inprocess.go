package rigtest

import (
	"testing"

	"sluice/deploy/eventsource"
	"sluice/pipeline"
	"sluice/workers/replay/rig"
)

// InProcess runs the worker in the test's own process.
func InProcess(t *testing.T, r *rig.Rig, worker string) eventsource.Function {
	t.Helper()
	invoke, err := r.Worker(worker, pipeline.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return invoke
}
