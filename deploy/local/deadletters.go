package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"sluice/deploy/internal/deadletters"
	"sluice/deploy/internal/termtext"
	"sluice/deploy/local/admin"
)

const deadLettersUsage = "want dead-letters, dead-letters show ID, dead-letters redrive ID | -reason TEXT | -all, or dead-letters drop ID"

// deadLetters lists dead letters, or shows, redrives or drops some of them.
func (c *command) deadLetters(ctx context.Context, s *admin.Client, args []string) error {
	queues, err := s.DeadLetterQueues(ctx)
	if err != nil {
		return err
	}
	verb := ""
	if len(args) > 0 {
		verb, args = args[0], args[1:]
	}
	match, err := c.deadLetterMatch(verb, args)
	if err != nil {
		return err
	}
	switch verb {
	case "", "show":
		all, err := deadletters.List(ctx, s.SQS, queues)
		if err != nil {
			return err
		}
		return c.printDeadLetters(all, match, verb == "show")
	case "redrive":
		done, err := deadletters.Redrive(ctx, s.SQS, queues, match)
		return c.printMoved("redriven", done, err)
	default:
		done, err := deadletters.Drop(ctx, s.SQS, queues, match)
		return c.printMoved("dropped", done, err)
	}
}

// deadLetterMatch is the selection that the arguments make. An ID may be cut
// after eight characters or more.
func (c *command) deadLetterMatch(verb string, args []string) (func(deadletters.DeadLetter) bool, error) {
	byID := len(args) == 1 && len(args[0]) >= 8
	switch {
	case verb == "" && len(args) == 0:
		return func(deadletters.DeadLetter) bool { return true }, nil
	case (verb == "show" || verb == "redrive" || verb == "drop") && byID && c.reason == "" && !c.all:
		return func(d deadletters.DeadLetter) bool { return strings.HasPrefix(d.ID, args[0]) }, nil
	case verb == "redrive" && len(args) == 0 && c.all && c.reason == "":
		return func(deadletters.DeadLetter) bool { return true }, nil
	case verb == "redrive" && len(args) == 0 && !c.all && c.reason != "":
		return func(d deadletters.DeadLetter) bool { return strings.Contains(d.Reason, c.reason) }, nil
	}
	return nil, fmt.Errorf("dead-letters: got %q, %s; an ID has 8 characters or more", strings.Join(append([]string{verb}, args...), " "), deadLettersUsage)
}

func (c *command) printDeadLetters(all []deadletters.DeadLetter, match func(deadletters.DeadLetter) bool, whole bool) error {
	found := []deadletters.DeadLetter{}
	for _, d := range all {
		if match(d) {
			found = append(found, d)
		}
	}
	switch {
	case c.json:
		return printJSON(c.stdout, found)
	case whole && len(found) == 0:
		return errors.New("dead-letters show: no dead letter has this ID")
	case whole:
		for _, d := range found {
			for _, line := range [][2]string{
				{"id", d.ID},
				{"queue", d.Queue},
				{"reason", d.Reason},
				{"worker", d.Worker},
				{"attempts", d.Attempts},
				{"time", d.Time},
				{"source", d.Source},
				{"cause", d.Cause},
				{"body", d.Body},
			} {
				fmt.Fprintf(c.stdout, "%-9s %s\n", line[0], termtext.Safe(line[1]))
			}
		}
		return nil
	}
	tw := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "ID\tQUEUE\tATTEMPTS\tTIME\tREASON")
	for _, d := range found {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\n", termtext.Safe(d.ID), d.Queue, termtext.Safe(d.Attempts), termtext.Safe(d.Time), shorten(termtext.Safe(d.Reason)))
	}
	return tw.Flush()
}

// printMoved prints what was redriven or dropped, also where an error ended it.
func (c *command) printMoved(what string, done []deadletters.DeadLetter, err error) error {
	if c.json {
		return errors.Join(printJSON(c.stdout, done), err)
	}
	for _, d := range done {
		fmt.Fprintf(c.stdout, "%s  %s from %s: %s\n", what, termtext.Safe(d.ID), d.Queue, shorten(termtext.Safe(d.Reason)))
	}
	if len(done) == 0 && err == nil {
		return errors.New("dead-letters: no dead letter matches")
	}
	return err
}

// shorten cuts a text for a column of a table.
func shorten(s string) string {
	const most = 100
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}
