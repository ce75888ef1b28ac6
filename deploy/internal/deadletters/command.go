package deadletters

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"sluice/deploy/internal/termtext"
)

// Usage is the arguments of a Command.
const Usage = "[show ID | redrive ID | redrive -reason TEXT | redrive -all | drop ID]"

// Command is the command dead-letters, for the local stack and for AWS.
type Command struct {
	Client *sqs.Client
	Queues []Queue
	JSON   bool   // print JSON
	Reason string // redrive those whose reason contains this text
	All    bool   // redrive all
	Stdout io.Writer
}

// Run lists dead letters, or shows, redrives or drops some of them.
func (c *Command) Run(ctx context.Context, args []string) error {
	verb := ""
	if len(args) > 0 {
		verb, args = args[0], args[1:]
	}
	match, err := c.match(verb, args)
	if err != nil {
		return err
	}
	switch verb {
	case "", "show":
		all, err := List(ctx, c.Client, c.Queues)
		if err != nil {
			return err
		}
		return c.print(all, match, verb == "show")
	case "redrive":
		done, err := Redrive(ctx, c.Client, c.Queues, match)
		return c.printMoved("redriven", done, err)
	default:
		done, err := Drop(ctx, c.Client, c.Queues, match)
		return c.printMoved("dropped", done, err)
	}
}

// match is the selection that the arguments make. An ID may be cut
// after eight characters or more.
func (c *Command) match(verb string, args []string) (func(DeadLetter) bool, error) {
	byID := len(args) == 1 && len(args[0]) >= 8
	switch {
	case verb == "" && len(args) == 0:
		return func(DeadLetter) bool { return true }, nil
	case (verb == "show" || verb == "redrive" || verb == "drop") && byID && c.Reason == "" && !c.All:
		return func(d DeadLetter) bool { return strings.HasPrefix(d.ID, args[0]) }, nil
	case verb == "redrive" && len(args) == 0 && c.All && c.Reason == "":
		return func(DeadLetter) bool { return true }, nil
	case verb == "redrive" && len(args) == 0 && !c.All && c.Reason != "":
		return func(d DeadLetter) bool { return strings.Contains(d.Reason, c.Reason) }, nil
	}
	return nil, fmt.Errorf("dead-letters: got %q, want %s; an ID has 8 characters or more", strings.Join(append([]string{verb}, args...), " "), Usage)
}

func (c *Command) print(all []DeadLetter, match func(DeadLetter) bool, whole bool) error {
	found := []DeadLetter{}
	for _, d := range all {
		if match(d) {
			found = append(found, d)
		}
	}
	switch {
	case c.JSON:
		return termtext.PrintJSON(c.Stdout, found)
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
				fmt.Fprintf(c.Stdout, "%-9s %s\n", line[0], termtext.Safe(line[1]))
			}
		}
		return nil
	}
	tw := tabwriter.NewWriter(c.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "ID\tQUEUE\tATTEMPTS\tTIME\tREASON")
	for _, d := range found {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\n", termtext.Safe(d.ID), d.Queue, termtext.Safe(d.Attempts), termtext.Safe(d.Time), termtext.Shorten(termtext.Safe(d.Reason)))
	}
	return tw.Flush()
}

// printMoved prints what was redriven or dropped, also where an error ended it.
func (c *Command) printMoved(what string, done []DeadLetter, err error) error {
	if c.JSON {
		return errors.Join(termtext.PrintJSON(c.Stdout, done), err)
	}
	for _, d := range done {
		fmt.Fprintf(c.Stdout, "%s  %s from %s: %s\n", what, termtext.Safe(d.ID), d.Queue, termtext.Shorten(termtext.Safe(d.Reason)))
	}
	if len(done) == 0 && err == nil {
		return errors.New("dead-letters: no dead letter matches")
	}
	return err
}
