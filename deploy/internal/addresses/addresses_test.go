package addresses_test

import (
	"context"
	"encoding/json"
	"iter"
	"reflect"
	"testing"
	"time"

	"sluice/deploy/internal/addresses"
	"sluice/pipeline"
	"sluice/pipeline/tabletest"
	"sluice/workers/schema"
)

// old is the key of a user's record before addresses were normalised.
func old(email string) pipeline.Key { return pipeline.Key{PK: "user#" + email, SK: "-"} }

func put(t *testing.T, table pipeline.Table, it pipeline.Item) pipeline.Item {
	t.Helper()
	it, err := table.Put(t.Context(), it, pipeline.Always())
	if err != nil {
		t.Fatal(err)
	}
	return it
}

func items(all ...pipeline.Item) iter.Seq2[pipeline.Item, error] {
	return func(yield func(pipeline.Item, error) bool) {
		for _, it := range all {
			if !yield(it, nil) {
				return
			}
		}
	}
}

func TestMigrateMovesRecordsToNormalKeys(t *testing.T) {
	t.Parallel()
	table := new(tabletest.Memory)
	expires := time.Now().Add(time.Hour).Truncate(time.Second)
	user := put(t, table, pipeline.Item{Key: old("ADA@Example.com"), Expires: expires, Data: json.RawMessage(`{"email":"ADA@Example.com","name":"Ada","n":12345678901234567890123,"x":[1]}`)})
	order := put(t, table, pipeline.Item{Key: pipeline.Key{PK: "user#ADA@Example.com", SK: "order#A/7"}, Data: json.RawMessage(`{"status":"received"}`)})
	normal := put(t, table, pipeline.Item{Key: old("bob@example.com"), Data: json.RawMessage(`{"email":"BOB@example.com"}`)})
	image := put(t, table, pipeline.Item{Key: schema.ImageKey("uploads", "user#ADA@Example.com.jpg"), Data: json.RawMessage(`{}`)})
	all := []pipeline.Item{user, order, normal, image}
	report, err := addresses.Migrate(t.Context(), items(all...), table)
	if err != nil || !reflect.DeepEqual(report, addresses.Report{Moved: 2, Kept: []string{}}) {
		t.Fatalf("got %+v, %v, want 2 moved", report, err)
	}
	got, err := table.Get(t.Context(), schema.UserKey("ada@example.com"))
	if want := `{"email":"ada@example.com","n":12345678901234567890123,"name":"Ada","x":[1]}`; err != nil || string(got.Data) != want || !got.Expires.Equal(expires) {
		t.Errorf("user: got %s, %v, %v, want %s", got.Data, got.Expires, err, want)
	}
	if got, err := table.Get(t.Context(), schema.OrderKey("ada@example.com", "A/7")); err != nil || string(got.Data) != `{"status":"received"}` {
		t.Errorf("order: got %s, %v", got.Data, err)
	}
	for _, it := range []pipeline.Item{user, order} {
		if _, err := table.Get(t.Context(), it.Key); err != pipeline.ErrNotFound {
			t.Errorf("%v: got %v, want no record", it.Key, err)
		}
	}
	for _, it := range []pipeline.Item{normal, image} {
		if got, err := table.Get(t.Context(), it.Key); err != nil || got.Version != it.Version {
			t.Errorf("%v: got %+v, %v, want it unchanged", it.Key, got, err)
		}
	}
}

func TestMigrateKeepsARecordWhoseNormalKeyHasAnother(t *testing.T) {
	t.Parallel()
	table := new(tabletest.Memory)
	mixed := put(t, table, pipeline.Item{Key: old("Ada@example.com"), Data: json.RawMessage(`{"email":"Ada@example.com","name":"one"}`)})
	lower := put(t, table, pipeline.Item{Key: old("ada@example.com"), Data: json.RawMessage(`{"email":"ada@example.com","name":"two"}`)})
	report, err := addresses.Migrate(t.Context(), items(mixed, lower), table)
	if err != nil || !reflect.DeepEqual(report, addresses.Report{Kept: []string{"user#Ada@example.com"}}) {
		t.Fatalf("got %+v, %v, want one kept", report, err)
	}
	for _, it := range []pipeline.Item{mixed, lower} {
		if got, err := table.Get(t.Context(), it.Key); err != nil || got.Version != it.Version {
			t.Errorf("%v: got %+v, %v, want it unchanged", it.Key, got, err)
		}
	}
}

// racing runs before as the first Delete begins.
type racing struct {
	pipeline.Table
	before func()
}

func (r *racing) Delete(ctx context.Context, k pipeline.Key, c pipeline.Condition) error {
	if before := r.before; before != nil {
		r.before = nil
		before()
	}
	return r.Table.Delete(ctx, k, c)
}

func TestMigrateMovesTheLastChangeOfARecord(t *testing.T) {
	t.Parallel()
	table := new(tabletest.Memory)
	it := put(t, table, pipeline.Item{Key: old("Ada@example.com"), Data: json.RawMessage(`{"name":"one"}`)})
	race := &racing{table, func() { put(t, table, pipeline.Item{Key: it.Key, Data: json.RawMessage(`{"name":"two"}`)}) }}
	report, err := addresses.Migrate(t.Context(), items(it), race)
	if err != nil || report.Moved != 1 {
		t.Fatalf("got %+v, %v, want one moved", report, err)
	}
	if got, err := table.Get(t.Context(), schema.UserKey("ada@example.com")); err != nil || string(got.Data) != `{"name":"two"}` {
		t.Errorf("got %s, %v, want the later name", got.Data, err)
	}
}

// TestMigrateGoesOnWhereAnEarlierOneEnded: the copy is there, the original too.
func TestMigrateGoesOnWhereAnEarlierOneEnded(t *testing.T) {
	t.Parallel()
	table := new(tabletest.Memory)
	it := put(t, table, pipeline.Item{Key: old("Ada@example.com"), Data: json.RawMessage(`{"email":"Ada@example.com","name":"one"}`)})
	put(t, table, pipeline.Item{Key: old("ada@example.com"), Data: json.RawMessage(`{"name":"one","email":"ada@example.com"}`)})
	report, err := addresses.Migrate(t.Context(), items(it), table)
	if err != nil || report.Moved != 1 {
		t.Fatalf("got %+v, %v, want one moved", report, err)
	}
	if _, err := table.Get(t.Context(), it.Key); err != pipeline.ErrNotFound {
		t.Errorf("got %v, want no record under the old key", err)
	}
}
