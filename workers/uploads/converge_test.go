package uploads

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"sluice/pipeline"
	"sluice/pipeline/lambdaevent"
	"sluice/workers/schema"
)

// TestThumbnailsConverge lets three workers take notices in any order, some of
// them twice, while the object changes and S3 fails now and then, between any two
// of their calls. When all notices are acknowledged, the thumbnails are those of
// the object as it is, and the newest notice's message says what it is.
func TestThumbnailsConverge(t *testing.T) {
	t.Parallel()
	for seed := range uint64(150) {
		if !t.Run(fmt.Sprint(seed), func(t *testing.T) { converge(t, seed) }) {
			return
		}
	}
}

func converge(t *testing.T, seed uint64) {
	b := newBench(t)
	var mu sync.Mutex
	r := rand.New(rand.NewPCG(seed, 1))
	changes := 12
	type message struct {
		notice  map[string]any
		attempt int
	}
	var waiting []message

	change := func() {
		changes--
		if versions := [][]byte{red, green, blue, []byte("no picture"), nil}; r.IntN(3) > 0 {
			b.s3.put("uploads/a.png", versions[r.IntN(len(versions))])
			waiting = append(waiting, message{b.created("a.png"), 1})
		} else {
			b.s3.remove("uploads/a.png")
			waiting = append(waiting, message{b.removed("a.png"), 1})
		}
		if r.IntN(4) == 0 { // S3 tells twice
			waiting = append(waiting, waiting[len(waiting)-1])
		}
	}
	b.s3.before = func(string) error {
		mu.Lock()
		defer mu.Unlock()
		if changes > 0 && r.IntN(6) == 0 {
			change()
		}
		if r.IntN(20) == 0 {
			return refused(503, "SlowDown")
		}
		return nil
	}
	take := func() (m message, more bool) {
		mu.Lock()
		defer mu.Unlock()
		if len(waiting) < 2 && changes > 0 {
			change()
		}
		if len(waiting) == 0 {
			return m, false
		}
		i := r.IntN(len(waiting))
		m, waiting[i] = waiting[i], waiting[len(waiting)-1]
		waiting = waiting[:len(waiting)-1]
		return m, true
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for m, more := take(); more; m, more = take() {
				r := pipeline.Record{ID: "1", Attempt: m.attempt, Body: []byte(s3Event(m.notice))}
				if err := b.handle(pipeline.WithRecord(t.Context(), r), r); err != nil {
					if pipeline.IsPermanent(err) {
						t.Error(err)
						return
					}
					mu.Lock()
					waiting = append(waiting, message{m.notice, m.attempt + 1})
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	b.wantConverged("a.png")

	var newest schema.Source
	said := ""
	for _, m := range b.sqs.messages {
		if src := data[schema.Source](t, m); lambdaevent.CompareSequencers(src.Sequencer, newest.Sequencer) >= 0 {
			newest, said = src, m.Type
		}
	}
	o, ok := b.s3.get("uploads/a.png")
	want := schema.TypeImageProcessed
	switch {
	case !ok:
		want = schema.TypeImageRemoved
	case len(o.data) < 20:
		want = schema.TypeImageRejected
	}
	if last := fmt.Sprintf("%016X", b.seq); said != want || newest.Sequencer != last || ok && newest.ETag != o.etag() {
		t.Errorf("the newest message is %s of sequencer %s, etag %s; want %s of %s, etag %s", said, newest.Sequencer, newest.ETag, want, last, o.etag())
	}
}
