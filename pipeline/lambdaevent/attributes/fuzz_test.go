package attributes_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/pipeline/lambdaevent/attributes"
	"sluice/pipeline/lambdaevent/streamchange"
)

// FuzzImage checks that ImageJSON encodes each image that DecodeImage accepts, and
// that decoding and encoding it again gives the same bytes.
func FuzzImage(f *testing.F) {
	paths, err := filepath.Glob("../../../testdata/events/changes/*.json")
	if err != nil || len(paths) == 0 {
		f.Fatalf("no recorded changes: %v", err)
	}
	for _, path := range paths {
		payload, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		var event struct {
			Records []struct {
				Dynamodb struct{ NewImage json.RawMessage }
			}
		}
		if strings.HasSuffix(path, ".want.json") {
			continue
		}
		if err := json.Unmarshal(payload, &event); err != nil {
			f.Fatal(err)
		}
		for _, r := range event.Records {
			f.Add([]byte(r.Dynamodb.NewImage))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		image, err := streamchange.DecodeImage(data)
		if err != nil {
			return
		}
		once, err := attributes.ImageJSON(attributes.Values(image))
		if err != nil {
			t.Fatalf("encode the decoded image: %v", err)
		}
		again, err := streamchange.DecodeImage(once)
		if err != nil {
			t.Fatalf("decode the encoded image %s: %v", once, err)
		}
		if twice, err := attributes.ImageJSON(attributes.Values(again)); err != nil || string(twice) != string(once) {
			t.Fatalf("got %s and %v, want %s", twice, err, once)
		}
		if _, err := json.Marshal(streamchange.Plain(image)); err != nil {
			t.Fatalf("plain: %v", err)
		}
	})
}
