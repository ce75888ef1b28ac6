package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"sluice/deploy/internal/termtext"
)

// printReport prints a line for each picture, with the reason of a rejection.
func printReport(w io.Writer, items []*item) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "FILE\tSOURCE\tTHUMBNAILS\tTIME\tSTATUS\tNOTIFICATIONS")
	for _, it := range items {
		source := formatBytes(it.Size)
		var thumbs []string
		if p := it.image.Picture; p != nil {
			source = fmt.Sprintf("%s %dx%d %s", p.Format, p.Width, p.Height, source)
			for _, t := range p.Thumbnails {
				thumbs = append(thumbs, fmt.Sprintf("%dx%d %s", t.Width, t.Height, formatBytes(int64(t.Bytes))))
			}
		}
		status, took := it.image.Status, "-"
		if !it.final.IsZero() {
			took = it.final.Sub(it.uploaded).Round(time.Millisecond).String()
		}
		switch {
		case it.failed != nil:
			status = "not uploaded"
		case status == "":
			status = "stuck"
		}
		if it.image.Reason != "" {
			status += ": " + it.image.Reason
		}
		var notified []string
		for _, n := range it.notified {
			state := "sent"
			if it.unsent[n.ID] {
				state = "waiting"
			}
			notified = append(notified, fmt.Sprintf("%s to %s %s", n.Channel, termtext.Safe(n.To), state))
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\n", termtext.Safe(it.Path), source, orDash(thumbs), took, termtext.Safe(status), orDash(notified))
	}
	_ = tw.Flush()
	for i, it := range items {
		if i == 0 && len(it.files) > 0 {
			fmt.Fprintln(w)
		}
		for _, file := range it.files {
			fmt.Fprintln(w, termtext.Safe(file))
		}
	}
}

func orDash(parts []string) string {
	if len(parts) == 0 {
		return "-"
	}
	return strings.Join(parts, ", ")
}

func formatBytes(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1000*1000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	default:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
}
