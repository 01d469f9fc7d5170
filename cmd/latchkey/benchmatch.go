package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/urfave/cli/v3"

	"latchkey/engine"
	"latchkey/triggers"
)

func (a *app) benchMatchCommand() *cli.Command {
	return &cli.Command{
		Name: "match", Usage: "how long it takes to decide what an event starts",
		Description: "It reads workflows from files, as a server does, and hands the core one event after another: one that starts\n" +
			"nothing, and one that starts a run. Nothing is stored.\n\nExample:\n  latchkey bench match",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "workflows", Value: 100, Usage: "`N` workflows, over the twelve triggers, each with filters"},
			outputFlag(),
			&cli.StringFlag{Name: "keep", Usage: "leave the project in `FOLDER` instead of a temporary one"},
		},
		Action: a.benchMatch,
	}
}

// A matchFigures is what bench match found.
type matchFigures struct {
	Workflows  int     `json:"workflows"`
	None       float64 `json:"none_starts_ns"`
	NoneAllocs float64 `json:"none_starts_allocations"`
	One        float64 `json:"one_starts_ns"`
	OneAllocs  float64 `json:"one_starts_allocations"`
	Fsync      float64 `json:"disk_fsyncs_per_second"`
}

func (f *matchFigures) rows(row func(k, format string, args ...any)) {
	row("workflows", "%d", f.Workflows)
	row("no run starts", "%.0f ns, %.0f allocations", f.None, f.NoneAllocs)
	row("one run starts", "%.0f ns, %.0f allocations", f.One, f.OneAllocs)
	row("disk", "%.0f fsyncs/s (nothing of this is stored)", f.Fsync)
}

const benchMatchWorkflow = `name: Match %d
class: transactional
triggers: [%s]
steps:
  - wait: 7d
`

// benchFilters are the filters that the workflows of bench match have on each trigger.
var benchFilters = []string{
	"offer_access_granted: {offer: [offer-%d, other]}", "product_completed: {product: product-%d}", "lesson_completed: {product: product-%d}",
	"category_completed: {product: product-%d}", "new_sign_up: {offer: offer-%d}", "product_access_granted: {product: {any_of: [product-%d]}}",
	"offer_access_removed: {offer: offer-%d}", "product_access_removed: {product: product-%d}", "product_started: {product: product-%d}",
	"category_started: {product: product-%d}", "lesson_started: {product: product-%d}", "user_login",
}

func (a *app) benchMatch(ctx context.Context, c *cli.Command) error {
	f := &matchFigures{Workflows: c.Int("workflows")}
	return a.benchIn(c, func(b *bench) error {
		if err := b.measureDisk(ctx); err != nil {
			return err
		}
		f.Fsync = b.f.Fsync
		files := map[string]string{"latchkey.yaml": "location: bench\n"}
		for i := range f.Workflows {
			trigger := benchFilters[i%len(benchFilters)]
			if trigger != "user_login" {
				trigger = "{" + fmt.Sprintf(trigger, i) + "}"
			}
			files[fmt.Sprintf("workflows/match-%03d.yaml", i)] = fmt.Sprintf(benchMatchWorkflow, i, trigger)
		}
		if err := b.writeProject(files); err != nil {
			return err
		}
		set, err := b.workflows()
		if err != nil {
			return err
		}
		if f.None, f.NoneAllocs, err = planRate(set, "nobody's", 0); err != nil {
			return err
		}
		f.One, f.OneAllocs, err = planRate(set, "offer-0", 1)
		return err
	}, f)
}

// planRate returns the least of some rounds, since others use the machine too: nanoseconds and allocations of one Plan.
func planRate(set *engine.Set, offer string, starts int) (ns, allocs float64, err error) {
	now := time.Now().UTC()
	ev := engine.Event{
		ID: "bench-1", Type: triggers.OfferAccessGranted, Location: set.Location.ID, Time: now, Ordinal: 1,
		Contact: engine.Contact{ID: "c-1", Email: "c-1@bench.test", FirstName: "Ada", LastName: "Lovelace"},
		Offer:   &engine.Noun{ID: offer, Title: "Gold"},
	}
	p := engine.Person{Key: engine.NewID(now, 1, "c-1"), Location: set.Location.ID, Since: now, Contact: ev.Contact}
	const each = 500 // a round is over before others take the processor
	var rounds []float64
	for range 300 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		for range each {
			if _, runs, _, _ := engine.Plan(set, p, ev, now); len(runs) != starts {
				return 0, 0, errors.New("the event does not start what it should")
			}
		}
		rounds = append(rounds, float64(time.Since(start).Nanoseconds())/each)
		runtime.ReadMemStats(&after)
		allocs = float64(after.Mallocs-before.Mallocs) / each
	}
	return slices.Min(rounds), allocs, nil
}
