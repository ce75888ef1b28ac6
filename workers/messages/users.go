package messages

import (
	"context"
	"fmt"

	"sluice/pipeline"
	"sluice/workers/schema"
)

// userRegistration completes the user's profile and makes a pending user active. A
// new user is first written as pending, so that the change stream has the same
// step for every user.
func (w *Worker) userRegistration(ctx context.Context, r pipeline.Record, m schema.UserRegistration) error {
	m.Email = schema.NormalizeAddress(m.Email)
	key := schema.UserKey(m.Email)
	_, err := pipeline.Update(ctx, w.records, key, func(current schema.User, exists bool) (any, error) {
		if exists {
			return nil, nil
		}
		return schema.User{Change: change(ctx, r, schema.StatusPending), Email: m.Email, Name: m.Name, ID: m.ID}, nil
	})
	if err != nil {
		return fmt.Errorf("user %q: %w", m.Email, err)
	}
	_, err = pipeline.Update(ctx, w.records, key, func(current schema.User, exists bool) (any, error) {
		if !exists || current.Status != schema.StatusPending {
			return nil, nil
		}
		next := schema.User{Change: change(ctx, r, schema.StatusActive), Email: m.Email, Name: current.Name, ID: current.ID}
		if next.Name == "" {
			next.Name = m.Name
		}
		if next.ID == "" {
			next.ID = m.ID
		}
		return patch(next)
	})
	if err != nil {
		return fmt.Errorf("user %q: %w", m.Email, err)
	}
	return nil
}
