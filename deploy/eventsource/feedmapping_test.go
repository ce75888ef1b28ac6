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
		{"largest batch, without a window", func(m *FeedMapping) { m.BatchSize = 10_000 }, ""},
		{"batch over 10,000", func(m *FeedMapping) { m.BatchSize = 10_001 }, "BatchSize"},
		{"window over 300 s", func(m *FeedMapping) { m.Window = 301 * time.Second }, "Window"},
		{"at latest", func(m *FeedMapping) { m.StartingPosition = StartAtLatest }, ""},
		{"at a timestamp", func(m *FeedMapping) { m.StartingPosition = "AT_TIMESTAMP" }, "StartingPosition"},
		{"most attempts", func(m *FeedMapping) { m.MaxAttempts = 10_001 }, ""},
		{"too many attempts", func(m *FeedMapping) { m.MaxAttempts = 10_002 }, "MaxAttempts"},
		{"negative attempts", func(m *FeedMapping) { m.MaxAttempts = -1 }, "MaxAttempts"},
		{"shortest age", func(m *FeedMapping) { m.MaxRecordAge = time.Minute }, ""},
		{"age under a minute", func(m *FeedMapping) { m.MaxRecordAge = 59 * time.Second }, "MaxRecordAge"},
		{"longest age", func(m *FeedMapping) { m.MaxRecordAge = 7 * 24 * time.Hour }, ""},
		{"age over 7 days", func(m *FeedMapping) { m.MaxRecordAge = 604_801 * time.Second }, "MaxRecordAge"},
		{"factor of 10", func(m *FeedMapping) { m.ParallelizationFactor = 10 }, ""},
		{"factor of 11", func(m *FeedMapping) { m.ParallelizationFactor = 11 }, "ParallelizationFactor"},
		{"negative factor", func(m *FeedMapping) { m.ParallelizationFactor = -1 }, "ParallelizationFactor"},
		{"filter on any key", func(m *FeedMapping) { m.Filters = []string{`{"eventName":["INSERT"]}`} }, ""},
		{"several at once", func(m *FeedMapping) { m.BatchSize, m.MaxAttempts, m.Filters = -1, -1, []string{"x"} }, "MaxAttempts BatchSize Filters[0]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m, _, _ := feedMapping(t, newRecorder(nil))
			tt.change(m)
			err := m.Validate()
			if got := fieldsOf(err); got != tt.fields {
				t.Errorf("got %q (%v), want %q", got, err, tt.fields)
			}
			if tt.fields != "" {
				if run := m.Run(t.Context()); run == nil || run.Error() != err.Error() {
					t.Errorf("Run: got %v, want what Validate says", run)
				}
			}
		})
	}
}

func TestFeedObeysTheAnswer(t *testing.T) {
	t.Parallel()
	for _, tt := range answerCases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var calls atomic.Int32
				r := newRecorder(func(context.Context, []string) (string, error) {
					if calls.Add(1) == 1 {
						return tt.answer, nil
					}
					return "", nil
				})
				m, f, c := feedMapping(t, r)
				f.add("s", "k", "k", "k")
				run := startMapping(t, m.Run)
				synctest.Wait()
				// The checkpoint stands before the lowest failure, and everything from there on is tried again.
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
					t.Errorf("checkpoint %q, want %q", got, checkpoint)
				}
				time.Sleep(time.Second)
				synctest.Wait()
				if got, want := r.ids(), strings.TrimSpace("abc "+again); got != want {
					t.Errorf("events %q, want %q", got, want)
				}
				run.stopClean()
				if got := c.get("s"); got != "c" {
					t.Errorf("checkpoint at the end %q, want c", got)
				}
			})
		})
	}
}

func TestFeedIgnoresTheAnswerWithoutReport(t *testing.T) {
	t.Parallel()
	for _, tt := range answerCases {
		synctest.Test(t, func(t *testing.T) {
			r := newRecorder(func(context.Context, []string) (string, error) { return tt.answer, nil })
			m, f, c := feedMapping(t, r)
			m.ReportBatchItemFailures = false
			f.add("s", "k", "k", "k")
			run := startMapping(t, m.Run)
			time.Sleep(time.Minute)
			run.stopClean()
			if c.get("s") != "c" || r.ids() != "abc" {
				t.Errorf("%s: events %q, checkpoint %q; want one and c", tt.name, r.ids(), c.get("s"))
			}
		})
	}
}

