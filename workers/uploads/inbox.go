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
)

const (
	// maxInboxBytes bounds a file of messages, which is read whole.
	maxInboxBytes = 8 << 20
	// maxInboxProblems is how many bad messages of a file are told apart.
	maxInboxProblems = 20
)

// inbox puts the messages of an uploaded file on the queue: those of a .json
// file, one message or a list of them, or the lines of an .ndjson file. Either
// all of them are sent or none: a file with a bad message is permanent, and its
// error tells of each by its place. Removing a file takes nothing back.
func (w *Worker) inbox(ctx context.Context, n lambdaevent.S3Notice) error {
	if n.Type == lambdaevent.Removed {
		return nil
	}
	split, ok := map[string]func([]byte) ([]json.RawMessage, error){".json": splitJSON, ".ndjson": splitLines}[strings.ToLower(path.Ext(n.Key))]
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
		m, err := w.inboxMessage(ctx, n, i, part)
		if err != nil {
			problems = append(problems, fmt.Errorf("message %d: %w", i+1, err))
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
	if err := w.jobs.Send(ctx, messages...); err != nil {
		return err
	}
	w.log.InfoContext(ctx, "messages queued", "bucket", n.Bucket, "key", n.Key, "messages", len(messages))
	return nil
}

// inboxFile reads the file as it is now; nil if it is gone.
func (w *Worker) inboxFile(ctx context.Context, n lambdaevent.S3Notice) ([]byte, error) {
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
func (w *Worker) inboxMessage(ctx context.Context, n lambdaevent.S3Notice, i int, part json.RawMessage) (pipeline.Message, error) {
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

func splitJSON(data []byte) ([]json.RawMessage, error) {
	trimmed := bytes.TrimSpace(data)
	if len(trimmed) > 0 && trimmed[0] == '[' {
		var list []json.RawMessage
		err := pipeline.DecodeJSON(trimmed, &list)
		return list, err
	}
	return []json.RawMessage{trimmed}, nil
}

func splitLines(data []byte) ([]json.RawMessage, error) {
	var lines []json.RawMessage
	for line := range bytes.Lines(data) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			lines = append(lines, line)
		}
	}
	return lines, nil
}
