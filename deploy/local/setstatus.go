package main

import (
	"context"
	"fmt"

	"sluice/deploy/local/admin"
)

// setStatus sets a record's status and prints what follows from the change.
func (c *command) setStatus(ctx context.Context, s *admin.Client, key, status string) error {
	before, err := s.Changes(ctx, "now")
	if err != nil {
		return err
	}
	done, err := s.SetStatus(ctx, key, status)
	if err != nil {
		return err
	}
	if done.From == done.To {
		fmt.Fprintf(c.stdout, "record  %s is %s already\n", done.Key, done.To)
		return nil
	}
	return c.printChanges(ctx, s, before.Last, func(change admin.Change) bool { return change.Key == key })
}