func TestFeedEvent(t *testing.T) {
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

func TestFeedRetriesForeverByDefault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(func(_ context.Context, ids []string) (string, error) {
			if slices.Contains(ids, "b") {
				return failures("b"), nil
			}
			return "", nil
		})
		m, f, c := feedMapping(t, r)
		m.OnFailure = func(context.Context, Failure) error { t.Error("given up"); return nil }
		f.add("s", "k", "k", "k")
		run := startMapping(t, m.Run)
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		run.stopClean()
		if c.get("s") != "a" {
			t.Errorf("checkpoint %q, want a: a poison record blocks its shard", c.get("s"))
		}
		at := r.times()
		const ms = time.Millisecond
		if want := []time.Duration{0, 200 * ms, 600 * ms, 1400 * ms, 3000 * ms}; !slices.Equal(at[:5], want) {
			t.Errorf("tried at %v, want %v", at[:5], want)
		}
		if n := len(at); at[n-1]-at[n-2] != 30*time.Second {
			t.Errorf("tried every %v at the end, want 30s", at[n-1]-at[n-2])
		}
	})
}

// failed collects what OnFailure gets.
type failed struct {
	mu   sync.Mutex
	list []Failure
}

func (f *failed) take(_ context.Context, x Failure) error {
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

func TestFeedGivesUp(t *testing.T) {
	t.Parallel()
	poisonB := func(_ context.Context, ids []string) (string, error) {
		if slices.Contains(ids, "b") {
			return failures("b"), nil
		}
		return "", nil
	}
	errorB := func(_ context.Context, ids []string) (string, error) {
		if slices.Contains(ids, "b") {
			return "", errors.New("no database")
		}
		return "", nil
	}
	malformedB := func(_ context.Context, ids []string) (string, error) {
		if slices.Contains(ids, "b") {
			return failures("zzz"), nil
		}
		return "", nil
	}
	tests := []struct {
		name     string
		answer   func(context.Context, []string) (string, error)
		attempts int
		bisect   bool
		events   string
		given    string // to OnFailure
		count    int    // InvokeCount
	}{
		{"named failure, no retry", poisonB, 1, false, "abcd", "bcd", 1},
		{"named failure, three attempts", poisonB, 3, false, "abcd bcd bcd", "bcd", 3},
		{"function error, no retry", errorB, 1, false, "abcd", "abcd", 1},
		{"function error, three attempts", errorB, 3, false, "abcd abcd abcd", "abcd", 3},
		{"malformed answer", malformedB, 2, false, "abcd abcd", "abcd", 2},
		// Halves, and then the single record: only it uses up attempts.
		{"bisect after a function error", errorB, 2, true, "abcd ab a b b cd", "b", 2},
		{"bisect after a malformed answer", malformedB, 1, true, "abcd ab a b cd", "b", 1},
		// Split at the returned sequence number, then halves, because it is the first.
		{"bisect at a named failure", poisonB, 2, true, "abcd bcd b b cd", "b", 2},
		{"bisect without a retry", poisonB, 1, true, "abcd bcd b cd", "b", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var given failed
				r := newRecorder(tt.answer)
				m, f, c := feedMapping(t, r)
				m.MaxAttempts, m.Bisect, m.OnFailure = tt.attempts, tt.bisect, given.take
				f.add("s", "k", "k", "k", "k")
				run := startMapping(t, m.Run)
				time.Sleep(time.Hour)
				f.add("s", "k")
				synctest.Wait()
				run.stopClean()
				if got, want := r.ids(), tt.events+" e"; got != want {
					t.Errorf("events %q, want %q: the shard goes on", got, want)
				}
				if got := given.ids(); got != tt.given {
					t.Errorf("given up %q, want %q", got, tt.given)
				}
				if c.get("s") != "e" {
					t.Errorf("checkpoint %q, want e", c.get("s"))
				}
				if x := given.get(0); x.Condition != RetryAttemptsExhausted || x.InvokeCount != tt.count {
					t.Errorf("given up by %s after %d, want %s after %d", x.Condition, x.InvokeCount, RetryAttemptsExhausted, tt.count)
				}
			})
		})
	}
}

