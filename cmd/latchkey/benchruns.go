package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v3"

	"latchkey/engine"
	"latchkey/engine/boltstore"
	"latchkey/triggers"
)

func (a *app) benchRunsCommand() *cli.Command {
	return &cli.Command{
		Name: "runs", Usage: "a start with very many waiting runs, and how fast waits end",
		Description: "It stores runs that wait, each of a contact of its own, starts an instance on them as a process of its own, and\n" +
			"lets some of the waits end in one moment. The disk's own rate stands beside the figures.\n\nExample:\n  latchkey bench runs",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "n", Value: 1_000_000, Usage: "`N` waiting runs"},
			&cli.IntFlag{Name: "ending", Value: 100_000, Usage: "so many of their waits end at once"},
			&cli.DurationFlag{Name: "after", Value: 15 * time.Second, Usage: "about how long after they are stored those end"},
			outputFlag(),
			&cli.StringFlag{Name: "keep", Usage: "leave the project in `FOLDER` instead of a temporary one"},
		},
		Action: a.benchRuns,
	}
}

// A runFigures is what bench runs found.
type runFigures struct {
	Runs      int     `json:"runs"`
	Stored    float64 `json:"stored_per_second"`
	FileMiB   float64 `json:"store_mib"`
	Find      float64 `json:"find_due_ms"`
	Ready     float64 `json:"ready_seconds"`
	PeakMiB   float64 `json:"peak_memory_mib"`
	MappedMiB float64 `json:"mapped_files_mib"`
	Ended     int     `json:"waits_ended"`
	PerSecond float64 `json:"waits_ended_per_second"`
	Commits   float64 `json:"commits"`
	CPU       float64 `json:"cpu_us_per_wait"`
	Fsync     float64 `json:"disk_fsyncs_per_second"`
}

func (f *runFigures) rows(row func(k, format string, args ...any)) {
	row("waiting runs", "%d, stored at %.0f a second; the store is %.0f MiB", f.Runs, f.Stored, f.FileMiB)
	row("due timers found", "%.2f ms for the first", f.Find)
	row("ready", "%.2f s", f.Ready)
	row("peak memory then", "%.0f MiB, %.0f of them mapped files", f.PeakMiB, f.MappedMiB)
	row("waits ended", "%.0f a second, %d in %.0f commits; CPU %.0f us each", f.PerSecond, f.Ended, f.Commits, f.CPU)
	row("disk", "%.0f fsyncs/s", f.Fsync)
}

const benchRunsConfig = `location: bench
name: Bench
listen: 127.0.0.1:%d
admin: {listen: "127.0.0.1:%d"}
nats: {listen: "127.0.0.1:%d"}
log: {level: warn, format: json}
`

const benchRunsWorkflow = `name: Nap
class: transactional
triggers: [product_access_granted]
steps:
  - wait: 7d
`

const benchNap = 7 * 24 * time.Hour

func (a *app) benchRuns(ctx context.Context, c *cli.Command) error {
	n, ending := c.Int("n"), min(c.Int("ending"), c.Int("n"))
	f := runFigures{Runs: n, Ended: ending}
	return a.benchIn(c, func(b *bench) error {
		if err := b.measureDisk(ctx); err != nil {
			return err
		}
		f.Fsync = b.f.Fsync
		if err := b.napProject(); err != nil {
			return err
		}
		fmt.Fprintf(a.err, "storing %d runs ...\n", n)
		start := time.Now()
		if err := b.storeNaps(ctx, start.Add(time.Hour), n-ending); err != nil {
			return err
		}
		// Storing the others, and opening so big a store, takes its time too.
		due := time.Now().Add(c.Duration("after") + 2*time.Since(start)*time.Duration(ending)/time.Duration(max(1, n-ending)))
		if err := b.storeNaps(ctx, due, ending); err != nil {
			return err
		}
		f.Stored = float64(n) / time.Since(start).Seconds()
		var err error
		if f.FileMiB, f.Find, err = b.findDue(ctx, due); err != nil {
			return err
		}
		fmt.Fprintln(a.err, "starting an instance on them ...")
		return b.endNaps(ctx, &f, due)
	}, &f)
}

