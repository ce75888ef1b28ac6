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

// lies are backends that break one rule each: the case that must fail, what the
// backend does wrong, and the backend.
var lies = []struct {
	breaks string
	does   string
	table  func() pipeline.Table
}{
	{"get", "returns items without their key", lieInGet(func(m *Memory) getFunc {
		return func(ctx context.Context, k pipeline.Key) (pipeline.Item, error) {
			it, err := m.Get(ctx, k)
			it.Key = pipeline.Key{}
			return it, err
		}
	})},
	{"get-missing", "returns the next item where there is none", lieInGet(func(m *Memory) getFunc {
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
	{"keys-apart", "joins PK and SK with a slash", lieInGet(func(m *Memory) getFunc {
		return func(ctx context.Context, k pipeline.Key) (pipeline.Item, error) {
			if cut := strings.LastIndex(k.PK, "/"); cut > 0 {
				if it, err := m.Get(ctx, pipeline.Key{PK: k.PK[:cut], SK: k.PK[cut+1:] + "/" + k.SK}); err == nil {
					return it, nil
				}
			}
			return m.Get(ctx, k)
		}
	})},
	{"get-sees-writes", "now and then reads a replica that is behind", func() pipeline.Table {
		m := new(Memory)
		var mu sync.Mutex
		writes, behind := map[pipeline.Key]int{}, map[pipeline.Key]pipeline.Item{}
		return &liar{
			honest: m,
			put: func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
				mu.Lock()
				defer mu.Unlock()
				old, _ := m.Get(ctx, it.Key)
				stored, err := m.Put(ctx, it, c)
				if writes[it.Key]++; err == nil && writes[it.Key]%10 == 0 {
					behind[it.Key] = old
				}
				return stored, err
			},
			get: func(ctx context.Context, k pipeline.Key) (pipeline.Item, error) {
				mu.Lock()
				defer mu.Unlock()
				if old, ok := behind[k]; ok {
					delete(behind, k)
					return old, nil
				}
				return m.Get(ctx, k)
			},
		}
	}},
	{"query-sees-writes", "queries an index that is built at creation", func() pipeline.Table {
		m := new(Memory)
		var mu sync.Mutex
		index := map[pipeline.Key]pipeline.Item{}
		return &liar{
			honest: m,
			put: func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
				stored, err := m.Put(ctx, it, c)
				mu.Lock()
				defer mu.Unlock()
				if _, ok := index[it.Key]; !ok && err == nil {
					index[it.Key] = own(stored)
				}
				return stored, err
			},
			query: lieInYield(m, func(it pipeline.Item) pipeline.Item {
				mu.Lock()
				defer mu.Unlock()
				return own(index[it.Key])
			}),
		}
	}},

	{"version-fresh", "makes no write of the same data", lieInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			if current, err := m.Get(ctx, it.Key); err == nil && !c.Unconditional() && c.Holds(current, true) && bytes.Equal(current.Data, it.Data) {
				return current, nil
			}
			return m.Put(ctx, it, c)
		}
	})},
	{"version-input", "takes the version from the caller", lieInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			stored, err := m.Put(ctx, it, c)
			if err == nil {
				stored.Version = cmp.Or(it.Version, stored.Version)
				m.set(own(stored))
			}
			return stored, err
		}
	})},
	{"version-after-delete", "counts versions from 1 for each new item", func() pipeline.Table {
		m := new(Memory)
		var mu sync.Mutex // over Put, so that the counting is no race
		return &liar{honest: m, put: func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
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
				m.set(own(stored))
			}
			return stored, err
		}}
	}},

	{"put-returns-stored", "returns the item as given", lieInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			stored, err := m.Put(ctx, it, c)
			it.Version = stored.Version
			it.Data = slices.Clone(it.Data)
			return it, err
		}
	})},
	{"put-replaces-whole", "merges attributes into what was there", lieInPut(func(m *Memory) putFunc {
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
	{"put-replaces-whole", "keeps the expiry of what was there", lieInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			old, err := m.Get(ctx, it.Key)
			if err == nil && it.Expires.IsZero() && !old.Expired(time.Now()) {
				it.Expires = old.Expires
			}
			return m.Put(ctx, it, c)
		}
	})},

	{"always", "never overwrites", lieInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			if old, err := m.Get(ctx, it.Key); err == nil && c.Unconditional() && pipeline.CheckItem(it) == nil {
				return old, nil
			}
			return m.Put(ctx, it, c)
		}
	})},
	{"absent-holds", "looks for any item of the partition", lieInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			if other, err := m.Get(ctx, pipeline.Key{PK: it.Key.PK, SK: "neighbour"}); err == nil && c == pipeline.Absent() {
				return pipeline.Item{}, &pipeline.ConflictError{Key: it.Key, Condition: c, Current: other, Exists: true}
			}
			return m.Put(ctx, it, c)
		}
	})},
	{"absent-conflicts", "lets the same data be put twice", lieInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			if old, err := m.Get(ctx, it.Key); err == nil && c == pipeline.Absent() && bytes.Equal(old.Data, it.Data) {
				return old, nil
			}
			return m.Put(ctx, it, c)
		}
	})},
	{"at-version", "knows which versions are current, but not whose", func() pipeline.Table {
		m := new(Memory)
		return &liar{honest: m, put: func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			if v, ok := c.Version(); ok && m.hasVersion(v) {
				if old, err := m.Get(ctx, it.Key); err == nil && old.Version != v {
					return m.Put(ctx, it, pipeline.Always())
				}
			}
			return m.Put(ctx, it, c)
		}}
	}},
	{"at-version", "lets an owner through who is two writes behind", func() pipeline.Table {
		m := new(Memory)
		var mu sync.Mutex
		last, before := map[pipeline.Key]string{}, map[pipeline.Key]string{}
		return &liar{honest: m, put: func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
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
	{"at-version-missing", "creates what is not there", lieInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			stored, err := m.Put(ctx, it, c)
			if conflict, ok := err.(*pipeline.ConflictError); ok && !conflict.Exists && c == pipeline.AtVersion(stranger) {
				_, _ = m.Put(ctx, it, pipeline.Always())
			}
			return stored, err
		}
	})},
	{"at-version-empty", "takes the empty version for no condition", lieInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			if c == pipeline.AtVersion("") {
				c = pipeline.Always()
			}
			return m.Put(ctx, it, c)
		}
	})},
	{"at-version-empty", "takes the empty version for absent", lieInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			if c == pipeline.AtVersion("") {
				c = pipeline.Absent()
			}
			return m.Put(ctx, it, c)
		}
	})},
	{"conflict-current", "returns conflicts with nothing but the version", lieInConflict(func(e *pipeline.ConflictError) {
		e.Current = pipeline.Item{Key: e.Current.Key, Version: e.Current.Version}
	})},
	{"conflict-current", "returns conflicts that name no condition", lieInConflict(func(e *pipeline.ConflictError) {
		e.Condition = pipeline.Condition{}
	})},
	{"conflict-none", "returns conflicts with an item that is not there", lieInConflict(func(e *pipeline.ConflictError) {
		if !e.Exists {
			e.Exists = true
		}
	})},
	{"conflict-changes-nothing", "takes the expiry of a write that it refuses", lieInPut(func(m *Memory) putFunc {
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
	{"conflict-changes-nothing", "removes an item and reports a conflict", lieInDelete(func(m *Memory) delFunc {
		return func(ctx context.Context, k pipeline.Key, c pipeline.Condition) error {
			err := m.Delete(ctx, k, c)
			if conflict, ok := err.(*pipeline.ConflictError); ok && conflict.Exists && c == pipeline.AtVersion(stranger) {
				_ = m.Delete(ctx, k, pipeline.Always())
			}
			return err
		}
	})},

	{"delete", "leaves what it deletes in queries", func() pipeline.Table {
		m := new(Memory)
		ghosts := new(Memory)
		return &liar{
			honest: m,
			del: func(ctx context.Context, k pipeline.Key, c pipeline.Condition) error {
				it, _ := m.Get(ctx, k)
				err := m.Delete(ctx, k, c)
				if err == nil && k.SK == "a" && it.Version != "" {
					ghosts.set(it)
				}
				return err
			},
			query: func(ctx context.Context, pk, skPrefix string) iter.Seq2[pipeline.Item, error] {
				return func(yield func(pipeline.Item, error) bool) {
					for _, t := range []*Memory{ghosts, m} {
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
	{"delete", "removes all that begins with the key", lieInDelete(func(m *Memory) delFunc {
		return func(ctx context.Context, k pipeline.Key, c pipeline.Condition) error {
			err := m.Delete(ctx, k, c)
			if err == nil && k.SK == "a" && !c.Unconditional() {
				_ = m.Delete(ctx, pipeline.Key{PK: k.PK, SK: "a2"}, pipeline.Always())
			}
			return err
		}
	})},
	{"delete-always", "removes nothing without a version", lieInDelete(func(m *Memory) delFunc {
		return func(ctx context.Context, k pipeline.Key, c pipeline.Condition) error {
			if c.Unconditional() && pipeline.CheckKey(k) == nil && ctx.Err() == nil {
				return nil
			}
			return m.Delete(ctx, k, c)
		}
	})},
	{"delete-missing", "does not find what is to be removed", lieInDelete(func(m *Memory) delFunc {
		return func(ctx context.Context, k pipeline.Key, c pipeline.Condition) error {
			if _, err := m.Get(ctx, k); errors.Is(err, pipeline.ErrNotFound) && c.Unconditional() {
				return err
			}
			return m.Delete(ctx, k, c)
		}
	})},
	{"delete-at-version", "knows which versions are current, but not whose", func() pipeline.Table {
		m := new(Memory)
		return &liar{honest: m, del: func(ctx context.Context, k pipeline.Key, c pipeline.Condition) error {
			if v, ok := c.Version(); ok && m.hasVersion(v) {
				c = pipeline.Always()
			}
			return m.Delete(ctx, k, c)
		}}
	}},
	{"delete-missing-at-version", "finds it in order that what is to be removed is gone", lieInDelete(func(m *Memory) delFunc {
		return func(ctx context.Context, k pipeline.Key, c pipeline.Condition) error {
			err := m.Delete(ctx, k, c)
			if conflict, ok := err.(*pipeline.ConflictError); ok && !conflict.Exists && c == pipeline.AtVersion(stranger) {
				return nil
			}
			return err
		}
	})},
	{"delete-absent", "does nothing under Absent", lieInDelete(func(m *Memory) delFunc {
		return func(ctx context.Context, k pipeline.Key, c pipeline.Condition) error {
			if c == pipeline.Absent() {
				return nil
			}
			return m.Delete(ctx, k, c)
		}
	})},

	{"one-absent-winner", "looks, then writes", lieInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			if _, err := m.Get(ctx, it.Key); errors.Is(err, pipeline.ErrNotFound) && c == pipeline.Absent() {
				pause()
				c = pipeline.Always()
			}
			return m.Put(ctx, it, c)
		}
	})},
	{"one-at-version-winner", "looks, then writes", func() pipeline.Table {
		m := new(Memory)
		var deletes sync.RWMutex // puts meet puts, and nothing else
		return &liar{
			honest: m,
			put: func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
				deletes.RLock()
				defer deletes.RUnlock()
				return m.lookThenPut(ctx, it, c)
			},
			del: func(ctx context.Context, k pipeline.Key, c pipeline.Condition) error {
				deletes.Lock()
				defer deletes.Unlock()
				return m.Delete(ctx, k, c)
			},
		}
	}},
	{"one-delete-winner", "looks, then removes", func() pipeline.Table {
		m := new(Memory)
		var puts sync.RWMutex // deletes meet deletes, and nothing else
		return &liar{
			honest: m,
			put: func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
				puts.Lock()
				defer puts.Unlock()
				return m.Put(ctx, it, c)
			},
			del: func(ctx context.Context, k pipeline.Key, c pipeline.Condition) error {
				puts.RLock()
				defer puts.RUnlock()
				return m.lookThenDelete(ctx, k, c)
			},
		}
	}},
	{"put-or-delete-wins", "has one lock for puts and one for deletes", func() pipeline.Table {
		m := new(Memory)
		var puts, deletes sync.Mutex
		return &liar{
			honest: m,
			put: func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
				puts.Lock()
				defer puts.Unlock()
				return m.lookThenPut(ctx, it, c)
			},
			del: func(ctx context.Context, k pipeline.Key, c pipeline.Condition) error {
				deletes.Lock()
				defer deletes.Unlock()
				return m.lookThenDelete(ctx, k, c)
			},
		}
	}},
	{"concurrent-use", "loses a write that meets a write of another item", func() pipeline.Table {
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
		return &liar{honest: m, put: func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
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
	{"query-order", "sorts without case", sortedQuery(func(a, b string) int {
		return cmp.Compare(strings.ToLower(a), strings.ToLower(b))
	})},
	{"query-order", "sorts backwards", sortedQuery(func(a, b string) int { return cmp.Compare(b, a) })},
	{"query-prefix", "takes _ and % for wildcards", matchingQuery(func(sk, prefix string) bool {
		if !strings.ContainsAny(prefix, "_%") {
			return strings.HasPrefix(sk, prefix)
		}
		head, _, _ := strings.Cut(strings.ReplaceAll(prefix, "%", "_"), "_")
		return strings.HasPrefix(sk, head) && len(sk) > len(head)
	})},
	{"query-prefix", "ends the range at U+FFFF", matchingQuery(func(sk, prefix string) bool {
		return sk >= prefix && (sk <= prefix+"\uffff" || len(prefix) < 2)
	})},
	{"query-prefix-whole", "leaves out the sort key that is the prefix", func() pipeline.Table {
		return matchingQuery(func(sk, prefix string) bool {
			return strings.HasPrefix(sk, prefix) && (sk != prefix || sk[0] != 'k')
		})()
	}},
	{"query-all", "finds nothing by the empty prefix", matchingQuery(func(sk, prefix string) bool {
		return strings.HasPrefix(sk, prefix) && prefix != ""
	})},
	{"query-partition", "takes pk for a prefix as well", lieInQuery(func(m *Memory) queryFunc {
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
	{"query-nothing", "takes an empty partition for an error", lieInQuery(func(m *Memory) queryFunc {
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
	{"query-whole-items", "leaves out the expiry", lieInQuery(func(m *Memory) queryFunc {
		return lieInYield(m, func(it pipeline.Item) pipeline.Item { it.Expires = time.Time{}; return it })
	})},
	{"query-whole-items", "leaves out the data of lists", lieInQuery(func(m *Memory) queryFunc {
		return lieInYield(m, func(it pipeline.Item) pipeline.Item {
			if bytes.Contains(it.Data, []byte(`[1,"x"]`)) {
				it.Data = []byte(`{}`)
			}
			return it
		})
	})},
	{"query-pages", "reads one page", lieInQuery(func(m *Memory) queryFunc {
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
	{"query-break", "goes on after its caller broke off", lieInQuery(func(m *Memory) queryFunc {
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
	{"query-error", "goes on after an error", lieInQuery(func(m *Memory) queryFunc {
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
	{"query-during-writes", "counts where it stands, while items go and come", lieInQuery(func(m *Memory) queryFunc {
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
						if !yield(own(it), nil) {
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

	{"data-forms", "leaves out what is null", lieInItems(changeData(func(v any) any {
		if attrs, ok := v.(map[string]any); ok {
			maps.DeleteFunc(attrs, func(name string, v any) bool { return v == nil && name == "null" })
		}
		return v
	}))},
	{"data-forms", "has no empty strings", lieInItems(changeData(func(v any) any {
		if v == "" {
			return nil
		}
		return v
	}))},
	{"data-forms", "makes empty lists null", lieInItems(changeData(func(v any) any {
		if list, ok := v.([]any); ok && len(list) == 0 {
			return nil
		}
		return v
	}))},
	{"data-numbers", "keeps numbers as float64", lieInItems(func(it pipeline.Item) pipeline.Item {
		var v any
		if it.Data != nil && json.Unmarshal(it.Data, &v) == nil {
			it.Data, _ = json.Marshal(v)
		}
		return it
	})},
	{"data-names", "takes a dot in a name for a path", lieInItems(changeData(func(v any) any {
		if attrs, ok := v.(map[string]any); ok {
			if inner, ok := attrs["a.b"]; ok {
				delete(attrs, "a.b")
				attrs["a"] = map[string]any{"b": inner}
			}
		}
		return v
	}))},
	{"data-names", "refuses its own names at every level", lieRefuse(func(it pipeline.Item) bool {
		return bytes.Contains(it.Data, []byte(`"PK"`))
	})},
	{"data-own-names", "lets its own attributes be overwritten", lieAccept(func(_ pipeline.Item, refusal *pipeline.ItemError) bool {
		return strings.Contains(refusal.Reason, "own")
	})},
	{"data-object", "takes any JSON", lieAccept(func(it pipeline.Item, _ *pipeline.ItemError) bool {
		return json.Valid(it.Data) && it.Data[0] == '['
	})},
	{"data-object", "takes no data for an empty object", lieAccept(func(it pipeline.Item, _ *pipeline.ItemError) bool {
		return it.Data == nil && pipeline.CheckKey(it.Key) == nil
	})},
	{"data-names-once", "lets the last of equal names win", lieAccept(func(_ pipeline.Item, refusal *pipeline.ItemError) bool {
		return strings.Contains(refusal.Reason, "twice")
	})},

	{"key-at-limit", "has room for sort keys of 1,000 bytes", lieRefuse(func(it pipeline.Item) bool {
		return len(it.Key.SK) > 1000
	})},
	{"key-over-limit", "cuts long keys off", lieAccept(func(it pipeline.Item, refusal *pipeline.ItemError) bool {
		return len(it.Key.SK) > pipeline.MaxSKBytes
	})},
	{"key-over-limit", "counts characters", lieInGet(func(m *Memory) getFunc {
		return func(ctx context.Context, k pipeline.Key) (pipeline.Item, error) {
			if len(k.SK) > pipeline.MaxSKBytes && len([]rune(k.SK)) <= pipeline.MaxSKBytes {
				return pipeline.Item{}, pipeline.ErrNotFound
			}
			return m.Get(ctx, k)
		}
	})},
	{"key-empty", "finds nothing under an empty key", lieInGet(func(m *Memory) getFunc {
		return func(ctx context.Context, k pipeline.Key) (pipeline.Item, error) {
			if k.PK == "" || k.SK == "" {
				return pipeline.Item{}, pipeline.ErrNotFound
			}
			return m.Get(ctx, k)
		}
	})},
	{"key-utf8", "mends keys that are not UTF-8", lieInDelete(func(m *Memory) delFunc {
		return func(ctx context.Context, k pipeline.Key, c pipeline.Condition) error {
			return m.Delete(ctx, pipeline.Key{PK: strings.ToValidUTF8(k.PK, "\ufffd"), SK: strings.ToValidUTF8(k.SK, "\ufffd")}, c)
		}
	})},
	{"item-at-limit", "has room for 390 KB", lieRefuse(func(it pipeline.Item) bool {
		return bytes.HasPrefix(it.Data, []byte(`{"fill":"xxx`)) && len(it.Data) > 390<<10
	})},
	{"item-over-limit", "has room for more than 400 KB", lieAccept(func(_ pipeline.Item, refusal *pipeline.ItemError) bool {
		return strings.Contains(refusal.Reason, "makes an item of")
	})},
	{"depth-at-limit", "nests 31 levels", lieRefuse(func(it pipeline.Item) bool {
		return bytes.Contains(it.Data, []byte(strings.Repeat("[", 31)))
	})},
	{"depth-over-limit", "nests any number of levels", lieAccept(func(_ pipeline.Item, refusal *pipeline.ItemError) bool {
		return strings.Contains(refusal.Reason, "nested")
	})},
	{"number-over-limit", "rounds numbers", lieAccept(func(_ pipeline.Item, refusal *pipeline.ItemError) bool {
		return strings.Contains(refusal.Reason, "digits")
	})},
	{"number-over-limit", "takes numbers of any size", lieAccept(func(_ pipeline.Item, refusal *pipeline.ItemError) bool {
		return strings.Contains(refusal.Reason, "outside")
	})},

	{"expires-seconds", "rounds up", lieInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			if !it.Expires.IsZero() {
				it.Expires = it.Expires.Add(time.Second - 1)
			}
			return m.Put(ctx, it, c)
		}
	})},
	{"expires-seconds", "takes zero for 1970", func() pipeline.Table {
		return lieInItems(func(it pipeline.Item) pipeline.Item {
			if it.Expires.IsZero() && it.Key.SK == "x0" && string(it.Data) == `{}` {
				it.Expires = time.Unix(0, 0)
			}
			return it
		})()
	}},
	{"expired-consistent", "hides expired items from reads, but not from conditions", lieInGet(func(m *Memory) getFunc {
		return func(ctx context.Context, k pipeline.Key) (pipeline.Item, error) {
			it, err := m.Get(ctx, k)
			if err == nil && it.Expired(time.Now()) {
				return pipeline.Item{}, pipeline.ErrNotFound
			}
			return it, err
		}
	})},
	{"expired-consistent", "reports an expired item replaced and keeps it", lieInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			if old, err := m.Get(ctx, it.Key); err == nil && old.Expired(time.Now()) && c == pipeline.Absent() {
				return it, nil
			}
			return m.Put(ctx, it, c)
		}
	})},

	{"given-not-kept", "keeps the caller's slice", lieInPut(func(m *Memory) putFunc {
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
	{"given-not-kept", "returns the caller's slice", lieInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			stored, err := m.Put(ctx, it, c)
			if err == nil {
				stored.Data = it.Data
			}
			return stored, err
		}
	})},
	{"returned-not-shared", "hands out its own slice", lieInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			stored, err := m.Put(ctx, it, c)
			if err == nil {
				m.set(stored)
			}
			return stored, err
		}
	})},
	{"cancelled-writes-nothing", "writes, then looks at the context", lieInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			stored, err := m.Put(context.WithoutCancel(ctx), it, c)
			return stored, cmp.Or(ctx.Err(), err)
		}
	})},
	{"cancelled-writes-nothing", "does not look at the context of a delete", lieInDelete(func(m *Memory) delFunc {
		return func(ctx context.Context, k pipeline.Key, c pipeline.Condition) error {
			return m.Delete(context.WithoutCancel(ctx), k, c)
		}
	})},
	{"cancelled-reads", "does not look at the context of a get", lieInGet(func(m *Memory) getFunc {
		return func(ctx context.Context, k pipeline.Key) (pipeline.Item, error) {
			return m.Get(context.WithoutCancel(ctx), k)
		}
	})},
	{"cancelled-reads", "does not look at the context of a query", lieInQuery(func(m *Memory) queryFunc {
		return func(ctx context.Context, pk, skPrefix string) iter.Seq2[pipeline.Item, error] {
			return m.Query(context.WithoutCancel(ctx), pk, skPrefix)
		}
	})},
}

// pause lets others run, so that what is not atomic is seen to be so.
func pause() {
	for range 50 {
		runtime.Gosched()
	}
}

// set stores it as it is.
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

// lookThenPut is Put, with a gap after a version was found to be current.
func (m *Memory) lookThenPut(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
	if old, err := m.Get(ctx, it.Key); err == nil && !c.Unconditional() && c.Holds(old, true) && pipeline.CheckItem(it) == nil {
		pause()
		c = pipeline.Always()
	}
	return m.Put(ctx, it, c)
}

// lookThenDelete is Delete, with a gap after a version was found to be current.
func (m *Memory) lookThenDelete(ctx context.Context, k pipeline.Key, c pipeline.Condition) error {
	if old, err := m.Get(ctx, k); err == nil && !c.Unconditional() && c.Holds(old, true) {
		pause()
		c = pipeline.Always()
	}
	return m.Delete(ctx, k, c)
}

// foldKeys reads by a key that was folded, where an item stands under that.
func foldKeys(fold func(string) string) func() pipeline.Table {
	return lieInGet(func(m *Memory) getFunc {
		return func(ctx context.Context, k pipeline.Key) (pipeline.Item, error) {
			if it, err := m.Get(ctx, pipeline.Key{PK: k.PK, SK: fold(k.SK)}); err == nil {
				return it, nil
			}
			return m.Get(ctx, k)
		}
	})
}

// lieInConflict changes the conflicts of Put.
func lieInConflict(lie func(e *pipeline.ConflictError)) func() pipeline.Table {
	return lieInPut(func(m *Memory) putFunc {
		return func(ctx context.Context, it pipeline.Item, c pipeline.Condition) (pipeline.Item, error) {
			stored, err := m.Put(ctx, it, c)
			if conflict, ok := err.(*pipeline.ConflictError); ok {
				lie(conflict)
			}
			return stored, err
		}
	})
}

// sortedQuery yields in another order.
func sortedQuery(compare func(a, b string) int) func() pipeline.Table {
	return lieInQuery(func(m *Memory) queryFunc {
		return func(ctx context.Context, pk, skPrefix string) iter.Seq2[pipeline.Item, error] {
			return func(yield func(pipeline.Item, error) bool) {
				if skPrefix != "q" {
					m.Query(ctx, pk, skPrefix)(yield)
					return
				}
				found := m.snapshot(pk, skPrefix)
				slices.SortStableFunc(found, func(a, b pipeline.Item) int { return compare(a.Key.SK, b.Key.SK) })
				for _, it := range found {
					if !yield(own(it), nil) {
						return
					}
				}
			}
		}
	})
}

// matchingQuery yields by another notion of a prefix.
func matchingQuery(match func(sk, prefix string) bool) func() pipeline.Table {
	return lieInQuery(func(m *Memory) queryFunc {
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

// changeData applies change to the value and to all that is in it.
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