func TestFeedSplitsAtANamedFailureAtOnce(t *testing.T) {
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
				t.Errorf("bisect %t: events %q at %v, want the rest at %v", tt.bisect, r.ids(), got, tt.want)
			}
		})
	}
}

func TestFeedProgressStartsTheCountAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// Each record fails once. None is ever tried more than twice, so nothing is given up at three attempts.
		seen := make(map[string]bool)
		r := newRecorder(func(_ context.Context, ids []string) (string, error) {
			for _, id := range ids {
				if !seen[id] {
					seen[id] = true
					return failures(id), nil
				}
			}
			return "", nil
		})
		m, f, c := feedMapping(t, r)
		m.MaxAttempts = 3
		m.OnFailure = func(context.Context, Failure) error { t.Error("given up"); return nil }
		f.add("s", "k", "k", "k", "k", "k")
		run := startMapping(t, m.Run)
		time.Sleep(time.Minute)
		run.stopClean()
		if got := r.ids(); got != "abcde abcde bcde cde de e" || c.get("s") != "e" {
			t.Errorf("events %q, checkpoint %q", got, c.get("s"))
		}
	})
}

func TestFeedGivesUpOldRecords(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var given failed
		r := newRecorder(func(context.Context, []string) (string, error) { return "", errors.New("no database") })
		m, f, c := feedMapping(t, r)
		m.MaxRecordAge, m.OnFailure = time.Minute, given.take
		f.append("s", "k", time.Now().Add(-61*time.Second), 0)
		f.append("s", "k", time.Now().Add(-60*time.Second), 0) // as old as it may be
		f.append("s", "k", time.Now(), 0)
		f.append("s", "k", time.Time{}, 0) // of unknown age
		run := startMapping(t, m.Run)
		synctest.Wait()
		if got := given.ids(); got != "a" || r.ids() != "bcd" {
			t.Errorf("given up %q, events %q; want a unseen by the function", got, r.ids())
		}
		if x := given.get(0); x.Condition != RecordAgeExceeded || x.InvokeCount != 0 || x.RequestID != "" {
			t.Errorf("given up as %+v", x)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		run.stopClean()
		if got := given.ids(); got != "a b c" || c.get("s") != "c" || !strings.HasSuffix(r.ids(), " d") {
			t.Errorf("given up %q, checkpoint %q; want b and c as they grew old between retries, and never d", got, c.get("s"))
		}
		if x := given.get(1); x.InvokeCount != 1 {
			t.Errorf("b was tried %d times, want 1", x.InvokeCount)
		}
	})
}

func TestFeedCallsOnFailureUntilItTakesTheRecords(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(func(_ context.Context, ids []string) (string, error) { return failures(ids...), nil })
		m, f, c := feedMapping(t, r)
		var calls atomic.Int32
		m.MaxAttempts = 1
		m.OnFailure = func(context.Context, Failure) error {
			if calls.Add(1) < 4 {
				return errors.New("no bucket")
			}
			return nil
		}
		f.add("s", "k")
		run := startMapping(t, m.Run)
		time.Sleep(time.Second)
		synctest.Wait()
		if c.get("s") != "" {
			t.Errorf("checkpoint %q while the destination fails", c.get("s"))
		}
		time.Sleep(time.Minute)
		run.stopClean()
		if calls.Load() != 4 || c.get("s") != "a" {
			t.Errorf("%d calls, checkpoint %q; want 4 and a", calls.Load(), c.get("s"))
		}
	})
}

func TestFeedWithoutOnFailureLogsAndGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log logBuffer
		r := newRecorder(func(_ context.Context, ids []string) (string, error) { return failures(ids...), nil })
		m, f, c := feedMapping(t, r)
		m.MaxAttempts, m.Logger = 1, log.logger()
		f.add("s", "k", "k")
		run := startMapping(t, m.Run)
		synctest.Wait()
		run.stopClean()
		if c.get("s") != "b" || !strings.Contains(log.String(), "records given up") || !strings.Contains(log.String(), "first=a last=b") {
			t.Errorf("checkpoint %q, log %q", c.get("s"), log.String())
		}
	})
}

