package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"
)

// Table is the contract of a table with versions: four operations, which bbolt
// and DynamoDB keep alike. Package tabletest holds a case for every sentence
// here. All methods are safe for concurrent use. None keeps a reference to what
// it was given, or to what it returned.
//
// Reads see every write that was acknowledged before they began. Operations on
// one item are linearizable; there is no transaction over two.
//
// Errors are ErrNotFound, a *ConflictError, a *ItemError, or whatever the
// backend met on its way (retry those). All methods refuse a key that breaks a
// limit by a *ItemError, Query a pk and skPrefix that no key could have. A
// method whose context is done before it begins changes nothing and returns the
// context's error.
type Table interface {
	// Get returns the item under k, or ErrNotFound. An item past its Expires
	// may still be returned for a while: ask Item.Expired.
	Get(ctx context.Context, k Key) (Item, error)

	// Put stores it, replacing the whole item under it.Key, if c holds, and
	// returns it as stored, with a newly minted Version. it.Version is ignored.
	// If c does not hold, the error is a *ConflictError with the current item,
	// and nothing has changed.
	Put(ctx context.Context, it Item, c Condition) (Item, error)

	// Delete removes the item under k if c holds, else the error is a
	// *ConflictError as for Put. Removing what is not there under Always is no
	// error.
	Delete(ctx context.Context, k Key, c Condition) error

	// Query yields the items with partition key pk whose sort key begins with
	// skPrefix ("" is all), in the byte order of their sort keys. It stops
	// after the first error. Items written while it runs may or may not be seen.
	Query(ctx context.Context, pk, skPrefix string) iter.Seq2[Item, error]
}

// A Key names an item. DynamoDB's limits hold on every backend: PK has 1 to
// 2,048 bytes, SK 1 to 1,024, both valid UTF-8.
type Key struct{ PK, SK string }

func (k Key) String() string { return k.PK + "/" + k.SK }

// An Item is one record of a table.
type Item struct {
	Key Key
	// Version is an opaque token, minted at each write and never repeated for a
	// key, not even after a delete. So an owner who lost an item can neither
	// overwrite nor remove what its successor wrote.
	Version string
	// Expires is when the item may be removed as by a service, to the second: a
	// fraction is cut off. Zero is never.
	Expires time.Time
	// Data is a JSON object: the item's attributes. It must not hold the
	// attributes that the table keeps for itself (PK, SK, version, expires) at
	// its top level. Numbers keep DynamoDB's 38 digits.
	Data json.RawMessage
}

// Expired reports whether the item has an expiry and it is not after now.
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

// A Condition is what must hold for a write to happen.
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

// Always is the condition that holds. It is the zero value.
func Always() Condition { return Condition{} }

// Absent holds if there is no item under the key. An expired item that has not
// been removed yet is there.
func Absent() Condition { return Condition{kind: absent} }

// AtVersion holds if the current item's version is v. It never holds for "".
func AtVersion(v string) Condition { return Condition{kind: atVersion, version: v} }

// Holds reports whether c holds for the current item; exists is false where
// there is none. Backends that decide in their own process use it.
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

// Version returns the version that c asks for, and false if c is not AtVersion.
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

// ConflictError says that a write's condition did not hold.
type ConflictError struct {
	Key       Key
	Condition Condition
	// Current is the item as it stood; Exists is false where there was none.
	Current Item
	Exists  bool
}

func (e *ConflictError) Error() string {
	if !e.Exists {
		return fmt.Sprintf("conflict on %q: wanted %v, there is no item", e.Key, e.Condition)
	}
	return fmt.Sprintf("conflict on %q: wanted %v, found version %s", e.Key, e.Condition, e.Current.Version)
}

// ItemError says what about an item no backend would store. Retrying is no use.
type ItemError struct {
	Key    Key
	Field  string // "PK", "SK", "Data" or the attribute's name
	Reason string
}

func (e *ItemError) Error() string {
	return fmt.Sprintf("item %q: %s %s", e.Key, e.Field, e.Reason)
}
