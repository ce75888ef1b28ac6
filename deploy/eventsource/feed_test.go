package eventsource

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestFeedValidate(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*FeedMapping)
		fields string
	}{
		{"defaults", func(*FeedMapping) {}, ""},
		{"everything missing", func(m *FeedMapping) { *m = FeedMapping{} }, "Feed Checkpoints Function FunctionName"},
		{"timeout over 15 minutes", func(m *FeedMapping) { m.Timeout = time.Hour }, "Timeout"},
		{"largest batch", func(m *FeedMapping) { m.BatchSize = 10_000 }, ""},
		{"negative batch", func(m *FeedMapping) { m.BatchSize = -1 }, "BatchSize"},
		{"batch over 10,000", func(m *FeedMapping) { m.BatchSize = 10_001 }, "BatchSize"},
		{"shortest age", func(m *FeedMapping) { m.MaxRecordAge = time.Minute }, ""},
		{"age under a minute", func(m *FeedMapping) { m.MaxRecordAge = 59 * time.Second }, "MaxRecordAge"},
		{"longest age", func(m *FeedMapping) { m.MaxRecordAge = 7 * 24 * time.Hour }, ""},
		{"age over 7 days", func(m *FeedMapping) { m.MaxRecordAge = 604_801 * time.Second }, "MaxRecordAge"},
		{"factor of 10", func(m *FeedMapping) { m.ParallelizationFactor = 10 }, ""},
		{"factor of 11", func(m *FeedMapping) { m.ParallelizationFactor = 11 }, "ParallelizationFactor"},
		{"negative factor", func(m *FeedMapping) { m.ParallelizationFactor = -1 }, "ParallelizationFactor"},
		{"negative limits", func(m *FeedMapping) { m.DrainLimit, m.MaxAbandoned = -1, -1 }, "DrainLimit MaxAbandoned"},
		{"several problems", func(m *FeedMapping) { m.BatchSize, m.MaxRecordAge, m.Timeout = -1, 1, time.Hour }, "MaxRecordAge BatchSize Timeout"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m, _, _ := feedMapping(t, newRecorder(nil))
			tt.change(m)
			err := m.Validate()
			if got := fieldsOf(err); got != tt.fields {
				t.Errorf("fields: got %q (%v), want %q", got, err, tt.fields)
			}
			if tt.fields != "" {
				if run := m.Run(t.Context()); run == nil || run.Error() != err.Error() {
					t.Errorf("Run: got %v, want the error of Validate", run)
				}
			}
		})
	}
}

func TestFeedRetriesFromTheLowestFailure(t *testing.T) {
	t.Parallel()
	for _, tt := range responseCases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var calls atomic.Int32
				r := newRecorder(func(context.Context, []string) (string, error) {
					if calls.Add(1) == 1 {
						return tt.response, nil
					}
					return "", nil
				})
				m, f, c := feedMapping(t, r)
				f.add("s", "k", "k", "k")
				run := startMapping(t, m.Run)
				synctest.Wait()
				// The checkpoint is before the lowest failure, and all records
				// from there on are retried.
				checkpoint, again := "c", ""
				if tt.failed != "" {
					at := strings.Index("abc", tt.failed[:1])
					again = "abc"[at:]
					checkpoint = ""
					if at > 0 {
						checkpoint = "abc"[at-1 : at]
					}
				}
				if got := c.get("s"); got != checkpoint {
					t.Errorf("checkpoint: got %q, want %q", got, checkpoint)
				}
				time.Sleep(time.Second)
				synctest.Wait()
				if got, want := r.ids(), strings.TrimSpace("abc "+again); got != want {
					t.Errorf("events: got %q, want %q", got, want)
				}
				run.stopClean()
				if got := c.get("s"); got != "c" {
					t.Errorf("checkpoint at the end: got %q, want c", got)
				}
			})
		})
	}
}

func TestFeedIgnoresTheResponseWithoutReportBatchItemFailures(t *testing.T) {
	t.Parallel()
	for _, tt := range responseCases {
		synctest.Test(t, func(t *testing.T) {
			r := newRecorder(func(context.Context, []string) (string, error) { return tt.response, nil })
			m, f, c := feedMapping(t, r)
			m.ReportBatchItemFailures = false
			f.add("s", "k", "k", "k")
			run := startMapping(t, m.Run)
			time.Sleep(time.Minute)
			run.stopClean()
			if c.get("s") != "c" || r.ids() != "abc" {
				t.Errorf("%s: got events %q and checkpoint %q, want abc and c", tt.name, r.ids(), c.get("s"))
			}
		})
	}
}