func TestFeedFunctionThatFailsIsTriedAgain(t *testing.T) {
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
				t.Errorf("%s: events %q, checkpoint %q; want the batch again", name, r.ids(), c.get("s"))
			}
		})
	}
}

func TestFeedStopsInvokingAtTheAbandonedBound(t *testing.T) {
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
			t.Errorf("%d events, checkpoint %q; want 2 that hang and no late success", r.count(), c.get("s"))
		}
		close(hang)
		synctest.Wait()
		run.stopClean()
		if r.count() != 3 || c.get("s") != "a" {
			t.Errorf("%d events, checkpoint %q; want a third that worked", r.count(), c.get("s"))
		}
	})
}

func TestFeedBatchSizeAndWindow(t *testing.T) {
	t.Parallel()
	t.Run("takes what is there up to the size", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := newRecorder(nil)
			m, f, _ := feedMapping(t, r)
			m.BatchSize = 3
			f.add("s", slices.Repeat([]string{"k"}, 7)...)
			run := startMapping(t, m.Run)
			synctest.Wait()
			run.stopClean()
			for _, c := range r.calls {
				if c.n > 3 {
					t.Errorf("an event of %d records, want up to 3", c.n)
				}
			}
			if got := strings.ReplaceAll(r.ids(), " ", ""); got != "abcdefg" {
				t.Errorf("records %q", got)
			}
		})
	})
	t.Run("gathers for the window", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := newRecorder(nil)
			m, f, _ := feedMapping(t, r)
			m.BatchSize, m.Window = 4, 5*time.Second
			run := startMapping(t, m.Run)
			time.Sleep(30 * time.Second)
			f.add("s", "k")
			time.Sleep(2500 * time.Millisecond)
			f.add("s", "k")
			time.Sleep(2500*time.Millisecond - 1)
			synctest.Wait()
			if r.count() != 0 {
				t.Errorf("invoked with %q before the window was over", r.ids())
			}
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			if r.ids() != "ab" {
				t.Errorf("events %q at the end of the window, want ab", r.ids())
			}
			f.add("s", "k", "k", "k", "k")
			synctest.Wait()
			if r.ids() != "ab cdef" {
				t.Errorf("events %q, want the full batch at once", r.ids())
			}
			run.stopClean()
		})
	})
	t.Run("6 MB", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := newRecorder(nil)
			m, f, c := feedMapping(t, r)
			m.Window = time.Minute
			for range 10 {
				f.append("s", "k", time.Now(), 1<<20)
			}
			run := startMapping(t, m.Run)
			synctest.Wait()
			if got := r.ids(); got != "abcde" {
				t.Errorf("events %q at once, want abcde: the payload limit ends the window", got)
			}
			time.Sleep(2 * time.Minute)
			run.stopClean()
			for _, c := range r.calls {
				if c.bytes > MaxPayloadBytes {
					t.Errorf("an event of %d bytes, over 6 MB", c.bytes)
				}
			}
			if r.ids() != "abcde fghij" || c.get("s") != "j" {
				t.Errorf("events %q, checkpoint %q", r.ids(), c.get("s"))
			}
		})
	})
}

func TestFeedFiltersPassOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(nil)
		m, f, c := feedMapping(t, r)
		m.Filters = []string{`{"dynamodb":{"Keys":{"pk":{"S":["x"]}}}}`}
		f.add("s", "k", "x", "k")
		run := startMapping(t, m.Run)
		synctest.Wait()
		run.stopClean()
		if r.ids() != "b" || c.get("s") != "c" {
			t.Errorf("events %q, checkpoint %q; want b, and the checkpoint behind what was passed over", r.ids(), c.get("s"))
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
			t.Errorf("events %q, want ab c", r.ids())
		}
	})
}

