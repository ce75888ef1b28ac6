package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"sluice/deploy/local/admin"
	"sluice/deploy/local/stack"
	"sluice/notify"
	"sluice/workers/schema"
)

// item is one picture and its state.
type item struct {
	picture
	etag     string
	failed   error // of the upload
	uploaded time.Time
	final    time.Time // of the last event; zero before it
	image    schema.Image
	notified []notify.Notification
	unsent   map[string]bool // ids of notifications that are not sent yet
	files    []string        // thumbnails on disk
}

func (it *item) done() bool {
	return it.failed != nil || it.image.Status != "" && len(it.unsent) == 0
}

// follower follows pictures through the changes of the table to their
// notifications.
type follower struct {
	stack    *admin.Client
	after    string // position in the changes
	patience time.Duration
	progress io.Writer
	items    []*item
	byKey    map[string]*item // by the record's key
}

func newFollower(s *admin.Client, after string, patience time.Duration) *follower {
	return &follower{stack: s, after: after, patience: patience, progress: io.Discard, byKey: make(map[string]*item)}
}

func (f *follower) expect(p picture, etag string) {
	it := &item{picture: p, etag: strings.Trim(etag, `"`), uploaded: time.Now(), unsent: make(map[string]bool)}
	f.items = append(f.items, it)
	f.byKey[schema.KeyText(schema.ImageKey(stack.BucketUploads, p.Key))] = it
}

// failed adds a picture that was not uploaded.
func (f *follower) failed(p picture, why error) {
	f.items = append(f.items, &item{picture: p, failed: why})
}

// StuckError names the pictures that are not done.
type StuckError struct {
	After time.Duration // without progress
	Keys  []string
	Err   error // the reason for an earlier end; may be nil
}

func (e *StuckError) Error() string {
	why := fmt.Sprintf("no progress for %v", e.After)
	if e.Err != nil {
		why = e.Err.Error()
	}
	return fmt.Sprintf("stuck (%s): %s", why, strings.Join(e.Keys, ", "))
}

func (e *StuckError) Unwrap() error { return e.Err }

// follow returns when every item is done, or a *StuckError when nothing
// has moved on for as long as patience lasts.
func (f *follower) follow(ctx context.Context) error {
	progress := time.Now()
	for {
		waiting := f.waiting()
		if len(waiting) == 0 {
			return nil
		}
		moved, err := f.poll(ctx)
		if err != nil {
			return &StuckError{Keys: waiting, Err: err}
		}
		if moved {
			progress = time.Now()
		}
		if time.Since(progress) > f.patience {
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

// poll reads what is new, and reports whether an item moved on.
func (f *follower) poll(ctx context.Context) (moved bool, err error) {
	if f.onlyUnsent() {
		// No change is expected: Changes would only wait.
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return false, err
		}
		return f.sent(ctx)
	}
	page, err := f.stack.Changes(ctx, f.after)
	if err != nil {
		return false, err
	}
	f.after = page.Last
	for _, c := range page.Changes {
		it := f.byKey[c.Key]
		if it == nil {
			continue
		}
		if err := f.apply(it, c); err != nil {
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

// apply applies a change of the item's record. It skips the change of an earlier
// upload under the same key.
func (f *follower) apply(it *item, c admin.Change) error {
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
		it.notified = append(it.notified, n)
		it.unsent[n.ID] = true
	}
	f.printDone(it)
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
	sent, err := f.stack.Sent(ctx, ids)
	if err != nil {
		return false, err
	}
	for id, yes := range sent {
		if it := of[id]; yes && it != nil {
			delete(it.unsent, id)
			moved = true
			f.printDone(it)
		}
	}
	return moved, nil
}

// printDone prints a line for an item that is done.
func (f *follower) printDone(it *item) {
	if !it.done() {
		return
	}
	it.final = time.Now()
	left := len(f.waiting())
	fmt.Fprintf(f.progress, "[%d/%d] %s %s\n", len(f.items)-left, len(f.items), it.image.Status, it.Key)
}

var errNoNews = errors.New("no progress in time")
