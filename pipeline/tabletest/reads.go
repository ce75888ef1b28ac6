package tabletest

import (
	"errors"
	"fmt"

	"sluice/pipeline"
)

func readCases() []Case {
	return []Case{
		{"get", "Get returns the item under k.", checkGet},
		{"get-missing", "Get returns ErrNotFound without an item.", checkGetMissing},
		{"keys-apart", "PK and SK together identify an item, byte for byte.", checkKeysApart},
		{"get-sees-writes", "Get sees every write that was acknowledged before it began.", checkGetSeesWrites},
		{"query-sees-writes", "Query sees every write that was acknowledged before it began.", checkQuerySeesWrites},
	}
}

func checkGet(t *trial) error {
	const data = `{"a":"x","n":1}`
	k := t.key("a")
	if _, err := t.create(k, data); err != nil {
		return err
	}
	got, err := t.get(k)
	if err != nil {
		return err
	}
	if err := wantKey("get", got, k); err != nil {
		return err
	}
	return wantData("get", got.Data, []byte(data))
}

func checkGetMissing(t *trial) error {
	missing := func(k pipeline.Key) error {
		if it, err := t.table.Get(t.ctx, k); !errors.Is(err, pipeline.ErrNotFound) {
			return fmt.Errorf("get %q: got %v with the error %v, want ErrNotFound", k, it, err)
		}
		return nil
	}
	if err := missing(t.key("b")); err != nil {
		return err
	}
	if _, err := t.create(t.key("b"), `{}`); err != nil {
		return err
	}
	return errors.Join(missing(t.key("a")), missing(t.key("bb")), missing(t.key("c")))
}

func checkKeysApart(t *trial) error {
	keys := []pipeline.Key{
		{PK: t.pk + "a", SK: "bc"},
		{PK: t.pk + "ab", SK: "c"}, // the same when joined
		{PK: t.pk, SK: "x/y"},
		{PK: t.pk + "/x", SK: "y"}, // the same when joined by a slash
		{PK: t.pk, SK: "x#y"},
		{PK: t.pk + "#x", SK: "y"},
		{PK: t.pk, SK: "k"},
		{PK: t.pk, SK: "K"},
		{PK: t.pk + "p", SK: "k"},
		{PK: t.pk + "P", SK: "k"}, // case
		{PK: t.pk, SK: "\u00e9"},
		{PK: t.pk, SK: "e\u0301"}, // é, composed and not
		{PK: t.pk, SK: "z"},
		{PK: t.pk, SK: "z "},
		{PK: t.pk, SK: " z"},
		{PK: t.pk, SK: "z\x00"},
		{PK: t.pk + "\x00z", SK: "z"},
	}
	for i, k := range keys {
		if _, err := t.create(k, fmt.Sprintf(`{"i":%d}`, i)); err != nil {
			return err
		}
	}
	for i, k := range keys {
		it, err := t.get(k)
		if err != nil {
			return err
		}
		if err := wantData(fmt.Sprintf("get %q", k), it.Data, fmt.Appendf(nil, `{"i":%d}`, i)); err != nil {
			return err
		}
	}
	return nil
}

func checkGetSeesWrites(t *trial) error {
	it, err := t.create(t.key("a"), `{"n":0}`)
	if err != nil {
		return err
	}
	for n := range 25 {
		if it, err = t.replace(it, fmt.Sprintf(`{"n":%d}`, n+1)); err != nil {
			return err
		}
		got, err := t.get(it.Key)
		if err != nil {
			return err
		}
		if got.Version != it.Version {
			return fmt.Errorf("after write %d, get returned version %q, want %q", n+1, got.Version, it.Version)
		}
	}
	return nil
}

func checkQuerySeesWrites(t *trial) error {
	it, err := t.create(t.key("a"), `{"n":0}`)
	if err != nil {
		return err
	}
	for n := range 5 {
		data := fmt.Sprintf(`{"n":%d}`, n+1)
		if it, err = t.replace(it, data); err != nil {
			return err
		}
		items, err := t.query(t.pk, "a")
		if err != nil {
			return err
		}
		if len(items) != 1 {
			return fmt.Errorf("after write %d, query yielded %d items, want 1", n+1, len(items))
		}
		if err := wantData(fmt.Sprintf("query after write %d", n+1), items[0].Data, []byte(data)); err != nil {
			return err
		}
	}
	return nil
}
