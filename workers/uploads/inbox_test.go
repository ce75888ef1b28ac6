package uploads

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"sluice/pipeline"
)

const report = `{"type":"report-ready","data":{"n":1}}`

// inboxFile puts a file there and gives its S3 event.
func (b *bench) inboxFile(name, text string) map[string]any {
	b.s3.put("uploads/inbox/"+name, []byte(text))
	return b.created("inbox/" + name)
}

func TestInbox(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name, file, text string
		want             []string // types and ids; * is one that was derived
	}{
		{"one message", "a.json", " " + report + "\n", []string{"report-ready *"}},
		{"over some lines", "a.json", "{\n\"type\":\n\"report-ready\"}", []string{"report-ready *"}},
		{"a list", "a.json", `[` + report + `, {"type":"order-processing","id":"o1"}]`, []string{"report-ready *", "order-processing o1"}},
		{"an empty list", "a.json", " [ ] ", nil},
		{"lines", "a.ndjson", report + "\n\r\n  " + report + "\r\n" + report, []string{"report-ready *", "report-ready *", "report-ready *"}},
		{"no lines", "a.ndjson", "\n \n", nil},
		{"the suffix in capitals", "A.JSON", report, []string{"report-ready *"}},
		{"a CloudEvent", "a.json", `{"specversion":"1.0","id":"1","source":"/shop","type":"report-ready"}`, []string{"report-ready 1"}},
		{"in a folder", "b/c.json", report, []string{"report-ready *"}},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.done(b.inboxFile(r.file, r.text))
			var got []string
			for _, m := range b.sqs.messages {
				id := m.ID
				if len(id) == 32 {
					id = "*"
				}
				got = append(got, m.Type+" "+id)
				if m.Source == "" {
					t.Error("a message has no source")
				}
			}
			if !slices.Equal(got, r.want) {
				t.Errorf("got %q, want %q", got, r.want)
			}
			if calls := b.s3.called("PUT", "DELETE"); len(calls) != 0 {
				t.Errorf("S3 was asked %q", calls)
			}
		})
	}
}

func TestInboxRefused(t *testing.T) {
	t.Parallel()
	many := strings.Repeat(report+"\n", maxInboxMessages)
	rows := []struct{ name, file, text, want string }{
		{"another kind of file", "a.txt", report, "want .json or .ndjson"},
		{"no suffix", "json", report, "want .json or .ndjson"},
		{"empty", "a.json", "", "message 1: body: got nothing, want JSON"},
		{"no JSON", "a.json", "{", "message 1: body"},
		{"null", "a.json", "null", "message 1: body: got null, want a JSON value"},
		{"a list that ends early", "a.json", "[" + report, "unexpected EOF"},
		{"a list with a gap", "a.json", "[" + report + ",,]", "not JSON"},
		{"a list and more", "a.json", "[" + report + "] x", "got data after the array"},
		{"a list in a list", "a.json", "[[" + report + "]]", "message 1: body"},
		{"the second of a list", "a.json", "[" + report + `, {"type":"x"}]`, `message 2: type: got "x"`},
		{"a line", "a.ndjson", report + "\n\n" + "{\n" + report + "\n" + `{"id":"1"}`, "line 3: body"},
		{"another line", "a.ndjson", report + "\n\n" + "{\n" + report + "\n" + `{"id":"1"}`, `line 5: body: field "type"`},
		{"a type that is not allowed", "a.json", `{"type":"email-notification"}`, `type: got "email-notification", want order-processing, report-ready (INBOX_TYPES)`},
		{"8 MiB and a byte", "a.ndjson", strings.Repeat("\n", maxInboxBytes+1), "got more than 8388608 bytes"},
		{"many lines", "a.ndjson", many + report, "more than 10000 messages"},
		{"a long list", "a.json", "[" + strings.Repeat("0,", 4<<20-10) + "0]", "more than 10000 messages"},
		{"many bad lines", "a.ndjson", strings.Repeat("x\n", 25), "line 20: body: at byte 1: invalid JSON: invalid character 'x' looking for beginning of value; and 5 more"},
		{"one over 1 MiB", "a.ndjson", strings.Repeat(report+"\n", 20) + `{"id":"big","type":"report-ready","data":"` + strings.Repeat("x", 1<<20) + `"}`, `"big" of type "report-ready"`},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.deadLettered(r.want, b.inboxFile(r.file, r.text))
			if len(b.sqs.messages) != 0 {
				t.Errorf("%d messages of the file were sent", len(b.sqs.messages))
			}
			if strings.Contains(b.sqs.reasons()[0], "line 21") {
				t.Errorf("the reason tells of more than 20: %q", b.sqs.reasons()[0])
			}
		})
	}
}

