package tables

import (
	"fmt"
	"strings"
	"testing"

	"sluice/deploy/eventsource"
	"sluice/pipeline"
	"sluice/pipeline/dynamotable"
	"sluice/pipeline/lambdaevent/attributes"
	"sluice/pipeline/lambdaevent/streamchange"
)

// decodeRecord decodes a feed record as a worker does.
func decodeRecord(r eventsource.FeedRecord) (streamchange.Change, error) {
	return streamchange.Decode(pipeline.Record{Body: r.JSON})
}

// A fold is the table as computed from the changes in its feed.
type fold struct {
	items    map[pipeline.Key]pipeline.Item
	sequence string
	ids      map[string]bool
	changes  int
}

func newFold() *fold {
	return &fold{items: make(map[pipeline.Key]pipeline.Item), ids: make(map[string]bool)}
}

// add applies the next record. Its old image must equal the item as the earlier
// changes left it.
func (f *fold) add(r eventsource.FeedRecord) error {
	c, err := decodeRecord(r)
	if err != nil {
		return err
	}
	if r.Sequence <= f.sequence || c.Sequence != r.Sequence || f.ids[c.EventID] || c.EventID == "" {
		return fmt.Errorf("record %s with event id %q and inner sequence number %s, after record %s: out of order or repeated", r.Sequence, c.EventID, c.Sequence, f.sequence)
	}
	f.sequence, f.ids[c.EventID] = r.Sequence, true
	f.changes++

	key, err := dynamotable.Item(attributes.Values(c.Keys))
	if err != nil {
		return err
	}
	current, exists := f.items[key.Key]
	if (c.Old != nil) != exists || (c.Name == "INSERT") == exists || (c.New == nil) != (c.Name == "REMOVE") {
		return fmt.Errorf("record %s is %s with old image %t and new image %t, but the item exists: %t", r.Sequence, c.Name, c.Old != nil, c.New != nil, exists)
	}
	if exists {
		old, err := dynamotable.Item(attributes.Values(c.Old))
		if err != nil {
			return err
		}
		if old.Version != current.Version || string(old.Data) != string(current.Data) {
			return fmt.Errorf("record %s: the old image is %s %s, want %s %s", r.Sequence, old.Version, old.Data, current.Version, current.Data)
		}
		delete(f.items, key.Key)
	}
	if c.New != nil {
		next, err := dynamotable.Item(attributes.Values(c.New))
		if err != nil {
			return err
		}
		f.items[key.Key] = next
	}
	return nil
}

// foldAll reads the whole feed from its oldest record.
func foldAll(t *testing.T, feed *Feed) *fold {
	t.Helper()
	f := newFold()
	for {
		last, err := feed.Last(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if f.sequence == last {
			return f
		}
		page, err := feed.Read(t.Context(), shardID, f.sequence, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Records {
			if err := f.add(r); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// wantTable reports items that differ between the table and the fold.
func (f *fold) wantTable(t *testing.T, table *Table, keys []pipeline.Key) {
	t.Helper()
	for _, k := range keys {
		it, err := table.Get(t.Context(), k)
		want, exists := f.items[k]
		switch {
		case exists != (err == nil):
			t.Errorf("item %q: exists by the feed: %t, error of the table: %v", k, exists, err)
		case exists && (it.Version != want.Version || !it.Expires.Equal(want.Expires)):
			t.Errorf("item %q: the feed has version %s, expiry %v; the table has version %s, expiry %v", k, want.Version, want.Expires, it.Version, it.Expires)
		}
	}
}

// numbered returns data that contains n.
func numbered(n int) []byte {
	return fmt.Appendf(nil, `{"n":%d,"fill":"%s"}`, n, strings.Repeat("x", n%50))
}
