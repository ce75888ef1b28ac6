package dynamotable_test

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"

	"sluice/pipeline"
	"sluice/pipeline/dynamotable"
	"sluice/pipeline/lambdaevent/attributes"
)

// testdata/stored.json has items as commit c49c48e stored and read them. That
// commit converted them without attributevalue.
func TestStoredFormIsThatOfEarlierVersions(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile("testdata/stored.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct {
		PK, SK, Version string
		Expires         int64
		Data            string // as given to Put; empty for an item of another writer
		Stored          json.RawMessage
		Read            string
	}
	if err := json.Unmarshal(file, &rows); err != nil || len(rows) == 0 {
		t.Fatalf("got %d rows and %v, want some", len(rows), err)
	}
	for _, row := range rows {
		stored, err := attributevalue.UnmarshalMapJSON(row.Stored)
		if err != nil {
			t.Fatal(err)
		}
		want, err := attributes.ImageJSON(stored)
		if err != nil {
			t.Fatal(err)
		}
		it := pipeline.Item{Key: pipeline.Key{PK: row.PK, SK: row.SK}, Version: row.Version, Data: []byte(row.Data)}
		if row.Expires != 0 {
			it.Expires = time.Unix(row.Expires, 500)
		}
		if row.Data != "" {
			attrs, err := dynamotable.Attributes(it)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := attributes.ImageJSON(attrs); err != nil || string(got) != string(want) {
				t.Errorf("%s: stored as\n%s, %v, want\n%s", row.Data, got, err, want)
			}
		}
		got, err := dynamotable.Item(stored)
		if err != nil {
			t.Fatal(err)
		}
		if string(got.Data) != row.Read || got.Key != it.Key || got.Version != row.Version || got.Expires.IsZero() != (row.Expires == 0) || row.Expires != 0 && got.Expires.Unix() != row.Expires {
			t.Errorf("%s: read as\n%v %s, want\n%v %s", want, got, got.Data, it, row.Read)
		}
	}
}
