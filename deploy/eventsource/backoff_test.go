package eventsource

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestDefaultBackoff(t *testing.T) {
	t.Parallel()
	var got []time.Duration
	for _, n := range []int{1, 2, 3, 8, 9, 1000, 1 << 40} {
		got = append(got, defaultBackoff(n))
	}
	const ms = time.Millisecond
	if want := []time.Duration{200 * ms, 400 * ms, 800 * ms, 25600 * ms, 30000 * ms, 30000 * ms, 30000 * ms}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestSlowdown(t *testing.T) {
	t.Parallel()
	pause := func(t *testing.T, s *slowdown) time.Duration {
		began := time.Now()
		if !s.wait(t.Context()) {
			t.Error("wait: got false, want true")
		}
		return time.Since(began)
	}
	const ms = time.Millisecond
	t.Run("doubles with each error after a pause but not during one", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := &slowdown{backoff: defaultBackoff}
			got := []time.Duration{pause(t, s)}
			for range 3 {
				s.failed()
				s.failed()
				got = append(got, pause(t, s))
			}
			if want := []time.Duration{0, 200 * ms, 400 * ms, 800 * ms}; !slices.Equal(got, want) {
				t.Errorf("pauses: got %v, want %v", got, want)
			}
		})
	})
	t.Run("a success ends the pause and resets the count", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := &slowdown{backoff: defaultBackoff}
			s.failed()
			pause(t, s)
			s.failed()
			time.AfterFunc(50*ms, s.worked)
			ended := pause(t, s)
			s.failed()
			if again := pause(t, s); ended != 50*ms || again != 200*ms {
				t.Errorf("pauses: got %v and %v, want 50ms and 200ms", ended, again)
			}
		})
	})
	t.Run("returns false when its context ends", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := &slowdown{backoff: defaultBackoff}
			s.failed()
			ctx, cancel := context.WithTimeout(t.Context(), 50*ms)
			defer cancel()
			if s.wait(ctx) {
				t.Error("wait: got true, want false")
			}
		})
	})
}
