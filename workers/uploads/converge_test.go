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

// TestThumbnailsConverge lets three workers take S3 events in any order, some of
// them twice, while the object changes and S3 fails now and then, between any two
// of their calls. In half of the runs versions and delete markers are removed
// too. When all S3 events are acknowledged, the thumbnails are those of
// the object as it is, and the newest S3 event's message says what it is.
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
		record  map[string]any
		attempt int
	}
	var waiting []message

	// In every other run the bucket keeps versions: nil is a delete marker.
	versioned := seed%2 == 1
	var versions [][]byte
	change := func() {
		changes--
		contents := [][]byte{red, green, blue, []byte("no picture"), {}}
		switch n := r.IntN(3); {
		case n > 0 && versioned && len(versions) > 0 && r.IntN(3) == 0:
			// The newest version is removed for good, or the marker.
			versions = versions[:len(versions)-1]
			if last := len(versions) - 1; last >= 0 && versions[last] != nil {
				b.s3.put("uploads/a.png", versions[last])
			} else {
				b.s3.remove("uploads/a.png")
			}
			waiting = append(waiting, message{b.versionRemoved("a.png", "v"), 1})
		case n > 0:
			versions = append(versions, contents[r.IntN(len(contents))])
			b.s3.put("uploads/a.png", versions[len(versions)-1])
			waiting = append(waiting, message{b.created("a.png"), 1})
		case versioned:
			versions = append(versions, nil)
			b.s3.remove("uploads/a.png")
			waiting = append(waiting, message{b.marked("a.png", "m"), 1})
		default:
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
				r := pipeline.Record{ID: "1", Attempt: m.attempt, Body: []byte(s3Event(m.record))}
				if err := b.handle(pipeline.WithRecord(t.Context(), r), r); err != nil {
					if pipeline.IsPermanent(err) {
						t.Error(err)
						return
					}
					mu.Lock()
					waiting = append(waiting, message{m.record, m.attempt + 1})
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