func TestFeedEventIsLambdas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var payload []byte
		m, f, _ := feedMapping(t, newRecorder(nil))
		m.Function = func(_ context.Context, p []byte) ([]byte, error) { payload = p; return nil, nil }
		f.add("s", "k1", "k2")
		run := startMapping(t, m.Run)
		synctest.Wait()
		run.stopClean()
		const want = `{"Records":[` +
			`{"eventName":"INSERT","dynamodb":{"SequenceNumber":"a","Keys":{"pk":{"S":"k1"}},"pad":""}},` +
			`{"eventName":"INSERT","dynamodb":{"SequenceNumber":"b","Keys":{"pk":{"S":"k2"}},"pad":""}}]}`
		if string(payload) != want {
			t.Errorf("got %s\nwant %s", payload, want)
		}
	})
}

func TestFeedRetriesWithoutLimitByDefault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(func(_ context.Context, ids []string) (string, error) {
			if slices.Contains(ids, "b") {
				return failures("b"), nil
			}
			return "", nil
		})
		m, f, c := feedMapping(t, r)
		m.OnFailure = func(context.Context, Failure) error { t.Error("records were given up"); return nil }
		f.add("s", "k", "k", "k")
		run := startMapping(t, m.Run)
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		run.stopClean()
		if c.get("s") != "a" {
			t.Errorf("checkpoint: got %q, want a: a record that always fails blocks its shard", c.get("s"))
		}
		at := r.times()
		const ms = time.Millisecond
		if want := []time.Duration{0, 200 * ms, 600 * ms, 1400 * ms, 3000 * ms}; !slices.Equal(at[:5], want) {
			t.Errorf("invoked at %v, want %v", at[:5], want)
		}
		if n := len(at); at[n-1]-at[n-2] != 30*time.Second {
			t.Errorf("last wait: got %v, want 30s", at[n-1]-at[n-2])
		}
	})
}

// failed collects the failures that OnFailure receives.
type failed struct {
	mu   sync.Mutex
	list []Failure
}

func (f *failed) add(_ context.Context, x Failure) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, x)
	return nil
}

func (f *failed) get(i int) Failure {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.list[i]
}

func (f *failed) ids() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, x := range f.list {
		s := ""
		for _, r := range x.Records {
			s += r.Sequence
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

// TestFeedGivesUp has a record b that always fails and becomes too old a minute
// after the first invocation; the others have no age.
func TestFeedGivesUp(t *testing.T) {
	t.Parallel()
	ifB := func(response string, err error) func(context.Context, []string) (string, error) {
		return func(_ context.Context, ids []string) (string, error) {
			if slices.Contains(ids, "b") {
				return response, err
			}
			return "", nil
		}
	}
	noDatabase := errors.New("no database")
	named, functionError, malformed := ifB(failures("b"), nil), ifB("", noDatabase), ifB(failures("zzz"), nil)
	tests := []struct {
		name    string
		respond func(context.Context, []string) (string, error)
		backoff time.Duration
		bisect  bool
		events  string
		count   int // InvokeCount
		err     error
	}{
		{"named failure, one attempt", named, 70 * time.Second, false, "abcd cd", 1, nil},
		{"named failure, two attempts", named, 40 * time.Second, false, "abcd bcd cd", 2, nil},
		{"function error, one attempt", functionError, 70 * time.Second, false, "abcd acd", 1, noDatabase},
		{"function error, two attempts", functionError, 40 * time.Second, false, "abcd abcd acd", 2, noDatabase},
		{"malformed response", malformed, 40 * time.Second, false, "abcd abcd acd", 2, nil},
		// The batch is halved down to the single record. Halving does not count
		// as an attempt.
		{"bisect after a function error", functionError, 40 * time.Second, true, "abcd ab a b b cd", 2, noDatabase},
		{"bisect after a malformed response", malformed, 70 * time.Second, true, "abcd ab a b cd", 1, nil},
		// The batch is split at the named failure and then, because that is the
		// first record, halved.
		{"bisect at a named failure", named, 40 * time.Second, true, "abcd bcd b b cd", 2, nil},
		{"bisect at a named failure, one attempt", named, 70 * time.Second, true, "abcd bcd b cd", 1, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var given failed
				r := newRecorder(tt.respond)
				m, f, c := feedMapping(t, r)
				m.MaxRecordAge, m.Bisect, m.OnFailure = time.Minute, tt.bisect, given.add
				m.Backoff = func(int) time.Duration { return tt.backoff }
				f.append("s", "k", time.Time{}, 0)
				f.append("s", "k", time.Now(), 0)
				f.append("s", "k", time.Time{}, 0)
				f.append("s", "k", time.Time{}, 0)
				run := startMapping(t, m.Run)
				time.Sleep(time.Hour)
				f.add("s", "k")
				synctest.Wait()
				run.stopClean()
				if got, want := r.ids(), tt.events+" e"; got != want {
					t.Errorf("events: got %q, want %q: the shard continues", got, want)
				}
				if got := given.ids(); got != "b" {
					t.Fatalf("given up: got %q, want b", got)
				}
				if c.get("s") != "e" {
					t.Errorf("checkpoint: got %q, want e", c.get("s"))
				}
				if x := given.get(0); x.Condition != RecordAgeExceeded || x.InvokeCount != tt.count || x.Err != tt.err || len(x.RequestID) != 36 {
					t.Errorf("failure: got %+v, want %s after %d attempts, the last with the error %v", x, RecordAgeExceeded, tt.count, tt.err)
				}
			})
		})
	}
}

func TestFeedProgressRestartsTheInvokeCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// Each of a to d fails once, and e always.
		var given failed
		seen := make(map[string]bool)
		r := newRecorder(func(_ context.Context, ids []string) (string, error) {
			for _, id := range ids {
				if !seen[id] {
					seen[id] = id != "e"
					return failures(id), nil
				}
			}
			return "", nil
		})
		m, f, c := feedMapping(t, r)
		m.MaxRecordAge, m.OnFailure, m.Backoff = time.Minute, given.add, func(int) time.Duration { return 10 * time.Second }
		for range 4 {
			f.append("s", "k", time.Time{}, 0)
		}
		f.add("s", "k")
		run := startMapping(t, m.Run)
		time.Sleep(time.Hour)
		run.stopClean()
		if got := r.ids(); got != "abcde abcde bcde cde de e e" || c.get("s") != "e" {
			t.Errorf("got events %q and checkpoint %q", got, c.get("s"))
		}
		if got := given.get(0).InvokeCount; given.ids() != "e" || got != 3 {
			t.Errorf("given up: got %q after %d attempts, want e after the 3 since d was done", given.ids(), got)
		}
	})
}

func TestFeedWithBisectRetriesWithoutWaitAfterANamedFailure(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		bisect bool
		want   time.Duration
	}{{true, 0}, {false, 200 * time.Millisecond}} {
		synctest.Test(t, func(t *testing.T) {
			var calls atomic.Int32
			r := newRecorder(func(context.Context, []string) (string, error) {
				if calls.Add(1) == 1 {
					return failures("b"), nil
				}
				return "", nil
			})
			m, f, _ := feedMapping(t, r)
			m.Bisect = tt.bisect
			f.add("s", "k", "k", "k")
			run := startMapping(t, m.Run)
			time.Sleep(time.Minute)
			run.stopClean()
			if got := r.times(); r.ids() != "abc bc" || got[1] != tt.want {
				t.Errorf("bisect %t: got events %q at %v, want bc at %v", tt.bisect, r.ids(), got, tt.want)
			}
		})
	}
}

