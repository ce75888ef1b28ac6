package changes_test

import (
	"testing"

	"sluice/workers/replay/rig/rigtest"
)

func TestReplay(t *testing.T) { rigtest.Run(t, "../../testdata", "changes", rigtest.InProcess) }
