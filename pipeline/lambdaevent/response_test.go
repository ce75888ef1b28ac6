package lambdaevent_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sluice/pipeline"
	"sluice/pipeline/lambdaevent"
)

var errBroken = errors.New("broken")

// run handles a batch. Records whose id or body is in failing fail.
func run(t *testing.T, b lambdaevent.Batch, failing ...string) ([]byte, error) {
	t.Helper()
	return b.Response(pipeline.Run(t.Context(), b.Records, func(_ context.Context, r pipeline.Record) error {
		for _, f := range failing {
			if r.ID == f || string(r.Body) == f {
				return errBroken
			}
		}
		return nil
	}, pipeline.Options{Order: b.Order}))
}

func respond(t *testing.T, b lambdaevent.Batch, failing ...string) string {
	t.Helper()
	a, err := run(t, b, failing...)
	if err != nil {
		t.Fatal(err)
	}
	return string(a)
}

func failures(ids ...string) string {
	var items []string
	for _, id := range ids {
		items = append(items, fmt.Sprintf(`{"itemIdentifier":%q}`, id))
	}
	return `{"batchItemFailures":[` + strings.Join(items, ",") + `]}`
}

func expectResponse(t *testing.T, got string, ids ...string) {
	t.Helper()
	if want := failures(ids...); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestResponseListsEachFailedMessageOnce(t *testing.T) {
	t.Parallel()
	b := decode(t, records(message("m-1", "one"), message("m-2", "two"), message("m-3", "three"), message("m-2", "two again"), message("m-4", "four")))
	expectResponse(t, respond(t, b))
	expectResponse(t, respond(t, b, "m-1", "m-3"), "m-1", "m-3")
	expectResponse(t, respond(t, b, "m-2"), "m-2")
	// One of two messages with the same id failed, so the id is listed.
	expectResponse(t, respond(t, b, "two again"), "m-2")
	expectResponse(t, respond(t, decode(t, records(), lambdaevent.SQS)))
	expectResponse(t, respond(t, decode(t, records())))
}

func TestResponseListsRecordsThatCannotBeDecoded(t *testing.T) {
	t.Parallel()
	// Without dead letters, the record is a failure.
	b := decode(t, records(message("m-1", "one"), strings.Replace(message("m-2", "two"), `"two"`, "2", 1)))
	expectResponse(t, respond(t, b), "m-2")
}

func TestFIFOResponseListsBlockedMessages(t *testing.T) {
	t.Parallel()
	fifo := func(id, group string) string {
		return strings.NewReplacer(`:jobs"`, `:jobs.fifo"`, `"attributes":{`, `"attributes":{"MessageGroupId":"`+group+`",`).Replace(message(id, id))
	}
	b := decode(t, records(fifo("a-1", "a"), fifo("b-1", "b"), fifo("a-2", "a"), fifo("b-2", "b"), fifo("a-3", "a")))
	expectResponse(t, respond(t, b, "a-1"), "a-1", "a-2", "a-3")
	expectResponse(t, respond(t, b, "a-2", "b-2"), "a-2", "b-2", "a-3")
}

func TestStreamResponseListsTheLowestFailure(t *testing.T) {
	t.Parallel()
	// The lowest is the first in the batch, not the smallest number.
	b := decode(t, records(change("900", "a", ""), change("1000", "b", ""), change("1001", "a", ""), change("1002", "c", "")))
	expectResponse(t, respond(t, b))
	expectResponse(t, respond(t, b, "1001"), "1001")
	expectResponse(t, respond(t, b, "1002", "1000"), "1000")
	expectResponse(t, respond(t, b, "900", "1000", "1001", "1002"), "900")

	result := pipeline.Run(t.Context(), b.Records, func(_ context.Context, r pipeline.Record) error {
		if r.ID == "1000" || r.ID == "1002" {
			return errBroken
		}
		return nil
	}, pipeline.Options{Order: b.Order, Parallel: 4})
	a, err := b.Response(result)
	if err != nil {
		t.Fatal(err)
	}
	expectResponse(t, string(a), "1000")
}

func TestResponseListsRecordsThatWereNotStarted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for _, c := range []struct {
		payload string
		want    []string
	}{
		{records(message("m-1", "one"), message("m-2", "two")), []string{"m-1", "m-2"}},
		{records(change("1", "a", ""), change("2", "b", "")), []string{"1"}},
	} {
		b := decode(t, c.payload)
		a, err := b.Response(pipeline.Run(ctx, b.Records, func(context.Context, pipeline.Record) error { return nil }, pipeline.Options{Order: b.Order}))
		if err != nil {
			t.Fatal(err)
		}
		expectResponse(t, string(a), c.want...)
	}
}

func TestSourcesWithoutPartialResponseFailAsAWhole(t *testing.T) {
	t.Parallel()
	for _, payload := range []string{
		string(read(t, "../../testdata/events/uploads/two-puts-direct.json")),
		string(read(t, "../../testdata/events/uploads/put-from-topic-direct.json")),
		string(read(t, "../../testdata/events/uploads/eventbridge-direct.json")),
	} {
		b := decode(t, payload)
		if got := respond(t, b); got != "null" {
			t.Errorf("%v: got %s for a success, want null", b.Kind, got)
		}
		last := b.Records[len(b.Records)-1].ID
		a, err := run(t, b, last)
		failed, ok := errors.AsType[*lambdaevent.FailedError](err)
		if !ok || a != nil {
			t.Fatalf("%v: got %s and %v, want a *FailedError", b.Kind, a, err)
		}
		if !errors.Is(err, errBroken) || failed.Kind != b.Kind || failed.Records != len(b.Records) || len(failed.Failures) != 1 {
			t.Errorf("%v: got %+v", b.Kind, failed)
		}
		if !strings.Contains(err.Error(), last) {
			t.Errorf("%v: %q does not name the record", b.Kind, err)
		}
	}
}

func TestResponseReturnsTheErrorOfTheRun(t *testing.T) {
	t.Parallel()
	b := decode(t, records(message("m-1", "one"), message("m-2", "two")))
	r := pipeline.Run(t.Context(), b.Records, func(context.Context, pipeline.Record) error { return errBroken }, pipeline.Options{ErrorIfAllFailed: true})
	if a, err := b.Response(r); a != nil || !errors.Is(err, errBroken) {
		t.Errorf("got %s and %v, want the run's error", a, err)
	}
}

func TestResponseRejectsTheResultOfAnotherRun(t *testing.T) {
	t.Parallel()
	b := decode(t, records(message("m-1", "one"), message("m-2", "two")))
	done := func(ids ...string) (r pipeline.Result) {
		for _, id := range ids {
			r.Outcomes = append(r.Outcomes, pipeline.Outcome{Record: pipeline.Record{ID: id}, Status: pipeline.Done})
		}
		return r
	}
	for _, r := range []pipeline.Result{{}, done("m-1"), done("m-2", "m-1"), done("m-1", "m-2", "m-3")} {
		if a, err := b.Response(r); err == nil {
			t.Errorf("got %s for the outcomes %v", a, r.Outcomes)
		}
	}
}
