package tabletest

import (
	"errors"
	"fmt"
	"time"

	"sluice/pipeline"
)

func expiryCases() []Case {
	return []Case{
		{"expires-seconds", "Expires has whole seconds: a fraction is cut off. Zero means never.", checkExpiresSeconds},
		{
			"expired-consistent",
			"An item past its Expires may still be returned, or be gone; as long as it is there, Absent does not hold.",
			checkExpiredConsistent,
		},
	}
}

func checkExpiresSeconds(t *trial) error {
	base := time.Now().Add(24 * time.Hour).Truncate(time.Second)
	for i, expires := range []time.Time{
		{},
		base,
		base.Add(time.Millisecond),
		base.Add(500 * time.Millisecond),
		base.Add(time.Second - 1),
		base.In(time.FixedZone("east", 5*3600)),
		base.AddDate(200, 0, 0),
	} {
		it, err := t.createItem(pipeline.Item{Key: t.key(fmt.Sprintf("x%d", i)), Expires: expires, Data: []byte(`{}`)})
		if err != nil {
			return err
		}
		got, err := t.get(it.Key)
		if err != nil {
			return err
		}
		if expires.IsZero() {
			if !got.Expires.IsZero() {
				return fmt.Errorf("got expiry %v, want none", got.Expires)
			}
			continue
		}
		if want := time.Unix(expires.Unix(), 0); !got.Expires.Equal(want) {
			return fmt.Errorf("expiry %v: got %v, want %v", expires, got.Expires, want)
		}
	}
	return nil
}

func checkExpiredConsistent(t *trial) error {
	for i := range 5 {
		k := t.key(fmt.Sprintf("x%d", i))
		expired, err := t.createItem(pipeline.Item{Key: k, Expires: time.Now().Add(-time.Hour), Data: []byte(`{"n":1}`)})
		if err != nil {
			return err
		}
		seen, err := t.table.Get(t.ctx, k)
		if err != nil && !errors.Is(err, pipeline.ErrNotFound) {
			return fmt.Errorf("get the expired item: %w", err)
		}
		if err == nil && !seen.Expired(time.Now()) {
			return fmt.Errorf("got expiry %v of an item that expired an hour ago", seen.Expires)
		}
		// The item may be removed between get and put, but not restored.
		gone := err != nil
		put, err := t.table.Put(t.ctx, pipeline.Item{Key: k, Data: []byte(`{"n":2}`)}, pipeline.Absent())
		conflict, ok := errors.AsType[*pipeline.ConflictError](err)
		switch {
		case err != nil && !ok:
			return fmt.Errorf("put if absent over the expired item: %w", err)
		case ok && gone:
			return errors.New("get: got no item, but put if absent conflicts with one")
		case ok && (!conflict.Exists || conflict.Current.Version != expired.Version):
			return fmt.Errorf("got a conflict with %v, want the expired item", conflict.Current)
		case ok:
			continue
		}
		got, err := t.get(k)
		if err != nil {
			return err
		}
		if got.Version != put.Version || !got.Expires.IsZero() {
			return fmt.Errorf("got %v after put if absent, want the new item", got)
		}
	}
	return nil
}
