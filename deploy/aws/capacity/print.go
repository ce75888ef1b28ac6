package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// print writes the whole report.
func (m Model) print(out io.Writer, l Load, burst float64) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
	records := m.Flow.Records(l)

	line("A day of %.0f uploads, %.0f messages, %.0f changes; the busiest hour has %.1f times the mean load.\n", l.Uploads, l.Messages, l.Changes, l.Peak)
	line("stage\trecords/day\tms/record\tms/batch\tconcurrency\twith a backlog\tmaximum\tmaximum records/s")
	var bills [stageCount]Bill
	for i, s := range m.stages(l) {
		rate := perSecond(records[i], l)
		bills[i] = s.Bill(records[i])
		line("%s\t%.0f\t%.0f\t%.0f\t%.2f\t%.2f\t%.0f\t%.0f", s.Name, records[i], s.Milliseconds(1), s.Milliseconds(s.Batch), s.Quiet(rate), s.Needed(rate), s.Concurrency, s.PerSecond())
	}
	line("")
	line("stage\tinvocations\tGB-seconds\tSQS requests\tS3 writes\tS3 reads\tDB writes\tDB reads\tmails\tlog GB\t$/day\t$/million records")
	row := func(name string, b Bill) {
		million := 0.0
		if b.Records > 0 {
			million = b.Dollars / b.Records * 1e6
		}
		line("%s\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%.3f\t%.4f\t%.2f",
			name, b.Invocations, b.GBSeconds, b.SQSRequests, b.S3Writes, b.S3Reads, b.DBWrites, b.DBReads, b.Mails, b.LogGB, b.Dollars, million)
	}
	for i, s := range m.Stages {
		row(s.Name, bills[i])
	}
	row("clients", Outside(l))
	row("all", m.EndToEnd(l))
	line("\nA month: $%.2f for the load and $%.2f fixed (alarms, metrics, the dashboard, polls of idle queues).", m.EndToEnd(l).Dollars*monthDays, fixedMonth())
	line("Prices of %s, %s, without free tiers, storage and data transfer.\n", priceRegion, priceDate)
	if err := w.Flush(); err != nil {
		return err
	}

	m.printMillions(line)
	m.printBurst(line, burst)
	m.printLimits(line, l)
	return w.Flush()
}

// printMillions prints the cost of a million of each kind from end to end.
func (m Model) printMillions(line func(string, ...any)) {
	line("a million\tcost from end to end")
	for _, kind := range []struct {
		name string
		load Load
	}{{"uploads", Load{Uploads: 1e6}}, {"messages", Load{Messages: 1e6}}, {"changes", Load{Changes: 1e6}}} {
		line("%s\t$%.2f", kind.name, m.EndToEnd(kind.load).Dollars)
	}
	line("")
}

func (m Model) printBurst(line func(string, ...any), n float64) {
	b := m.Simulate(n)
	line("%.0f uploads at the same time:", n)
	line("second\twaiting uploads\tjobs\tchanges\tnotifications\tconcurrent invocations")
	for _, i := range instants(len(b.Moments)) {
		at := b.Moments[i]
		total := 0.0
		for _, c := range at.Concurrency {
			total += c
		}
		line("%d\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f", at.Second, at.Depth[uploads], at.Depth[jobs], at.Depth[changes], at.Depth[notifications], total)
	}
	if b.Drained < 0 {
		line("Not processed within %d days: messages are lost.\n", burstLimit/daySeconds)
		return
	}
	line("Processed after %d s; the longest wait: uploads %.0f s, jobs %.0f s, changes %.0f s, notifications %.0f s.\n",
		b.Drained, b.Longest[uploads], b.Longest[jobs], b.Longest[changes], b.Longest[notifications])
}

// instants returns up to twelve of n moments, including the first and the last.
func instants(n int) []int {
	const shown = 12
	if n <= shown {
		all := make([]int, n)
		for i := range all {
			all[i] = i
		}
		return all
	}
	chosen := make([]int, 0, shown)
	for i := range shown {
		chosen = append(chosen, i*(n-1)/(shown-1))
	}
	return chosen
}

func (m Model) printLimits(line func(string, ...any), l Load) {
	line("load\texceeded limit\tuse\tlimit\tsetting")
	for _, times := range []float64{1, 10, 100, 10_000} {
		for i, limit := range m.Limits(l.times(times)) {
			if i > 0 && limit.Share() <= 1 || i == 6 {
				break
			}
			verdict := ""
			if limit.Share() <= 1 {
				verdict = "none; nearest: "
			}
			line("%.0f ×\t%s%s\t%.1f\t%.0f\t%s", times, verdict, limit.Name, limit.Load, limit.Limit, limit.Setting)
		}
	}
}
