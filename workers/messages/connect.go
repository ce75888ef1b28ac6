package messages

import (
	"context"
	"errors"

	"sluice/pipeline"
)

// connectTable returns a function that opens the connection to the tables. It
// asks for an item that does not exist.
func connectTable(t pipeline.Table) func(context.Context) error {
	return func(ctx context.Context) error {
		if _, err := t.Get(ctx, pipeline.Key{PK: "warm-up", SK: "-"}); !errors.Is(err, pipeline.ErrNotFound) {
			return err
		}
		return nil
	}
}
