package thumbnail

import (
	"bytes"
	"sync"
	"testing"

	"sluice/thumbnail/internal/codec"
)

// Thumbnails made concurrently with one pool equal those made without it, for
// all kinds of pictures and with damaged ones between them.
func TestPool(t *testing.T) {
	t.Parallel()
	files := [][]byte{
		fixture(t, "orientation-1-upright.jpg"), fixture(t, "grey.jpg"), fixture(t, "progressive.jpg"),
	}
	o := Options{Sizes: []Size{{Width: 60, Height: 60}, {Width: 20, Height: 30, Fill: true}}}
	want := make([]*Result, len(files))
	for i, data := range files {
		var err error
		if want[i], err = Make(t.Context(), bytes.NewReader(data), o); err != nil {
			t.Fatal(err)
		}
	}
	o.Pool = new(Pool)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for round := range 20 {
				i := (g + round) % len(files)
				if _, err := Make(t.Context(), bytes.NewReader(files[i][:len(files[i])/(1+round%7)-9]), o); err == nil {
					t.Errorf("round %d: a picture that is cut has no error", round)
				}
				got, err := Make(t.Context(), bytes.NewReader(files[i]), o)
				if err != nil {
					t.Error(err)
					continue
				}
				for j := range got.Thumbnails {
					if !bytes.Equal(got.Thumbnails[j].Data, want[i].Thumbnails[j].Data) {
						t.Errorf("round %d, picture %d: thumbnail %d differs", round, i, j)
					}
				}
			}
		})
	}
	wg.Wait()
}

// A decoder returns to the pool only after its planes have been read.
func TestPoolTakesBack(t *testing.T) {
	t.Parallel()
	pool := new(Pool)
	p, err := Open(bytes.NewReader(fixture(t, "grey.jpg")), Options{Sizes: []Size{{Width: 60, Height: 60}}, Pool: pool})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.header.Decoder.Decode(p.ratio); err != nil {
		t.Fatal(err)
	}
	if got := pool.jpeg.Decoders.Get(); got != nil {
		t.Error("the pool has the decoder whose planes are in use")
	}
	p.header.Decoder.(codec.Releaser).Release()
	if got := pool.jpeg.Decoders.Get(); got == nil && !underRace { // the race detector makes sync.Pool forget
		t.Error("a decoder that is released does not return to the pool")
	}
}

// BenchmarkPool measures the effect of a pool on a small picture: 480 x 320 take
// a third of the time and a quarter of the memory.
func BenchmarkPool(b *testing.B) {
	data := fixture(b, "orientation-1-upright.jpg")
	for _, tt := range []struct {
		name string
		pool *Pool
	}{{"none", nil}, {"shared", new(Pool)}} {
		b.Run("pool="+tt.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Make(b.Context(), bytes.NewReader(data), Options{Sizes: []Size{{Width: 60, Height: 60}}, Pool: tt.pool}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
