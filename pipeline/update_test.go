package pipeline_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"sluice/pipeline"
	"sluice/pipeline/tabletest"
)

type counter struct {
	N    int    `json:"n"`
	Note string `json:"note,omitempty"`
}

var counterKey = pipeline.Key{PK: "counter", SK: "-"}

func put(t *testing.T, tbl pipeline.Table, data string) {
	t.Helper()
	if _, err := tbl.Put(t.Context(), pipeline.Item{Key: counterKey, Data: json.RawMessage(data)}, pipeline.Always()); err != nil {
		t.Fatal(err)
	}
}

func TestUpdateAppliesThePatch(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		before string // "" means no item
		patch  any
		want   string
	}{
		{"creates an item", "", counter{N: 1}, `{"n":1}`},
		{"replaces members and keeps unknown ones", `{"n":1,"other":[1]}`, counter{N: 2}, `{"n":2,"other":[1]}`},
		{"null removes a member", `{"n":1,"other":[1]}`, map[string]any{"other": nil}, `{"n":1}`},
		{"nil writes nothing", `{"n":1}`, nil, `{"n":1}`},
		{"keeps the digits of a number", `{"n":1,"big":9007199254740993}`, counter{N: 2}, `{"big":9007199254740993,"n":2}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tbl := new(tabletest.Memory)
			if tt.before != "" {
				put(t, tbl, tt.before)
			}
			got, err := pipeline.Update(t.Context(), tbl, counterKey, func(current counter, exists bool) (any, error) {
				if exists != (tt.before != "") {
					t.Errorf("exists: got %v", exists)
				}
				return tt.patch, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			stored, err := tbl.Get(t.Context(), counterKey)
			if err != nil {
				t.Fatal(err)
			}
			if string(stored.Data) != tt.want || string(got.Data) != tt.want || got.Version != stored.Version {
				t.Errorf("got %s, stored %s, want %s", got.Data, stored.Data, tt.want)
			}
		})
	}
}

func TestUpdateCallsChangeAgainAfterAConflict(t *testing.T) {
	t.Parallel()
	tbl := new(tabletest.Memory)
	put(t, tbl, `{"n":1}`)
	seen := []int{}
	_, err := pipeline.Update(t.Context(), tbl, counterKey, func(current counter, _ bool) (any, error) {
		if len(seen) == 0 {
			put(t, tbl, `{"n":10}`) // another writer
		}
		seen = append(seen, current.N)
		return counter{N: current.N + 1}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got, _ := tbl.Get(t.Context(), counterKey)
	if string(got.Data) != `{"n":11}` || len(seen) != 2 || seen[1] != 10 {
		t.Errorf("stored %s after %v, want 11 after 1 and 10: no write is lost", got.Data, seen)
	}
}

func TestUpdateReturnsTheTenthConflict(t *testing.T) {
	t.Parallel()
	tbl := new(tabletest.Memory)
	tries := 0
	_, err := pipeline.Update(t.Context(), tbl, counterKey, func(current counter, _ bool) (any, error) {
		tries++
		put(t, tbl, `{"n":0}`)
		return counter{N: 1}, nil
	})
	if _, ok := errors.AsType[*pipeline.ConflictError](err); !ok || tries != 10 {
		t.Errorf("after %d tries: got %v, want a *ConflictError after 10", tries, err)
	}
}

func TestUpdateReturnsErrors(t *testing.T) {
	t.Parallel()
	tbl := new(tabletest.Memory)
	put(t, tbl, `{"n":"text"}`)
	nothing := func(counter, bool) (any, error) { return nil, nil }
	if _, err := pipeline.Update(t.Context(), tbl, counterKey, nothing); err == nil || !strings.Contains(err.Error(), counterKey.String()) {
		t.Errorf("item that does not decode: got %v, want an error that names it", err)
	}
	put(t, tbl, `{}`)
	if _, err := pipeline.Update(t.Context(), tbl, counterKey, func(counter, bool) (any, error) { return nil, errAgain }); !errors.Is(err, errAgain) {
		t.Errorf("error of change: got %v, want it unchanged", err)
	}
	if _, err := pipeline.Update(t.Context(), tbl, counterKey, func(counter, bool) (any, error) { return 5, nil }); err == nil || !strings.Contains(err.Error(), "want a JSON object") {
		t.Errorf("patch that is not an object: got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := pipeline.Update(ctx, tbl, counterKey, nothing); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: got %v, want context.Canceled", err)
	}
}

// After a conflict, change is told whether there is an item.
func TestUpdateOfAnItemCreatedOrDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		before string // "" means no item
		now    string
		saw    []string
		want   string
	}{
		{"created", "", `{"n":10,"other":1}`, []string{"0 false", "10 true"}, `{"n":11,"other":1}`},
		{"deleted", `{"n":10,"other":1}`, "", []string{"10 true", "0 false"}, `{"n":1}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tbl := new(tabletest.Memory)
			if tt.before != "" {
				put(t, tbl, tt.before)
			}
			var saw []string
			_, err := pipeline.Update(t.Context(), tbl, counterKey, func(current counter, exists bool) (any, error) {
				if saw = append(saw, fmt.Sprint(current.N, " ", exists)); len(saw) == 1 {
					if tt.now != "" {
						put(t, tbl, tt.now)
					} else if err := tbl.Delete(t.Context(), counterKey, pipeline.Always()); err != nil {
						t.Fatal(err)
					}
				}
				return counter{N: current.N + 1}, nil
			})
			got, _ := tbl.Get(t.Context(), counterKey)
			if err != nil || string(got.Data) != tt.want || !slices.Equal(saw, tt.saw) {
				t.Errorf("stored %s, %v after %q, want %s after %q", got.Data, err, saw, tt.want, tt.saw)
			}
		})
	}
}
