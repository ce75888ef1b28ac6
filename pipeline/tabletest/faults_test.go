package tabletest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf16"

	"sluice/pipeline"
)

// faults are backends that each break one rule: the case that must fail, the fault
// of the backend, and the backend.
var faults = []struct {
	breaks string
	does   string
	table  func() pipeline.Table
}{
	{"get", "returns items without their key", faultInGet(func(m *Memory) getFunc {
		return func(ctx context.Context, k pipeline.Key) (pipeline.Item, error) {
			it, err := m.Get(ctx, k)
			it.Key = pipeline.Key{}
			return it, err
		}
	})},
	{"get-missing", "returns the next item instead of a missing one", faultInGet(func(m *Memory) getFunc {
		return func(ctx context.Context, k pipeline.Key) (pipeline.Item, error) {
			it, err := m.Get(ctx, k)
			if errors.Is(err, pipeline.ErrNotFound) && k.SK == "a" {
				for next, err := range m.Query(ctx, k.PK, "b") {
					return next, err
				}
			}
			return it, err
		}
	})},
	{"keys-apart", "folds case", foldKeys(strings.ToLower)},
	{"keys-apart", "trims spaces", foldKeys(strings.TrimSpace)},
	{"keys-apart", "joins PK and SK with a slash", faultInGet(func(m *Memory) getFunc {
		return func(ctx context.Context, k pipeline.Key) (pipeline.Item, error) {
			if cut := strings.LastIndex(k.PK, "/"); cut > 0 {
				if it, err := m.Get(ctx, pipeline.Key{PK: k.PK[:cut], SK: k.PK[cut+1:] + "/" + k.SK}); err == nil {
					return it, nil
				}
			}
			return m.Get(ctx, k)
		}
	})},
	{"get-sees-writes", "sometimes reads a replica that lags", func() pipeline.Table {
		m := new(Memory)
		var mu sync.Mutex
		writes, lagging := map[pipeline.Key]int{}, map[pipeline.Key]pipeline.Item{}
		return &faultyTable{
			table: m,
			put: func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
				mu.Lock()
				defer mu.Unlock()
				old, _ := m.Get(ctx, it.Key)
				stored, err := m.Put(ctx, it, c)
				if writes[it.Key]++; err == nil && writes[it.Key]%10 == 0 {
					lagging[it.Key] = old
				}
				return stored, err
			},
			get: func(ctx context.Context, k pipeline.Key) (pipeline.Item, error) {
				mu.Lock()
				defer mu.Unlock()
				if old, ok := lagging[k]; ok {
					delete(lagging, k)
					return old, nil
				}
				return m.Get(ctx, k)
			},
		}
	}},
	{"query-sees-writes", "queries an index that only creation updates", func() pipeline.Table {
		m := new(Memory)
		var mu sync.Mutex
		index := map[pipeline.Key]pipeline.Item{}
		return &faultyTable{
			table: m,
			put: func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
				stored, err := m.Put(ctx, it, c)
				mu.Lock()
				defer mu.Unlock()
				if _, ok := index[it.Key]; !ok && err == nil {
					index[it.Key] = clone(stored)
				}
				return stored, err
			},
			query: faultInYield(m, func(it pipeline.Item) pipeline.Item {
				mu.Lock()
				defer mu.Unlock()
				return clone(index[it.Key])
			}),
		}
	}},

	{"version-fresh", "skips a write of the same data", faultInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			if current, err := m.Get(ctx, it.Key); err == nil && !c.Unconditional() && c.Holds(current, true) && bytes.Equal(current.Data, it.Data) {
				return current, nil
			}
			return m.Put(ctx, it, c)
		}
	})},
	{"version-input", "takes the version from the caller", faultInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			stored, err := m.Put(ctx, it, c)
			if err == nil {
				stored.Version = cmp.Or(it.Version, stored.Version)
				m.set(clone(stored))
			}
			return stored, err
		}
	})},
	{"version-after-delete", "counts versions from 1 for each new item", func() pipeline.Table {
		m := new(Memory)
		var mu sync.Mutex // covers Put, so that counting does not race
		return &faultyTable{table: m, put: func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			mu.Lock()
			defer mu.Unlock()
			old, err := m.Get(ctx, it.Key)
			n := 0
			if err == nil {
				fmt.Sscanf(old.Version, it.Key.String()+"#%d", &n)
			}
			stored, err := m.Put(ctx, it, c)
			if err == nil {
				stored.Version = fmt.Sprintf("%s#%d", it.Key, n+1)
				m.set(clone(stored))
			}
			return stored, err
		}}
	}},

	{"put-returns-stored", "returns the item as given", faultInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			stored, err := m.Put(ctx, it, c)
			it.Version = stored.Version
			it.Data = slices.Clone(it.Data)
			return it, err
		}
	})},
	{"put-replaces-whole", "merges attributes into the old item", faultInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			old, err := m.Get(ctx, it.Key)
			var was, is map[string]json.RawMessage
			if err == nil && json.Unmarshal(old.Data, &was) == nil && json.Unmarshal(it.Data, &is) == nil {
				maps.Copy(was, is)
				it.Data, _ = json.Marshal(was)
			}
			return m.Put(ctx, it, c)
		}
	})},
	{"put-replaces-whole", "keeps the expiry of the old item", faultInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			old, err := m.Get(ctx, it.Key)
			if err == nil && it.Expires.IsZero() && !old.Expired(time.Now()) {
				it.Expires = old.Expires
			}
			return m.Put(ctx, it, c)
		}
	})},

	{"always", "never overwrites", faultInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			if old, err := m.Get(ctx, it.Key); err == nil && c.Unconditional() && pipeline.CheckItem(it) == nil {
				return old, nil
			}
			return m.Put(ctx, it, c)
		}
	})},
	{"absent-holds", "checks for any item of the partition", faultInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			if other, err := m.Get(ctx, pipeline.Key{PK: it.Key.PK, SK: "neighbour"}); err == nil && c == pipeline.Absent() {
				return pipeline.Item{}, &pipeline.ConflictError{Key: it.Key, Condition: c, Current: other, Exists: true}
			}
			return m.Put(ctx, it, c)
		}
	})},
	{"absent-conflicts", "accepts the same data twice", faultInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			if old, err := m.Get(ctx, it.Key); err == nil && c == pipeline.Absent() && bytes.Equal(old.Data, it.Data) {
				return old, nil
			}
			return m.Put(ctx, it, c)
		}
	})},
	{"at-version", "accepts the current version of another item", func() pipeline.Table {
		m := new(Memory)
		return &faultyTable{table: m, put: func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			if v, ok := c.Version(); ok && m.hasVersion(v) {
				if old, err := m.Get(ctx, it.Key); err == nil && old.Version != v {
					return m.Put(ctx, it, pipeline.Always())
				}
			}
			return m.Put(ctx, it, c)
		}}
	}},
	{"at-version", "accepts a version that is two writes old", func() pipeline.Table {
		m := new(Memory)
		var mu sync.Mutex
		last, before := map[pipeline.Key]string{}, map[pipeline.Key]string{}
		return &faultyTable{table: m, put: func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			mu.Lock()
			defer mu.Unlock()
			old, _ := m.Get(ctx, it.Key)
			if v, ok := c.Version(); ok && v != "" && v == before[it.Key] && old.Version != "" && old.Version != v {
				c = pipeline.Always()
			}
			stored, err := m.Put(ctx, it, c)
			if err == nil {
				before[it.Key], last[it.Key] = last[it.Key], old.Version
			}
			return stored, err
		}}
	}},
	{"at-version-missing", "creates a missing item", faultInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			stored, err := m.Put(ctx, it, c)
			if conflict, ok := err.(*pipeline.ConflictError); ok && !conflict.Exists && c == pipeline.AtVersion(unknownVersion) {
				_, _ = m.Put(ctx, it, pipeline.Always())
			}
			return stored, err
		}
	})},
	{"at-version-empty", "treats the empty version as no condition", faultInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			if c == pipeline.AtVersion("") {
				c = pipeline.Always()
			}
			return m.Put(ctx, it, c)
		}
	})},
	{"at-version-empty", "treats the empty version as absent", faultInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			if c == pipeline.AtVersion("") {
				c = pipeline.Absent()
			}
			return m.Put(ctx, it, c)
		}
	})},
	{"conflict-current", "returns conflicts with only the version", faultInConflict(func(e *pipeline.ConflictError) {
		e.Current = pipeline.Item{Key: e.Current.Key, Version: e.Current.Version}
	})},
	{"conflict-current", "returns conflicts without the condition", faultInConflict(func(e *pipeline.ConflictError) {
		e.Condition = pipeline.Condition{}
	})},
	{"conflict-none", "returns conflicts with a missing item", faultInConflict(func(e *pipeline.ConflictError) {
		if !e.Exists {
			e.Exists = true
		}
	})},
	{"conflict-changes-nothing", "stores the expiry of a rejected write", faultInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			stored, err := m.Put(ctx, it, c)
			if conflict, ok := err.(*pipeline.ConflictError); ok && conflict.Exists && !it.Expires.IsZero() {
				changed := conflict.Current
				changed.Expires = it.Expires
				m.set(changed)
			}
			return stored, err
		}
	})},
	{"conflict-changes-nothing", "removes an item and reports a conflict", faultInDelete(func(m *Memory) delFunc {
		return func(ctx context.Context, k pipeline.Key, c pipeline.Condition) error {
			err := m.Delete(ctx, k, c)
			if conflict, ok := err.(*pipeline.ConflictError); ok && conflict.Exists && c == pipeline.AtVersion(unknownVersion) {
				_ = m.Delete(ctx, k, pipeline.Always())
			}
			return err
		}
	})},

	{"delete", "yields deleted items in queries", func() pipeline.Table {
		m := new(Memory)
		deleted := new(Memory)
		return &faultyTable{
			table: m,
			del: func(ctx context.Context, k pipeline.Key, c pipeline.Condition) error {
				it, _ := m.Get(ctx, k)
				err := m.Delete(ctx, k, c)
				if err == nil && k.SK == "a" && it.Version != "" {
					deleted.set(it)
				}
				return err
			},
			query: func(ctx context.Context, pk, skPrefix string) iter.Seq2[pipeline.Item, error] {
				return func(yield func(pipeline.Item, error) bool) {
					for _, t := range []*Memory{deleted, m} {
						for it, err := range t.Query(ctx, pk, skPrefix) {
							if !yield(it, err) {
								return
							}
						}
					}
				}
			},
		}
	}},
	{"delete", "removes every key with the prefix", faultInDelete(func(m *Memory) delFunc {
		return func(ctx context.Context, k pipeline.Key, c pipeline.Condition) error {
			err := m.Delete(ctx, k, c)
			if err == nil && k.SK == "a" && !c.Unconditional() {
				_ = m.Delete(ctx, pipeline.Key{PK: k.PK, SK: "a2"}, pipeline.Always())
			}
			return err
		}
	})},
	{"delete-always", "removes nothing under Always", faultInDelete(func(m *Memory) delFunc {
		return func(ctx context.Context, k pipeline.Key, c pipeline.Condition) error {
			if c.Unconditional() && pipeline.CheckKey(k) == nil && ctx.Err() == nil {
				return nil
			}
			return m.Delete(ctx, k, c)
		}
	})},
	{"delete-missing", "returns ErrNotFound for a missing item", faultInDelete(func(m *Memory) delFunc {
		return func(ctx context.Context, k pipeline.Key, c pipeline.Condition) error {
			if _, err := m.Get(ctx, k); errors.Is(err, pipeline.ErrNotFound) && c.Unconditional() {
				return err
			}
			return m.Delete(ctx, k, c)
		}
	})},
	{"delete-at-version", "accepts the current version of another item", func() pipeline.Table {
		m := new(Memory)
		return &faultyTable{table: m, del: func(ctx context.Context, k pipeline.Key, c pipeline.Condition) error {
			if v, ok := c.Version(); ok && m.hasVersion(v) {
				c = pipeline.Always()
			}
			return m.Delete(ctx, k, c)
		}}
	}},
	{"delete-missing-at-version", "accepts a missing item under AtVersion", faultInDelete(func(m *Memory) delFunc {
		return func(ctx context.Context, k pipeline.Key, c pipeline.Condition) error {
			err := m.Delete(ctx, k, c)
			if conflict, ok := err.(*pipeline.ConflictError); ok && !conflict.Exists && c == pipeline.AtVersion(unknownVersion) {
				return nil
			}
			return err
		}
	})},
	{"delete-absent", "does nothing under Absent", faultInDelete(func(m *Memory) delFunc {
		return func(ctx context.Context, k pipeline.Key, c pipeline.Condition) error {
			if c == pipeline.Absent() {
				return nil
			}
			return m.Delete(ctx, k, c)
		}
	})},

	{"one-absent-winner", "checks, then writes", faultInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			if _, err := m.Get(ctx, it.Key); errors.Is(err, pipeline.ErrNotFound) && c == pipeline.Absent() {
				pause()
				c = pipeline.Always()
			}
			return m.Put(ctx, it, c)
		}
	})},
	{"one-at-version-winner", "checks, then writes", func() pipeline.Table {
		m := new(Memory)
		var deletes sync.RWMutex // puts run concurrently with puts only
		return &faultyTable{
			table: m,
			put: func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
				deletes.RLock()
				defer deletes.RUnlock()
				return m.checkThenPut(ctx, it, c)
			},
			del: func(ctx context.Context, k pipeline.Key, c pipeline.Condition) error {
				deletes.Lock()
				defer deletes.Unlock()
				return m.Delete(ctx, k, c)
			},
		}
	}},
	{"one-delete-winner", "checks, then removes", func() pipeline.Table {
		m := new(Memory)
		var puts sync.RWMutex // deletes run concurrently with deletes only
		return &faultyTable{
			table: m,
			put: func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
				puts.Lock()
				defer puts.Unlock()
				return m.Put(ctx, it, c)
			},
			del: func(ctx context.Context, k pipeline.Key, c pipeline.Condition) error {
				puts.RLock()
				defer puts.RUnlock()
				return m.checkThenDelete(ctx, k, c)
			},
		}
	}},
	{"put-or-delete-wins", "has one lock for puts and one for deletes", func() pipeline.Table {
		m := new(Memory)
		var puts, deletes sync.Mutex
		return &faultyTable{
			table: m,
			put: func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
				puts.Lock()
				defer puts.Unlock()
				return m.checkThenPut(ctx, it, c)
			},
			del: func(ctx context.Context, k pipeline.Key, c pipeline.Condition) error {
				deletes.Lock()
				defer deletes.Unlock()
				return m.checkThenDelete(ctx, k, c)
			},
		}
	}},
	{"concurrent-use", "loses a write that is concurrent with another item's", func() pipeline.Table {
		m := new(Memory)
		var mu sync.Mutex
		writing := map[pipeline.Key]int{}
		count := func(k pipeline.Key, n int) (others bool) {
			mu.Lock()
			defer mu.Unlock()
			if writing[k] += n; writing[k] == 0 {
				delete(writing, k)
			}
			return len(writing) > 1
		}
		return &faultyTable{table: m, put: func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			count(it.Key, 1)
			pause()
			stored, err := m.Put(ctx, it, c)
			if count(it.Key, 0) && err == nil {
				_ = m.Delete(ctx, it.Key, pipeline.Always())
			}
			count(it.Key, -1)
			return stored, err
		}}
	}},

	{"query-order", "sorts by UTF-16 units", sortedQuery(func(a, b string) int {
		return slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b)))
	})},
	{"query-order", "sorts case-insensitively", sortedQuery(func(a, b string) int {
		return cmp.Compare(strings.ToLower(a), strings.ToLower(b))
	})},
	{"query-order", "sorts backwards", sortedQuery(func(a, b string) int { return cmp.Compare(b, a) })},
	{"query-prefix", "treats _ and % as wildcards", matchingQuery(func(sk, prefix string) bool {
		if !strings.ContainsAny(prefix, "_%") {
			return strings.HasPrefix(sk, prefix)
		}
		head, _, _ := strings.Cut(strings.ReplaceAll(prefix, "%", "_"), "_")
		return strings.HasPrefix(sk, head) && len(sk) > len(head)
	})},
	{"query-prefix", "ends the range at U+FFFF", matchingQuery(func(sk, prefix string) bool {
		return sk >= prefix && (sk <= prefix+"\uffff" || len(prefix) < 2)
	})},
	{"query-prefix-whole", "omits the sort key that equals the prefix", func() pipeline.Table {
		return matchingQuery(func(sk, prefix string) bool {
			return strings.HasPrefix(sk, prefix) && (sk != prefix || sk[0] != 'k')
		})()
	}},
	{"query-all", "yields nothing for the empty prefix", matchingQuery(func(sk, prefix string) bool {
		return strings.HasPrefix(sk, prefix) && prefix != ""
	})},
	{"query-partition", "treats pk as a prefix", faultInQuery(func(m *Memory) queryFunc {
		return func(ctx context.Context, pk, skPrefix string) iter.Seq2[pipeline.Item, error] {
			return func(yield func(pipeline.Item, error) bool) {
				for i, pk := range []string{pk, pk + "s"} {
					if i > 0 && len(pk) > pipeline.MaxPKBytes {
						return
					}
					for it, err := range m.Query(ctx, pk, skPrefix) {
						if !yield(it, err) || err != nil {
							return
						}
					}
				}
			}
		}
	})},
	{"query-nothing", "returns an error for an empty partition", faultInQuery(func(m *Memory) queryFunc {
		return func(ctx context.Context, pk, skPrefix string) iter.Seq2[pipeline.Item, error] {
			return func(yield func(pipeline.Item, error) bool) {
				if len(m.snapshot(pk, "")) == 0 && pipeline.CheckKey(pipeline.Key{PK: pk, SK: cmp.Or(skPrefix, "-")}) == nil {
					yield(pipeline.Item{}, pipeline.ErrNotFound)
					return
				}
				m.Query(ctx, pk, skPrefix)(yield)
			}
		}
	})},
	{"query-whole-items", "omits the expiry", faultInQuery(func(m *Memory) queryFunc {
		return faultInYield(m, func(it pipeline.Item) pipeline.Item { it.Expires = time.Time{}; return it })
	})},
	{"query-whole-items", "omits the data of lists", faultInQuery(func(m *Memory) queryFunc {
		return faultInYield(m, func(it pipeline.Item) pipeline.Item {
			if bytes.Contains(it.Data, []byte(`[1,"x"]`)) {
				it.Data = []byte(`{}`)
			}
			return it
		})
	})},
	{"query-pages", "reads one page", faultInQuery(func(m *Memory) queryFunc {
		return func(ctx context.Context, pk, skPrefix string) iter.Seq2[pipeline.Item, error] {
			return func(yield func(pipeline.Item, error) bool) {
				size := 0
				for it, err := range m.Query(ctx, pk, skPrefix) {
					if size += len(it.Data); size > 1<<20 || !yield(it, err) {
						return
					}
				}
			}
		}
	})},
	{"query-break", "continues after its caller stopped", faultInQuery(func(m *Memory) queryFunc {
		return func(ctx context.Context, pk, skPrefix string) iter.Seq2[pipeline.Item, error] {
			return func(yield func(pipeline.Item, error) bool) {
				for it, err := range m.Query(ctx, pk, skPrefix) {
					if !yield(it, err) && skPrefix == "b" { // range would panic
						yield(it, err)
					}
					if err != nil {
						return
					}
				}
			}
		}
	})},
	{"query-error", "continues after an error", faultInQuery(func(m *Memory) queryFunc {
		return func(ctx context.Context, pk, skPrefix string) iter.Seq2[pipeline.Item, error] {
			return func(yield func(pipeline.Item, error) bool) {
				for it, err := range m.Query(ctx, pk, skPrefix) {
					if !yield(it, err) {
						return
					}
					if err != nil && !yield(it, err) {
						return
					}
				}
			}
		}
	})},
	{"query-during-writes", "keeps its position by count during writes", faultInQuery(func(m *Memory) queryFunc {
		return func(ctx context.Context, pk, skPrefix string) iter.Seq2[pipeline.Item, error] {
			return func(yield func(pipeline.Item, error) bool) {
				const page = 5
				if ctx.Err() != nil || pipeline.CheckKey(pipeline.Key{PK: pk, SK: cmp.Or(skPrefix, "-")}) != nil {
					m.Query(ctx, pk, skPrefix)(yield)
					return
				}
				for from := 0; ; from += page {
					all := m.snapshot(pk, skPrefix)
					for _, it := range all[min(from, len(all)):min(from+page, len(all))] {
						if err := ctx.Err(); err != nil {
							yield(pipeline.Item{}, err)
							return
						}
						if !yield(clone(it), nil) {
							return
						}
					}
					if from+page >= len(all) {
						return
					}
				}
			}
		}
	})},

	{"data-forms", "omits null", faultInItems(changeData(func(v any) any {
		if attrs, ok := v.(map[string]any); ok {
			maps.DeleteFunc(attrs, func(name string, v any) bool { return v == nil && name == "null" })
		}
		return v
	}))},
	{"data-forms", "turns empty strings into null", faultInItems(changeData(func(v any) any {
		if v == "" {
			return nil
		}
		return v
	}))},
	{"data-forms", "turns empty lists into null", faultInItems(changeData(func(v any) any {
		if list, ok := v.([]any); ok && len(list) == 0 {
			return nil
		}
		return v
	}))},
	{"data-numbers", "stores numbers as float64", faultInItems(func(it pipeline.Item) pipeline.Item {
		var v any
		if it.Data != nil && json.Unmarshal(it.Data, &v) == nil {
			it.Data, _ = json.Marshal(v)
		}
		return it
	})},
	{"data-names", "treats a dot in a name as a path", faultInItems(changeData(func(v any) any {
		if attrs, ok := v.(map[string]any); ok {
			if inner, ok := attrs["a.b"]; ok {
				delete(attrs, "a.b")
				attrs["a"] = map[string]any{"b": inner}
			}
		}
		return v
	}))},
	{"data-names", "rejects reserved names at every level", faultyRefuse(func(it pipeline.Item) bool {
		return bytes.Contains(it.Data, []byte(`"PK"`))
	})},
	{"data-reserved-names", "accepts reserved names", faultyAccept(func(_ pipeline.Item, refusal *pipeline.ItemError) bool {
		return strings.Contains(refusal.Reason, "reserved")
	})},
	{"data-object", "accepts any JSON", faultyAccept(func(it pipeline.Item, _ *pipeline.ItemError) bool {
		return json.Valid(it.Data) && it.Data[0] == '['
	})},
	{"data-object", "treats no data as an empty object", faultyAccept(func(it pipeline.Item, _ *pipeline.ItemError) bool {
		return it.Data == nil && pipeline.CheckKey(it.Key) == nil
	})},
	{"data-names-once", "accepts equal names", faultyAccept(func(_ pipeline.Item, refusal *pipeline.ItemError) bool {
		return strings.Contains(refusal.Reason, "twice")
	})},

	{"key-at-limit", "limits sort keys to 1,000 bytes", faultyRefuse(func(it pipeline.Item) bool {
		return len(it.Key.SK) > 1000
	})},
	{"key-over-limit", "truncates long keys", faultyAccept(func(it pipeline.Item, refusal *pipeline.ItemError) bool {
		return len(it.Key.SK) > pipeline.MaxSKBytes
	})},
	{"key-over-limit", "counts characters", faultInGet(func(m *Memory) getFunc {
		return func(ctx context.Context, k pipeline.Key) (pipeline.Item, error) {
			if len(k.SK) > pipeline.MaxSKBytes && len([]rune(k.SK)) <= pipeline.MaxSKBytes {
				return pipeline.Item{}, pipeline.ErrNotFound
			}
			return m.Get(ctx, k)
		}
	})},
	{"key-empty", "finds nothing under an empty key", faultInGet(func(m *Memory) getFunc {
		return func(ctx context.Context, k pipeline.Key) (pipeline.Item, error) {
			if k.PK == "" || k.SK == "" {
				return pipeline.Item{}, pipeline.ErrNotFound
			}
			return m.Get(ctx, k)
		}
	})},
	{"key-utf8", "repairs keys that are not UTF-8", faultInDelete(func(m *Memory) delFunc {
		return func(ctx context.Context, k pipeline.Key, c pipeline.Condition) error {
			return m.Delete(ctx, pipeline.Key{PK: strings.ToValidUTF8(k.PK, "\ufffd"), SK: strings.ToValidUTF8(k.SK, "\ufffd")}, c)
		}
	})},
	{"item-at-limit", "limits items to 390 KB", faultyRefuse(func(it pipeline.Item) bool {
		return bytes.HasPrefix(it.Data, []byte(`{"fill":"xxx`)) && len(it.Data) > 390<<10
	})},
	{"item-over-limit", "accepts more than 400 KB", faultyAccept(func(_ pipeline.Item, refusal *pipeline.ItemError) bool {
		return strings.Contains(refusal.Reason, "makes an item of")
	})},
	{"depth-at-limit", "limits nesting to 31 levels", faultyRefuse(func(it pipeline.Item) bool {
		return bytes.Contains(it.Data, []byte(strings.Repeat("[", 31)))
	})},
	{"depth-over-limit", "accepts any nesting", faultyAccept(func(_ pipeline.Item, refusal *pipeline.ItemError) bool {
		return strings.Contains(refusal.Reason, "nested")
	})},
	{"number-over-limit", "rounds numbers", faultyAccept(func(_ pipeline.Item, refusal *pipeline.ItemError) bool {
		return strings.Contains(refusal.Reason, "digits")
	})},
	{"number-over-limit", "accepts numbers of any size", faultyAccept(func(_ pipeline.Item, refusal *pipeline.ItemError) bool {
		return strings.Contains(refusal.Reason, "outside")
	})},

	{"expires-seconds", "rounds up", faultInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			if !it.Expires.IsZero() {
				it.Expires = it.Expires.Add(time.Second - 1)
			}
			return m.Put(ctx, it, c)
		}
	})},
	{"expires-seconds", "treats zero as 1970", func() pipeline.Table {
		return faultInItems(func(it pipeline.Item) pipeline.Item {
			if it.Expires.IsZero() && it.Key.SK == "x0" && string(it.Data) == `{}` {
				it.Expires = time.Unix(0, 0)
			}
			return it
		})()
	}},
	{"expired-consistent", "hides expired items from reads, but not from conditions", faultInGet(func(m *Memory) getFunc {
		return func(ctx context.Context, k pipeline.Key) (pipeline.Item, error) {
			it, err := m.Get(ctx, k)
			if err == nil && it.Expired(time.Now()) {
				return pipeline.Item{}, pipeline.ErrNotFound
			}
			return it, err
		}
	})},
	{"expired-consistent", "reports success for an expired item and keeps it", faultInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			if old, err := m.Get(ctx, it.Key); err == nil && old.Expired(time.Now()) && c == pipeline.Absent() {
				return it, nil
			}
			return m.Put(ctx, it, c)
		}
	})},

	{"given-not-kept", "keeps the caller's slice", faultInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			stored, err := m.Put(ctx, it, c)
			if err == nil {
				kept := stored
				kept.Data = it.Data
				m.set(kept)
			}
			return stored, err
		}
	})},
	{"given-not-kept", "returns the caller's slice", faultInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			stored, err := m.Put(ctx, it, c)
			if err == nil {
				stored.Data = it.Data
			}
			return stored, err
		}
	})},
	{"returned-not-shared", "returns its own slice", faultInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			stored, err := m.Put(ctx, it, c)
			if err == nil {
				m.set(stored)
			}
			return stored, err
		}
	})},
	{"cancelled-writes-nothing", "writes, then checks the context", faultInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			stored, err := m.Put(context.WithoutCancel(ctx), it, c)
			return stored, cmp.Or(ctx.Err(), err)
		}
	})},
	{"cancelled-writes-nothing", "ignores the context of a delete", faultInDelete(func(m *Memory) delFunc {
		return func(ctx context.Context, k pipeline.Key, c pipeline.Condition) error {
			return m.Delete(context.WithoutCancel(ctx), k, c)
		}
	})},
	{"cancelled-reads", "ignores the context of a get", faultInGet(func(m *Memory) getFunc {
		return func(ctx context.Context, k pipeline.Key) (pipeline.Item, error) {
			return m.Get(context.WithoutCancel(ctx), k)
		}
	})},
	{"cancelled-reads", "ignores the context of a query", faultInQuery(func(m *Memory) queryFunc {
		return func(ctx context.Context, pk, skPrefix string) iter.Seq2[pipeline.Item, error] {
			return m.Query(context.WithoutCancel(ctx), pk, skPrefix)
		}
	})},
}

