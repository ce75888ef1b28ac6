package lambdaevent_test

import (
	"strings"
	"testing"
	"time"

	"sluice/pipeline/lambdaevent"
)

func TestDynamoDBRecord(t *testing.T) {
	t.Parallel()
	raw := change("4421584500000000017450439092", "user#ann@example.com", `"NewImage":{"n":{"N":"9007199254740993"}},`)
	b := decode(t, records(raw))
	r := b.Records[0]
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	if r.ID != "4421584500000000017450439092" || r.Cause != "e-4421584500000000017450439092" || r.Attempt != 0 || r.Attrs[lambdaevent.AttrEventName] != "MODIFY" {
		t.Errorf("got %+v", r)
	}
	if want := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC); !r.At.Equal(want) {
		t.Errorf("got at %v, want %v", r.At, want)
	}
	if string(r.Body) != raw {
		t.Errorf("got body %s\nwant the whole record unchanged", r.Body)
	}
}

func TestGroupOfAChangeIsItsKey(t *testing.T) {
	t.Parallel()
	group := func(keys string) string {
		t.Helper()
		raw := change("1", "x", "")
		start, end := strings.Index(raw, `{"PK"`), strings.Index(raw, `,"SequenceNumber"`)
		b := decode(t, records(raw[:start]+keys+raw[end:]))
		if err := b.Records[0].Err; err != nil {
			t.Fatalf("%s: %v", keys, err)
		}
		return b.Records[0].Group
	}
	same := group(`{"PK":{"S":"user#ü<1>"},"SK":{"S":"-"}}`)
	for _, keys := range []string{
		`{"SK":{"S":"-"},"PK":{"S":"user#ü<1>"}}`,
		"{ \"PK\" : {\"S\": \"user#\\u00fc\\u003c1>\"},\n\"SK\":{\"S\":\"-\"} }",
	} {
		if got := group(keys); got != same {
			t.Errorf("%s: got group %s, want %s", keys, got, same)
		}
	}
	for _, keys := range []string{
		`{"PK":{"S":"user#ü<1>"},"SK":{"S":"order#1"}}`,
		`{"PK":{"S":"user#ü<1>"},"SK":{"B":"-"}}`,
		`{"PK":{"S":"user#ü<1>"}}`,
		`{"PK":{"S":"-"},"SK":{"S":"user#ü<1>"}}`,
	} {
		if got := group(keys); got == same {
			t.Errorf("%s: another key has the same group %s", keys, got)
		}
	}
}

func TestDynamoDBRejectsInvalidFields(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ old, new, want string }{
		{`"eventID":"e-1",`, ``, "eventID is missing"},
		{`"Keys":`, `"Key":`, "dynamodb.Keys is missing"},
		{`"Keys":{"PK":{"S":"a"},"SK":{"S":"-"}}`, `"Keys":{}`, "dynamodb.Keys is not a key"},
		{`"Keys":{"PK":{"S":"a"},"SK":{"S":"-"}}`, `"Keys":null`, "dynamodb.Keys is not a key"},
		{`{"S":"a"}`, `{"L":[]}`, "dynamodb.Keys is not a key"},
		{`1767225600`, `"2026-01-01"`, "dynamodb.ApproximateCreationDateTime is not a number"},
		{`1767225600`, `-1`, "dynamodb.ApproximateCreationDateTime is -1, want seconds since 1970"},
		{`1767225600`, `1e300`, "dynamodb.ApproximateCreationDateTime is 1e300, want seconds since 1970"},
	} {
		b := decode(t, records(strings.Replace(change("1", "a", ""), c.old, c.new, 1)))
		r := b.Records[0]
		if r.Err == nil || r.Err.Error() != "event: Records[0]."+c.want {
			t.Errorf("%s: got %v, want %s", c.new, r.Err, c.want)
		}
	}
}
