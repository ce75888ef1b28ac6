package main

import (
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"sluice/deploy/functions"
)

func near(t *testing.T, name string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-9*max(1, math.Abs(want)) {
		t.Errorf("%s: got %v, want %v", name, got, want)
	}
}

func TestInvocationDuration(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		stage Stage
		n     float64
		want  float64
	}{
		{"one record, one core", Stage{MemoryMB: coreMB, Parallel: 4, CPU: 20, Wait: 80}, 1, 100},
		{"half a core doubles the CPU", Stage{MemoryMB: coreMB / 2.0, Parallel: 4, CPU: 20, Wait: 80}, 1, 120},
		{"two cores do not help one record", Stage{MemoryMB: 2 * coreMB, Parallel: 4, CPU: 20, Wait: 80}, 1, 100},
		{"waits are parallel", Stage{MemoryMB: coreMB, Parallel: 4, CPU: 20, Wait: 80}, 4, 100},
		{"more records than Parallel", Stage{MemoryMB: coreMB, Parallel: 4, CPU: 20, Wait: 80}, 5, 200},
		{"CPU times add up", Stage{MemoryMB: coreMB, Parallel: 10, CPU: 20, Wait: 80}, 10, 200},
		{"rate limits a batch", Stage{MemoryMB: coreMB, Parallel: 10, CPU: 20, Wait: 80, Rate: 5}, 11, 2100},
		{"rate does not delay one record", Stage{MemoryMB: coreMB, Parallel: 10, CPU: 20, Wait: 80, Rate: 5}, 1, 100},
		{"two cores share a batch", Stage{MemoryMB: 2 * coreMB, Parallel: 10, CPU: 20, Wait: 80}, 10, 100},
	} {
		near(t, tt.name, tt.stage.Milliseconds(tt.n), tt.want)
	}
}

// simple returns a stage whose invocation takes 100 ms for 10 records, and for
// one record.
func simple() Stage {
	return Stage{Name: "s", MemoryMB: 1024, Batch: 10, QuietBatch: 1, Parallel: 10, Concurrency: 8, Wait: 100}
}

func TestConcurrencyIsLittlesLaw(t *testing.T) {
	t.Parallel()
	s := simple()
	near(t, "at most", s.PerSecond(), 800)
	near(t, "needed for 400 a second", s.Needed(400), 4)
	near(t, "by day", s.Quiet(4), 0.4)
}

// TestBillAddsUp compares bills with sums computed by hand.
func TestBillAddsUp(t *testing.T) {
	t.Parallel()
	s := simple()
	s.Sends, s.S3Writes, s.S3Reads, s.DBWrites, s.DBReads, s.Mails, s.LogBytes, s.LogBytesOfInvoke = 1, 2, 3, 4, 5, 1, 500, 500
	b := s.Bill(1e6)
	near(t, "invocations", b.Invocations, 1e6)
	near(t, "GB-seconds", b.GBSeconds, 1e5)
	near(t, "SQS requests", b.SQSRequests, 3e6)
	near(t, "log GB", b.LogGB, 1)
	// 1.33334 GB-s + 0.2 + 1.2 SQS + 10 writes + 1.2 reads + 2.5 DB writes +
	// 0.625 DB reads + 100 mails + 0.5 logs
	near(t, "dollars", b.Dollars, 1.33334+0.2+1.2+10+1.2+2.5+0.625+100+0.5)

	s.QuietBatch = 10
	full := s.Bill(1e6)
	near(t, "invocations in full batches", full.Invocations, 1e5)
	near(t, "SQS requests in full batches", full.SQSRequests, 1.2e6)
	s.Stream = true
	near(t, "polling a stream is free", s.Bill(1e6).SQSRequests, 1e6)
	near(t, "two bills", b.plus(full).Dollars, b.Dollars+full.Dollars)
}

