package pipeline

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Once protects a side effect, such as a send, from being repeated. It stores a
// claim in a table. The version of the claim is the fencing token: only its
// owner can complete or release it.
//
// There is no transaction over the effect and the completed claim. If the owner
// dies between them, the claim expires and the effect is repeated. The effect
// should therefore carry an id that the receiver can recognize.
//
// A state change does not need Once, because it stores its cause in its own
// conditional write. A Once is safe for concurrent use.
type Once struct {
	// Table holds the claims. It should have no change stream.
	Table Table
	// Remember is how long a completed claim is kept. Zero is 24 hours.
	Remember time.Duration
	// InProgress is how long a claim in progress is valid. Zero is the time left
	// until the context's deadline, at most MaxInvocation, or 5 minutes without a
	// deadline. An effect
	// that must never run again after a timeout needs a very long one.
	InProgress time.Duration
	// ProcessID identifies the only process that uses the table, and is new at
	// each start. If it is set, a claim in progress under another process id
	// belongs to a dead process and is taken over at once. If it is "", claims
	// are respected until they expire.
	ProcessID string
	// Now is the clock. Nil means time.Now.
	Now func() time.Time
}

// InProgressError reports that another owner has claimed the key.
type InProgressError struct {
	Key   string
	Until time.Time // when the claim expires
}

func (e *InProgressError) Error() string {
	return fmt.Sprintf("%q is in progress by another owner until %s", e.Key, e.Until.UTC().Format(time.RFC3339))
}

// ClaimLostError reports that the claim expired and passed to another owner
// before the work was done, so the work is done twice.
type ClaimLostError struct{ Key string }

func (e *ClaimLostError) Error() string {
	return fmt.Sprintf("%q took longer than its claim, which another owner has now", e.Key)
}

// claim is the data of an item.
type claim struct {
	Status string          `json:"status"`
	Until  int64           `json:"until"` // Unix milliseconds
	Owner  string          `json:"owner,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
}

const (
	claimInProgress = "in-progress"
	claimCompleted  = "completed"
)

// Do calls fn unless key was completed before, and returns the result of fn, of
// this call or of the earlier one: JSON, or nil. An error or a panic of fn
// releases the claim, so that the next delivery tries again.
//
// The error is that of fn, an *InProgressError wrapped by RetryAfter if another
// owner has claimed the key, a *ClaimLostError, or an error of the table. The
// key must not be empty.
func (o *Once) Do(ctx context.Context, key string, fn func(ctx context.Context) (json.RawMessage, error)) (json.RawMessage, error) {
	if key == "" {
		return nil, Permanent(errors.New("once: key is empty"))
	}
	mine, before, err := o.claim(ctx, key, o.now())
	if err != nil || before != nil {
		return before.result(), err
	}
	finished := false
	defer func() {
		if !finished { // fn failed or panicked
			o.release(ctx, mine)
		}
	}()
	result, err := fn(ctx)
	if err != nil {
		return nil, err
	}
	finished = true
	end := o.now().Add(cmp.Or(o.Remember, 24*time.Hour))
	done, err := claimItem(key, claim{Status: claimCompleted, Until: end.UnixMilli(), Result: result})
	if err != nil {
		return nil, err
	}
	_, err = o.Table.Put(context.WithoutCancel(ctx), done, AtVersion(mine.Version))
	if _, ok := errors.AsType[*ConflictError](err); ok {
		return nil, &ClaimLostError{key}
	}
	if err != nil {
		return nil, fmt.Errorf("complete claim on %q: %w", key, err)
	}
	return result, nil
}

// Done reports whether key was completed and its claim is still kept.
func (o *Once) Done(ctx context.Context, key string) (bool, error) {
	it, err := o.Table.Get(ctx, claimKey(key))
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var c claim
	if err := it.Decode(&c); err != nil {
		return false, err
	}
	return c.Status == claimCompleted && time.UnixMilli(c.Until).After(o.now()), nil
}

func (o *Once) now() time.Time {
	if o.Now != nil {
		return o.Now()
	}
	return time.Now()
}

// claim claims key. It returns the completed claim instead if there is one.
func (o *Once) claim(ctx context.Context, key string, now time.Time) (mine Item, before *claim, err error) {
	until := now.Add(5 * time.Minute)
	if o.InProgress > 0 {
		until = now.Add(o.InProgress)
	} else if deadline, ok := ctx.Deadline(); ok {
		until = earlier(deadline, now.Add(MaxInvocation))
	}
	want, err := claimItem(key, claim{Status: claimInProgress, Until: until.UnixMilli(), Owner: o.ProcessID})
	if err != nil {
		return Item{}, nil, err
	}
	mine, err = o.Table.Put(ctx, want, Absent())
	conflict, ok := errors.AsType[*ConflictError](err)
	if !ok {
		return mine, nil, err
	}
	var current claim
	if err := conflict.Current.Decode(&current); err != nil {
		return Item{}, nil, err
	}
	if end := time.UnixMilli(current.Until); end.After(now) {
		if current.Status == claimCompleted {
			return Item{}, &current, nil
		}
		if o.ProcessID == "" || current.Owner == o.ProcessID {
			return Item{}, nil, RetryAfter(&InProgressError{key, end}, min(end.Sub(now), max(o.InProgress, MaxInvocation)))
		}
	}
	// The current claim has expired or belongs to a dead process. Another owner
	// may take it over first.
	mine, err = o.Table.Put(ctx, want, AtVersion(conflict.Current.Version))
	if _, ok := errors.AsType[*ConflictError](err); ok {
		return Item{}, nil, RetryAfter(&InProgressError{key, until}, time.Second)
	}
	return mine, nil, err
}

// release deletes a claim that is still this owner's. If the delete fails, the
// claim expires.
func (o *Once) release(ctx context.Context, mine Item) {
	_ = o.Table.Delete(context.WithoutCancel(ctx), mine.Key, AtVersion(mine.Version))
}

// result returns the result of a completed claim, or nil if c is nil.
func (c *claim) result() json.RawMessage {
	if c == nil {
		return nil
	}
	return c.Result
}

// claimKey returns the item key for key, or for its digest if key is too long.
func claimKey(key string) Key {
	pk := "once#" + key
	if len(pk) > MaxPKBytes {
		pk = "once#" + DeriveID(key)
	}
	return Key{pk, "-"}
}

func claimItem(key string, c claim) (Item, error) {
	data, err := json.Marshal(c)
	if err != nil {
		return Item{}, fmt.Errorf("claim on %q: %w", key, err)
	}
	// The item expires an hour after the claim, so that the table never removes a
	// valid claim.
	return Item{Key: claimKey(key), Expires: time.UnixMilli(c.Until).Add(time.Hour), Data: data}, nil
}
