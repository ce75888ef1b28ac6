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
	// maxInboxMessages bounds what a run can send before its deadline.
	maxInboxMessages = 10_000
	// maxInboxProblems is how many bad messages of a file are told apart.
	maxInboxProblems = 20
)

// inbox puts the messages of an uploaded file on their queues: those of a .json
// file, one message or a list of them, or the lines of an .ndjson file. Either
// all of them are sent or none: a file with a bad message is permanent, and its
// error tells of each by its place. Removing a file takes nothing back. What was
// overwritten before it was read is not sent: its successor has its own notice.
func (w *Worker) inbox(ctx context.Context, n lambdaevent.S3Event) error {
	if n.Type == lambdaevent.Removed {
		return nil
	}
	split, ok := map[string]func([]byte) ([]inboxPart, error){".json": splitJSON, ".ndjson": splitLines}[strings.ToLower(path.Ext(n.Key))]
	if !ok {
		return pipeline.Permanentf("a file under %s is .json or .ndjson", w.config.InboxPrefix)
	}
	data, err := w.inboxFile(ctx, n)
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
		m, err := w.inboxMessage(ctx, n, i, part.text)
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
		return pipeline.Permanentf("nothing of the file was sent: %s%s",
			strings.ReplaceAll(errors.Join(problems...).Error(), "\n", "; "), more)
	}
	// Should the second queue fail, the next delivery sends all of them again,
	// under the same ids.
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
	w.log.InfoContext(ctx, "messages queued", "bucket", n.Bucket, "key", n.Key, "messages", len(messages))
	return nil
}

// inboxFile reads the file that the notice tells of; nil if it is gone, or
// another one stands in its place. Read for both of their notices, that one's
// messages would be sent under two ids.
func (w *Worker) inboxFile(ctx context.Context, n lambdaevent.S3Event) ([]byte, error) {
	in := &s3.GetObjectInput{Bucket: &n.Bucket, Key: &n.Key}
	if n.VersionID != "" {
		in.VersionId = &n.VersionID
	}
	object, err := w.s3.GetObject(ctx, in)
	if isNotFound(err) {
		w.log.InfoContext(ctx, "file is gone", "bucket", n.Bucket, "key", n.Key)
		return nil, nil
	}
	if err != nil {
		return nil, readError(n.Bucket, n.Key, err)
	}
	defer object.Body.Close()
	if now := newState(object.ETag, nil).etag; n.ETag != "" && now != n.ETag {
		w.log.InfoContext(ctx, "file was overwritten", "bucket", n.Bucket, "key", n.Key, "etag", n.ETag, "now", now)
		return nil, nil
	}
	data, err := io.ReadAll(io.LimitReader(object.Body, maxInboxBytes+1))
	if err != nil {
		return nil, readError(n.Bucket, n.Key, err)
	}
	if len(data) > maxInboxBytes {
		return nil, pipeline.Permanentf("the file is over %d bytes", maxInboxBytes)
	}
	if data == nil {
		data = []byte{}
	}
	return data, nil
}

// inboxMessage reads one message of a file. Its id is its own, or follows from
// the file and the message's place in it.
func (w *Worker) inboxMessage(ctx context.Context, n lambdaevent.S3Event, i int, part json.RawMessage) (pipeline.Message, error) {
	m, err := pipeline.DecodeMessage(part)
	if err != nil {
		return m, err
	}
	if !slices.Contains(w.config.InboxTypes, m.Type) {
		allowed := "none are"
		if len(w.config.InboxTypes) > 0 {
			allowed = strings.Join(w.config.InboxTypes, ", ")
		}
		return m, fmt.Errorf("type %q is not allowed in a file; allowed by INBOX_TYPES: %s", m.Type, allowed)
	}
	if m.ID == "" {
		m.ID = pipeline.DeriveID("inbox", n.Cause(), fmt.Sprint(i))
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
	place string // for people: "message 2", "line 7"
	text  json.RawMessage
}

func errTooManyMessages() error {
	return fmt.Errorf("the file holds more than %d messages", maxInboxMessages)
}

func splitJSON(data []byte) ([]inboxPart, error) {
	if trimmed := bytes.TrimSpace(data); len(trimmed) == 0 || trimmed[0] != '[' {
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
	if rest := bytes.TrimSpace(data[d.InputOffset():]); len(rest) > 0 {
		return fail(errors.New("something follows the list"))
	}
	return parts, nil
}

func splitLines(data []byte) ([]inboxPart, error) {
	var parts []inboxPart
	number := 0
	for line := range bytes.Lines(data) {
		number++
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if len(parts) == maxInboxMessages {
			return nil, errTooManyMessages()
		}
		parts = append(parts, inboxPart{fmt.Sprintf("line %d", number), line})
	}
	return parts, nil
}