// napProject writes a project whose workflow only waits.
func (b *bench) napProject() error {
	ports, err := freePorts(3)
	if err != nil {
		return err
	}
	b.api = &client{base: fmt.Sprintf("http://127.0.0.1:%d", ports[1]), http: &http.Client{Timeout: time.Minute}}
	return b.writeProject(map[string]string{
		"latchkey.yaml":      fmt.Sprintf(benchRunsConfig, ports[0], ports[1], ports[2]),
		"workflows/nap.yaml": benchRunsWorkflow,
	})
}

// storeNaps stores n runs, planned by the core as an event of each contact has them, whose waits end from due on: all at
// once if due is near, else a second apart.
func (b *bench) storeNaps(ctx context.Context, due time.Time, n int) error {
	set, err := b.workflows()
	if err != nil {
		return err
	}
	stores, err := boltstore.Open(filepath.Join(b.dir, "data", "store"), boltstore.Options{NoSync: true})
	if err != nil {
		return err
	}
	apart := time.Duration(0)
	if time.Until(due) > 30*time.Minute {
		apart = time.Second
	}
	for from := 0; from < n && err == nil; from += 500 {
		err = stores.Global().Update(ctx, func(tx engine.Tx) error {
			for i := from; i < min(from+500, n); i++ {
				if err := saveNap(tx, set, due.Add(time.Duration(i)*apart-benchNap), i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return errors.Join(err, stores.Close())
}

func saveNap(tx engine.Tx, set *engine.Set, at time.Time, i int) error {
	id := fmt.Sprintf("c-%d-%d", at.UnixMilli(), i)
	key := engine.NewID(at, engine.ShardOf(set.Location.ID, id), id)
	p, runs, _, _ := engine.Plan(set, engine.Person{Key: key, Location: set.Location.ID}, engine.Event{
		ID: "bench-" + id, Type: triggers.ProductAccessGranted, Location: set.Location.ID, Time: at,
		Contact: engine.Contact{ID: id, Email: id + "@bench.test", FirstName: "Ada", LastName: "Lovelace"},
		Product: &engine.Noun{ID: "go-101", Title: "Go from the Ground Up"},
	}, at)
	if len(runs) != 1 {
		return fmt.Errorf("%d runs were started, want 1", len(runs))
	}
	return errors.Join(engine.SavePerson(tx, &p), engine.SaveRun(tx, &runs[0]))
}

// findDue opens the store, and returns its size and how long it takes to find the first timers that are due then.
func (b *bench) findDue(ctx context.Context, due time.Time) (mib, ms float64, err error) {
	folder := filepath.Join(b.dir, "data", "store")
	stores, err := boltstore.Open(folder, boltstore.Options{})
	if err != nil {
		return 0, 0, err
	}
	start, found := time.Now(), 0
	err = stores.Global().View(ctx, func(tx engine.Tx) error {
		return engine.Timers(tx, "bench", engine.TimerPlace{}, engine.TimerPlaceAt(due.Add(time.Second)), func(engine.Timer) bool {
			found++
			return found < 256 // one commit's
		})
	})
	took := time.Since(start)
	if err == nil && found == 0 {
		err = errors.New("no timer is found")
	}
	return folderMiB(folder), float64(took.Microseconds()) / 1000, errors.Join(err, stores.Close())
}

// endNaps starts an instance and watches the waits end.
func (b *bench) endNaps(ctx context.Context, f *runFigures, due time.Time) (err error) {
	if f.Ready, err = b.run(ctx); err != nil {
		return err
	}
	f.PeakMiB, f.MappedMiB = memoryMiB(b.instance.cmd.Process.Pid)
	if late := time.Since(due); late > 0 {
		return fmt.Errorf("it was ready in %.2f s, which is %s too late for the waits that end: give it longer with --after", f.Ready, late.Round(time.Second))
	}
	before, err := b.commits(ctx)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Until(due)):
	}
	cpu := cpuSeconds(b.instance.cmd.Process.Pid)
	for {
		var s struct{ Commits, Waiting float64 }
		if err := b.api.do(ctx, http.MethodGet, "/v1/status", nil, &s); err != nil {
			return err
		}
		took := time.Since(due)
		if int(s.Waiting) <= f.Runs-f.Ended {
			f.PerSecond, f.Commits = float64(f.Ended)/took.Seconds(), s.Commits-before
			f.CPU = (cpuSeconds(b.instance.cmd.Process.Pid) - cpu) * 1e6 / float64(f.Ended)
			return nil
		}
		if took > 2*time.Minute {
			return fmt.Errorf("%.0f runs still wait", s.Waiting)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