func TestFeedGivesUpOldRecords(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var given failed
		r := newRecorder(func(context.Context, []string) (string, error) { return "", errors.New("no database") })
		m, f, c := feedMapping(t, r)
		m.MaxRecordAge, m.OnFailure = time.Minute, given.add
		f.append("s", "k", time.Now().Add(-61*time.Second), 0)
		f.append("s", "k", time.Now().Add(-60*time.Second), 0) // as old as allowed
		f.append("s", "k", time.Now(), 0)
		f.append("s", "k", time.Time{}, 0) // of unknown age
		run := startMapping(t, m.Run)
		synctest.Wait()
		if got := given.ids(); got != "a" || r.ids() != "bcd" {
			t.Errorf("got %q given up and events %q, want a given up without an invocation", got, r.ids())
		}
		if x := given.get(0); x.Condition != RecordAgeExceeded || x.InvokeCount != 0 || x.RequestID != "" || x.Err != nil {
			t.Errorf("failure of a: got %+v, want one without an invocation", x)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		run.stopClean()
		if got := given.ids(); got != "a b c" || c.get("s") != "c" || !strings.HasSuffix(r.ids(), " d") {
			t.Errorf("got %q given up and checkpoint %q, want b and c when they become too old, and not d", got, c.get("s"))
		}
		if x := given.get(1); x.InvokeCount != 1 || len(x.RequestID) != 36 || x.Err == nil || x.Err.Error() != "no database" {
			t.Errorf("failure of b: got %+v, want the request id and the error of its one invocation", x)
		}
	})
}

func TestFeedRetriesOnFailureUntilItSucceeds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, f, c := feedMapping(t, newRecorder(nil))
		var calls atomic.Int32
		m.MaxRecordAge = time.Minute
		m.OnFailure = func(context.Context, Failure) error {
			if calls.Add(1) < 4 {
				return errors.New("no bucket")
			}
			return nil
		}
		f.append("s", "k", time.Now().Add(-time.Hour), 0)
		run := startMapping(t, m.Run)
		time.Sleep(time.Second)
		synctest.Wait()
		if c.get("s") != "" {
			t.Errorf("checkpoint while OnFailure fails: got %q, want none", c.get("s"))
		}
		time.Sleep(time.Minute)
		run.stopClean()
		if calls.Load() != 4 || c.get("s") != "a" {
			t.Errorf("got %d calls and checkpoint %q, want 4 and a", calls.Load(), c.get("s"))
		}
	})
}

func TestFeedWithoutOnFailureLogsAndContinues(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log logBuffer
		m, f, c := feedMapping(t, newRecorder(nil))
		m.MaxRecordAge, m.Logger = time.Minute, log.logger()
		f.append("s", "k", time.Now().Add(-time.Hour), 0)
		f.append("s", "k", time.Now().Add(-time.Hour), 0)
		run := startMapping(t, m.Run)
		synctest.Wait()
		run.stopClean()
		if c.get("s") != "b" || !strings.Contains(log.String(), "records given up") || !strings.Contains(log.String(), "first=a last=b") {
			t.Errorf("got checkpoint %q and log %q, want b and a line with first=a last=b", c.get("s"), log.String())
		}
	})
}

func TestFeedBatchIsWithinBatchSize(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(nil)
		m, f, _ := feedMapping(t, r)
		m.BatchSize = 3
		f.add("s", slices.Repeat([]string{"k"}, 7)...)
		run := startMapping(t, m.Run)
		synctest.Wait()
		run.stopClean()
		for _, i := range r.invocations {
			if i.n > 3 {
				t.Errorf("event of %d records, want at most 3", i.n)
			}
		}
		if got := strings.ReplaceAll(r.ids(), " ", ""); got != "abcdefg" {
			t.Errorf("records: got %q, want abcdefg", got)
		}
	})
}

func TestFeedEventIsWithinThePayloadLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		r := newRecorder(func(context.Context, []string) (string, error) {
			if calls.Add(1) == 1 {
				time.Sleep(time.Second) // the reader reads ahead
			}
			return "", nil
		})
		m, f, c := feedMapping(t, r)
		for range 11 {
			f.append("s", "k", time.Now(), 1<<20)
		}
		run := startMapping(t, m.Run)
		time.Sleep(2 * time.Minute)
		run.stopClean()
		for _, i := range r.invocations {
			if i.bytes > MaxPayloadBytes {
				t.Errorf("event of %d bytes, want at most 6 MB", i.bytes)
			}
		}
		// The first event holds the records that the lane had when it started.
		if got := strings.ReplaceAll(r.ids(), " ", ""); got != "abcdefghijk" || c.get("s") != "k" {
			t.Errorf("got events %q and checkpoint %q, want each record once", r.ids(), c.get("s"))
		}
		if sizes := r.sizes(); sizes[len(sizes)-1] != 5 {
			t.Errorf("event sizes: got %v, want at most 5 records of 1 MB", sizes)
		}
	})
}

