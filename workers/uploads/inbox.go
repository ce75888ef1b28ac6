package uploads

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"sluice/pipeline"
	"sluice/pipeline/lambdaevent"
	"sluice/workers/schema"
)

const (
	// maxInboxBytes bounds a file of messages, which is read whole.
	maxInboxBytes = 8 << 20
	// maxInboxMessages bounds what one invocation can send before its deadline.
	maxInboxMessages = 10_000
	// maxInboxProblems is how many bad messages of a file an error lists.
	maxInboxProblems = 20
)

// inbox queues the messages of an uploaded file: a .json file with one message or
// an array of them, or an .ndjson file with one message in each line. If one
// message is bad, none is sent, and the permanent error names each bad one by its
// place. Removing a file has no effect. A file that was overwritten before it was
// read is not sent, since the new file has an S3 event of its own.
func (w *Worker) inbox(ctx context.Context, e lambdaevent.S3Event) error {
	if e.Type == lambdaevent.Removed {
		return nil
	}
	split, ok := map[string]func([]byte) ([]inboxPart, error){".json": splitJSON, ".ndjson": splitLines}[strings.ToLower(path.Ext(e.Key))]
	if !ok {
		return pipeline.Permanentf("got a file named %q, want .json or .ndjson under %s", path.Base(e.Key), w.config.InboxPrefix)
	}
	data, err := w.inboxFile(ctx, e)
	if err != nil || data == nil {
		return err
	}
	parts, err := split(data)
	if err != nil {
		return pipeline.Permanent(err)
	}
	messages := make([]pipeline.Message, 0, len(parts))
	var problems []error
	for i, part := range parts {
		m, err := w.inboxMessage(ctx, e, i, part.text)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", part.place, err))
		}
		messages = append(messages, m)
	}
	if len(problems) > 0 {
		more := ""
		if len(problems) > maxInboxProblems {
			more = fmt.Sprintf("; and %d more", len(problems)-maxInboxProblems)
			problems = problems[:maxInboxProblems]
		}
		return pipeline.Permanentf("no message of the file was sent: %s%s",
			strings.ReplaceAll(errors.Join(problems...).Error(), "\n", "; "), more)
	}
	// If the second queue fails, the next delivery sends all messages again, with
	// the same ids.
	var jobs, notifications []pipeline.Message
	for _, m := range messages {
		if schema.QueueOf(m.Type) == schema.QueueNotifications {
			notifications = append(notifications, m)
		} else {
			jobs = append(jobs, m)
		}
	}
	if err := w.jobs.Send(ctx, jobs...); err != nil {
		return err
	}
	if err := w.notifications.Send(ctx, notifications...); err != nil {
		return err
	}
	w.log.InfoContext(ctx, "messages queued", "bucket", e.Bucket, "key", e.Key, "messages", len(messages))
	return nil
}

// inboxFile reads the file of an S3 event. It returns nil if the file is gone or
// was overwritten: the messages of the new file would be sent under two ids if it
// were read for both events.
func (w *Worker) inboxFile(ctx context.Context, e lambdaevent.S3Event) ([]byte, error) {
	in := &s3.GetObjectInput{Bucket: &e.Bucket, Key: &e.Key}
	if e.VersionID != "" {
		in.VersionId = &e.VersionID
	}
	object, err := w.s3.GetObject(ctx, in)
	if isNotFound(err) {
		w.log.InfoContext(ctx, "file is gone", "bucket", e.Bucket, "key", e.Key)
		return nil, nil
	}
	if err != nil {
		return nil, readError(e.Bucket, e.Key, err)
	}
	defer object.Body.Close()
	if now := newState(object.ETag, nil).etag; e.ETag != "" && now != e.ETag {
		w.log.InfoContext(ctx, "file was overwritten", "bucket", e.Bucket, "key", e.Key, "etag", e.ETag, "now", now)
		return nil, nil
	}
	data, err := io.ReadAll(io.LimitReader(object.Body, maxInboxBytes+1))
	if err != nil {
		return nil, readError(e.Bucket, e.Key, err)
	}
	if len(data) > maxInboxBytes {
		return nil, pipeline.Permanentf("file: got more than %d bytes, want %[1]d at most", maxInboxBytes)
	}
	if data == nil {
		data = []byte{}
	}
	return data, nil
}

// inboxMessage decodes one message of a file. A message without an id gets one that
// is derived from the S3 event and its place in the file.
func (w *Worker) inboxMessage(ctx context.Context, e lambdaevent.S3Event, i int, part json.RawMessage) (pipeline.Message, error) {
	m, err := pipeline.DecodeMessage(part)
	if err != nil {
		return m, err
	}
	if !slices.Contains(w.config.InboxTypes, m.Type) {
		allowed := "no file of messages, since no type is allowed"
		if len(w.config.InboxTypes) > 0 {
			allowed = strings.Join(w.config.InboxTypes, ", ")
		}
		return m, fmt.Errorf("type: got %q, want %s (INBOX_TYPES)", m.Type, allowed)
	}
	if m.ID == "" {
		m.ID = pipeline.DeriveID("inbox", e.Cause(), fmt.Sprint(i))
	}
	if m.Source == "" {
		m.Source = "sluice/uploads"
	}
	if r, ok := pipeline.RecordFrom(ctx); ok && m.TraceParent == "" {
		m.TraceParent = r.Attrs["traceparent"]
	}
	return m, nil
}

// inboxPart is one message of a file.
type inboxPart struct {
	place string // for errors: "message 2", "line 7"
	text  json.RawMessage
}

func errTooManyMessages() error {
	return fmt.Errorf("file: got more than %d messages, want %[1]d at most", maxInboxMessages)
}

// jsonSpace is the white space of JSON. Unicode has more.
const jsonSpace = " \t\r\n"

func splitJSON(data []byte) ([]inboxPart, error) {
	if trimmed := bytes.Trim(data, jsonSpace); len(trimmed) == 0 || trimmed[0] != '[' {
		return []inboxPart{{"message 1", data}}, nil
	}
	d := json.NewDecoder(bytes.NewReader(data))
	fail := func(err error) ([]inboxPart, error) {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, &pipeline.BodyError{Offset: d.InputOffset(), Err: fmt.Errorf("not JSON: %w", err)}
	}
	if _, err := d.Token(); err != nil {
		return fail(err)
	}
	var parts []inboxPart
	for d.More() {
		if len(parts) == maxInboxMessages {
			return nil, errTooManyMessages()
		}
		p := inboxPart{place: fmt.Sprintf("message %d", len(parts)+1)}
		if err := d.Decode(&p.text); err != nil {
			return fail(err)
		}
		parts = append(parts, p)
	}
	if _, err := d.Token(); err != nil {
		return fail(err)
	}
	if rest := bytes.Trim(data[d.InputOffset():], jsonSpace); len(rest) > 0 {
		return fail(errors.New("got data after the array, want the end of the file"))
	}
	return parts, nil
}

func splitLines(data []byte) ([]inboxPart, error) {
	var parts []inboxPart
	number := 0
	for line := range bytes.Lines(data) {
		number++
		if line = bytes.Trim(line, jsonSpace); len(line) == 0 {
			continue
		}
		if len(parts) == maxInboxMessages {
			return nil, errTooManyMessages()
		}
		parts = append(parts, inboxPart{fmt.Sprintf("line %d", number), line})
	}
	return parts, nil
}
