package tabletest

import (
	"testing"

	"sluice/pipeline"
)

func TestMemoryKeepsTheContract(t *testing.T) {
	t.Parallel()
	Run(t, func(*testing.T) pipeline.Table { return new(Memory) })
}