func TestFixedMonthAddsUp(t *testing.T) {
	t.Parallel()
	// 22 alarms, 25 metrics, a dashboard, three queues with five pollers of
	// 4,320 polls a day
	near(t, "fixed", fixedMonth(), 2.20+7.50+3+3*5*4320*30*0.40/1e6)
}

func TestFlowOfALoad(t *testing.T) {
	t.Parallel()
	f := Flow{Orders: 0.25, ChangesOfUpload: 1, JobsOfChange: 0.5, Notifications: 3}
	got := f.Records(Load{Uploads: 10, Messages: 100, Changes: 1000})
	want := [stageCount]float64{uploads: 10, jobs: 10 + 100 + 500, changes: 1000 + 10 + (0.75*2+0.25*3)*600, notifications: 3 * 1110}
	if got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestEndToEndIncludesClients(t *testing.T) {
	t.Parallel()
	near(t, "clients", Outside(Load{Uploads: 1e6, Messages: 1e6, Changes: 1e6}).Dollars, 5+0.40+0.625)
	m, l := defaults(), Load{Uploads: 1000, Messages: 2000, Changes: 3000}
	want := Outside(l).Dollars
	for i, n := range m.Flow.Records(l) {
		want += m.stages(l)[i].Bill(n).Dollars
	}
	near(t, "end to end", m.EndToEnd(l).Dollars, want)
}

func TestShardsGrowWithWrites(t *testing.T) {
	t.Parallel()
	m := defaults()
	for writes, want := range map[float64]float64{0: 4, 4000: 4, 4001: 5, 40_000: 40} {
		near(t, "shards", m.shards(writes), want)
	}
}

func TestWaitingIsFirstInFirstOut(t *testing.T) {
	t.Parallel()
	var w waiting
	w.arrive(0, 10)
	w.arrive(3, 5)
	for _, tt := range []struct {
		leave float64
		want  int
	}{{4, 0}, {6, 0}, {1, 3}, {100, 3}, {1, 0}} {
		if got := w.leave(tt.leave); got != tt.want {
			t.Errorf("arrival of the last of %v records: got second %d, want %d", tt.leave, got, tt.want)
		}
	}
}

func TestBurstIsProcessedCompletely(t *testing.T) {
	t.Parallel()
	m := defaults()
	b := m.Simulate(5000)
	if b.Drained < 0 || b.Moments[0].Depth[uploads] != 5000 || b.Moments[0].Concurrency[uploads] != firstPollers {
		t.Fatalf("got %+v after %d s", b.Moments[0], b.Drained)
	}
	// No record is lost or added: the last stage sends as many as arrived.
	sent := 0.0
	last := m.Stages[notifications]
	for _, at := range b.Moments {
		sent += min(at.Depth[notifications], last.perSecondAt(at.Concurrency[notifications]))
	}
	if math.Abs(sent-5000) > 1 {
		t.Errorf("got %v notifications for 5000 uploads, want 5000", sent)
	}
	for i, at := range b.Moments {
		for j, s := range m.Stages {
			if at.Concurrency[j] > s.Concurrency {
				t.Fatalf("second %d: got the concurrency %[3]v of %[2]s, want at most %[4]v", i, s.Name, at.Concurrency[j], s.Concurrency)
			}
		}
	}
	// The last record waits until it is started.
	for second, at := range b.Moments {
		if at.Depth[uploads] >= 0.5 && float64(second) > b.Longest[uploads] {
			t.Fatalf("uploads wait at second %d: got the longest wait %v s", second, b.Longest[uploads])
		}
	}
	// Twice the concurrency processes the burst faster.
	m.Stages[uploads].Concurrency *= 2
	if wide := m.Simulate(5000); wide.Longest[uploads] > b.Longest[uploads] || wide.Drained > b.Drained {
		t.Errorf("twice the concurrency: got %d s, want less than %d s", wide.Drained, b.Drained)
	}
	if none := m.Simulate(0); none.Drained != 0 {
		t.Errorf("empty burst: got %d s, want 0", none.Drained)
	}
}

func TestBurstScalesAsLambdaDoes(t *testing.T) {
	t.Parallel()
	m := defaults()
	m.Stages[uploads].Concurrency = 1000
	m.Stages[uploads].Wait = 60_000 // keeps a backlog
	b := m.Simulate(1e6)
	for second, want := range map[int]float64{0: 5, 1: 10, 60: 305, 199: 1000, 300: 1000} {
		near(t, "concurrency", b.Moments[second].Concurrency[uploads], want)
	}
}

func TestBurstBeyondRetentionIsNotProcessed(t *testing.T) {
	t.Parallel()
	m := defaults()
	if b := m.Simulate(1e12); b.Drained != -1 {
		t.Errorf("10^12 uploads: got them processed after %d s, want not within the retention", b.Drained)
	}
}

func TestLimitsAreOrderedByShare(t *testing.T) {
	t.Parallel()
	m, l := defaults(), Load{Uploads: 10_000, Messages: 50_000, Changes: 10_000, Peak: 4}
	// 70,000 mails per day exceed the quota of a new SES account; half of them
	// exceed nothing.
	if limits := m.Limits(l); limits[0].Name != "SES mails a day" || limits[0].Load != 70_000 || limits[1].Share() > 1 {
		t.Errorf("default load: got %+v, want only SES mails a day exceeded", limits[:2])
	}
	if first := m.Limits(l.times(0.5))[0]; first.Share() > 1 {
		t.Errorf("half of the default load: got %+v exceeded, want none", first)
	}
	for times, want := range map[float64]string{10: "SES mails a day", 10_000: "SES mails a day"} {
		limits := m.Limits(l.times(times))
		if limits[0].Name != want || limits[0].Share() <= 1 {
			t.Errorf("%v times the load: got %+v first, want %s", times, limits[0], want)
		}
		for i, limit := range limits {
			if limit.Setting == "" || i > 0 && limit.Share() > limits[i-1].Share() {
				t.Errorf("%v times the load: got limit %d %+v without a setting or out of order", times, i, limit)
			}
		}
	}
	// More concurrency raises the limit of a mapping.
	m.Stages[notifications].Mails, m.Stages[notifications].Rate = 0, 0
	before := m.Limits(l.times(10_000))[0]
	m.Stages[jobs].Concurrency, m.Stages[notifications].Concurrency = 1000, 1000
	m.Factor = 10
	if after := m.Limits(l.times(10_000))[0]; after == before {
		t.Errorf("with more concurrency: got %+v first, want another limit", after)
	}
}

// TestAccountConcurrencyIgnoresMappingMaximums adds the concurrency that the
// functions need, without the maximum of their mappings.
func TestAccountConcurrencyIgnoresMappingMaximums(t *testing.T) {
	t.Parallel()
	m, l := defaults(), Load{Uploads: 10_000, Messages: 50_000, Changes: 10_000, Peak: 4}
	for _, limit := range m.Limits(l.times(10_000)) {
		if limit.Name == "Lambda concurrency of the account" && limit.Share() <= 1 {
			t.Errorf("10,000 times the load: got %+v, want it exceeded", limit)
		}
	}
}

// TestBurstOfMailsStaysBelowSESRate simulates a burst with the default
// settings.
func TestBurstOfMailsStaysBelowSESRate(t *testing.T) {
	t.Parallel()
	m := defaults()
	if r := m.Stages[notifications].PerSecond(); r > mailsPerSecond {
		t.Errorf("got %v mails per second, want at most %d", r, mailsPerSecond)
	}
	if b := m.Simulate(5000); b.Drained < 5000/mailsPerSecond {
		t.Errorf("5000 mails: got them sent after %d s, want no faster than the rate", b.Drained)
	}
}

func TestRunPrintsTheReport(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := run([]string{"-uploads", "1000", "-burst", "100"}, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"A day of 1000 uploads", "GB-seconds", "$/million records", "100 uploads at the same time", "Processed after", "10000 ×", priceRegion} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("got a report without %q:\n%s", want, out.String())
		}
	}
	for _, bad := range [][]string{{"-uploads", "-1"}, {"-peak", "0.5"}, {"-jobs-memory", "0"}, {"-jobs-cpu", "NaN"}, {"-jobs-cpu", "0", "-jobs-wait", "0"}, {"-nothing"}} {
		if err := run(bad, &out); err == nil {
			t.Errorf("%v: got it accepted, want an error", bad)
		}
	}
}

