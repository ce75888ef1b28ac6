package api

import (
	"testing"

	"sluice/pipeline/tabletest"
	"sluice/workers/setup"
)

// BenchmarkBuild measures the worker's own part of a start.
func BenchmarkBuild(b *testing.B) {
	c, err := setup.Read[Config](settings(nil))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Build(c, Clients{Records: new(tabletest.Memory), State: new(tabletest.Memory)}, nil); err != nil {
			b.Fatal(err)
		}
	}
}
