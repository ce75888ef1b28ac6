package main

import (
	"context"
	"errors"
	"fmt"

	"sluice/deploy/internal/termtext"
	"sluice/deploy/local/admin"
)

// tail prints changes and the notifications and jobs that follow from them, until
// it is interrupted.
func (c *command) tail(ctx context.Context, s *admin.Client) error {
	now, err := s.Changes(ctx, "now")
	if err != nil {
		return err
	}
	for after := now.Last; ; {
		page, err := s.Changes(ctx, after)
		if errors.Is(ctx.Err(), context.Canceled) {
			return nil
		}
		if err != nil {
			return err
		}
		after = page.Last
		for _, change := range page.Changes {
			if c.json {
				if err := termtext.PrintJSON(c.stdout, change); err != nil {
					return err
				}
				continue
			}
			fmt.Fprintf(c.stdout, "record  %s: %v -> %v\n", termtext.Safe(change.Key), status(change.Old), status(change.New))
			for _, id := range change.Jobs {
				fmt.Fprintf(c.stdout, "job     %s\n", termtext.Safe(id))
			}
			for _, n := range change.Notifications {
				fmt.Fprintf(c.stdout, "notify  %s to %s: %q\n", n.Channel, termtext.Safe(n.To), n.Subject)
			}
		}
	}
}

// status is the status of an image, as text that is safe to print.
func status(image map[string]any) string { return termtext.Safe(fmt.Sprint(orNone(image["status"]))) }