func TestInboxLimitsAreReachable(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) { c.InboxTypes = []string{"x"} })
	text := strings.Repeat(`{"type":"x"}`+"\n", maxInboxMessages)
	b.done(b.inboxFile("a.ndjson", text+strings.Repeat("\n", maxInboxBytes-len(text))))
	if got := len(b.sqs.messages); got != maxInboxMessages {
		t.Errorf("%d messages, want %d", got, maxInboxMessages)
	}
	if parts, err := splitJSON([]byte("[" + strings.Repeat("0,", maxInboxMessages-1) + "0]")); err != nil || len(parts) != maxInboxMessages {
		t.Errorf("a list: %d messages, %v", len(parts), err)
	}
}

func TestInboxTypes(t *testing.T) {
	t.Parallel()
	t.Run("none by default", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, func(c *Config) { c.InboxTypes = nil })
		b.deadLettered(`type: got "report-ready", want no file of messages, since no type is allowed (INBOX_TYPES)`, b.inboxFile("a.json", report))
	})
	t.Run("blanks between", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, func(c *Config) { c.InboxTypes = []string{"order-processing", " report-ready"} })
		b.done(b.inboxFile("a.json", report))
	})
	t.Run("another folder", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, func(c *Config) { c.InboxPrefix = "in/box/" })
		b.s3.put("uploads/in/box/a.json", []byte(report))
		b.done(b.created("in/box/a.json"))
		b.done(b.inboxFile("a.json", report)) // no picture
		b.wantTold("report-ready ", "image-rejected uploads/inbox/a.json")
	})
}

