package messages

import (
	"reflect"
	"slices"
	"testing"

	"sluice/workers/schema"
)

var cat = schema.ImageKey("uploads", "photos/cat.jpg")

func from(sequencer string) schema.Source {
	return schema.Source{Bucket: "uploads", Key: "photos/cat.jpg", ETag: "e" + sequencer, Sequencer: sequencer}
}

func processed(id, sequencer string) message {
	return message{ID: id, Type: schema.TypeImageProcessed, Data: schema.ImageProcessed{Source: from(sequencer), Picture: schema.Picture{
		Format: "jpeg", Width: 640, Height: 480, Bytes: 1234,
		Thumbnails: []schema.Thumbnail{{Size: "200x200", Bucket: "thumbnails", Key: "t/cat.jpg", Width: 200, Height: 150, Bytes: 99, ContentType: "image/jpeg"}},
	}}}
}

func rejected(id, sequencer string) message {
	return message{ID: id, Type: schema.TypeImageRejected, Data: schema.ImageRejected{Source: from(sequencer), Reason: "it is truncated"}}
}

func removed(id, sequencer string) message {
	return message{ID: id, Type: schema.TypeImageRemoved, Data: schema.ImageRemoved{Source: from(sequencer)}}
}

// noPicture lists the members that a record without a picture must not have.
var noPicture = map[string]any{"format": nil, "width": nil, "height": nil, "bytes": nil, "thumbnails": nil}

func TestImageRecordTakesEachStatus(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.done(t, processed("m1", "0A"))
	f.want(t, cat, map[string]any{"status": "ready", "cause": "m1", "sequencer": "0A", "etag": "e0A", "format": "jpeg", "width": 640, "height": 480, "bytes": 1234, "reason": nil})
	if thumbs, _ := f.item(t, cat)["thumbnails"].([]any); len(thumbs) != 1 {
		t.Errorf("thumbnails: got %v, want one", thumbs)
	}
	f.done(t, rejected("m2", "0B"))
	f.want(t, cat, noPicture)
	f.want(t, cat, map[string]any{"status": "rejected", "reason": "it is truncated", "sequencer": "0B"})
	f.done(t, processed("m3", "0C"))
	f.want(t, cat, map[string]any{"status": "ready", "reason": nil, "format": "jpeg"})
	f.done(t, removed("m4", "0D"))
	f.want(t, cat, noPicture)
	f.want(t, cat, map[string]any{"status": "removed", "reason": nil, "sequencer": "0D"})
}

// TestImageMessagesConverge delivers three messages in every order, each one
// twice. The record ends in the state of the latest S3 event.
func TestImageMessagesConverge(t *testing.T) {
	t.Parallel()
	messages := []message{processed("m1", "00FF"), rejected("m2", "01"), removed("m3", "0100000001")}
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}, {0, 1, 2, 0, 1}, {2, 2, 1, 1, 0, 0}} {
		f := newFixture(t, nil)
		for _, i := range order {
			f.done(t, messages[i])
		}
		f.want(t, cat, map[string]any{"status": "removed", "cause": "m3", "reason": nil, "format": nil})
	}
}

func TestImageMessageRedeliveredWritesNothing(t *testing.T) {
	t.Parallel()
	for _, m := range []message{processed("m1", "0A"), rejected("m1", "0A"), removed("m1", "0A"), processed("m1", "")} {
		f := newFixture(t, nil)
		f.done(t, m)
		f.put(t, schema.ImageKey("uploads", "other"), `{"status":"uploaded"}`)
		before := f.item(t, cat)
		f.done(t, m, m)
		if after := f.item(t, cat); !reflect.DeepEqual(after, before) || len(f.records.statuses) != 1 {
			t.Errorf("%s: got %v after %v, want no second write", m.Type, after, before)
		}
	}
}

func TestImageOlderMessageIsNotWritten(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.done(t, removed("m2", "0B"))
	f.done(t, processed("m1", "0A"))
	if !slices.Equal(f.records.statuses, []string{"removed"}) {
		t.Errorf("written: got %q, want the removal alone, though there was no record", f.records.statuses)
	}
}

func TestImageWithoutSequencerKeepsTheRecords(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.done(t, processed("m2", "0B"))
	f.done(t, rejected("by hand", ""))
	f.want(t, cat, map[string]any{"status": "rejected", "sequencer": "0B"})
	f.done(t, processed("m1", "0A"))
	f.want(t, cat, map[string]any{"status": "rejected", "cause": "by hand"})
}

func TestImageKeepsUnknownMembers(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.put(t, cat, `{"status":"uploaded","owner":"ada","album":{"id":7},"size":12345678901234567890}`)
	f.done(t, processed("m1", "0A"))
	f.done(t, removed("m2", "0B"))
	f.want(t, cat, map[string]any{"status": "removed", "owner": "ada", "album": map[string]any{"id": 7}})
	it, err := f.records.Get(t.Context(), cat)
	if err != nil {
		t.Fatal(err)
	}
	var exact struct{ Size uint64 }
	if err := it.Decode(&exact); err != nil || exact.Size != 12345678901234567890 {
		t.Errorf("size: got %d, %v, want every digit", exact.Size, err)
	}
}

func TestImageIsRetriedWhenTheTableFails(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.records.onPut = func(string, bool) error { return errAgain }
	if back := f.deliver(t, processed("m1", "0A")); !slices.Equal(back, []string{"m1"}) {
		t.Errorf("failed messages: got %q, want m1", back)
	}
	f.records.onPut = nil
	f.done(t, processed("m1", "0A"))
	f.want(t, cat, map[string]any{"status": "ready"})
}
