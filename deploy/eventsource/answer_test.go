package eventsource

import (
	"maps"
	"slices"
	"testing"
)

// answerCase is one row of the table that both kinds of mapping obey. The batch is always a, b, c.
type answerCase struct {
	name   string
	answer string
	failed string // the ids that failed; "abc" also where the whole batch did
	whole  bool   // by a complete failure
}

var answerCases = []answerCase{
	// Complete success.
	{name: "no bytes", answer: ``},
	{name: "white space", answer: " \n"},
	{name: "null", answer: `null`},
	{name: "empty object", answer: `{}`},
	{name: "null list", answer: `{"batchItemFailures":null}`},
	{name: "empty list", answer: `{"batchItemFailures":[]}`},
	{name: "other keys", answer: `{"statusCode":200}`},
	{name: "list under another case", answer: `{"BatchItemFailures":[{"itemIdentifier":"a"}]}`},
	// Partial success.
	{name: "one", answer: `{"batchItemFailures":[{"itemIdentifier":"b"}]}`, failed: "b"},
	{name: "several", answer: `{"batchItemFailures":[{"itemIdentifier":"c"},{"itemIdentifier":"a"}]}`, failed: "ac"},
	{name: "repeated", answer: `{"batchItemFailures":[{"itemIdentifier":"c"},{"itemIdentifier":"c"}]}`, failed: "c"},
	{name: "escaped", answer: `{"batchItemFailures":[{"itemIdentifier":"\u0062"}]}`, failed: "b"},
	{name: "extra keys in an item", answer: `{"batchItemFailures":[{"itemIdentifier":"b","reason":"x"}]}`, failed: "b"},
	{name: "all", answer: `{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"b"},{"itemIdentifier":"c"}]}`, failed: "abc"},
	// Complete failure.
	{name: "unknown id", answer: `{"batchItemFailures":[{"itemIdentifier":"z"}]}`, failed: "abc", whole: true},
	{name: "unknown id after a known", answer: `{"batchItemFailures":[{"itemIdentifier":"b"},{"itemIdentifier":"z"}]}`, failed: "abc", whole: true},
	{name: "empty id", answer: `{"batchItemFailures":[{"itemIdentifier":""}]}`, failed: "abc", whole: true},
	{name: "null id", answer: `{"batchItemFailures":[{"itemIdentifier":null}]}`, failed: "abc", whole: true},
	{name: "null id after a known", answer: `{"batchItemFailures":[{"itemIdentifier":"b"},{"itemIdentifier":null}]}`, failed: "abc", whole: true},
	{name: "number as id", answer: `{"batchItemFailures":[{"itemIdentifier":1}]}`, failed: "abc", whole: true},
	{name: "wrong key", answer: `{"batchItemFailures":[{"messageId":"a"}]}`, failed: "abc", whole: true},
	{name: "wrong case", answer: `{"batchItemFailures":[{"ItemIdentifier":"a"}]}`, failed: "abc", whole: true},
	{name: "empty item", answer: `{"batchItemFailures":[{}]}`, failed: "abc", whole: true},
	{name: "null item", answer: `{"batchItemFailures":[null]}`, failed: "abc", whole: true},
	{name: "text item", answer: `{"batchItemFailures":["a"]}`, failed: "abc", whole: true},
	{name: "object as list", answer: `{"batchItemFailures":{"itemIdentifier":"a"}}`, failed: "abc", whole: true},
	{name: "text as list", answer: `{"batchItemFailures":"a"}`, failed: "abc", whole: true},
	{name: "not JSON", answer: `ok`, failed: "abc", whole: true},
	{name: "cut off", answer: `{"batchItemFailures":[{"itemIdentifier":"b"}`, failed: "abc", whole: true},
	{name: "more after it", answer: `{}{}`, failed: "abc", whole: true},
	{name: "text", answer: `"ok"`, failed: "abc", whole: true},
	{name: "list", answer: `[]`, failed: "abc", whole: true},
	{name: "number", answer: `1`, failed: "abc", whole: true},
}

func TestReadAnswer(t *testing.T) {
	t.Parallel()
	for _, tt := range answerCases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ids := []string{"a", "b", "c"}
			v := readAnswer([]byte(tt.answer), ids)
			if (v.whole != nil) != tt.whole {
				t.Fatalf("complete failure: got %v, want %t", v.whole, tt.whole)
			}
			if tt.whole {
				return
			}
			got := ""
			for _, i := range slices.Sorted(maps.Keys(v.failed)) {
				got += ids[i]
			}
			if got != tt.failed {
				t.Errorf("failed: got %q, want %q", got, tt.failed)
			}
		})
	}
}

func TestReadAnswerMarksBothOfADoubledID(t *testing.T) {
	t.Parallel()
	v := readAnswer([]byte(`{"batchItemFailures":[{"itemIdentifier":"a"}]}`), []string{"a", "b", "a"})
	if !v.failed[0] || v.failed[1] || !v.failed[2] {
		t.Errorf("got %v, want positions 0 and 2", v.failed)
	}
}