// TestInboxMessagesGoToTheQueueOfTheirType: the function of jobs sends no mails.
func TestInboxMessagesGoToTheQueueOfTheirType(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) {
		c.InboxTypes, c.NotificationsQueueURL = []string{"report-ready", " email-notification", "notification"}, "http://sqs.test/1/notifications"
	})
	b.done(b.inboxFile("a.ndjson", strings.Join([]string{
		`{"type":"email-notification","id":"1"}`, `{"type":"report-ready","id":"2"}`, `{"type":"notification","id":"3"}`, `{"type":"report-ready","id":"4"}`,
	}, "\n")))
	var got []string
	for i, m := range b.sqs.messages {
		got = append(got, m.ID+" "+path.Base(b.sqs.urls[i]))
	}
	if want := []string{"2 jobs", "4 jobs", "1 notifications", "3 notifications"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestInboxIDs: sent twice a message has the same id, and no two of a file, and
// of two uploads of it, have the same.
func TestInboxIDs(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	first := b.inboxFile("a.ndjson", report+"\n"+report)
	b.done(first)
	b.done(first)
	b.done(b.created("inbox/a.ndjson"))
	m := b.sqs.messages
	if len(m) != 6 || m[0].ID != m[2].ID || m[1].ID != m[3].ID {
		t.Fatalf("ids of a file read twice: %+v", m)
	}
	if m[0].ID == m[1].ID || m[4].ID == m[0].ID || m[5].ID == m[1].ID {
		t.Errorf("ids are not apart: %+v", m)
	}
}

func TestInboxFileThatIsNotThere(t *testing.T) {
	t.Parallel()
	t.Run("gone", func(t *testing.T) {
		t.Parallel()
		b := newBench(t)
		n := b.inboxFile("a.json", report)
		b.s3.remove("uploads/inbox/a.json")
		b.done(n)
		b.wantTold()
	})
	t.Run("removed", func(t *testing.T) {
		t.Parallel()
		b := newBench(t)
		b.inboxFile("a.json", report)
		b.done(b.removed("inbox/a.json"))
		b.wantTold()
		if len(b.s3.calls) != 0 {
			t.Errorf("S3 was asked %q", b.s3.calls)
		}
	})
	t.Run("overwritten", func(t *testing.T) {
		t.Parallel()
		b := newBench(t)
		first := b.inboxFile("a.json", report)
		second := b.inboxFile("a.json", "["+report+","+report+"]")
		b.done(first, second)
		if len(b.sqs.messages) != 2 {
			t.Errorf("%d messages, want the two of the file, once", len(b.sqs.messages))
		}
	})
	t.Run("a version", func(t *testing.T) {
		t.Parallel()
		b := newBench(t)
		n := b.inboxFile("a.json", report)
		n["s3"].(map[string]any)["object"].(map[string]any)["versionId"] = "v1"
		b.s3.put("uploads/inbox/a.jsonv1", []byte(report)) // as the fake names it
		b.inboxFile("a.json", "newer")
		b.done(n)
		b.wantTold("report-ready ")
	})
}

func TestInboxReadAgainAfterAnError(t *testing.T) {
	t.Parallel()
	lost := errors.New("connection reset by peer")
	for _, code := range []string{"AccessDenied", "NoSuchBucket", "SlowDown"} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			n := b.inboxFile("a.json", report)
			b.s3.before = func(string) error {
				return refused(map[string]int{"AccessDenied": http.StatusForbidden, "NoSuchBucket": http.StatusNotFound, "SlowDown": 503}[code], code)
			}
			b.fails(code, n)
		})
	}
	t.Run("in the middle", func(t *testing.T) {
		t.Parallel()
		b := newBench(t)
		n := b.inboxFile("a.ndjson", report+"\n"+report)
		b.s3.body = func(_ string, r io.Reader) io.Reader {
			return io.MultiReader(io.LimitReader(r, int64(len(report)+1)), iotest.ErrReader(lost))
		}
		if err := b.fails("connection reset", n); !errors.Is(err, lost) {
			t.Errorf("got %v", err)
		}
		b.wantTold()
	})
	t.Run("the queue", func(t *testing.T) {
		t.Parallel()
		b := newBench(t)
		n := b.inboxFile("a.json", report)
		b.sqs.err = errors.New("queue is away")
		b.fails("queue is away", n)
	})
}

func TestSplittersTrimOnlyWhiteSpaceOfJSON(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"[]\v", "[1]\f", "[]\u0085", "[]\u2003", "[]\u00a0"} {
		if parts, err := splitJSON([]byte(s)); err == nil {
			t.Errorf("%q: got %v, want an error", s, parts)
		}
	}
	parts, err := splitLines([]byte("1\v\r\n \t\n\v\n"))
	if err != nil || len(parts) != 2 || string(parts[0].text) != "1\v" || string(parts[1].text) != "\v" {
		t.Errorf("lines: got %q, %v, want two with their vertical tabs", parts, err)
	}
}

func FuzzSplitJSON(f *testing.F) {
	for _, s := range []string{"", "[]", "[1,2]", report, "[" + report + "]", "[[]]", "[1", "[1]x", " [ null ] ", "[]\v", "\v[]", "[1]\f", "\u2003[]", "[]\u0085"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		parts, err := splitJSON([]byte(s))
		if !strings.HasPrefix(strings.TrimLeft(s, " \t\r\n"), "[") {
			if err != nil || len(parts) != 1 || string(parts[0].text) != s {
				t.Errorf("got %v, %v", parts, err)
			}
			return
		}
		var list []any
		want := pipeline.DecodeJSON([]byte(s), &list)
		if (err == nil) != (want == nil) || err == nil && len(parts) != len(list) {
			t.Errorf("got %d parts, %v; want %d, %v", len(parts), err, len(list), want)
		}
		for i, p := range parts {
			if p.place != fmt.Sprintf("message %d", i+1) {
				t.Errorf("part %d is at %q", i, p.place)
			}
		}
	})
}