func TestFeedRetriesABatchAfterAFunctionError(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(ctx context.Context) (string, error){
		"error":             func(context.Context) (string, error) { return "", errors.New("no database") },
		"panic":             func(context.Context) (string, error) { panic("boom") },
		"past its deadline": func(ctx context.Context) (string, error) { <-ctx.Done(); return "", nil },
	} {
		synctest.Test(t, func(t *testing.T) {
			var calls atomic.Int32
			r := newRecorder(func(ctx context.Context, _ []string) (string, error) {
				if calls.Add(1) == 1 {
					return fail(ctx)
				}
				return "", nil
			})
			m, f, c := feedMapping(t, r)
			f.add("s", "k", "k")
			run := startMapping(t, m.Run)
			time.Sleep(11 * time.Second)
			synctest.Wait()
			run.stopClean()
			if r.ids() != "ab ab" || c.get("s") != "b" {
				t.Errorf("%s: got events %q and checkpoint %q, want the batch twice and b", name, r.ids(), c.get("s"))
			}
		})
	}
}

func TestFeedStopsInvokingAtMaxAbandoned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		r := newRecorder(func(context.Context, []string) (string, error) { <-hang; return "", nil })
		m, f, c := feedMapping(t, r)
		m.MaxAbandoned = 2
		f.add("s", "k")
		run := startMapping(t, m.Run)
		time.Sleep(time.Hour)
		synctest.Wait()
		if r.count() != 2 || c.get("s") != "" {
			t.Errorf("got %d events and checkpoint %q, want 2 events that hang and no checkpoint", r.count(), c.get("s"))
		}
		close(hang)
		synctest.Wait()
		run.stopClean()
		if r.count() != 3 || c.get("s") != "a" {
			t.Errorf("got %d events and checkpoint %q, want a third event and a", r.count(), c.get("s"))
		}
	})
}

func TestFeedResumesAtItsCheckpoint(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(nil)
		m, f, _ := feedMapping(t, r)
		f.add("s", "k", "k")
		run := startMapping(t, m.Run)
		synctest.Wait()
		run.stopClean()
		f.add("s", "k")
		run = startMapping(t, m.Run)
		synctest.Wait()
		run.stopClean()
		if r.ids() != "ab c" {
			t.Errorf("events: got %q, want ab c", r.ids())
		}
	})
}

func TestFeedReadsParentsBeforeChildren(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		r := newRecorder(func(_ context.Context, ids []string) (string, error) {
			if ids[0] == "a" && calls.Add(1) < 3 {
				return failures("a"), nil
			}
			return "", nil
		})
		f := newFakeFeed(Shard{ID: "p"})
		c := newFakeCheckpoints()
		m, _, _ := feedMapping(t, r)
		m.Feed, m.Checkpoints = f, c
		f.add("p", "k")
		f.close("p", "q1", "q2")
		f.add("q1", "k")
		f.close("q1", "leaf")
		f.add("leaf", "k")
		f.shards = append(f.shards, &fakeShard{Shard: Shard{ID: "orphan", Parent: "gone"}})
		f.add("orphan", "k")

		run := startMapping(t, m.Run)
		time.Sleep(time.Second)
		synctest.Wait()
		// d is a record of the orphan, whose parent is gone. b and c wait for
		// the third attempt of a.
		if got := r.ids(); !slices.Contains([]string{"a d a a b c", "d a a a b c"}, got) {
			t.Errorf("events: got %q, want a until it succeeds, then b, then c", got)
		}
		run.stopClean()
		want := map[string]string{"p": ShardEnd, "q1": ShardEnd, "leaf": "c", "orphan": "d"} // q2 is empty
		if got := c.all(); !maps.Equal(got, want) {
			t.Errorf("checkpoints %v, want %v", got, want)
		}

		// Another run does not read the finished shards.
		before := len(f.readsSoFar())
		f.add("leaf", "k")
		run = startMapping(t, m.Run)
		synctest.Wait()
		run.stopClean()
		if got := c.get("leaf"); got != "e" {
			t.Errorf("checkpoint of the leaf: got %q, want e as soon as the shards are listed", got)
		}
		for _, read := range f.readsSoFar()[before:] {
			if strings.HasPrefix(read, "p:") || strings.HasPrefix(read, "q1:") {
				t.Errorf("a finished shard was read again: %s", read)
			}
		}
	})
}

