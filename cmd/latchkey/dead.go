package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v3"

	"latchkey/engine/console"
)

func (a *app) deadCommand() *cli.Command {
	return &cli.Command{
		Name:  "dead",
		Usage: "see the events that could not be used, and put them back once that is mended",
		Commands: []*cli.Command{
			{
				Name: "list", Usage: "list dead letters, newest first",
				Description: "Examples:\n  latchkey dead list --since 3d\n  latchkey dead list --reason ambiguous",
				Flags: append(append(clientFlags(), deadFlags()...), limitFlag("dead letters"),
					&cli.Uint64Flag{Name: "before", Usage: "only letters of lower numbers than `LETTER`"}),
				Action: a.deadList,
			},
			{
				Name: "show", Usage: "show one dead letter: why it is one, and what came", ArgsUsage: "LETTER|EVENT",
				Description: "LETTER is the number that dead list shows, EVENT an event's id: the newest letter of that event is shown.\n" +
					"Addresses and secrets are masked; nats stream get COURSES_DEAD LETTER shows all of it.\n\nExample:\n  latchkey dead show 17",
				Flags: append(clientFlags(), eventFlag()), Action: a.deadShow,
			},
			{
				Name: "replay", Usage: "put dead letters back among the events", ArgsUsage: "LETTER|EVENT...",
				Description: "Mend first what the reason says; an event that cannot be used still becomes a dead letter again. What was applied\n" +
					"meanwhile, because its publisher sent it again, is passed over.\n\n" +
					"Examples:\n  latchkey dead replay 17 order-4711\n  latchkey dead replay --reason 'unknown location'\n  latchkey dead replay --all --since 3d",
				Flags: append(append(clientFlags(), deadFlags()...), eventFlag(),
					&cli.BoolFlag{Name: "all", Usage: "all of them"}),
				Action: a.deadReplay,
			},
		},
	}
}

func deadFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "reason", Usage: "only those with `TEXT` in their reason"},
		&cli.StringFlag{Name: "since", Usage: "only those since `TIME`: how long ago (3d), a date, or 2026-11-02T08:00:00Z", Validator: isWhen},
	}
}

func eventFlag() cli.Flag {
	return &cli.BoolFlag{Name: "event", Usage: "a number is an event's id, not a letter's"}
}

func (a *app) deadList(ctx context.Context, c *cli.Command) error {
	cl, err := a.client(c)
	if err != nil {
		return err
	}
	v := deadQuery(c)
	v.Set("limit", fmt.Sprint(c.Int("limit")))
	if n := c.Uint64("before"); n > 0 {
		v.Set("before", fmt.Sprint(n))
	}
	list, err := deadLetters(ctx, cl, v)
	if err != nil {
		return err
	}
	return printList(a, c, list, func(w io.Writer) {
		table(w, "LETTER\tTIME\tLOCATION\tTRIGGER\tEVENT\tREASON", list, func(l console.Letter) string {
			return row(fmt.Sprint(l.Letter), stamp(l.At), l.Location, l.Type, l.ID, l.Reason)
		})
		more(a, len(list), c.Int("limit"), func() string { return fmt.Sprint(list[len(list)-1].Letter) })
	})
}

func deadQuery(c *cli.Command) url.Values {
	v := url.Values{}
	for _, name := range []string{"reason", "since"} {
		if s := c.String(name); s != "" {
			v.Set(name, s)
		}
	}
	return v
}

func deadLetters(ctx context.Context, cl *client, v url.Values) (list []console.Letter, err error) {
	err = cl.do(ctx, http.MethodGet, "/v1/dead?"+v.Encode(), nil, &list)
	return list, err
}

func (a *app) deadShow(ctx context.Context, c *cli.Command) error {
	if c.Args().Len() != 1 {
		return usagef("dead show takes one dead letter's number, or one event's id")
	}
	cl, err := a.client(c)
	if err != nil {
		return err
	}
	numbers, err := findLetters(ctx, c, cl, c.Args().First())
	if err != nil {
		return err
	}
	var l console.Letter
	if err := cl.do(ctx, http.MethodGet, fmt.Sprintf("/v1/dead/%d", numbers[0]), nil, &l); err != nil {
		return err
	}
	return a.print(c, l, func(w io.Writer) { showLetter(w, l) })
}

