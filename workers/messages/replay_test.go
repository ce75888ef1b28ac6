package messages_test

import (
	"testing"

	"sluice/workers/replay/rig/rigtest"
)

func TestReplay(t *testing.T) { rigtest.Run(t, "../../testdata", "messages", rigtest.InProcess) }
