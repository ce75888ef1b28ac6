package main

import (
	"io"
	"math"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"testing"
)

// TestCommandsTuneGC is not parallel: the collector is the process's.
func TestCommandsTuneGC(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(math.MaxInt64))
	if err := run(t.Context(), []string{"-data", t.TempDir(), "presign", "a"}, map[string]string{}, io.Discard, io.Discard); err == nil {
		t.Fatal("presign without a stack: got no error")
	}
	s := []metrics.Sample{{Name: "/gc/gogc:percent"}, {Name: "/gc/gomemlimit:bytes"}}
	metrics.Read(s)
	if got, want := [2]uint64{s[0].Value.Uint64(), s[1].Value.Uint64()}, [2]uint64{400, 1 << 30}; got != want {
		t.Errorf("percent and limit: got %v, want %v", got, want)
	}
}

// TestAWSFlagNamesItsSuccessor: -aws was the container command of earlier
// commits.
func TestAWSFlagNamesItsSuccessor(t *testing.T) {
	t.Parallel()
	err := run(t.Context(), []string{"-aws", "jobs"}, map[string]string{}, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "go run ./deploy/container") {
		t.Errorf("got %v, want the command that replaces it", err)
	}
}
