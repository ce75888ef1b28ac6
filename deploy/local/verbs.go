package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"

	"sluice/deploy/internal/deadletters"
	"sluice/deploy/local/admin"
)

// A verb is a command that is not a path.
type verb struct {
	name, args, what string
	min, max         int  // number of arguments
	running          bool // needs a stack that runs already
	run              func(c *command, ctx context.Context, s *admin.Client, args []string) error
}

// optional returns the first argument, or "".
func optional(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

// verbs are all commands but serving and uploading.
var verbs = []verb{
	{"send", "TYPE JSON", "send a message, follow it", 2, 2, false, func(c *command, ctx context.Context, s *admin.Client, a []string) error {
		return c.send(ctx, s, a[0], a[1])
	}},
	{"set-status", "KEY STATUS", "set a record's status, follow the change", 2, 2, false, func(c *command, ctx context.Context, s *admin.Client, a []string) error {
		return c.setStatus(ctx, s, a[0], a[1])
	}},
	{"create", "KEY JSON", "create a record, follow the change", 2, 2, false, func(c *command, ctx context.Context, s *admin.Client, a []string) error {
		return c.create(ctx, s, a[0], a[1])
	}},
	{"presign", "KEY", "print a URL that accepts an upload by PUT for 15 minutes", 1, 1, true, func(c *command, ctx context.Context, s *admin.Client, a []string) error {
		return c.presign(ctx, s, a[0])
	}},
	{"status", "", "print counts of queues, records, objects and notifications", 0, 0, false, func(c *command, ctx context.Context, s *admin.Client, _ []string) error {
		return c.status(ctx, s)
	}},
	{"records", "[PREFIX]", "list records, or print the one with this key", 0, 1, false, func(c *command, ctx context.Context, s *admin.Client, a []string) error {
		return c.records(ctx, s, optional(a))
	}},
	{"dead-letters", deadletters.Usage, "list dead letters, or act on some", 0, 2, false, func(c *command, ctx context.Context, s *admin.Client, a []string) error {
		queues, err := s.DeadLetterQueues(ctx)
		if err != nil {
			return err
		}
		d := deadletters.Command{Client: s.SQS, Queues: queues, JSON: c.json, Reason: c.reason, All: c.all, Stdout: c.stdout}
		return d.Run(ctx, a)
	}},
	{"outbox", "[ID]", "list notifications, or print one as its reader sees it", 0, 1, false, nil},
	{"migrate-addresses", "", "move records of mixed-case addresses to lower-case keys", 0, 0, false, func(c *command, ctx context.Context, s *admin.Client, _ []string) error {
		return c.migrateAddresses(ctx, s)
	}},
	{"tail", "", "print changes and notifications as they happen", 0, 0, true, func(c *command, ctx context.Context, s *admin.Client, _ []string) error {
		return c.tail(ctx, s)
	}},
}

// parseVerb finds the verb that args begin with and parses the flags behind it.
// ok is false where args are paths.
func (c *command) parseVerb(args []string) (v verb, rest []string, ok bool, err error) {
	i := slices.IndexFunc(verbs, func(v verb) bool { return v.name == args[0] })
	if i < 0 {
		return verb{}, nil, false, misspelled(args[0])
	}
	v = verbs[i]
	flags := flag.NewFlagSet(v.name, flag.ContinueOnError)
	flags.SetOutput(c.stderr)
	flags.Usage = func() { fmt.Fprintf(c.stderr, "usage: local [flags] %s %s\n", v.name, v.args) }
	c.resultFlags(flags)
	for args = args[1:]; ; { // flags may follow arguments
		if err := flags.Parse(args); err != nil {
			return v, nil, true, flag.ErrHelp
		}
		if flags.NArg() == 0 {
			break
		}
		rest, args = append(rest, flags.Arg(0)), flags.Args()[1:]
	}
	if len(rest) < v.min || len(rest) > v.max {
		flags.Usage()
		return v, nil, true, flag.ErrHelp
	}
	return v, rest, true, nil
}

// resultFlags defines the flags that may stand before or behind a verb.
func (c *command) resultFlags(flags *flag.FlagSet) {
	flags.BoolVar(&c.json, "json", c.json, "print JSON")
	flags.StringVar(&c.reason, "reason", c.reason, "with dead-letters redrive: those whose reason contains this text")
	flags.BoolVar(&c.all, "all", c.all, "with dead-letters redrive: all dead letters")
}

// misspelled is an error for a word that is neither a verb nor a file, and that
// is close to a verb.
func misspelled(word string) error {
	if _, err := os.Stat(word); err == nil {
		return nil
	}
	best, least := "", 3
	for _, v := range verbs {
		if d := editDistance(word, v.name); d < least {
			best, least = v.name, d
		}
	}
	if best == "" {
		return nil
	}
	return fmt.Errorf("no command or file %q: did you mean %s?", word, best)
}

// editDistance is the Levenshtein distance of two words.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(row[j+1]+1, row[j]+1, cost)
		}
	}
	return row[len(b)]
}