// pause lets other goroutines run between two steps that are not atomic.
func pause() {
	for range 50 {
		runtime.Gosched()
	}
}

// set stores it unchanged.
func (m *Memory) set(it pipeline.Item) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.items == nil {
		m.items = make(map[pipeline.Key]pipeline.Item)
	}
	m.items[it.Key] = it
}

// hasVersion reports whether v is the current version of any item.
func (m *Memory) hasVersion(v string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, it := range m.items {
		if it.Version == v {
			return true
		}
	}
	return false
}

// checkThenPut is Put with a gap between the check of the version and the write.
func (m *Memory) checkThenPut(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
	if old, err := m.Get(ctx, it.Key); err == nil && !c.Unconditional() && c.Holds(old, true) && pipeline.CheckItem(it) == nil {
		pause()
		c = pipeline.Always()
	}
	return m.Put(ctx, it, c)
}

// checkThenDelete is Delete with a gap between the check and the removal.
func (m *Memory) checkThenDelete(ctx context.Context, k pipeline.Key, c pipeline.Condition) error {
	if old, err := m.Get(ctx, k); err == nil && !c.Unconditional() && c.Holds(old, true) {
		pause()
		c = pipeline.Always()
	}
	return m.Delete(ctx, k, c)
}

// foldKeys reads the item under the folded key if there is one.
func foldKeys(fold func(string) string) func() pipeline.Table {
	return faultInGet(func(m *Memory) getFunc {
		return func(ctx context.Context, k pipeline.Key) (pipeline.Item, error) {
			if it, err := m.Get(ctx, pipeline.Key{PK: k.PK, SK: fold(k.SK)}); err == nil {
				return it, nil
			}
			return m.Get(ctx, k)
		}
	})
}

