package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"
)

// Table is the contract of a table with versioned items. DynamoDB and the local
// stack implement it. Package tabletest has a case for each sentence here. All
// methods are safe for concurrent use, and keep no reference to their arguments
// or results.
//
// Reads see every write that was acknowledged before they began. Operations on
// one item are linearizable. There are no transactions over two items.
//
// Errors are ErrNotFound, a *ConflictError, an *ItemError, or an error of the
// backend, which can be retried. A key that exceeds a limit is an *ItemError; so
// is a pk or skPrefix of Query that no key could have. A method whose context is
// done before it begins changes nothing and returns the context's error.
type Table interface {
	// Get returns the item under k, or ErrNotFound. An item past its Expires may
	// still be returned for a while; Item.Expired reports that.
	Get(ctx context.Context, k Key) (Item, error)

	// Put stores it, replacing the whole item under it.Key, if c holds, and
	// returns it as stored, with a newly minted Version. it.Version is ignored.
	// If c does not hold, it changes nothing and the error is a *ConflictError
	// with the current item.
	Put(ctx context.Context, it Item, c Condition) (Item, error)

	// Delete removes the item under k if c holds, else the error is a
	// *ConflictError as for Put. Removing a missing item under Always is not an
	// error.
	Delete(ctx context.Context, k Key, c Condition) error

	// Query yields the items with partition key pk whose sort key begins with
	// skPrefix ("" means all), in the byte order of their sort keys. It stops
	// after the first error. It may or may not yield items written while it runs.
	Query(ctx context.Context, pk, skPrefix string) iter.Seq2[Item, error]
}

// A Key identifies an item. Every backend has DynamoDB's limits: PK has 1 to
// 2,048 bytes, SK 1 to 1,024, and both are valid UTF-8.
type Key struct{ PK, SK string }

func (k Key) String() string { return k.PK + "/" + k.SK }

// An Item is one record of a table.
type Item struct {
	Key Key
	// Version is an opaque token, new at each write and never reused for a key,
	// not even after a delete. It is a fencing token: a former owner of the item
	// can neither overwrite nor remove its successor's.
	Version string
	// Expires is the time from which the table may remove the item by itself, in
	// whole seconds: a fraction is cut off. Zero means never.
	Expires time.Time
	// Data is a JSON object, the item's attributes. Its top level must not have
	// the table's own attributes: PK, SK, version and expires. Numbers keep up to
	// 38 digits, as in DynamoDB.
	Data json.RawMessage
}

// Expired reports whether the item has an expiry that is not after now.
func (it Item) Expired(now time.Time) bool {
	return !it.Expires.IsZero() && !it.Expires.After(now)
}

// Decode unmarshals the item's data into v, as encoding/json does.
func (it Item) Decode(v any) error {
	if err := json.Unmarshal(it.Data, v); err != nil {
		return fmt.Errorf("decode item %q: %w", it.Key, err)
	}
	return nil
}

// A Condition must hold for a write to take effect.
type Condition struct {
	kind    conditionKind
	version string
}

type conditionKind int

const (
	always conditionKind = iota
	absent
	atVersion
)

// Always returns the condition that always holds. It is the zero value.
func Always() Condition { return Condition{} }

// Absent returns the condition that holds if there is no item under the key. An
// expired item counts until it is removed.
func Absent() Condition { return Condition{kind: absent} }

// AtVersion returns the condition that holds if the current item has version v.
// It never holds if v is "".
func AtVersion(v string) Condition { return Condition{kind: atVersion, version: v} }

// Holds reports whether c holds for the current item, or without one if exists
// is false. Backends that evaluate conditions themselves use it.
func (c Condition) Holds(current Item, exists bool) bool {
	switch c.kind {
	case absent:
		return !exists
	case atVersion:
		return exists && c.version != "" && current.Version == c.version
	default:
		return true
	}
}

// Unconditional reports whether c is Always.
func (c Condition) Unconditional() bool { return c.kind == always }

// Version returns the version of an AtVersion condition, and false for any other.
func (c Condition) Version() (string, bool) { return c.version, c.kind == atVersion }

func (c Condition) String() string {
	switch c.kind {
	case absent:
		return "absent"
	case atVersion:
		return "at version " + c.version
	default:
		return "always"
	}
}

// ErrNotFound is returned by Get for a key without an item.
var ErrNotFound = errors.New("item not found")

// ConflictError reports that the condition of a write did not hold.
type ConflictError struct {
	Key       Key
	Condition Condition
	// Current is the item at that time; Exists is false if there was none.
	Current Item
	Exists  bool
}

func (e *ConflictError) Error() string {
	if !e.Exists {
		return fmt.Sprintf("conflict on %q: got no item, want %v", e.Key, e.Condition)
	}
	return fmt.Sprintf("conflict on %q: got version %s, want %v", e.Key, e.Current.Version, e.Condition)
}

// ItemError reports an item that no backend stores. Retrying cannot fix it.
type ItemError struct {
	Key    Key
	Field  string // "PK", "SK", "Data" or the attribute's name
	Reason string
}

func (e *ItemError) Error() string {
	return fmt.Sprintf("item %q: %s %s", e.Key, e.Field, e.Reason)
}