// TestREADMEShowsTheReport compares the page with the printed report.
func TestREADMEShowsTheReport(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := run(nil, &out); err != nil {
		t.Fatal(err)
	}
	_, shown, ok := strings.Cut(string(text), "```text\nA day of")
	shown, _, _ = strings.Cut("A day of"+shown, "```")
	if !ok || shown != out.String() {
		t.Errorf("README.md differs from the output of go run ./deploy/aws/capacity:\n%s", out.String())
	}
}

// TestDefaultsMatchTheTemplate compares the model's numbers with the template.
func TestDefaultsMatchTheTemplate(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	template := string(text)
	for text, n := range map[string]int{
		"    Type: AWS::CloudWatch::Alarm\n": alarms, "    Type: AWS::Logs::MetricFilter\n": metricFilters,
		"MetricsConfig: {Metrics: [EventCount]}\n": functionCount, "    Type: AWS::CloudWatch::Dashboard\n": dashboards, "      ScalingConfig: {": polledQueues,
	} {
		if got := strings.Count(template, text); got != n {
			t.Errorf("%[2]q in the template: got it %[1]d times, want %[3]d as in prices.go", got, strings.TrimSpace(text), n)
		}
	}
	m := defaults()
	for parameter, want := range map[string]float64{
		"UploadsMemory": m.Stages[uploads].MemoryMB, "MessagesMemory": m.Stages[jobs].MemoryMB, "ChangesMemory": m.Stages[changes].MemoryMB,
		"UploadsConcurrency": m.Stages[uploads].Concurrency, "JobsConcurrency": m.Stages[jobs].Concurrency,
		"NotificationsConcurrency": m.Stages[notifications].Concurrency, "NotificationsParallel": m.Stages[notifications].Parallel,
		"SesRate": m.Stages[notifications].Rate,
	} {
		_, rest, _ := strings.Cut(template, "\n  "+parameter+":\n")
		_, rest, _ = strings.Cut(rest, "Default: ")
		value, _, _ := strings.Cut(rest, "\n")
		if value != trim(want) {
			t.Errorf("parameter %s: got the default %s, want %s as in the model", parameter, value, trim(want))
		}
	}
	for i, stage := range m.Stages {
		f, err := functions.Named(stage.Name)
		if err != nil {
			t.Fatal(err)
		}
		logical := f.LogicalName()
		_, rest, _ := strings.Cut(template, "\n  "+logical+"Mapping:\n")
		_, rest, _ = strings.Cut(rest, "BatchSize: ")
		if value, _, _ := strings.Cut(rest, "\n"); value != trim(m.Stages[i].Batch) {
			t.Errorf("%sMapping: got the BatchSize %s, want %v as in the model", logical, value, m.Stages[i].Batch)
		}
		if i == notifications {
			continue // a parameter
		}
		_, rest, _ = strings.Cut(template, "\n  "+logical+"Function:")
		_, rest, _ = strings.Cut(rest, "PARALLEL: \"")
		if value, _, _ := strings.Cut(rest, "\""); value != trim(m.Stages[i].Parallel) {
			t.Errorf("%sFunction: got PARALLEL %s, want %v as in the model", logical, value, m.Stages[i].Parallel)
		}
	}
}

func trim(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
