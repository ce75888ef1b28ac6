package main

import (
	"context"
	"fmt"

	"sluice/deploy/internal/termtext"
	"sluice/deploy/local/admin"
)

// migrateAddresses moves the records that were written before e-mail addresses
// were normalised, and prints those that it leaves.
func (c *command) migrateAddresses(ctx context.Context, s *admin.Client) error {
	report, err := s.MigrateAddresses(ctx)
	if err != nil {
		return err
	}
	if c.json {
		if err := termtext.PrintJSON(c.stdout, report); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(c.stdout, "moved %d records\n", report.Moved)
		for _, key := range report.Kept {
			fmt.Fprintf(c.stdout, "kept  %s: another record has its lower-case key\n", termtext.Safe(key))
		}
	}
	if len(report.Kept) > 0 {
		return errItemsFailed
	}
	return nil
}
