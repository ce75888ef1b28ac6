package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/deploy/functions"
)

// startSettings are the settings that the workers require. A start sends no
// requests, so the resources need not exist.
var startSettings = []string{
	"JWT_KEYS=k=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
	"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY=secret", "AWS_SESSION_TOKEN=token",
	"AWS_LAMBDA_FUNCTION_NAME=worker", "AWS_LAMBDA_FUNCTION_VERSION=$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=512",
	"AWS_LAMBDA_LOG_FORMAT=JSON", "AWS_LAMBDA_INITIALIZATION_TYPE=on-demand", "_HANDLER=bootstrap", "TZ=:UTC",
	"THUMBNAIL_BUCKET=thumbnails", "LETTER_BUCKET=failures", "RECORDS_TABLE=records", "STATE_TABLE=state",
	"JOBS_QUEUE_URL=https://sqs.us-east-1.amazonaws.com/123456789012/jobs",
	"NOTIFICATIONS_QUEUE_URL=https://sqs.us-east-1.amazonaws.com/123456789012/notifications",
	"DEAD_LETTER_QUEUE_URL=https://sqs.us-east-1.amazonaws.com/123456789012/dead",
	"SOURCE_QUEUE_URL=https://sqs.us-east-1.amazonaws.com/123456789012/source",
}

// BenchmarkColdStart measures a worker's start, from exec to its first request for
// an invocation, against a program with AWS's library and the same clients only
// (testdata/coldstart). The two alternate. It reports medians and their ratio of
// wall time and of CPU time, the kernel's included, and the peak of memory.
// -benchtime=200x makes the figures steadier.
func BenchmarkColdStart(b *testing.B) {
	if raceDetector {
		b.Skip("race detector: its own start takes longer than a worker's")
	}
	for _, worker := range functions.Workers() {
		b.Run("worker="+worker, func(b *testing.B) {
			baseline, err := compile("./testdata/coldstart/"+worker, "baseline-"+worker)
			if err != nil {
				b.Fatal(err)
			}
			ours, theirs := unpacked(b, bootstrap(b, worker)), unpacked(b, baseline)
			api := newFirstNext(b)
			var us, them starts
			api.start(b, ours) // warms the page cache
			api.start(b, theirs)
			for turn := 0; b.Loop(); turn++ {
				if turn%2 == 0 {
					us.add(api.start(b, ours))
					them.add(api.start(b, theirs))
				} else {
					them.add(api.start(b, theirs))
					us.add(api.start(b, ours))
				}
			}
			b.ReportMetric(0, "ns/op")
			us.report(b, "")
			them.report(b, "baseline-")
			b.ReportMetric(median(us.cpu)/median(them.cpu), "cpu-ratio")
			b.ReportMetric(median(us.wall)/median(them.wall), "wall-ratio")
			b.ReportMetric(megabytes(b, ours), "MB")
			b.ReportMetric(megabytes(b, theirs), "baseline-MB")
		})
	}
}

// peakRSS returns the peak of a process's memory so far in MB, or 0 without
// /proc. The figure of wait4 would include the memory of the parent.
func peakRSS(pid int) float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	kilobytes := 0.0
	if _, err := fmt.Sscan(peak, &kilobytes); err != nil {
		return 0
	}
	return kilobytes / 1000
}

// starts has the times of a binary's starts, in milliseconds, and its memory in MB.
type starts struct{ wall, cpu, rss []float64 }

func (s *starts) add(wall, cpu time.Duration, rssMB float64) {
	s.rss = append(s.rss, rssMB)
	s.wall = append(s.wall, float64(wall)/float64(time.Millisecond))
	s.cpu = append(s.cpu, float64(cpu)/float64(time.Millisecond))
}

func (s *starts) report(b *testing.B, prefix string) {
	b.ReportMetric(median(s.wall), prefix+"wall-ms")
	b.ReportMetric(median(s.cpu), prefix+"cpu-ms")
	b.ReportMetric(median(s.rss), prefix+"rss-MB")
}

func median(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

// unpacked copies a binary, as one that comes out of a zip is written. The kernel
// maps the linker's own output, which it writes in scattered pages, more slowly
// and less evenly.
func unpacked(b *testing.B, path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	out := filepath.Join(b.TempDir(), "bootstrap")
	if err := os.WriteFile(out, content, 0o755); err != nil {
		b.Fatal(err)
	}
	return out
}

func megabytes(b *testing.B, path string) float64 {
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	return float64(info.Size()) / 1e6
}

// firstNext is a Runtime API that records the time of a request for an invocation
// and never responds.
type firstNext struct {
	address   string
	requested chan time.Time
}

func newFirstNext(b *testing.B) *firstNext {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	api := &firstNext{address: listener.Addr().String(), requested: make(chan time.Time, 1)}
	server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		api.requested <- time.Now()
		<-r.Context().Done()
	})}
	go server.Serve(listener)
	b.Cleanup(func() { server.Close() })
	return api
}

// start starts a bootstrap and kills it at its first request.
func (api *firstNext) start(b *testing.B, path string) (wall, cpu time.Duration, rssMB float64) {
	cmd := exec.CommandContext(b.Context(), path)
	cmd.Env = append(slices.Clone(startSettings), "AWS_LAMBDA_RUNTIME_API="+api.address)
	cmd.Stderr = os.Stderr
	started := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	select {
	case at := <-api.requested:
		wall = at.Sub(started)
		rssMB = peakRSS(cmd.Process.Pid)
	case <-ended:
		b.Fatalf("%s ended before it was ready: %v", path, cmd.ProcessState)
	}
	if err := cmd.Process.Kill(); err != nil {
		b.Fatal(err)
	}
	<-ended
	return wall, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), rssMB
}
