package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"sluice/deploy/internal/termtext"
	"sluice/deploy/local/admin"
)

// status prints counts of queues, records, objects and notifications.
func (c *command) status(ctx context.Context, s *admin.Client) error {
	st, err := s.Status(ctx)
	if err != nil {
		return err
	}
	if c.json {
		return termtext.PrintJSON(c.stdout, st)
	}
	tw := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "QUEUE\tREADY\tIN FLIGHT\tDELAYED\tOLDEST")
	for _, q := range st.Queues {
		fmt.Fprintf(tw, "%s\t%d\t%d\t%d\t%s\n", q.Queue, q.Ready, q.InFlight, q.Delayed, q.OldestAge.Round(time.Second))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	behind := "all changes are read"
	if st.Behind {
		behind = "changes are waiting"
	}
	fmt.Fprintf(c.stdout, "\nrecords %d (%s), uploads %d, thumbnails %d, notifications %d, store %s\n",
		st.Records, behind, st.Uploads, st.Thumbnails, st.Notifications, formatBytes(st.StoreBytes))
	return nil
}
