package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	"latchkey/engine"
	"latchkey/engine/simulate"
	"latchkey/triggers"
)

func (a *app) backtestCommand() *cli.Command {
	return &cli.Command{
		Name: "backtest", Usage: "what a project's workflows would have done with the events of the last days", ArgsUsage: "[DIR]",
		Description: "The events that the stream COURSES still holds are replayed through the files as they are now, on a virtual clock.\n" +
			"Nothing is sent and nothing is stored. --against says what other files would have done.\n\n" +
			"Example:\n  latchkey backtest academy --since 30d --against academy-before",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "since", Usage: "count what happened in this last `TIME`", Value: "30d"},
			&cli.StringFlag{Name: "against", Usage: "compare with the files of another `FOLDER`"},
			&cli.StringFlag{Name: "location", Usage: "`ID` of the location (else the project's)"},
			&cli.StringFlag{Name: "nats", Usage: "`URL` of the NATS server (else the project's)", Sources: cli.EnvVars("NATS_URL")},
			&cli.StringFlag{Name: "context", Usage: "`NAME` of a context of the nats command line", Sources: cli.EnvVars("NATS_CONTEXT")},
			&cli.StringFlag{Name: "creds", Usage: "credentials `FILE`", Sources: cli.EnvVars("NATS_CREDS")},
			outputFlag(),
		},
		Action: a.backtest,
	}
}

// A replay is one project's workflows and what the events did to them.
type replay struct {
	bench *workbench
	world *simulate.World
}

// A backtested workflow is what it did, and what it would have done with the other files.
type backtested struct {
	simulate.Tally
	Against *simulate.Tally `json:"against,omitempty"`
}

func (a *app) backtest(ctx context.Context, c *cli.Command) error {
	dir, err := oneDir(c)
	if err != nil {
		return err
	}
	length, err := engine.ParseDuration(c.String("since"))
	if err != nil {
		return usagef("--since: %w", err)
	}
	cfg, err := a.config(dir, nil)
	if err != nil {
		return err
	}
	location, err := cfg.oneLocation(c.String("location"))
	if err != nil {
		return err
	}
	dirs := []string{dir}
	if other := c.String("against"); other != "" {
		dirs = append(dirs, other)
	}
	var replays []*replay
	for _, d := range dirs {
		r, err := a.newReplay(d, location)
		if err != nil {
			return err
		}
		replays = append(replays, r)
	}
	bus, err := triggers.Open(ctx, publishConfig(c, cfg, location))
	if err != nil {
		return fmt.Errorf("%w; is Latchkey running (latchkey run), or is --nats another address?", err)
	}
	defer bus.Close()
	now := time.Now()
	seen, err := replayAll(ctx, bus, location, now, now.Add(-length.Fixed()), replays)
	if err != nil {
		return err
	}
	return a.showBacktest(c, seen, replays)
}

// newReplay reads the files of a folder and makes a world of a location's workflows. Its links lead nowhere and its
// messages to nobody.
func (a *app) newReplay(dir, location string) (*replay, error) {
	cfg, err := a.config(dir, nil)
	if err != nil {
		return nil, err
	}
	if problems := readProjects(cfg); mistakes(problems) {
		return nil, a.report(dir, problems)
	}
	i := slices.IndexFunc(cfg.Sites, func(s *Config) bool { return s.Location == location })
	if i < 0 {
		return nil, usagef("%s has no location %s", dir, location)
	}
	b, err := newWorkbench(cfg.Sites[i])
	if err != nil {
		return nil, err
	}
	b.blind = true
	b.project = readProject(cfg.Sites[i], b.deps())
	world := b.world(b.project.workflows)
	world.Quiet, world.AccessLost = true, nil
	return &replay{bench: b, world: simulate.New(world, time.Time{})}, nil
}

// noLink is what a replay's messages hold in the place of a login link.
func noLink(engine.Tx, engine.LinkRequest) (string, engine.Secret, error) {
	return "link", engine.NewSecret("https://link.invalid/l/none"), nil
}

func noSettle(engine.Tx, string, engine.ID, string, uint64) error { return nil }

// What was replayed.
type replayed struct {
	Location string    `json:"location"`
	Since    time.Time `json:"since"`
	Events   int       `json:"events"`   // since then
	Before   int       `json:"before"`   // earlier ones, by which access and re-entry are known
	Contacts int       `json:"contacts"` // of those since then
	Unread   int       `json:"unread"`
	First    time.Time `json:"first,omitzero"` // when the oldest was stored
}

