package main

import (
	"io"
	"math"
	"runtime/debug"
	"runtime/metrics"
	"testing"
)

func TestGCSettings(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name    string
		environ map[string]string
		percent int
		limit   int64
		ok      bool
	}{
		{"nothing said", nil, 400, 1 << 30, true},
		{"GOGC stands", map[string]string{"GOGC": "50"}, 0, 0, false},
		{"GOMEMLIMIT stands", map[string]string{"GOMEMLIMIT": "2GiB"}, 0, 0, false},
		{"memory of the uploads worker", map[string]string{"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512"}, 400, 512 << 20, true},
		{"no number", map[string]string{"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "much"}, 400, 1 << 30, true},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			percent, limit, ok := gcSettings(r.environ)
			if percent != r.percent || limit != r.limit || ok != r.ok {
				t.Errorf("got %d %%, %d bytes, %v, want %d %%, %d bytes, %v", percent, limit, ok, r.percent, r.limit, r.ok)
			}
		})
	}
}

// TestCommandsTuneGC is not parallel: the collector is the process's.
func TestCommandsTuneGC(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(math.MaxInt64))
	read := func() [2]uint64 {
		s := []metrics.Sample{{Name: "/gc/gogc:percent"}, {Name: "/gc/gomemlimit:bytes"}}
		metrics.Read(s)
		return [2]uint64{s[0].Value.Uint64(), s[1].Value.Uint64()}
	}
	before := read()
	// A container has its own limits: over AWS nothing is touched.
	if err := run(t.Context(), []string{"-aws"}, map[string]string{}, io.Discard, io.Discard); err == nil {
		t.Fatal("-aws without settings: want an error")
	}
	if got := read(); got != before {
		t.Errorf("-aws: the collector is at %v, want it untouched at %v", got, before)
	}
	if err := run(t.Context(), []string{"-data", t.TempDir(), "presign", "a"}, map[string]string{}, io.Discard, io.Discard); err == nil {
		t.Fatal("presign without a home: want an error")
	}
	if got, want := read(), [2]uint64{homeGCPercent, homeMemory}; got != want {
		t.Errorf("a home's command: percent and limit are %v, want %v", got, want)
	}
}
