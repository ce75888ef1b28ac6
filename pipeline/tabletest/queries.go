package tabletest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sluice/pipeline"
)

func queryCases() []Case {
	return []Case{
		{"query-order", "Query yields items in the byte order of their sort keys.", checkQueryOrder},
		{"query-prefix", "Query yields the items whose sort key begins with skPrefix, byte for byte: no character is special.", checkQueryPrefix},
		{"query-prefix-whole", "A sort key begins with itself, but not with a longer prefix.", checkQueryPrefixWhole},
		{"query-all", `Query with the prefix "" yields all items of the partition.`, checkQueryAll},
		{"query-partition", "Query yields only items with partition key pk.", checkQueryPartition},
		{"query-nothing", "Query of an empty partition yields nothing and no error.", checkQueryNothing},
		{"query-whole-items", "Query yields items as Get returns them.", checkQueryWholeItems},
		{"query-pages", "Query yields all items, even if they exceed what a backend reads at once (1 MB).", checkQueryPages},
		{"query-break", "Query ends when its caller stops the iteration.", checkQueryBreak},
		{"query-error", "Query stops after the first error.", checkQueryError},
		{"query-during-writes", "Query may or may not yield items written while it runs; it yields all others once each.", checkQueryDuringWrites},
	}
}

// fill creates an item under each sort key.
func (t *trial) fill(pk string, sks ...string) error {
	for _, sk := range sks {
		if _, err := t.create(pipeline.Key{PK: pk, SK: sk}, `{}`); err != nil {
			return err
		}
	}
	return nil
}

// wantSorted returns nil if the items have exactly these sort keys, in any order.
func wantSorted(doing string, items []pipeline.Item, want ...string) error {
	got, want := slices.Sorted(slices.Values(sortKeys(items))), slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		return fmt.Errorf("%s: got the sort keys %q, want %q", doing, got, want)
	}
	return nil
}

func checkQueryOrder(t *trial) error {
	sorted := []string{
		"q", "q\x00", "q\x00b", "q\x01", "q ", "q#", "q#a", "q+", "q10", "q9", "qA", "qB", "qZ", "q_", "qa", "qaa", "qb", "q~",
		"q\u00e9", "q\u0101", "q\u7fff", "q\ud7ff", "q\ue000", "q\uffff", "q\U00010000", "q\U0001f600", "q\U0010ffff",
	}
	shuffled := make([]string, 0, len(sorted))
	for i := range sorted {
		shuffled = append(shuffled, sorted[i*10%len(sorted)]) // 10 and 27 share no divisor
	}
	if err := t.fill(t.pk, shuffled...); err != nil {
		return err
	}
	items, err := t.query(t.pk, "q")
	if err != nil {
		return err
	}
	if got := sortKeys(items); !slices.Equal(got, sorted) {
		return fmt.Errorf("got the order %q, want %q", got, sorted)
	}
	return nil
}

func checkQueryPrefix(t *trial) error {
	groups := map[string][]string{
		"a_":           {"a_b", "a_c"},
		"a%":           {"a%b", "a%%"},
		"a*":           {"a*b"},
		"a?":           {"a?b"},
		"a\\":          {"a\\b"},
		"a'":           {"a'b"},
		"a\"":          {"a\"b"},
		"a\x00":        {"a\x00b"},
		"a[":           {"a[b]"},
		"axb":          {"axb"},
		"\u00e9":       {"\u00e9t\u00e9"},
		"e\u0301":      {"e\u0301t"},
		"z\uffff":      {"z\uffffb", "z\uffff\uffff", "z\uffff\U0010ffff"},
		"z\U0010ffff":  {"z\U0010ffff\x00", "z\U0010ffffb", "z\U0010ffff\U0010ffff"},
		"order#2026-1": {"order#2026-10", "order#2026-11"},
		"order#2026-2": {"order#2026-20"},
		"Order":        {"Order#1"},
		"\x7f":         {"\x7fa"},
	}
	for _, sks := range groups {
		if err := t.fill(t.pk, sks...); err != nil {
			return err
		}
	}
	for prefix, want := range groups {
		items, err := t.query(t.pk, prefix)
		if err != nil {
			return err
		}
		if err := wantSorted(fmt.Sprintf("prefix %q", prefix), items, want...); err != nil {
			return err
		}
	}
	return nil
}

func checkQueryPrefixWhole(t *trial) error {
	if err := t.fill(t.pk, "k", "kk", "kkk"); err != nil {
		return err
	}
	for prefix, want := range map[string][]string{"kk": {"kk", "kkk"}, "kkk": {"kkk"}, "kkkk": nil} {
		items, err := t.query(t.pk, prefix)
		if err != nil {
			return err
		}
		if err := wantSorted(fmt.Sprintf("prefix %q", prefix), items, want...); err != nil {
			return err
		}
	}
	return nil
}

