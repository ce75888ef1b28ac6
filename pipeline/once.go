package pipeline

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Once keeps what must not be done twice, such as a send, from being done
// twice: by a claim in a table, whose version is the fencing token. Only its
// owner can complete or release a claim.
//
// Between the effect and the completed claim stands no transaction. An owner
// that dies there leaves the claim to time out, and the effect is then repeated:
// so what is done under Once should carry an id that the other side can know.
//
// A state change needs no Once: it carries its cause in its own conditional
// write. Safe for concurrent use.
type Once struct {
	// Table holds the claims. It should not be one with a change stream.
	Table Table
	// Remember is how long a completed claim stands. Zero is 24 hours.
	Remember time.Duration
	// InProgress is how long an owner that says nothing keeps its claim. Zero is
	// the time left until the context's deadline, or 5 minutes without one.
	// What must never run again after a timeout takes a very long one.
	InProgress time.Duration
	// ProcessID names the one process that uses the table, anew at each start. Where
	// it is set, a claim in progress under another name is a dead process's and is
	// taken over at once. "": claims are respected until they run out.
	ProcessID string
	// Now is the clock. Nil is time.Now.
	Now func() time.Time
}

// InProgressError says that another owner is at it.
type InProgressError struct {
	Key   string
	Until time.Time // when its claim ends if it says nothing
}

func (e *InProgressError) Error() string {
	return fmt.Sprintf("%q is in progress elsewhere until %s", e.Key, e.Until.UTC().Format(time.RFC3339))
}

// ClaimLostError says that the work was done, but its claim had run out and
// passed to another owner, who does it as well.
type ClaimLostError struct{ Key string }

func (e *ClaimLostError) Error() string {
	return fmt.Sprintf("%q took longer than its claim, which passed on", e.Key)
}

// claim is the data of a claim's item.
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

// Do calls fn unless key was completed before, and returns what fn, then or
// now, returned: JSON, or nil. An error or a panic of fn releases the claim, so
// that the next delivery tries again.
//
// Errors: what fn returned; a *InProgressError, wrapped as RetryAfter, if
// another owner is at it; a *ClaimLostError; what the table met. An empty key is
// an error.
func (o *Once) Do(ctx context.Context, key string, fn func(ctx context.Context) (json.RawMessage, error)) (json.RawMessage, error) {
	if key == "" {
		return nil, Permanent(errors.New("once: empty key"))
	}
	mine, before, err := o.claim(ctx, key, o.now())
	if err != nil || before != nil {
		return before.result(), err
	}
	settled := false
	defer func() {
		if !settled { // fn failed or panicked
			o.release(ctx, mine)
		}
	}()
	result, err := fn(ctx)
	if err != nil {
		return nil, err
	}
	settled = true
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

// Done reports whether key was completed and is still remembered.
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

// claim takes the claim on key. before is not nil if it was completed already.
func (o *Once) claim(ctx context.Context, key string, now time.Time) (mine Item, before *claim, err error) {
	until := now.Add(5 * time.Minute)
	if o.InProgress > 0 {
		until = now.Add(o.InProgress)
	} else if deadline, ok := ctx.Deadline(); ok {
		until = deadline
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
			return Item{}, nil, RetryAfter(&InProgressError{key, end}, end.Sub(now))
		}
	}
	// What stands there has run out, or is a dead process's: take it over, unless
	// another does.
	mine, err = o.Table.Put(ctx, want, AtVersion(conflict.Current.Version))
	if _, ok := errors.AsType[*ConflictError](err); ok {
		return Item{}, nil, RetryAfter(&InProgressError{key, until}, time.Second)
	}
	return mine, nil, err
}

// release gives a claim back, if it is still ours. If it cannot, the claim runs
// out by itself.
func (o *Once) release(ctx context.Context, mine Item) {
	_ = o.Table.Delete(context.WithoutCancel(ctx), mine.Key, AtVersion(mine.Version))
}

// result is nil-safe: a claim that was not completed has none.
func (c *claim) result() json.RawMessage {
	if c == nil {
		return nil
	}
	return c.Result
}

// claimKey is the key itself where it fits, else its digest.
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
	// The item outlives the claim by an hour, so that the table's own clean-up
	// never takes one that still holds.
	return Item{Key: claimKey(key), Expires: time.UnixMilli(c.Until).Add(time.Hour), Data: data}, nil
}
