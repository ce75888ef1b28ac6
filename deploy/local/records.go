package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"

	"sluice/deploy/internal/termtext"
	"sluice/deploy/local/admin"
	"sluice/workers/schema"
)

// records lists the records whose keys begin with a prefix. A prefix that is the
// key of a record prints that record.
func (c *command) records(ctx context.Context, s *admin.Client, prefix string) error {
	if data, err := s.Record(ctx, prefix); err == nil && prefix != "" {
		var out bytes.Buffer
		if err := json.Indent(&out, data, "", "  "); err != nil {
			return err
		}
		fmt.Fprintln(c.stdout, out.String()) // JSON escapes control characters
		return nil
	} else if err != nil && prefix != "" && !errors.Is(err, admin.ErrUnknown) {
		return err
	}
	all := []admin.Record{}
	for after := ""; ; {
		page, err := s.Records(ctx, prefix, after)
		if err != nil {
			return err
		}
		all = append(all, page.Records...)
		if after = page.Last; after == "" {
			break
		}
	}
	if c.json {
		return termtext.PrintJSON(c.stdout, all)
	}
	tw := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "KEY\tSTATUS\tAT")
	for _, r := range all {
		var change schema.Change
		_ = json.Unmarshal(r.Data, &change) // a record of another shape has no status
		at := "-"
		if !change.At.IsZero() {
			at = change.At.Format("2006-01-02 15:04:05")
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\n", termtext.Safe(r.Key), termtext.Safe(change.Status), at)
	}
	return tw.Flush()
}

// create creates a record and prints what follows from it.
func (c *command) create(ctx context.Context, s *admin.Client, key, data string) error {
	if !json.Valid([]byte(data)) {
		return fmt.Errorf("data of record %q: got %s, want JSON", key, data)
	}
	before, err := s.Changes(ctx, "now")
	if err != nil {
		return err
	}
	if err := s.Create(ctx, key, json.RawMessage(data)); err != nil {
		return err
	}
	return c.printChanges(ctx, s, before.Last, func(change admin.Change) bool { return change.Key == key })
}