func checkQueryAll(t *trial) error {
	sks := []string{"\x00", "-", "a", "b", "\U0010ffff"}
	if err := t.fill(t.pk, sks...); err != nil {
		return err
	}
	items, err := t.query(t.pk, "")
	if err != nil {
		return err
	}
	return wantSorted("the empty prefix", items, sks...)
}

func checkQueryPartition(t *trial) error {
	if err := t.fill(t.pk, "sa"); err != nil {
		return err
	}
	for _, pk := range []string{t.pk + "s", t.pk + "/s", t.pk + "\x00", t.pk[:len(t.pk)-1], strings.ToLower(t.pk)} {
		if err := t.fill(pk, "s", "sa", "sb"); err != nil {
			return err
		}
	}
	items, err := t.query(t.pk, "s")
	if err != nil {
		return err
	}
	for _, it := range items {
		if it.Key.PK != t.pk {
			return fmt.Errorf("got an item of the partition %q, want only %q", it.Key.PK, t.pk)
		}
	}
	return wantSorted("one partition of several", items, "sa")
}

func checkQueryNothing(t *trial) error {
	for _, prefix := range []string{"n", "none"} {
		items, err := t.query(t.pk, prefix)
		if err != nil {
			return err
		}
		if len(items) != 0 {
			return fmt.Errorf("got the sort keys %q of a partition without items", sortKeys(items))
		}
	}
	return nil
}

func checkQueryWholeItems(t *trial) error {
	for i := range 3 {
		if _, err := t.createItem(pipeline.Item{
			Key: t.key(fmt.Sprintf("w%d", i)), Expires: time.Now().Add(time.Hour), Data: fmt.Appendf(nil, `{"i":%d,"l":[1,"x"]}`, i),
		}); err != nil {
			return err
		}
	}
	items, err := t.query(t.pk, "w")
	if err != nil {
		return err
	}
	if err := wantSorted("query", items, "w0", "w1", "w2"); err != nil {
		return err
	}
	for _, it := range items {
		got, err := t.get(t.key(it.Key.SK))
		if err != nil {
			return err
		}
		if err := wantSame("query, compared with get", it, got); err != nil {
			return err
		}
	}
	return nil
}

func checkQueryPages(t *trial) error {
	const count, size = 16, 90_000 // 1.4 MB
	data := fmt.Sprintf(`{"fill":%q}`, strings.Repeat("x", size))
	var want []string
	for i := range count {
		it, err := t.create(t.key(fmt.Sprintf("p%02d", i)), data)
		if err != nil {
			return err
		}
		want = append(want, t.key(it.Key.SK).SK)
	}
	items, err := t.query(t.pk, "p")
	if err != nil {
		return err
	}
	return wantSorted("query", items, want...)
}

func checkQueryBreak(t *trial) error {
	if err := t.fill(t.pk, "b1", "b2", "b3", "b4"); err != nil {
		return err
	}
	calls := 0
	t.table.Query(t.ctx, t.pk, "b")(func(pipeline.Item, error) bool {
		calls++
		return calls < 2
	})
	if calls != 2 {
		return fmt.Errorf("got %d items after the caller stopped at the second", calls)
	}
	// The query has released its locks.
	return t.fill(t.pk, "after")
}

func checkQueryError(t *trial) error {
	var want []string
	for i := range 8 {
		want = append(want, fmt.Sprintf("e%d", i))
	}
	if err := t.fill(t.pk, want...); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(t.ctx)
	defer cancel()
	var failed error
	for it, err := range t.table.Query(ctx, t.pk, "e") {
		switch {
		case failed != nil:
			return fmt.Errorf("after the error %v: got %v and the error %v, want the end", failed, it, err)
		case err != nil && !errors.Is(err, context.Canceled):
			return fmt.Errorf("got the error %v, want that of the context", err)
		case err != nil:
			failed = err
		default:
			cancel() // a backend may still yield items that it has read
		}
	}
	return nil
}

func checkQueryDuringWrites(t *trial) error {
	const count = 30
	for i := range count {
		if _, err := t.create(t.key(fmt.Sprintf("d%02d", 2*i)), `{}`); err != nil {
			return err
		}
	}
	seen := make(map[string]int)
	for it, err := range t.table.Query(t.ctx, t.pk, "d") {
		if err != nil {
			return fmt.Errorf("query: %w", err)
		}
		seen[it.Key.SK]++
		if len(seen) > count {
			continue
		}
		// Remove the item; put another far ahead and, at times, one behind.
		if err := t.remove(it); err != nil {
			return err
		}
		if err := t.put(t.key("d"+it.Key.SK), `{}`, pipeline.Always()); err != nil {
			return err
		}
		if len(seen)%5 == 0 {
			if err := t.put(t.key("d "+it.Key.SK), `{}`, pipeline.Always()); err != nil {
				return err
			}
		}
	}
	for i := range count {
		if sk := fmt.Sprintf("d%02d", 2*i); seen[sk] != 1 {
			return fmt.Errorf("got item %q %d times, want once: it existed before the query and until then", sk, seen[sk])
		}
	}
	return nil
}
