package tables

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"sluice/pipeline"
)

// TestRecordsEqualLambdaRecords compares records byte for byte with those of
// Lambda, except for generated ids.
func TestRecordsEqualLambdaRecords(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 999_000_000, time.UTC)
	table := openTable(t, openStore(t, t.TempDir()), Options{
		Stream: true, Region: "eu-west-1", Account: "123456789012", Now: func() time.Time { return now },
	})
	ctx, k := t.Context(), pipeline.Key{PK: "user#a@b", SK: "order#1"}
	first, err := table.Put(ctx, pipeline.Item{Key: k, Data: []byte(`{"n":9007199254740993,"l":[1.0,"x"]}`)}, pipeline.Absent())
	if err != nil {
		t.Fatal(err)
	}
	second, err := table.Put(ctx, pipeline.Item{Key: k, Expires: now, Data: []byte(`{"n":0.5}`)}, pipeline.Always())
	if err != nil {
		t.Fatal(err)
	}
	if n, err := table.Expire(ctx, now); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	third, err := table.Put(ctx, pipeline.Item{Key: k, Data: []byte(`{}`)}, pipeline.Absent())
	if err != nil {
		t.Fatal(err)
	}
	if err := table.Delete(ctx, k, pipeline.AtVersion(third.Version)); err != nil {
		t.Fatal(err)
	}
	const (
		key   = `"PK":{"S":"user#a@b"},"SK":{"S":"order#1"}`
		old   = `{` + key + `,"l":{"L":[{"N":"1"},{"S":"x"}]},"n":{"N":"9007199254740993"},"version":{"S":"V1"}}`
		newer = `{` + key + `,"expires":{"N":"1795435200"},"n":{"N":"0.5"},"version":{"S":"V2"}}`
		last  = `{` + key + `,"version":{"S":"V3"}}`
	)
	want := []string{
		`"eventName":"INSERT","images":{"NewImage":` + old + `}`,
		`"eventName":"MODIFY","images":{"NewImage":` + newer + `,"OldImage":` + old + `}`,
		`"eventName":"REMOVE","images":{"OldImage":` + newer + `},"userIdentity":{"principalId":"dynamodb.amazonaws.com","type":"Service"}`,
		`"eventName":"INSERT","images":{"NewImage":` + last + `}`,
		`"eventName":"REMOVE","images":{"OldImage":` + last + `}`,
	}
	records := read(t, table.Feed(), "", 10)
	if len(records) != len(want) {
		t.Fatalf("got %d records, want %d", len(records), len(want))
	}
	ids := make(map[string]bool)
	for i, r := range records {
		got := strings.NewReplacer(first.Version, "V1", second.Version, "V2", third.Version, "V3").Replace(string(r.JSON))
		var id struct {
			EventID  string
			DynamoDB struct{ SizeBytes int }
		}
		if err := json.Unmarshal(r.JSON, &id); err != nil {
			t.Fatal(err)
		}
		if len(id.EventID) != 32 || ids[id.EventID] {
			t.Errorf("record %d: got the event id %q, want 32 digits and no repetition", i, id.EventID)
		}
		ids[id.EventID] = true
		if min, max := len(k.PK)+len(k.SK)+4, len(r.JSON); id.DynamoDB.SizeBytes < min || id.DynamoDB.SizeBytes > max {
			t.Errorf("record %d: got %d SizeBytes, want %d to %d", i, id.DynamoDB.SizeBytes, min, max)
		}
		if r.Key != k.PK || !r.At.Equal(now) {
			t.Errorf("record %d: got the key %q at %v, want %q at %v", i, r.Key, r.At, k.PK, now)
		}
		if want := asLambda(t, want[i], id.EventID, r.Sequence, id.DynamoDB.SizeBytes); got != want {
			t.Errorf("record %d:\ngot  %s\nwant %s", i, got, want)
		}
	}
}

// asLambda expands short to a Lambda record.
func asLambda(t *testing.T, short, id, sequence string, size int) string {
	t.Helper()
	var s struct {
		EventName    string          `json:"eventName"`
		Images       json.RawMessage `json:"images"`
		UserIdentity json.RawMessage `json:"userIdentity"`
	}
	if err := json.Unmarshal([]byte("{"+short+"}"), &s); err != nil {
		t.Fatal(err)
	}
	images := strings.TrimSuffix(strings.TrimPrefix(string(s.Images), "{"), "}}") + "}"
	number, err := json.Marshal(size)
	if err != nil {
		t.Fatal(err)
	}
	out := `{"eventID":"` + id + `","eventName":"` + s.EventName + `","eventVersion":"1.1","eventSource":"aws:dynamodb",` +
		`"awsRegion":"eu-west-1","dynamodb":{"ApproximateCreationDateTime":1795435200,` +
		`"Keys":{"PK":{"S":"user#a@b"},"SK":{"S":"order#1"}},` + images + `,"SequenceNumber":"` + sequence + `",` +
		`"SizeBytes":` + string(number) + `,"StreamViewType":"NEW_AND_OLD_IMAGES"},` +
		`"eventSourceARN":"arn:aws:dynamodb:eu-west-1:123456789012:table/records/stream/2026-11-23T12:00:00.999"`
	if len(s.UserIdentity) > 0 {
		out += `,"userIdentity":` + string(s.UserIdentity)
	}
	return out + "}"
}

func TestRecordKeepsDigitsOfNumbers(t *testing.T) {
	t.Parallel()
	table := openTable(t, openStore(t, t.TempDir()), Options{Stream: true})
	const digits = "12345678901234567890123456789012345678"
	put(t, table, "a", `{"n":`+digits+`,"deep":{"l":[-`+digits+`]}}`)
	c, err := decodeRecord(read(t, table.Feed(), "", 1)[0])
	if err != nil {
		t.Fatal(err)
	}
	if c.New["n"] != json.Number(digits) {
		t.Errorf("number: got %v, want %s", c.New["n"], digits)
	}
	if !bytes.Contains(read(t, table.Feed(), "", 1)[0].JSON, []byte(`{"N":"-`+digits+`"}`)) {
		t.Error("nested number: got fewer digits than were put")
	}
}