// replayAll gives every event that the stream holds to each world, at its time, and then lets time pass until now.
func replayAll(ctx context.Context, bus *triggers.Bus, location string, now, since time.Time, replays []*replay) (seen replayed, err error) {
	seen = replayed{Location: location, Since: since}
	people := map[string]bool{}
	seen.Unread, err = bus.History(ctx, location, func(ev engine.Event, stored time.Time) error {
		if seen.First.IsZero() {
			seen.First = stored
		}
		if stored.Before(since) {
			seen.Before++
		} else {
			seen.Events++
			people[ev.Contact.ID+" "+ev.Contact.Email] = true
		}
		for _, r := range replays {
			r.world.Until(ctx, stored)
			if ev.Type == triggers.UserLogin && ev.Custom["via"] == "latchkey" {
				r.world.CameIn(ctx, &ev.Contact)
			}
			r.world.Event(ctx, ev)
		}
		return ctx.Err()
	})
	seen.Contacts = len(people)
	for _, r := range replays {
		r.world.Until(ctx, now)
		err = errors.Join(err, r.world.Err())
	}
	return seen, err
}

func (a *app) showBacktest(c *cli.Command, seen replayed, replays []*replay) error {
	var rows []backtested
	for _, t := range replays[0].world.Tally(seen.Since) {
		rows = append(rows, backtested{Tally: t})
	}
	if len(replays) > 1 {
		rows = addOthers(rows, replays[1].world.Tally(seen.Since))
	}
	return a.print(c, struct {
		replayed
		Workflows []backtested `json:"workflows"`
	}{seen, rows}, func(w io.Writer) {
		fmt.Fprintf(w, "%s since %s: %s of %s", seen.Location, seen.Since.Format(time.DateTime), count(seen.Events, "event"), count(seen.Contacts, "contact"))
		if seen.First.After(seen.Since) {
			fmt.Fprintf(w, "; the stream begins at %s", seen.First.Format(time.DateTime))
		}
		fmt.Fprint(w, "\n\n")
		tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, row := range rows {
			row.show(tw, len(replays) > 1)
		}
		tw.Flush()
		fmt.Fprintln(w, "\nNothing was sent.")
	})
}

// addOthers puts beside each workflow what the other files would have done.
func addOthers(rows []backtested, others []simulate.Tally) []backtested {
	for i := range others {
		o := &others[i]
		at := slices.IndexFunc(rows, func(r backtested) bool { return r.Workflow == o.Workflow })
		if at < 0 {
			at = len(rows)
			rows = append(rows, backtested{Tally: simulate.Tally{Workflow: o.Workflow}})
		}
		rows[at].Against = o
	}
	return rows
}

// show writes a workflow's line and one for each step that sends, what the other files do behind it.
func (b *backtested) show(w io.Writer, compared bool) {
	other := b.Against
	if other == nil {
		other = &simulate.Tally{}
	}
	versus := func(mine, theirs string) string {
		if !compared || mine == theirs {
			return mine
		}
		return fmt.Sprintf("%s\t(against: %s)", mine, theirs)
	}
	fmt.Fprintf(w, "%s\t%s\n", b.Workflow, versus(startedWords(&b.Tally), startedWords(other)))
	steps := map[string][2]simulate.StepTally{}
	for i, t := range []*simulate.Tally{&b.Tally, other} {
		for _, s := range t.Steps {
			pair := steps[s.Step]
			pair[i] = s
			steps[s.Step] = pair
		}
	}
	for _, id := range slices.Sorted(maps.Keys(steps)) {
		pair := steps[id]
		fmt.Fprintf(w, "  %s\t%s\n", id, versus(sentWords(&pair[0]), sentWords(&pair[1])))
	}
}

func startedWords(t *simulate.Tally) string {
	if t.Started == 0 {
		return "started nothing"
	}
	s := fmt.Sprintf("started %d, for %s", t.Started, count(t.Contacts, "contact"))
	if t.Open > 0 {
		s += fmt.Sprintf(", %d not over yet", t.Open)
	}
	return s
}

func sentWords(s *simulate.StepTally) string {
	if len(s.States) == 0 {
		return "nothing"
	}
	what := s.Kind
	if s.Template != "" {
		what += " " + s.Template
	}
	var parts []string
	for _, state := range slices.Sorted(maps.Keys(s.States)) {
		parts = append(parts, fmt.Sprintf("%d %s", s.States[state], state))
	}
	what += ": " + strings.Join(parts, ", ")
	if s.Error != "" {
		what += " (" + s.Error + ")"
	}
	return what
}
