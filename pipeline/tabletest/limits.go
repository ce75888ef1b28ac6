package tabletest

import (
	"errors"
	"fmt"
	"sort"
	"strings"
	"sync"

	"sluice/pipeline"
)

func limitCases() []Case {
	return []Case{
		{"key-at-limit", "PK has up to 2,048 bytes, SK up to 1,024.", checkKeyAtLimit},
		{"key-over-limit", "All methods reject a PK over 2,048 bytes and an SK over 1,024 with an *ItemError.", checkKeyOverLimit},
		{"key-empty", "All methods reject an empty PK or SK with an *ItemError.", checkKeyEmpty},
		{"key-utf8", "All methods reject a PK or SK that is not valid UTF-8 with an *ItemError.", checkKeyUTF8},
		{"item-at-limit", "An item may have 400 KB, as DynamoDB counts them.", checkItemAtLimit},
		{"item-over-limit", "An item over 400 KB is an *ItemError.", checkItemOverLimit},
		{"depth-at-limit", "Data may be nested 32 levels deep.", checkDepthAtLimit},
		{"depth-over-limit", "Data nested deeper than 32 levels is an *ItemError.", checkDepthOverLimit},
		{"number-over-limit", "A number of more than 38 digits, or outside 1e-130 to 9.99e+125, is an *ItemError.", checkNumberOverLimit},
	}
}

// padded returns s padded to n bytes.
func padded(s string, n int) string { return s + strings.Repeat("p", n-len(s)) }

func checkKeyAtLimit(t *trial) error {
	for _, k := range []pipeline.Key{
		{PK: padded(t.pk, pipeline.MaxPKBytes), SK: "a"},
		{PK: t.pk, SK: padded("s", pipeline.MaxSKBytes)},
		{PK: padded(t.pk, pipeline.MaxPKBytes-2) + "é", SK: padded("s", pipeline.MaxSKBytes-4) + "😀"},
	} {
		it, err := t.create(k, `{}`)
		if err != nil {
			return err
		}
		if _, err := t.get(k); err != nil {
			return err
		}
		items, err := t.query(k.PK, k.SK)
		if err != nil {
			return err
		}
		if err := wantSorted("query by the whole sort key", items, k.SK); err != nil {
			return err
		}
		if err := t.remove(it); err != nil {
			return err
		}
	}
	return nil
}

// wantKeyRefused expects an *ItemError from every method.
func (t *trial) wantKeyRefused(k pipeline.Key) error {
	_, get := t.table.Get(t.ctx, k)
	err := errors.Join(
		wantItemError("get", get),
		wantItemError("put", t.put(k, `{}`, pipeline.Always())),
		wantItemError("put if absent", t.put(k, `{}`, pipeline.Absent())),
		wantItemError("delete", t.table.Delete(t.ctx, k, pipeline.Always())),
	)
	if k.SK != "" { // as a prefix, "" means all
		_, query := t.query(k.PK, k.SK)
		err = errors.Join(err, wantItemError("query", query))
	}
	if err != nil {
		return fmt.Errorf("PK of %d bytes, SK of %d: %w", len(k.PK), len(k.SK), err)
	}
	return nil
}

func checkKeyOverLimit(t *trial) error {
	return errors.Join(
		t.wantKeyRefused(pipeline.Key{PK: padded(t.pk, pipeline.MaxPKBytes+1), SK: "a"}),
		t.wantKeyRefused(pipeline.Key{PK: t.pk, SK: padded("s", pipeline.MaxSKBytes+1)}),
		t.wantKeyRefused(pipeline.Key{PK: t.pk, SK: strings.Repeat("é", pipeline.MaxSKBytes/2+1)}), // bytes, not characters
	)
}

func checkKeyEmpty(t *trial) error {
	return errors.Join(
		t.wantKeyRefused(pipeline.Key{PK: "", SK: "a"}),
		t.wantKeyRefused(pipeline.Key{PK: t.pk, SK: ""}),
	)
}

