// Package addresses moves the records of users and orders that were written
// before e-mail addresses were normalised to the keys that the workers use now.
package addresses

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"reflect"

	"sluice/pipeline"
	"sluice/workers/schema"
)

// Report is the result of a migration.
type Report struct {
	Moved int `json:"moved"` // records that have another key now
	// Kept are the keys of records that were not moved, because another record
	// with other data has the key already.
	Kept []string `json:"kept"`
}

// maxTries is how often Migrate follows a record that changes while it moves.
const maxTries = 10

// Migrate moves each item whose key has an address that is not normal. The item
// keeps its data, except for the address in it, and its expiry. The workers may
// run meanwhile. A migration that ended early is repeated as a whole.
//
// The change stream has a move as an insertion and a removal. A record whose
// last change has a cause starts no job again.
func Migrate(ctx context.Context, items iter.Seq2[pipeline.Item, error], table pipeline.Table) (Report, error) {
	report := Report{Kept: []string{}}
	for it, err := range items {
		if err != nil {
			return report, err
		}
		key := schema.NormalKey(it.Key)
		if key == it.Key {
			continue
		}
		moved, err := move(ctx, table, it, key)
		switch {
		case err != nil:
			return report, fmt.Errorf("move record %q: %w", schema.KeyText(it.Key), err)
		case moved:
			report.Moved++
		default:
			report.Kept = append(report.Kept, schema.KeyText(it.Key))
		}
	}
	return report, nil
}

// move reports false if key has an item with other data.
func move(ctx context.Context, table pipeline.Table, it pipeline.Item, key pipeline.Key) (bool, error) {
	condition := pipeline.Absent()
	var conflict *pipeline.ConflictError
	for range maxTries {
		next := pipeline.Item{Key: key, Expires: it.Expires}
		var err error
		if next.Data, err = normalData(it.Data); err != nil {
			return false, err
		}
		stored, err := table.Put(ctx, next, condition)
		if errors.As(err, &conflict) {
			if !conflict.Exists || !sameData(conflict.Current.Data, next.Data) {
				return false, nil
			}
			stored, err = conflict.Current, nil // of a migration that ended early
		}
		if err != nil {
			return false, err
		}
		err = table.Delete(ctx, it.Key, pipeline.AtVersion(it.Version))
		if !errors.As(err, &conflict) {
			return err == nil, err
		}
		if !conflict.Exists {
			return true, nil
		}
		// The item was changed since it was read.
		it, condition = conflict.Current, pipeline.AtVersion(stored.Version)
	}
	return false, conflict
}

// normalData returns data with a normalised email.
func normalData(data json.RawMessage) (json.RawMessage, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return nil, err
	}
	var email string
	if json.Unmarshal(members["email"], &email) != nil || email == schema.NormalizeAddress(email) {
		return data, nil
	}
	var err error
	if members["email"], err = json.Marshal(schema.NormalizeAddress(email)); err != nil {
		return nil, err
	}
	return json.Marshal(members)
}

func sameData(a, b json.RawMessage) bool {
	var x, y map[string]json.RawMessage
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil || len(x) != len(y) {
		return false
	}
	for name := range x {
		var v, w any
		if _, ok := y[name]; !ok || json.Unmarshal(x[name], &v) != nil || json.Unmarshal(y[name], &w) != nil || !reflect.DeepEqual(v, w) {
			return false
		}
	}
	return true
}
