package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// promise is a row of the table: the measured figures, the promise, and the
// goal beyond it.
type promise struct {
	what            string
	promise, beyond float64   // 0 means none
	got             []float64 // 0 means unknown
	atLeast         bool      // more is better
	format          string
}

// worst returns the worst figure, and whether all are known.
func (p promise) worst() (float64, bool) {
	if len(p.got) == 0 {
		return 0, false
	}
	worst := p.got[0]
	for _, v := range p.got {
		if v == 0 {
			return 0, false
		}
		if p.atLeast {
			worst = min(worst, v)
		} else {
			worst = max(worst, v)
		}
	}
	return worst, true
}

const missedPromise = "MISSED"

func (p promise) verdict() string {
	v, known := p.worst()
	better := func(limit float64) bool {
		if p.atLeast {
			return v >= limit
		}
		return v <= limit
	}
	switch {
	case !known:
		return "not measured"
	case p.beyond != 0 && better(p.beyond):
		return "beyond"
	case p.promise == 0:
		return "not beyond"
	case better(p.promise):
		return "kept"
	}
	return missedPromise
}

// figures are the results of all measurements.
type figures struct {
	results map[string]*measured
	pipe    map[string]float64 // peak MB of one thumbnail from a pipe
	quality []compared
	cores   float64 // throughput on two cores against one
}

// promises returns the rows that this command measures.
func promises(f figures) []promise {
	results, pipe := f.results, f.pipe
	cpu := func(peer string, names ...string) (v []float64) {
		for _, n := range names {
			v = append(v, results[n].ratio(peer))
		}
		return v
	}
	var gap, behind, least, bytes []float64
	for _, c := range f.quality {
		least = append(least, c.ours)
		// A difference may be 0 or less. The offset reserves 0 for unknown.
		behind = append(behind, 100+c.ours-c.imaging)
		if c.sharp > 0 {
			gap = append(gap, 100+c.ours-c.sharp)
			bytes = append(bytes, c.bytes)
		}
	}
	return []promise{
		{what: "baseline JPEG >= 8 MP to 200 px, CPU / sharp", promise: 0.40, beyond: 0.30, got: cpu("sharp", "baseline 12 MP", "baseline 24 MP", "baseline 100 MP"), format: "%.3f"},
		{what: "progressive JPEG 24 MP, CPU / sharp", promise: 0.06, beyond: 0.04, got: cpu("sharp", "progressive 24 MP"), format: "%.3f"},
		{what: "800 px from 24 MP, CPU / sharp", promise: 0.8, beyond: 0.6, got: cpu("sharp", "24 MP to 800"), format: "%.3f"},
		{what: "quality: dB above sharp + 100", promise: 100, got: gap, atLeast: true, format: "%.1f"},
		{what: "quality: dB above imaging + 100", promise: 99, got: behind, atLeast: true, format: "%.1f"},
		{what: "quality: dB", beyond: 48, got: least, atLeast: true, format: "%.1f"},
		{what: "bytes at equal SSIM / sharp", promise: 1.05, beyond: 1.0, got: bytes, format: "%.3f"},
		{what: "100 MP from a pipe, peak RSS MB", promise: 16, beyond: 8, got: []float64{pipe["baseline 100 MP"], pipe["progressive 100 MP"]}, format: "%.1f"},
		{what: "PNG 24 MP, CPU / sharp", promise: 1.5, beyond: 1.0, got: cpu("sharp", "PNG 24 MP"), format: "%.3f"},
		{what: "PNG 24 MP from a pipe, peak RSS MB", promise: 32, got: []float64{pipe["PNG 24 MP"]}, format: "%.1f"},
		{what: "WebP 12 MP, CPU / sharp", promise: 2.5, beyond: 1.5, got: cpu("sharp", "WebP 12 MP"), format: "%.3f"},
		{what: "1 to 100 MP: CPU a MP / that of a smaller one", promise: 1.15, beyond: 1.0, got: []float64{growth(results)}, format: "%.3f"},
		{what: "batch on 2 cores / on 1, thumbnails a second", promise: 1.8, beyond: 1.95, got: []float64{f.cores}, atLeast: true, format: "%.2f"},
		{what: "small pictures, CPU / sharp", promise: 0.6, beyond: 0.3, got: cpu("sharp", "small 0.07 MP", "small 0.15 MP"), format: "%.3f"},
	}
}

// elsewhere lists the promises that other commands measure.
var elsewhere = []struct{ what, command string }{
	{"batch run, a record, over a loop by hand", "go test -run='^$' -bench=Run ./pipeline"},
	{"decoding an SQS event, CPU / encoding/json", "go test -run='^$' -bench=SQS ./pipeline/lambdaevent"},
	{"cold start, CPU / aws-lambda-go with the same clients", "go test -run='^$' -bench=ColdStart -benchtime=150x ./deploy/replay"},
	{"durable messages a second on one machine", "go test -run='^$' -bench=Messages ./deploy/local"},
}

// printPromises prints the table and returns the number of missed promises.
func printPromises(out io.Writer, f figures) (missed int) {
	fmt.Fprintln(out, "\npromises")
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\tpromise\tbeyond\tworst\t")
	number := func(v float64) string {
		if v == 0 {
			return "-"
		}
		return fmt.Sprint(v)
	}
	for _, p := range promises(f) {
		worst := "-"
		if v, known := p.worst(); known {
			worst = fmt.Sprintf(p.format, v)
		}
		verdict := p.verdict()
		if verdict == missedPromise {
			missed++
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", p.what, number(p.promise), number(p.beyond), worst, verdict)
	}
	t.Flush()
	fmt.Fprintln(out, "\nmeasured by other commands")
	t = tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, e := range elsewhere {
		fmt.Fprintf(t, "%s\t%s\n", e.what, e.command)
	}
	t.Flush()
	return missed
}
