//go:build unix

package lambdaevent_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"sluice/pipeline/lambdaevent"
)

// BenchmarkSQSRatio compares the CPU time of Decode with that of encoding/json
// into the type of aws-lambda-go, including garbage collection. It measures both
// alternately in one process and reports the median ratio.
func BenchmarkSQSRatio(b *testing.B) {
	for _, n := range []int{1, 10, 1000} {
		b.Run(fmt.Sprintf("records=%d", n), func(b *testing.B) {
			payload := sqsPayload(n)
			rounds := max(1, 2000/n)
			var ratios, ours, theirs []float64
			for b.Loop() {
				us := cpuTime(b, rounds, func() error {
					_, err := lambdaevent.Decode(payload, lambdaevent.SQS)
					return err
				})
				them := cpuTime(b, rounds, func() error {
					var event events.SQSEvent
					return json.Unmarshal(payload, &event)
				})
				per := float64(rounds * n)
				ours = append(ours, float64(us)/per)
				theirs = append(theirs, float64(them)/per)
				ratios = append(ratios, float64(us)/float64(them))
			}
			b.ReportMetric(median(ratios), "ratio")
			b.ReportMetric(median(ours), "cpu-ns/record")
			b.ReportMetric(median(theirs), "encodingjson-cpu-ns/record")
		})
	}
}

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

// cpuTime returns the process's user and system time over rounds of f.
func cpuTime(b *testing.B, rounds int, f func() error) time.Duration {
	b.Helper()
	start := processTime(b)
	for range rounds {
		if err := f(); err != nil {
			b.Fatal(err)
		}
	}
	return processTime(b) - start
}

func processTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