func checkKeyUTF8(t *trial) error {
	return errors.Join(
		t.wantKeyRefused(pipeline.Key{PK: t.pk + "\xff", SK: "a"}),
		t.wantKeyRefused(pipeline.Key{PK: t.pk, SK: "\xc3"}),         // a truncated é
		t.wantKeyRefused(pipeline.Key{PK: t.pk, SK: "\xed\xa0\x80"}), // a surrogate
	)
}

// room returns the size that one attribute's value under k may have, as
// pipeline.CheckItem counts it.
func room(k pipeline.Key) int { return roomBesideKey() - len(k.PK) - len(k.SK) }

var roomBesideKey = sync.OnceValue(func() int {
	const least = pipeline.MaxItemBytes - 512 // the table's own attributes take less
	k := pipeline.Key{PK: "p", SK: "s"}
	return len(k.PK) + len(k.SK) + least + sort.Search(512, func(n int) bool {
		return pipeline.CheckItem(pipeline.Item{Key: k, Data: []byte(fillString(least + n + 1))}) != nil
	})
})

func fillString(n int) string { return `{"fill":"` + strings.Repeat("x", n) + `"}` }

// group is list elements of every kind, and groupBytes their size.
var group = `"` + strings.Repeat("x", 199) + `",` + `"` + strings.Repeat("é", 100) + `",` +
	"12345678901234567890123456789012345678," + `{"true":true,"a long name":null}`

const groupBytes = (199 + 1) + (2*100 + 1) + (38/2 + 1 + 1) + (3 + (4 + 1 + 1) + (11 + 1 + 1) + 1)

// fillGroups returns data whose attribute has at most n bytes, and exceeds them
// with one more group.
func fillGroups(n, extra int) string {
	return `{"fill":[` + strings.Repeat(group+",", (n-3)/groupBytes+extra-1) + group + `]}`
}

func checkItemAtLimit(t *trial) error {
	for sk, data := range map[string]string{
		"string": fillString(room(t.key("string"))),
		"groups": fillGroups(room(t.key("groups")), 0),
	} {
		if _, err := t.create(t.key(sk), data); err != nil {
			return fmt.Errorf("an item of 400 KB: %w", err)
		}
		if _, err := t.get(t.key(sk)); err != nil {
			return err
		}
	}
	return nil
}

func checkItemOverLimit(t *trial) error {
	size := room(t.key("a"))
	for _, data := range []string{fillString(size + 1), fillGroups(size, 1)} {
		if err := wantItemError(fmt.Sprintf("put over 400 KB of %.30s", data), t.put(t.key("a"), data, pipeline.Always())); err != nil {
			return err
		}
	}
	long := pipeline.Key{PK: padded(t.pk, pipeline.MaxPKBytes), SK: padded("s", pipeline.MaxSKBytes)}
	return wantItemError("put an item that only its long key makes too large", t.put(long, fillString(size), pipeline.Always()))
}

// nested returns data whose innermost value is at the given level.
func nested(open, end string, level int) string {
	return `{"deep":` + strings.Repeat(open, level-1) + "1" + strings.Repeat(end, level-1) + `}`
}

func checkDepthAtLimit(t *trial) error {
	return t.wantKept(nested(`[`, `]`, 32), nested(`{"a":`, `}`, 32))
}

func checkDepthOverLimit(t *trial) error {
	return t.wantRefused(nested(`[`, `]`, 33), nested(`{"a":`, `}`, 33), nested(`[`, `]`, 5000))
}

func checkNumberOverLimit(t *trial) error {
	return t.wantRefused(
		`{"n":123456789012345678901234567890123456789}`,
		`{"n":1.23456789012345678901234567890123456789}`,
		`{"n":100000000000000000000000000000000000001}`,
		`{"n":1e126}`, `{"n":-1e126}`, `{"n":1e-131}`, `{"n":1e999999999999999999999}`, `{"n":1e-999999999999999999999}`,
		`{"n":[{"deep":[1e126]}]}`,
	)
}
