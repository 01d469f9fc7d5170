package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/urfave/cli/v3"
)

func (a *app) benchCommand() *cli.Command {
	return &cli.Command{
		Name:  "bench",
		Usage: "measure this machine",
		Commands: []*cli.Command{
			{
				Name: "events", Usage: "events per second, from publishing to the last mail accepted",
				Description: "It starts an instance and an SMTP sink as processes of their own in a temporary folder, publishes events of\n" +
					"different contacts, each giving one mail with its own login link, and counts at the sink. The disk's and the\n" +
					"sink's own limits of the same minute stand beside the figures. Then it fills the store with contacts, starts anew, and\n" +
					"measures that again with events of contacts that are known.\n\nExample:\n  latchkey bench events -n 20000",
				Flags: []cli.Flag{
					&cli.IntFlag{Name: "n", Value: 20000, Usage: "`N` events at full speed"},
					&cli.IntFlag{Name: "rate", Value: 100, Usage: "then events at this `RATE` a second, for the latency"},
					&cli.DurationFlag{Name: "for", Value: 10 * time.Second, Usage: "how long at that rate"},
					&cli.IntFlag{Name: "contacts", Value: 100000, Usage: "then a start with `N` contacts known, and events of those; 0 leaves that out"},
					outputFlag(),
					&cli.StringFlag{Name: "keep", Usage: "leave the project in `FOLDER` instead of a temporary one"},
				},
				Action: a.benchEvents,
			},
			a.benchRunsCommand(),
			a.benchMatchCommand(),
			a.benchLinksCommand(),
			a.sinkCommand(),
		},
	}
}

// A figures is what bench events found.
type figures struct {
	Events      int     `json:"events"`
	PerSecond   float64 `json:"events_per_second"`
	Lost        int     `json:"lost"`
	Doubled     int     `json:"doubled"`
	Commits     float64 `json:"commits_per_message"`
	CPU         float64 `json:"cpu_seconds_per_1000_mails"`
	PeakMiB     float64 `json:"peak_memory_mib"`
	MappedMiB   float64 `json:"mapped_files_mib"`
	P50         float64 `json:"p50_ms"`
	P99         float64 `json:"p99_ms"`
	Rate        int     `json:"rate"`
	ReadyEmpty  float64 `json:"ready_seconds_empty"`
	Contacts    int     `json:"contacts"`
	ReadyFull   float64 `json:"ready_seconds_with_contacts"`
	ReadyMiB    float64 `json:"ready_memory_mib_with_contacts"` // what it holds then, mapped files left out
	FullEvents  int     `json:"events_with_contacts"`
	FullPerSec  float64 `json:"events_per_second_with_contacts"`
	FullCPU     float64 `json:"cpu_seconds_per_1000_mails_with_contacts"`
	FullCommits float64 `json:"commits_per_message_with_contacts"`
	FullPeakMiB float64 `json:"peak_memory_mib_with_contacts"`
	FullMapMiB  float64 `json:"mapped_files_mib_with_contacts"`
	StoreMiB    float64 `json:"store_mib_with_contacts"`
	Fsync       float64 `json:"disk_fsyncs_per_second"`
	SinkCeiling float64 `json:"sink_mails_per_second"`
}

func (a *app) benchEvents(ctx context.Context, c *cli.Command) error {
	f := &figures{Events: c.Int("n"), Rate: c.Int("rate"), Contacts: c.Int("contacts")}
	err := a.benchIn(c, func(b *bench) error {
		b.f = f
		for _, step := range []struct {
			says string
			do   func(context.Context) error
		}{
			{"the disk", b.measureDisk},
			{"the sink", b.startSink},
			{"the sink's ceiling", b.measureSink},
			{"an instance", b.startInstance},
			{"full speed", b.fullSpeed},
			{"latency", func(ctx context.Context) error { return b.latency(ctx, c.Duration("for")) }},
			{"a start with many contacts", b.fullStart},
			{"full speed with those", b.loadedSpeed},
		} {
			fmt.Fprintf(a.err, "measuring %s ...\n", step.says)
			if err := step.do(ctx); err != nil {
				return fmt.Errorf("%s: %w", step.says, err)
			}
		}
		return nil
	}, f)
	if err == nil && (f.Lost > 0 || f.Doubled > 0) {
		err = fmt.Errorf("bench: %d mails lost, %d doubled", f.Lost, f.Doubled)
	}
	return err
}

func (f *figures) rows(row func(k, format string, args ...any)) {
	row("events", "%d, each one mail with its own link", f.Events)
	row("events/s", "%.0f", f.PerSecond)
	row("latency", "p50 %.1f ms, p99 %.1f ms at %d events/s", f.P50, f.P99, f.Rate)
	row("commits", "%.3f a message", f.Commits)
	row("CPU", "%.2f s a 1,000 mails", f.CPU)
	row("peak memory", "%.0f MiB, %.0f of them mapped files", f.PeakMiB, f.MappedMiB)
	row("lost, doubled", "%d, %d", f.Lost, f.Doubled)
	row("ready", "%.2f s empty", f.ReadyEmpty)
	if f.Contacts > 0 {
		f.fullRows(row)
	}
	row("disk", "%.0f fsyncs/s", f.Fsync)
	row("sink", "%.0f mails/s by itself", f.SinkCeiling)
}

// measureDisk appends and syncs 4 KiB for half a second.
func (b *bench) measureDisk(context.Context) error {
	f, err := os.Create(filepath.Join(b.dir, "fsync"))
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	page, n, start := make([]byte, 4096), 0, time.Now()
	for ; time.Since(start) < 500*time.Millisecond; n++ {
		if _, err := f.Write(page); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
	}
	b.f.Fsync = float64(n) / time.Since(start).Seconds()
	return nil
}

// mails asks the sink for all that it took.
func (b *bench) mails(ctx context.Context) ([]sunkMail, error) {
	var out []sunkMail
	err := b.control(ctx, http.MethodGet, "/mails", &out)
	return out, err
}

func (b *bench) control(ctx context.Context, method, path string, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+b.sinkControl+path, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if out == nil {
		return nil
	}
	return json.NewDecoder(res.Body).Decode(out)
}

// waitMails returns when the sink has n mails, or when none came for half a minute.
func (b *bench) waitMails(ctx context.Context, n int) error {
	last, since := -1, time.Now()
	for {
		var have int
		if err := b.control(ctx, http.MethodGet, "/count", &have); err != nil {
			return err
		}
		if have >= n {
			return nil
		}
		if have != last {
			last, since = have, time.Now()
		}
		if time.Since(since) > 30*time.Second {
			return nil // what is missing is counted as lost
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// quantile returns the q-th part of sorted durations, in milliseconds.
func quantile(ds []time.Duration, q float64) float64 {
	if len(ds) == 0 {
		return 0
	}
	slices.Sort(ds)
	return float64(ds[min(len(ds)-1, int(q*float64(len(ds))))].Microseconds()) / 1000
}