func TestFeedFinishesAnEmptyShard(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(nil)
		m, f, c := feedMapping(t, r)
		run := startMapping(t, m.Run)
		time.Sleep(time.Minute)
		f.close("s", "next")
		f.add("next", "k")
		synctest.Wait()
		run.stopClean()
		if c.get("s") != ShardEnd || r.ids() != "a" {
			t.Errorf("got checkpoint %q and events %q, want the end of the shard and a without a wait", c.get("s"), r.ids())
		}
	})
}

func TestFeedFindsNewShards(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(nil)
		m, f, _ := feedMapping(t, r)
		failing := true
		f.failShards = func() error {
			if failing {
				return errors.New("throttled")
			}
			return nil
		}
		f.add("s", "k")
		run := startMapping(t, m.Run)
		time.Sleep(time.Minute)
		synctest.Wait()
		if r.count() != 0 {
			t.Fatal("got events, want none without a list of shards")
		}
		f.mu.Lock()
		failing = false
		f.shards = append(f.shards, &fakeShard{Shard: Shard{ID: "t"}})
		f.mu.Unlock()
		time.Sleep(30 * time.Second)
		f.add("t", "k")
		synctest.Wait()
		run.stopClean()
		if got := r.ids(); got != "a b" {
			t.Errorf("events: got %q, want a b", got)
		}
	})
}

func TestFeedContinuesAfterTrimmedRecords(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log logBuffer
		r := newRecorder(nil)
		m, f, c := feedMapping(t, r)
		m.Logger = log.logger()
		f.add("s", "k", "k", "k", "k")
		f.trim("s", 3)
		c.at["s"] = "a"
		run := startMapping(t, m.Run)
		synctest.Wait()
		run.stopClean()
		if r.ids() != "d" || c.get("s") != "d" || !strings.Contains(log.String(), "records were lost") {
			t.Errorf("got events %q, checkpoint %q and log %q; want d and an error line", r.ids(), c.get("s"), log.String())
		}
	})
}

func TestFeedContinuesWithTheChildrenOfAShardThatIsGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log logBuffer
		r := newRecorder(nil)
		m, f, c := feedMapping(t, r)
		m.Logger = log.logger()
		f.close("s", "child")
		f.shard("s").gone = true
		f.add("child", "k")
		c.at["s"] = "x"
		run := startMapping(t, m.Run)
		synctest.Wait()
		run.stopClean()
		if r.ids() != "a" || c.get("s") != ShardEnd || !strings.Contains(log.String(), "a shard is gone") {
			t.Errorf("got events %q, checkpoint %q and log %q; want a, the end of the shard and an error line", r.ids(), c.get("s"), log.String())
		}
	})
}

func TestFeedRetriesAfterErrorsOfFeedAndCheckpoints(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(nil)
		m, f, c := feedMapping(t, r)
		reads, loads, saves := 0, 0, 0
		f.failRead = func() error {
			if reads++; reads <= 3 {
				return errors.New("throttled")
			}
			return nil
		}
		c.failLoad = func(string) error {
			if loads++; loads <= 2 {
				return errors.New("no table")
			}
			return nil
		}
		c.failSave = func(string, string) error {
			if saves++; saves <= 1 {
				return errors.New("no table")
			}
			return nil
		}
		f.add("s", "k")
		run := startMapping(t, m.Run)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got := r.times(); !slices.Equal(got, []time.Duration{2 * time.Second}) { // 200+400 to load, 200+400+800 to read
			t.Errorf("invoked at %v, want once at 2s", got)
		}
		run.stopClean()
		if c.get("s") != "a" {
			t.Errorf("checkpoint: got %q, want a: saved at the end, after the first save failed", c.get("s"))
		}
	})
}

func TestFeedReadsAShardOnlyWithItsLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(nil)
		m, f, c := feedMapping(t, r)
		leased := atomic.Bool{}
		lost := atomic.Bool{}
		leased.Store(true)
		c.failLoad = func(string) error {
			if leased.Load() {
				return ErrLeased
			}
			return nil
		}
		c.failSave = func(string, string) error {
			if lost.Load() {
				return ErrLeaseLost
			}
			return nil
		}
		f.add("s", "k")
		run := startMapping(t, m.Run)
		time.Sleep(time.Minute)
		synctest.Wait()
		if r.count() != 0 {
			t.Error("got events of a shard that is leased to another copy")
		}
		leased.Store(false)
		time.Sleep(shardRefresh)
		synctest.Wait()
		if r.ids() != "a" {
			t.Errorf("events when the lease is free: got %q, want a", r.ids())
		}
		lost.Store(true)
		leased.Store(true)
		f.add("s", "k")
		synctest.Wait()
		f.add("s", "k")
		time.Sleep(time.Minute)
		synctest.Wait()
		if r.ids() != "a b" {
			t.Errorf("events: got %q, want none after the lease was lost", r.ids())
		}
		lost.Store(false)
		leased.Store(false)
		time.Sleep(shardRefresh)
		synctest.Wait()
		run.stopClean()
		if r.ids() != "a b bc" {
			t.Errorf("events: got %q, want the records after the checkpoint again", r.ids())
		}
	})
}

func TestFeedRunsKeysInParallelAndEachInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		running := make(map[byte]bool) // keys with a running invocation
		var order strings.Builder      // records of key 0
		r := newRecorder(nil)
		keyOf := func(id string) byte { return (id[0] - 'a') % 8 }
		r.respond = func(_ context.Context, ids []string) (string, error) {
			mu.Lock()
			for _, id := range ids { // a batch may contain a key twice
				if running[keyOf(id)] {
					t.Errorf("key %d is in two running invocations", keyOf(id))
				}
			}
			for _, id := range ids {
				running[keyOf(id)] = true
				if keyOf(id) == 0 {
					order.WriteString(id)
				}
			}
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			for _, id := range ids {
				delete(running, keyOf(id))
			}
			mu.Unlock()
			return "", nil
		}
		m, f, c := feedMapping(t, r)
		m.BatchSize, m.ParallelizationFactor = 2, 4
		for i := range 26 {
			f.append("s", string(rune('0'+i%8)), time.Now(), 0)
		}
		run := startMapping(t, m.Run)
		time.Sleep(time.Minute)
		run.stopClean()
		if r.peak < 2 || r.peak > 4 {
			t.Errorf("invocations at the same time: got %d, want 2 to 4", r.peak)
		}
		if order.String() != "aiqy" {
			t.Errorf("order of a key: got %q, want aiqy", order.String())
		}
		if c.get("s") != "z" {
			t.Errorf("checkpoint %q, want z", c.get("s"))
		}
	})
}

// keyOfOtherLane returns a key that belongs to the other of two lanes.
func keyOfOtherLane(key string) string {
	for i := 0; ; i++ {
		if k := strconv.Itoa(i); laneIndex(k, 2) != laneIndex(key, 2) {
			return k
		}
	}
}

func TestFeedLaneThatRetriesBlocksTheCheckpointAndNotOtherLanes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(func(_ context.Context, ids []string) (string, error) {
			if slices.Contains(ids, "a") {
				return failures("a"), nil
			}
			return "", nil
		})
		m, f, c := feedMapping(t, r)
		m.BatchSize, m.ParallelizationFactor = 1, 2
		other := keyOfOtherLane("0")
		f.add("s", "0", other, other, other, other, other, other, other) // a, b to h
		run := startMapping(t, m.Run)
		time.Sleep(time.Hour)
		synctest.Wait()
		run.stopClean()
		if got := c.get("s"); got != "" {
			t.Errorf("checkpoint: got %q, want none: a is not done", got)
		}
		if got := strings.ReplaceAll(strings.ReplaceAll(r.ids(), "a", ""), " ", ""); got != "bcdefgh" {
			t.Errorf("events of the other lane: got %q, want bcdefgh", got)
		}
	})
}

func TestFeedBoundsWhatItReadsAhead(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name        string
		batch, size int
		want        string // the position of the last read
	}{
		{"two batches", 2, 0, "s:b"},
		{"24 MB", 5, 5 << 20, "s:"},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRecorder(func(context.Context, []string) (string, error) { return "", errors.New("no database") })
			m, f, _ := feedMapping(t, r)
			m.BatchSize, m.Backoff = tt.batch, func(int) time.Duration { return time.Hour }
			for range 6 {
				f.append("s", "k", time.Now(), tt.size)
			}
			run := startMapping(t, m.Run)
			time.Sleep(time.Minute)
			synctest.Wait()
			run.stopClean()
			reads := f.readsSoFar()
			if got := reads[len(reads)-1]; got != tt.want {
				t.Errorf("%s: last read: got %s, want %s", tt.name, got, tt.want)
			}
		})
	}
}

