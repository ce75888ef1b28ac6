package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"sluice/notify"
	"sluice/workers/schema"
)

// item is one uploaded picture, and what became of it.
type item struct {
	picture
	etag     string
	failed   error // why it was not uploaded
	uploaded time.Time
	final    time.Time // when the last of it was seen; zero while it is on its way
	image    schema.Image
	told     []notify.Notification
	unsent   map[string]bool // ids of notifications that are on their way
	files    []string        // its thumbnails on disk
}

func (it *item) done() bool {
	return it.failed != nil || it.image.Status != "" && len(it.unsent) == 0
}

// follower follows pictures through the table's changes to their notifications.
type follower struct {
	home     *remote
	after    string // position in the changes
	patience time.Duration
	progress io.Writer
	items    []*item
	byKey    map[string]*item // by the record's key
}

func newFollower(h *remote, after string, patience time.Duration) *follower {
	return &follower{home: h, after: after, patience: patience, progress: io.Discard, byKey: make(map[string]*item)}
}

func (f *follower) expect(p picture, etag string) {
	it := &item{picture: p, etag: strings.Trim(etag, `"`), uploaded: time.Now(), unsent: make(map[string]bool)}
	f.items = append(f.items, it)
	f.byKey[schema.KeyText(schema.ImageKey(bucketUploads, p.Key))] = it
}

// failed notes a picture that was not uploaded.
func (f *follower) failed(p picture, why error) {
	f.items = append(f.items, &item{picture: p, failed: why})
}

// StuckError names the pictures that did not come to an end.
type StuckError struct {
	After time.Duration // without any news
	Keys  []string
	Err   error // why it was given up earlier; may be nil
}

func (e *StuckError) Error() string {
	why := fmt.Sprintf("no news for %v", e.After)
	if e.Err != nil {
		why = e.Err.Error()
	}
	return fmt.Sprintf("stuck (%s): %s", why, strings.Join(e.Keys, ", "))
}

func (e *StuckError) Unwrap() error { return e.Err }

// follow returns when every item is done, or a *StuckError when nothing has
// happened for as long as patience lasts.
func (f *follower) follow(ctx context.Context) error {
	news := time.Now()
	for {
		waiting := f.waiting()
		if len(waiting) == 0 {
			return nil
		}
		moved, err := f.look(ctx)
		if err != nil {
			return &StuckError{Keys: waiting, Err: err}
		}
		if moved {
			news = time.Now()
		}
		if time.Since(news) > f.patience {
			return &StuckError{After: f.patience, Keys: waiting}
		}
	}
}

func (f *follower) waiting() []string {
	var keys []string
	for _, it := range f.items {
		if !it.done() {
			keys = append(keys, it.Key)
		}
	}
	return keys
}

// look takes in what is new, and reports whether it was of use.
func (f *follower) look(ctx context.Context) (moved bool, err error) {
	if f.onlyUnsent() {
		// No change is awaited, so that asking for one would only wait.
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return false, err
		}
		return f.sent(ctx)
	}
	page, err := f.home.changes(ctx, f.after)
	if err != nil {
		return false, err
	}
	f.after = page.Last
	for _, c := range page.Changes {
		it := f.byKey[c.Key]
		if it == nil {
			continue
		}
		if err := f.take(it, c); err != nil {
			return moved, err
		}
		moved = true
	}
	sent, err := f.sent(ctx)
	return moved || sent, err
}

// onlyUnsent reports whether every record is final.
func (f *follower) onlyUnsent() bool {
	for _, it := range f.items {
		if it.image.Status == "" && it.failed == nil {
			return false
		}
	}
	return true
}

// take takes in a change of the item's record. The change of an earlier upload
// under the same key is not ours.
func (f *follower) take(it *item, c seenChange) error {
	var image schema.Image
	b, err := json.Marshal(c.New)
	if err == nil {
		err = json.Unmarshal(b, &image)
	}
	if err != nil {
		return fmt.Errorf("record %s: %w", c.Key, err)
	}
	if strings.Trim(image.ETag, `"`) != it.etag {
		return nil
	}
	it.image = image
	for _, n := range c.Notifications {
		it.told = append(it.told, n)
		it.unsent[n.ID] = true
	}
	f.note(it)
	return nil
}

func (f *follower) sent(ctx context.Context) (moved bool, err error) {
	of := make(map[string]*item)
	var ids []string
	for _, it := range f.items {
		for id := range it.unsent {
			of[id] = it
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return false, nil
	}
	sent, err := f.home.sent(ctx, ids)
	if err != nil {
		return false, err
	}
	for id, yes := range sent {
		if it := of[id]; yes && it != nil {
			delete(it.unsent, id)
			moved = true
			f.note(it)
		}
	}
	return moved, nil
}

// note tells of an item that came to its end.
func (f *follower) note(it *item) {
	if !it.done() {
		return
	}
	it.final = time.Now()
	left := len(f.waiting())
	fmt.Fprintf(f.progress, "[%d/%d] %s %s\n", len(f.items)-left, len(f.items), it.image.Status, it.Key)
}

var errNoNews = errors.New("nothing came of it in time")
