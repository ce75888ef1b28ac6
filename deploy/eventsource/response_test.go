package eventsource

import (
	"maps"
	"slices"
	"testing"
)

// responseCase is a response to a batch of the records a, b and c. Both kinds
// of mapping are tested with all cases.
type responseCase struct {
	name     string
	response string
	failed   string // the ids that failed; "abc" also if the whole batch did
	whole    bool   // the whole batch failed
}

var responseCases = []responseCase{
	// Success of the batch.
	{name: "no bytes", response: ``},
	{name: "white space", response: " \n"},
	{name: "null", response: `null`},
	{name: "empty object", response: `{}`},
	{name: "null list", response: `{"batchItemFailures":null}`},
	{name: "empty list", response: `{"batchItemFailures":[]}`},
	{name: "other keys", response: `{"statusCode":200}`},
	{name: "list under another case", response: `{"BatchItemFailures":[{"itemIdentifier":"a"}]}`},
	// Failure of some records.
	{name: "one", response: `{"batchItemFailures":[{"itemIdentifier":"b"}]}`, failed: "b"},
	{name: "several", response: `{"batchItemFailures":[{"itemIdentifier":"c"},{"itemIdentifier":"a"}]}`, failed: "ac"},
	{name: "repeated", response: `{"batchItemFailures":[{"itemIdentifier":"c"},{"itemIdentifier":"c"}]}`, failed: "c"},
	{name: "escaped", response: `{"batchItemFailures":[{"itemIdentifier":"\u0062"}]}`, failed: "b"},
	{name: "extra keys in an item", response: `{"batchItemFailures":[{"itemIdentifier":"b","reason":"x"}]}`, failed: "b"},
	{name: "all", response: `{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"b"},{"itemIdentifier":"c"}]}`, failed: "abc"},
	// Failure of the batch.
	{name: "unknown id", response: `{"batchItemFailures":[{"itemIdentifier":"z"}]}`, failed: "abc", whole: true},
	{name: "unknown id after a known", response: `{"batchItemFailures":[{"itemIdentifier":"b"},{"itemIdentifier":"z"}]}`, failed: "abc", whole: true},
	{name: "empty id", response: `{"batchItemFailures":[{"itemIdentifier":""}]}`, failed: "abc", whole: true},
	{name: "null id", response: `{"batchItemFailures":[{"itemIdentifier":null}]}`, failed: "abc", whole: true},
	{name: "null id after a known", response: `{"batchItemFailures":[{"itemIdentifier":"b"},{"itemIdentifier":null}]}`, failed: "abc", whole: true},
	{name: "number as id", response: `{"batchItemFailures":[{"itemIdentifier":1}]}`, failed: "abc", whole: true},
	{name: "wrong key", response: `{"batchItemFailures":[{"messageId":"a"}]}`, failed: "abc", whole: true},
	{name: "wrong case", response: `{"batchItemFailures":[{"ItemIdentifier":"a"}]}`, failed: "abc", whole: true},
	{name: "empty item", response: `{"batchItemFailures":[{}]}`, failed: "abc", whole: true},
	{name: "null item", response: `{"batchItemFailures":[null]}`, failed: "abc", whole: true},
	{name: "string as item", response: `{"batchItemFailures":["a"]}`, failed: "abc", whole: true},
	{name: "object as list", response: `{"batchItemFailures":{"itemIdentifier":"a"}}`, failed: "abc", whole: true},
	{name: "string as list", response: `{"batchItemFailures":"a"}`, failed: "abc", whole: true},
	{name: "not JSON", response: `ok`, failed: "abc", whole: true},
	{name: "truncated", response: `{"batchItemFailures":[{"itemIdentifier":"b"}`, failed: "abc", whole: true},
	{name: "second value", response: `{}{}`, failed: "abc", whole: true},
	{name: "string", response: `"ok"`, failed: "abc", whole: true},
	{name: "list", response: `[]`, failed: "abc", whole: true},
	{name: "number", response: `1`, failed: "abc", whole: true},
}

func TestReadResponse(t *testing.T) {
	t.Parallel()
	for _, tt := range responseCases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ids := []string{"a", "b", "c"}
			o := readResponse([]byte(tt.response), ids)
			if (o.err != nil) != tt.whole {
				t.Fatalf("failure of the batch: got %v, want %t", o.err, tt.whole)
			}
			if tt.whole {
				return
			}
			got := ""
			for _, i := range slices.Sorted(maps.Keys(o.failed)) {
				got += ids[i]
			}
			if got != tt.failed {
				t.Errorf("failed: got %q, want %q", got, tt.failed)
			}
		})
	}
}

func TestReadResponseFailsAllRecordsOfARepeatedID(t *testing.T) {
	t.Parallel()
	o := readResponse([]byte(`{"batchItemFailures":[{"itemIdentifier":"a"}]}`), []string{"a", "b", "a"})
	if !o.failed[0] || o.failed[1] || !o.failed[2] {
		t.Errorf("failed: got %v, want positions 0 and 2", o.failed)
	}
}

func TestReadResponseErrorSaysWhatIsWanted(t *testing.T) {
	t.Parallel()
	for response, want := range map[string]string{
		`ok`:                           "response: got invalid JSON, want an object with batchItemFailures",
		` 1`:                           "response: got a number, want an object",
		`{"batchItemFailures":"a"}`:    "batchItemFailures: got a string, want an array",
		`{"batchItemFailures":[null]}`: "batchItemFailures[0]: got null, want an object",
		`{"batchItemFailures":[{}]}`:   "batchItemFailures[0]: itemIdentifier is required",
		`{"batchItemFailures":[{"itemIdentifier":true}]}`:  "batchItemFailures[0]: itemIdentifier: got a boolean, want a string",
		`{"batchItemFailures":[{"itemIdentifier":false}]}`: "batchItemFailures[0]: itemIdentifier: got a boolean, want a string",
		`{"batchItemFailures":[{"itemIdentifier":"z"}]}`:   `batchItemFailures[0]: itemIdentifier: got "z", want the id of a record in the batch`,
	} {
		if o := readResponse([]byte(response), []string{"a"}); o.err == nil || o.err.Error() != want {
			t.Errorf("%s: got %v, want %s", response, o.err, want)
		}
	}
}