// faultInConflict changes the conflicts of Put.
func faultInConflict(fault func(e *pipeline.ConflictError)) func() pipeline.Table {
	return faultInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			stored, err := m.Put(ctx, it, c)
			if conflict, ok := err.(*pipeline.ConflictError); ok {
				fault(conflict)
			}
			return stored, err
		}
	})
}

// sortedQuery yields items in another order.
func sortedQuery(compare func(a, b string) int) func() pipeline.Table {
	return faultInQuery(func(m *Memory) queryFunc {
		return func(ctx context.Context, pk, skPrefix string) iter.Seq2[pipeline.Item, error] {
			return func(yield func(pipeline.Item, error) bool) {
				if skPrefix != "q" {
					m.Query(ctx, pk, skPrefix)(yield)
					return
				}
				found := m.snapshot(pk, skPrefix)
				slices.SortStableFunc(found, func(a, b pipeline.Item) int { return compare(a.Key.SK, b.Key.SK) })
				for _, it := range found {
					if !yield(clone(it), nil) {
						return
					}
				}
			}
		}
	})
}

// matchingQuery matches prefixes by another rule.
func matchingQuery(match func(sk, prefix string) bool) func() pipeline.Table {
	return faultInQuery(func(m *Memory) queryFunc {
		return func(ctx context.Context, pk, skPrefix string) iter.Seq2[pipeline.Item, error] {
			return func(yield func(pipeline.Item, error) bool) {
				if ctx.Err() != nil || pipeline.CheckKey(pipeline.Key{PK: pk, SK: cmp.Or(skPrefix, "-")}) != nil {
					m.Query(ctx, pk, skPrefix)(yield)
					return
				}
				for it, err := range m.Query(ctx, pk, "") {
					if err == nil && !match(it.Key.SK, skPrefix) {
						continue
					}
					if !yield(it, err) {
						return
					}
				}
			}
		}
	})
}

// changeData applies change to a value and to every value within.
func changeData(change func(v any) any) func(it pipeline.Item) pipeline.Item {
	var walk func(v any) any
	walk = func(v any) any {
		switch v := v.(type) {
		case []any:
			for i := range v {
				v[i] = walk(v[i])
			}
		case map[string]any:
			for name := range v {
				v[name] = walk(v[name])
			}
		}
		return change(v)
	}
	return func(it pipeline.Item) pipeline.Item {
		dec := json.NewDecoder(bytes.NewReader(it.Data))
		dec.UseNumber()
		var v any
		if dec.Decode(&v) == nil && len(it.Data) < 10_000 {
			it.Data, _ = json.Marshal(walk(v))
		}
		return it
	}
}
