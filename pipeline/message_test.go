package pipeline_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"sluice/pipeline"
)

func TestDecodeMessage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, body string
		want       pipeline.Message
		err        string // part of the error; "" means none
	}{
		{
			name: "cloud event",
			body: `{"specversion":"1.0","id":"i","source":"/s","type":"t","subject":"x","time":"2026-01-02T03:04:05Z","datacontenttype":"application/json","traceparent":"tp","hops":3,"data":{"a":1},"unknown":true}`,
			want: pipeline.Message{ID: "i", Type: "t", Source: "/s", Subject: "x", Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Data: []byte(`{"a":1}`), TraceParent: "tp", Hops: 3},
		},
		{name: "cloud event with data_base64", body: `{"specversion":"1.0","id":"i","source":"/s","type":"t","data_base64":"eyJhIjoxfQ=="}`, want: pipeline.Message{ID: "i", Type: "t", Source: "/s", Data: []byte(`{"a":1}`)}},
		{name: "short form", body: `{"type":"t","data":[1]}`, want: pipeline.Message{Type: "t", Data: []byte(`[1]`)}},
		{name: "short form without data", body: `{"type":"t"}`, want: pipeline.Message{Type: "t"}},
		{name: "empty", body: " ", err: "body: got nothing, want JSON"},
		{name: "null", body: "null", err: "body: got null, want a JSON value"},
		{name: "invalid JSON", body: `{"type":`, err: "at byte 8: invalid JSON"},
		{name: "type is not a string", body: `{"type":5}`, err: `field "type" at byte 9: got a JSON number, want a string`},
		{name: "no type", body: `{"data":{}}`, err: `field "type": is missing`},
		{name: "cloud event without id", body: `{"specversion":"1.0","source":"/s","type":"t"}`, err: `field "id"`},
		{name: "cloud event without source", body: `{"specversion":"1.0","id":"i","type":"t"}`, err: `field "source"`},
		{name: "unknown version", body: `{"specversion":"2.0","id":"i","source":"/s","type":"t"}`, err: `got "2.0", want 1.0`},
		{name: "negative hops", body: `{"type":"t","hops":-1}`, err: `field "hops"`},
		{name: "data and data_base64", body: `{"type":"t","data":{},"data_base64":"e30="}`, err: `field "data_base64"`},
		{name: "data_base64 without JSON", body: `{"type":"t","data_base64":"aGk="}`, err: `is not base64 of JSON`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := pipeline.DecodeMessage([]byte(tt.body))
			if tt.err != "" {
				if _, ok := errors.AsType[*pipeline.BodyError](err); !ok || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("error: got %v, want a *BodyError with %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			g, w := string(got.Data), string(tt.want.Data)
			got.Data, tt.want.Data = nil, nil
			if !equalMessages(got, tt.want) || g != w {
				t.Errorf("got %+v data %s, want %+v data %s", got, g, tt.want, w)
			}
		})
	}
}

func equalMessages(a, b pipeline.Message) bool {
	return a.ID == b.ID && a.Type == b.Type && a.Source == b.Source && a.Subject == b.Subject &&
		a.Time.Equal(b.Time) && a.TraceParent == b.TraceParent && a.Hops == b.Hops
}

func TestMessageRoundTrip(t *testing.T) {
	t.Parallel()
	want := pipeline.Message{
		ID: "i", Type: "t", Source: "s", Subject: "x", Time: time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC),
		Data: []byte(`{"a":1}`), TraceParent: "tp", Hops: 2,
	}
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := pipeline.DecodeMessage(b)
	if err != nil {
		t.Fatal(err)
	}
	if !equalMessages(got, want) || string(got.Data) != string(want.Data) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for name, m := range map[string]pipeline.Message{"id": {Type: "t"}, "type": {ID: "i"}} {
		if _, err := json.Marshal(m); err == nil || !strings.Contains(err.Error(), name+" is missing") {
			t.Errorf("message without %s: got error %v, want one that names it", name, err)
		}
	}
}

func TestNewMessageIDDependsOnTypeAndCause(t *testing.T) {
	t.Parallel()
	id := func(typ, cause string) string {
		m, err := pipeline.NewMessage(t.Context(), typ, cause, nil)
		if err != nil {
			t.Fatal(err)
		}
		return m.ID
	}
	first, again := id("t", "c"), id("t", "c")
	if first != again {
		t.Errorf("same cause: got ids %s and %s, want equal ones", first, again)
	}
	if first == id("t", "d") || first == id("u", "c") {
		t.Error("another cause or type: got the same id")
	}
	if one, other := id("t", ""), id("t", ""); one == other {
		t.Errorf("no cause: got id %s twice, want different ones", one)
	}
	if pipeline.DeriveID("a", "bc") == pipeline.DeriveID("ab", "c") {
		t.Error("DeriveID: got the same id for (a, bc) and (ab, c)")
	}
}

func TestNewMessageRejectsDataWithoutJSON(t *testing.T) {
	t.Parallel()
	if _, err := pipeline.NewMessage(t.Context(), "t", "c", make(chan int)); err == nil || !strings.Contains(err.Error(), `"t"`) {
		t.Errorf("data without a JSON form: got error %v, want one that names the message", err)
	}
}