// findLetters returns the numbers of the letters that an argument names, newest first.
func findLetters(ctx context.Context, c *cli.Command, cl *client, ref string) ([]uint64, error) {
	if n, err := strconv.ParseUint(ref, 10, 64); err == nil && n > 0 && !c.Bool("event") {
		return []uint64{n}, nil
	}
	list, err := deadLetters(ctx, cl, url.Values{"event": {ref}})
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("there is no dead letter of an event %q", ref)
	}
	var numbers []uint64
	for _, l := range list {
		numbers = append(numbers, l.Letter)
	}
	return numbers, nil
}

func showLetter(w io.Writer, l console.Letter) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	sequence := ""
	if l.Sequence > 0 {
		sequence = fmt.Sprintf("message %d of COURSES", l.Sequence)
	}
	for _, cells := range [][2]string{
		{"letter", fmt.Sprint(l.Letter)}, {"reason", l.Reason}, {"event", l.ID}, {"subject", l.Subject}, {"since", stamp(l.At)},
		{"published", stamp(l.Published)}, {"original", sequence},
	} {
		if cells[1] != "" {
			fmt.Fprintln(tw, row(cells[0], cells[1]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.Header)) {
		fmt.Fprintln(tw, row("header", name+": "+strings.Join(l.Header[name], ", ")))
	}
	tw.Flush()
	switch {
	case l.Truncated:
		fmt.Fprintln(w, "\nIt was too large to be repeated here; the original is in COURSES.")
	case l.Data != "":
		fmt.Fprintf(w, "\n%s\n", printable(l.Data, "\n\t"))
	}
}

func (a *app) deadReplay(ctx context.Context, c *cli.Command) error {
	many := c.Bool("all") || c.String("reason") != ""
	switch {
	case many && c.Args().Present():
		return usagef("dead replay takes letters, or --all or --reason, not both")
	case !many && !c.Args().Present():
		return usagef("dead replay takes dead letters' numbers or events' ids; or --all, or --reason TEXT")
	case !many && c.String("since") != "":
		return usagef("--since goes with --all or --reason")
	}
	cl, err := a.client(c)
	if err != nil {
		return err
	}
	numbers, err := toReplay(ctx, c, cl, many)
	if err != nil {
		return err
	}
	if len(numbers) == 0 {
		fmt.Fprintln(a.err, "There are none.")
	}
	slices.Sort(numbers) // as they came
	done := make([]console.Replayed, 0, len(numbers))
	bar := a.progress(len(numbers), "letters")
	for part := range slices.Chunk(slices.Compact(numbers), console.MaxReplay) {
		var res []console.Replayed
		if err := cl.do(ctx, http.MethodPost, "/v1/dead/replay", map[string]any{"letters": part}, &res); err != nil {
			return fmt.Errorf("replay after %d letters: %w", len(done), err)
		}
		done = append(done, res...)
		bar.add(len(part))
	}
	bar.done()
	return a.tellReplayed(c, done)
}

// tellReplayed prints what became of letters; it is an error if one of them was not replayed.
func (a *app) tellReplayed(c *cli.Command, done []console.Replayed) error {
	failed := 0
	for _, r := range done {
		if r.Error != "" {
			failed++
			fmt.Fprintln(a.err, row(fmt.Sprintf("letter %d was not replayed: %s", r.Letter.Letter, r.Error)))
		}
	}
	err := printList(a, c, done, func(w io.Writer) {
		for _, r := range done {
			if r.Error == "" {
				fmt.Fprintln(w, row(fmt.Sprintf("replayed %d: %s %s", r.Letter.Letter, r.Letter.Type, r.Letter.ID)))
			}
		}
	})
	if err == nil && failed > 0 {
		err = fmt.Errorf("%d of %d letters were not replayed", failed, len(done))
	}
	return err
}

// toReplay returns the numbers of the letters that the arguments, or --all and its filters, name.
func toReplay(ctx context.Context, c *cli.Command, cl *client, many bool) (numbers []uint64, err error) {
	if !many {
		for _, ref := range c.Args().Slice() {
			found, err := findLetters(ctx, c, cl, ref)
			if err != nil {
				return nil, err
			}
			numbers = append(numbers, found...)
		}
		return numbers, nil
	}
	v := deadQuery(c)
	v.Set("limit", fmt.Sprint(console.MaxLimit))
	for {
		page, err := deadLetters(ctx, cl, v)
		if err != nil || len(page) == 0 {
			return numbers, err
		}
		for _, l := range page {
			numbers = append(numbers, l.Letter)
		}
		v.Set("before", fmt.Sprint(numbers[len(numbers)-1]))
	}
}
