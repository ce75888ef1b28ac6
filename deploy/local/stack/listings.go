package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"strings"

	"sluice/deploy/local/admin"
	"sluice/deploy/local/s3server/objectstore"
	"sluice/notify"
	"sluice/pipeline"
	"sluice/workers/schema"
)

// recordsPage is how many records a page has.
const recordsPage = 100

func (s *Stack) status(ctx context.Context) (out admin.Status, err error) {
	if out.Queues, err = s.queues.Stats(); err != nil {
		return out, err
	}
	if out.Behind, err = s.behind(ctx); err != nil {
		return out, err
	}
	for _, err := range s.records.Scan(ctx, pipeline.Key{}) {
		if err != nil {
			return out, err
		}
		out.Records++
	}
	sent, err := notify.ReadOutbox(filepath.Join(s.options.Dir, outboxDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return out, err
	}
	out.Notifications = len(sent)
	if out.Uploads, err = s.countObjects(ctx, BucketUploads); err != nil {
		return out, err
	}
	if out.Thumbnails, err = s.countObjects(ctx, BucketThumbnails); err != nil {
		return out, err
	}
	out.StoreBytes, err = s.db.Size()
	return out, err
}

// countObjects counts the objects of a bucket.
func (s *Stack) countObjects(ctx context.Context, bucket string) (n int64, err error) {
	for l := (objectstore.Listing{Limit: 1000}); ; {
		page, err := s.objects.List(bucket, l)
		if err != nil {
			return n, err
		}
		n += int64(len(page.Entries))
		if l.After = page.Next; !page.Truncated {
			return n, ctx.Err()
		}
	}
}

// listRecords returns a page of the records whose keys, as people write them,
// begin with a prefix.
func (s *Stack) listRecords(ctx context.Context, prefix, after string) (admin.Records, error) {
	out := admin.Records{Records: []admin.Record{}}
	var from pipeline.Key
	if after != "" {
		from = schema.ParseKeyText(after)
	}
	for it, err := range s.records.Scan(ctx, from) {
		if err != nil {
			return out, err
		}
		key := schema.KeyText(it.Key)
		if !strings.HasPrefix(key, prefix) {
			continue
		}
		if len(out.Records) == recordsPage {
			out.Last = out.Records[recordsPage-1].Key
			return out, nil
		}
		out.Records = append(out.Records, admin.Record{Key: key, Version: it.Version, Data: it.Data})
	}
	return out, nil
}

func (s *Stack) createRecord(r *http.Request) (any, error) {
	var want admin.Record
	if err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, pipeline.MaxItemBytes)).Decode(&want); err != nil {
		return nil, usageError("body: got no record in JSON, or more than " + fmt.Sprint(pipeline.MaxItemBytes) + " bytes")
	}
	it := pipeline.Item{Key: schema.NormalKey(schema.ParseKeyText(want.Key)), Data: want.Data}
	if err := pipeline.CheckItem(it); err != nil {
		return nil, usageError(err.Error())
	}
	_, err := s.records.Put(r.Context(), it, pipeline.Absent())
	if _, exists := errors.AsType[*pipeline.ConflictError](err); exists {
		return nil, usageError(fmt.Sprintf("record %q: exists already; set-status changes it", want.Key))
	}
	return json.RawMessage("null"), err
}
