package streamchange_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"sluice/pipeline/lambdaevent/streamchange"
)

// FuzzImage: what DecodeImage takes, ImageJSON writes, and reading that again
// gives the same bytes.
func FuzzImage(f *testing.F) {
	paths, err := filepath.Glob("../../../testdata/events/changes/*.json")
	if err != nil || len(paths) == 0 {
		f.Fatalf("no recorded changes: %v", err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		if strings.HasSuffix(name, ".want") {
			continue
		}
		for _, record := range records(f, recordedEvent(f, name)) {
			var r struct {
				Dynamodb struct{ NewImage json.RawMessage }
			}
			if err := json.Unmarshal(record.Body, &r); err != nil {
				f.Fatal(err)
			}
			f.Add([]byte(r.Dynamodb.NewImage))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		image, err := streamchange.DecodeImage(data)
		if err != nil {
			return
		}
		once, err := streamchange.ImageJSON(image)
		if err != nil {
			t.Fatalf("read, but not written: %v", err)
		}
		again, err := streamchange.DecodeImage(once)
		if err != nil {
			t.Fatalf("written as %s, but not read: %v", once, err)
		}
		if twice, err := streamchange.ImageJSON(again); err != nil || string(twice) != string(once) {
			t.Fatalf("got %s and %v, want %s", twice, err, once)
		}
		if _, err := json.Marshal(streamchange.Plain(image)); err != nil {
			t.Fatalf("plain: %v", err)
		}
	})
}