func TestFeedParents(t *testing.T) {
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
		// d is the orphan's: its parent is not there any more. b and c wait for a's third try.
		if got := r.ids(); !slices.Contains([]string{"a d a a b c", "d a a a b c"}, got) {
			t.Errorf("events %q, want a until it worked, then b, then c", got)
		}
		run.stopClean()
		want := map[string]string{"p": ShardEnd, "q1": ShardEnd, "leaf": "c", "orphan": "d"} // q2 is empty
		if got := c.all(); !maps.Equal(got, want) {
			t.Errorf("checkpoints %v, want %v", got, want)
		}

		// A new run reads no finished shard again.
		before := len(f.readsSoFar())
		f.add("leaf", "k")
		run = startMapping(t, m.Run)
		synctest.Wait()
		run.stopClean()
		if got := c.get("leaf"); got != "e" {
			t.Errorf("checkpoint of the leaf %q, want e in the first look", got)
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
			t.Errorf("checkpoint %q, events %q; want the end, and the child read at once", c.get("s"), r.ids())
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
			t.Fatal("read without a list of shards")
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
			t.Errorf("events %q, want a b", got)
		}
	})
}

func TestFeedStartsAtLatest(t *testing.T) {
	t.Parallel()
	for _, names := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := newRecorder(nil)
			m, f, c := feedMapping(t, r)
			m.StartingPosition = StartAtLatest
			f.namesLatest = names
			f.add("s", "k", "k")
			f.shards = append(f.shards, &fakeShard{Shard: Shard{ID: "quiet"}})
			run := startMapping(t, m.Run)
			time.Sleep(5 * time.Second)
			run.stopClean()
			if want := map[bool]string{false: Latest, true: "b"}[names]; c.get("s") != want || r.count() != 0 {
				t.Errorf("checkpoint %q, events %q; want %q and none", c.get("s"), r.ids(), want)
			}
			if names {
				f.add("s", "k") // while nobody reads: a feed that names positions keeps it
			} else {
				f.append("s", "k", time.Now(), 0)
			}
			run = startMapping(t, m.Run)
			synctest.Wait()
			f.add("s", "k")
			synctest.Wait()
			f.close("s", "child")
			f.add("child", "k") // a child is read from its beginning
			synctest.Wait()
			run.stopClean()
			want := map[bool]string{false: "d e", true: "c d e"}[names]
			if got := r.ids(); got != want {
				t.Errorf("names its positions %t: events %q, want %q", names, got, want)
			}
		})
	}
}

func TestFeedGoesOnAfterTrimming(t *testing.T) {
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
			t.Errorf("events %q, checkpoint %q, log %q; want d and a loud line", r.ids(), c.get("s"), log.String())
		}
	})
}

func TestFeedGoesOnAfterAShardIsGone(t *testing.T) {
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
			t.Errorf("events %q, checkpoint %q, log %q; want the child's, the end and a loud line", r.ids(), c.get("s"), log.String())
		}
	})
}

func TestFeedGoesOnAfterErrors(t *testing.T) {
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
			t.Errorf("checkpoint %q, want a: saved at the end, after the first try failed", c.get("s"))
		}
	})
}

func TestFeedLeases(t *testing.T) {
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
			t.Error("read a shard that is leased to another copy")
		}
		leased.Store(false)
		time.Sleep(shardRefresh)
		synctest.Wait()
		if r.ids() != "a" {
			t.Errorf("events %q once the lease is free, want a", r.ids())
		}
		lost.Store(true)
		leased.Store(true)
		f.add("s", "k")
		synctest.Wait()
		f.add("s", "k")
		time.Sleep(time.Minute)
		synctest.Wait()
		if r.ids() != "a b" {
			t.Errorf("events %q, want no more after the lease was lost", r.ids())
		}
		lost.Store(false)
		leased.Store(false)
		time.Sleep(shardRefresh)
		synctest.Wait()
		run.stopClean()
		if r.ids() != "a b bc" {
			t.Errorf("events %q, want a new start from the checkpoint", r.ids())
		}
	})
}

func TestFeedParallelByKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		running := make(map[byte]bool) // by key, in work
		var order strings.Builder      // records of key 0
		r := newRecorder(nil)
		keyOf := func(id string) byte { return (id[0] - 'a') % 8 }
		r.answer = func(_ context.Context, ids []string) (string, error) {
			mu.Lock()
			for _, id := range ids { // all before any: a batch may hold a key twice
				if running[keyOf(id)] {
					t.Errorf("key %d runs twice at the same time", keyOf(id))
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
			t.Errorf("%d invocations at the same time, want 2 to 4", r.peak)
		}
		if order.String() != "aiqy" {
			t.Errorf("order of a key: %q, want aiqy", order.String())
		}
		if c.get("s") != "z" {
			t.Errorf("checkpoint %q, want z", c.get("s"))
		}
	})
}