func TestFeedDrain(t *testing.T) {
	t.Parallel()
	t.Run("processes the responses of running invocations", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := newRecorder(func(context.Context, []string) (string, error) {
				time.Sleep(5 * time.Second)
				return failures("c"), nil
			})
			m, f, c := feedMapping(t, r)
			f.add("s", "k", "k", "k")
			run := startMapping(t, m.Run)
			synctest.Wait()
			began := time.Now()
			run.stopClean()
			if took := time.Since(began); took != 5*time.Second || c.get("s") != "b" || r.count() != 1 {
				t.Errorf("drained in %v after %d events with checkpoint %q; want 5s, 1 and b", took, r.count(), c.get("s"))
			}
		})
	})
	t.Run("processes a response that arrives after the drain limit", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := newRecorder(func(ctx context.Context, _ []string) (string, error) { <-ctx.Done(); return failures("c"), nil })
			m, f, c := feedMapping(t, r)
			m.DrainLimit = 2 * time.Second
			f.add("s", "k", "k", "k")
			run := startMapping(t, m.Run)
			synctest.Wait()
			run.stopClean()
			if c.get("s") != "b" {
				t.Errorf("checkpoint: got %q, want b: it is done", c.get("s"))
			}
		})
	})
	t.Run("does not wait for a retry", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := newRecorder(func(context.Context, []string) (string, error) { return "", errors.New("no database") })
			m, f, c := feedMapping(t, r)
			m.Backoff = func(int) time.Duration { return time.Hour }
			f.add("s", "k")
			run := startMapping(t, m.Run)
			synctest.Wait()
			began := time.Now()
			run.stopClean()
			if took := time.Since(began); took != 0 || c.get("s") != "" {
				t.Errorf("drained in %v with checkpoint %q, want 0s and none", took, c.get("s"))
			}
		})
	})
	t.Run("does not wait for OnFailure to succeed", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			m, f, c := feedMapping(t, newRecorder(nil))
			m.MaxRecordAge, m.Backoff = time.Minute, func(int) time.Duration { return time.Hour }
			m.OnFailure = func(context.Context, Failure) error { return errors.New("no bucket") }
			f.append("s", "k", time.Now().Add(-time.Hour), 0)
			run := startMapping(t, m.Run)
			synctest.Wait()
			began := time.Now()
			run.stopClean()
			if took := time.Since(began); took != 0 || c.get("s") != "" {
				t.Errorf("drained in %v with checkpoint %q, want 0s and none", took, c.get("s"))
			}
		})
	})
	t.Run("does not finish a shard whose records are not done", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := newRecorder(func(context.Context, []string) (string, error) { return "", errors.New("no database") })
			m, f, c := feedMapping(t, r)
			c.careless = true
			f.add("s", "k")
			f.close("s")
			run := startMapping(t, m.Run)
			synctest.Wait()
			run.stopClean()
			if got := c.get("s"); got != "" {
				t.Errorf("checkpoint: got %q, want none", got)
			}
		})
	})
	t.Run("reports the records of a function that ignores its context", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			hang := make(chan struct{})
			defer close(hang)
			r := newRecorder(func(context.Context, []string) (string, error) { <-hang; return "", nil })
			m, f, c := feedMapping(t, r)
			m.DrainLimit = 2 * time.Second
			f.add("s", "k", "k")
			run := startMapping(t, m.Run)
			synctest.Wait()
			err := run.stop()
			if left, ok := errors.AsType[*LeftError](err); !ok || !slices.Equal(left.IDs, []string{"a", "b"}) || left.Source != streamARN {
				t.Errorf("got %v, want a *LeftError with a and b", err)
			}
			if c.get("s") != "" {
				t.Errorf("checkpoint: got %q, want none", c.get("s"))
			}
		})
	})
	t.Run("ends without a wait when the feed is empty", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			m, _, c := feedMapping(t, newRecorder(nil))
			run := startMapping(t, m.Run)
			time.Sleep(time.Minute)
			began := time.Now()
			run.stopClean()
			if took := time.Since(began); took != 0 || len(c.saves) != 0 {
				t.Errorf("drained in %v after saving %q, want 0s and none", took, c.saves)
			}
		})
	})
}
