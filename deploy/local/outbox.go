package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"sluice/deploy/internal/termtext"
	"sluice/notify"
)

// outbox lists the notifications in the outbox, or prints one as its reader sees
// it. It needs no running stack.
func (c *command) outbox(id string) error {
	all, err := notify.ReadOutbox(filepath.Join(c.options.Dir, "outbox"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	found := []notify.Notification{}
	for _, n := range all {
		if id == "" || strings.HasPrefix(n.ID, id) {
			found = append(found, n)
		}
	}
	switch {
	case c.json:
		return termtext.PrintJSON(c.stdout, found)
	case id != "" && len(found) == 0:
		return fmt.Errorf("outbox: no notification has the ID %q", id)
	case id != "":
		for _, n := range found {
			fmt.Fprintf(c.stdout, "To: %s\nSubject: %s\nDate: %s\n\n", termtext.Safe(n.To), termtext.Safe(n.Subject), n.At.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
			for line := range strings.Lines(n.Body) {
				fmt.Fprintln(c.stdout, termtext.Safe(strings.TrimRight(line, "\r\n")))
			}
		}
		return nil
	}
	tw := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "ID\tTIME\tTO\tSUBJECT")
	for _, n := range found {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", n.ID, n.At.Format("2006-01-02 15:04:05"), termtext.Safe(n.To), termtext.Shorten(termtext.Safe(n.Subject)))
	}
	return tw.Flush()
}
