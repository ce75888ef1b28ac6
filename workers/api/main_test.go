package api

import (
	"testing"

	"sluice/workers/setup/setuptest"
)

func TestMain(m *testing.M) { setuptest.Main(m) }