// keyBeside returns a key that another of two lanes gets than this one.
func keyBeside(key string) string {
	for i := 0; ; i++ {
		if k := strconv.Itoa(i); laneIndex(k, 2) != laneIndex(key, 2) {
			return k
		}
	}
}

func TestFeedStuckLaneHoldsTheCheckpointAndNotTheOthers(t *testing.T) {
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
		other := keyBeside("0")
		f.add("s", "0", other, other, other, other, other, other, other) // a, b to h
		run := startMapping(t, m.Run)
		time.Sleep(time.Hour)
		synctest.Wait()
		run.stopClean()
		if got := c.get("s"); got != "" {
			t.Errorf("checkpoint %q, want none: a is not done", got)
		}
		if got := strings.ReplaceAll(strings.ReplaceAll(r.ids(), "a", ""), " ", ""); got != "bcdefgh" {
			t.Errorf("the other lane did %q, want bcdefgh", got)
		}
	})
}

func TestFeedEmptyPageDoesNotPassWhatIsInWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		r := newRecorder(func(context.Context, []string) (string, error) { <-hang; return "", nil })
		m, f, c := feedMapping(t, r)
		m.Timeout = time.Minute
		f.skipsTo = "y"
		f.add("s", "k")
		run := startMapping(t, m.Run)
		time.Sleep(10 * time.Second) // ten empty pages that lead on
		synctest.Wait()
		if got := c.get("s"); got != "" {
			t.Errorf("checkpoint %q while a is in work: a crash would lose it", got)
		}
		close(hang)
		synctest.Wait()
		if got := c.get("s"); got != "a" {
			t.Errorf("checkpoint %q, want a once it is done", got)
		}
		time.Sleep(2 * time.Second)
		f.mu.Lock()
		f.skipsTo = "z"
		f.mu.Unlock()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := c.get("s"); got != "z" {
			t.Errorf("checkpoint %q, want z: nothing is in work", got)
		}
		run.stopClean()
	})
}

func TestFeedReadsAheadWithinItsBound(t *testing.T) {
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
				t.Errorf("%s: last read is %s, want %s: what is read and not done has a bound", tt.name, got, tt.want)
			}
		})
	}
}

func TestFeedDrain(t *testing.T) {
	t.Parallel()
	t.Run("obeys the answers of running invocations", func(t *testing.T) {
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
				t.Errorf("drained in %v after %d events, checkpoint %q; want 5s, one and b", took, r.count(), c.get("s"))
			}
		})
	})
	t.Run("obeys an answer that comes after the cut", func(t *testing.T) {
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
				t.Errorf("checkpoint %q, want b: its work is done", c.get("s"))
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
				t.Errorf("drained in %v, checkpoint %q", took, c.get("s"))
			}
		})
	})
	t.Run("does not wait for an on-failure destination that fails", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := newRecorder(func(context.Context, []string) (string, error) { return "", errors.New("no database") })
			m, f, c := feedMapping(t, r)
			m.MaxAttempts, m.Backoff = 1, func(int) time.Duration { return time.Hour }
			m.OnFailure = func(context.Context, Failure) error { return errors.New("no bucket") }
			f.add("s", "k")
			run := startMapping(t, m.Run)
			synctest.Wait()
			began := time.Now()
			run.stopClean()
			if took := time.Since(began); took != 0 || c.get("s") != "" {
				t.Errorf("drained in %v, checkpoint %q; want at once, and the record again", took, c.get("s"))
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
				t.Errorf("checkpoint %q, want none", got)
			}
		})
	})
	t.Run("says what is left when a function does not obey", func(t *testing.T) {
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
				t.Errorf("checkpoint %q", c.get("s"))
			}
		})
	})
	t.Run("stops at once when there is nothing", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			m, _, c := feedMapping(t, newRecorder(nil))
			run := startMapping(t, m.Run)
			time.Sleep(time.Minute)
			began := time.Now()
			run.stopClean()
			if took := time.Since(began); took != 0 || len(c.saves) != 0 {
				t.Errorf("stopped in %v after saving %q", took, c.saves)
			}
		})
	})
}
