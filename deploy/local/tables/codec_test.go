package tables

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
	"time"

	"sluice/pipeline"
)

func TestCodecRoundTrips(t *testing.T) {
	t.Parallel()
	k := pipeline.Key{PK: "p\x00", SK: "\U0010ffff"}
	items := []pipeline.Item{
		{Key: k, Version: "v", Data: []byte(`{}`)},
		{Key: k, Version: "a-version-of-26-characters", Expires: time.Unix(1_800_000_000, 0).UTC(), Data: []byte(`{"a":1}`)},
		{Key: k, Expires: time.Unix(-1, 0).UTC(), Data: []byte(`{}`)},
	}
	for _, it := range items {
		got, err := decodeItem(k, encodeItem(nil, it))
		if err != nil || !reflect.DeepEqual(got, it) {
			t.Errorf("item: got %v and the error %v, want %v", got, err, it)
		}
	}
	at := time.UnixMilli(1_800_000_000_123).UTC()
	for _, ch := range []change{
		{at: at, key: k, next: &items[0]},
		{at: at, key: k, old: &items[0], next: &items[1]},
		{at: at, key: k, old: &items[1], service: true},
	} {
		b := encodeChange(ch)
		got, err := decodeChange(b)
		if err != nil || !reflect.DeepEqual(got, ch) {
			t.Errorf("change: got %v and the error %v, want %v", got, err, ch)
		}
		if when, err := changedAt(b); err != nil || !when.Equal(at) {
			t.Errorf("time of the change: got %v and the error %v, want %v", when, err, at)
		}
		// A truncated change is refused.
		for n := range b {
			if _, err := decodeChange(b[:n]); !errors.Is(err, errForm) {
				t.Errorf("truncated to %d of %d bytes: got the error %v, want errForm", n, len(b), err)
			}
		}
		if _, err := decodeChange(append(bytes.Clone(b), 0)); !errors.Is(err, errForm) {
			t.Errorf("one extra byte: got the error %v, want errForm", err)
		}
	}
}

// FuzzDecode decodes damaged data: the result is an error and never a panic.
func FuzzDecode(f *testing.F) {
	it := pipeline.Item{Key: pipeline.Key{PK: "p", SK: "s"}, Version: "v", Expires: time.Unix(1, 0), Data: []byte(`{}`)}
	f.Add(encodeItem(nil, it))
	f.Add(encodeChange(change{key: it.Key, old: &it, next: &it}))
	f.Add(itemKey(it.Key))
	f.Add(expiryKey(it.Expires, itemKey(it.Key)))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = decodeItem(it.Key, b)
		_, _ = splitItemKey(b)
		_, _, _ = splitExpiryKey(b)
		_, _ = changedAt(b)
		if ch, err := decodeChange(b); err == nil {
			again, err := decodeChange(encodeChange(ch))
			if err != nil || !reflect.DeepEqual(again, ch) {
				t.Errorf("%q: decoded as %v; encoded and decoded again: got %v and the error %v", b, ch, again, err)
			}
		}
	})
}

func TestKeysSortByTimeAndSequence(t *testing.T) {
	t.Parallel()
	times := []time.Time{time.Unix(-1<<40, 0), time.Unix(-1, 0), time.Unix(0, 0), time.Unix(1, 0), time.Unix(1<<40, 0)}
	for i := range len(times) - 1 {
		a, b := expiryKey(times[i], []byte("z")), expiryKey(times[i+1], []byte("a"))
		if bytes.Compare(a, b) >= 0 {
			t.Errorf("expiry key of %v: got it sorted after that of %v, want before", times[i], times[i+1])
		}
		if when, key, err := splitExpiryKey(a); err != nil || !when.Equal(times[i]) || string(key) != "z" {
			t.Errorf("expiry key: got %v, %q and the error %v, want %v", when, key, err, times[i])
		}
	}
	if a, b := formatSequence(9), formatSequence(10); a >= b || len(a) != 21 || len(formatSequence(1<<64-1)) != 21 {
		t.Errorf("sequence numbers %s and %s: want 21 digits each, in order", a, b)
	}
	for _, n := range []uint64{0, 1, 1 << 40, 1<<64 - 1} {
		if got, err := parseSequence(formatSequence(n)); got != n || err != nil {
			t.Errorf("sequence number %d: got %d and the error %v", n, got, err)
		}
	}
}
