package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/urfave/cli/v3"

	"latchkey/engine"
	"latchkey/engine/boltstore"
	"latchkey/linkgen"
)

const benchMinters = 64

func (a *app) benchLinksCommand() *cli.Command {
	return &cli.Command{
		Name: "links", Usage: "minting and redeeming with very many links stored",
		Description: "It stores contacts and links, mints more with 64 minters at once, each waiting for its link to be on disk, starts an instance\n" +
			"on them as a process of its own and presses the buttons of links over HTTP: as fast as it can, then at a steady rate. Last\n" +
			"it asks whether links that were just replaced or revoked are refused. The disk's own rate stands beside the figures.\n\n" +
			"Example:\n  latchkey bench links",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "n", Value: 1_000_000, Usage: "`N` links stored"},
			&cli.IntFlag{Name: "contacts", Value: 100_000, Usage: "of `N` contacts"},
			&cli.IntFlag{Name: "minting", Value: 100_000, Usage: "then `N` links minted"},
			&cli.IntFlag{Name: "redeeming", Value: 30_000, Usage: "then `N` links redeemed, each of another contact if there are enough"},
			&cli.IntFlag{Name: "rate", Value: 200, Usage: "then at this `RATE` a second, for the latency"},
			&cli.DurationFlag{Name: "for", Value: 15 * time.Second, Usage: "how long at that rate"},
			&cli.IntFlag{Name: "partitions", Value: 1, Usage: "how many files the store is split into"},
			&cli.IntFlag{Name: "rounds", Value: 100, Usage: "then so many links replaced and revoked"},
			outputFlag(),
			&cli.StringFlag{Name: "keep", Usage: "leave the project in `FOLDER` instead of a temporary one"},
		},
		Action: a.benchLinks,
	}
}

// A linkFigures is what bench links found.
type linkFigures struct {
	Links       int     `json:"links"`
	Contacts    int     `json:"contacts"`
	Partitions  int     `json:"partitions"`
	StoreMiB    float64 `json:"store_mib"`
	Minted      int     `json:"minted"`
	MintPerSec  float64 `json:"minted_per_second"`
	MintCPU     float64 `json:"cpu_us_per_mint"`
	MintCommits float64 `json:"mints_per_commit"`
	Redeemed    int     `json:"redeemed"`
	PerSecond   float64 `json:"redeemed_per_second"`
	CPU         float64 `json:"server_cpu_us_per_redeem"`
	Rate        int     `json:"rate"`
	P50         float64 `json:"p50_ms"`
	P99         float64 `json:"p99_ms"`
	Rounds      int     `json:"rounds"`
	Stale       int     `json:"let_in_after_their_end"`
	Failed      int     `json:"refused_before_their_end"`
	PeakMiB     float64 `json:"peak_memory_mib"`
	MappedMiB   float64 `json:"mapped_files_mib"`
	Fsync       float64 `json:"disk_fsyncs_per_second"`
}

func (f *linkFigures) rows(row func(k, format string, args ...any)) {
	row("links stored", "%d, of %d contacts; the store is %.0f MiB in %d partitions", f.Links, f.Contacts, f.StoreMiB, f.Partitions)
	row("minted", "%.0f a second, %d by %d minters, %.0f in a commit; CPU %.0f us each", f.MintPerSec, f.Minted, benchMinters, f.MintCommits, f.MintCPU)
	row("redeemed", "%.0f a second over HTTP, %d; CPU of the server %.0f us each", f.PerSecond, f.Redeemed, f.CPU)
	row("latency", "p50 %.1f ms, p99 %.1f ms at %d a second", f.P50, f.P99, f.Rate)
	row("ended", "%d replaced and %d revoked: %d let in on the next request; %d were refused before", f.Rounds, f.Rounds, f.Stale, f.Failed)
	row("peak memory", "%.0f MiB, %.0f of them mapped files", f.PeakMiB, f.MappedMiB)
	row("disk", "%.0f fsyncs/s", f.Fsync)
}

type benchContact struct {
	key   engine.ID
	email string
}

// A linkBench is one run of bench links.
type linkBench struct {
	*bench
	f      linkFigures
	links  *linkgen.Links
	portal string
	http   *http.Client
	who    []benchContact
	tokens []engine.Secret // of links that work, each of another contact as far as there are enough
}

func (a *app) benchLinks(ctx context.Context, c *cli.Command) error {
	l := &linkBench{f: linkFigures{Links: c.Int("n"), Contacts: c.Int("contacts"), Minted: c.Int("minting"), Redeemed: c.Int("redeeming"),
		Rate: c.Int("rate"), Rounds: c.Int("rounds"), Partitions: c.Int("partitions")}}
	return a.benchIn(c, func(b *bench) error {
		l.bench, b.partitions = b, l.f.Partitions
		steady := int(c.Duration("for").Seconds() * float64(l.f.Rate))
		for _, step := range []struct {
			says string
			do   func(context.Context) error
		}{
			{"measuring the disk", func(ctx context.Context) error { err := b.measureDisk(ctx); l.f.Fsync = b.f.Fsync; return err }},
			{"storing contacts", l.storePeople},
			{"storing links", func(ctx context.Context) error { return l.storeLinks(ctx, l.f.Redeemed+steady) }},
			{"minting", l.mintMany},
			{"redeeming", func(ctx context.Context) error { return l.redeemMany(ctx, l.tokens[:l.f.Redeemed]) }},
			{"redeeming at a steady rate", func(ctx context.Context) error { return l.redeemAt(ctx, l.tokens[l.f.Redeemed:]) }},
			{"replacing and revoking", l.endSome},
		} {
			fmt.Fprintf(a.err, "%s ...\n", step.says)
			if err := step.do(ctx); err != nil {
				return fmt.Errorf("%s: %w", step.says, err)
			}
		}
		l.f.PeakMiB, l.f.MappedMiB = memoryMiB(b.instance.cmd.Process.Pid)
		if l.f.Stale > 0 || l.f.Failed > 0 {
			return fmt.Errorf("%d links let somebody in after their end, %d did not before", l.f.Stale, l.f.Failed)
		}
		return nil
	}, &l.f)
}

func (l *linkBench) storePeople(ctx context.Context) error {
	ports, err := freePorts(3)
	if err != nil {
		return err
	}
	l.api = &client{base: fmt.Sprintf("http://127.0.0.1:%d", ports[1]), http: &http.Client{Timeout: time.Minute}}
	l.portal = fmt.Sprintf("http://127.0.0.1:%d", ports[0])
	l.http = &http.Client{
		Timeout:       time.Minute,
		Transport:     &http.Transport{MaxIdleConnsPerHost: benchMinters},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	err = l.writeProject(map[string]string{
		"latchkey.yaml":        fmt.Sprintf(benchRunsConfig, ports[0], ports[1], ports[2]) + fmt.Sprintf("partitions: %d\n", l.f.Partitions),
		"workflows/bench.yaml": benchRunsWorkflow,
	})
	if err != nil {
		return err
	}
	return l.storeContacts(ctx, l.f.Contacts)
}

// open opens the store that the instance uses, and the keys of its links.
func (l *linkBench) open(noSync bool) (*boltstore.Stores, error) {
	cfg, err := l.app.config(l.dir, nil)
	if err != nil {
		return nil, err
	}
	keys, err := linkgen.OpenKeys(cfg.Sites[0].Keys)
	if err != nil {
		return nil, err
	}
	l.links = linkgen.New(keys, func(string) (linkgen.Settings, bool) { return cfg.Sites[0].linkSettings(), true })
	return boltstore.Open(filepath.Join(l.dir, "data", "store"), boltstore.Options{NoSync: noSync, Partitions: l.f.Partitions})
}

// storeLinks stores links of all contacts in turn, and keeps some of them for later. Nothing is flushed.
func (l *linkBench) storeLinks(ctx context.Context, keep int) error {
	stores, err := l.open(true)
	if err != nil {
		return err
	}
	err = l.readPeople(ctx, stores)
	l.f.Links = max(l.f.Links, keep)
	l.tokens = make([]engine.Secret, keep)
	for from := 0; from < l.f.Links && err == nil; from += 500 {
		parts := map[engine.Store][]int{}
		for i := from; i < min(from+500, l.f.Links); i++ {
			s := stores.For(l.whose(i).key.Shard())
			parts[s] = append(parts[s], i)
		}
		for s, part := range parts {
			err = errors.Join(err, s.Update(ctx, func(tx engine.Tx) error { return l.storeSome(tx, part, l.f.Links-keep) }))
		}
	}
	return errors.Join(err, stores.Close())
}

// storeSome mints the links of those numbers, and keeps those from the number begin on.
func (l *linkBench) storeSome(tx engine.Tx, part []int, begin int) error {
	for _, i := range part {
		_, url, err := l.links.Mint(tx, l.request(i, 1))
		if err != nil {
			return err
		}
		if i >= begin {
			l.tokens[i-begin] = url
		}
	}
	return nil
}

// readPeople notes the contacts that are stored.
func (l *linkBench) readPeople(ctx context.Context, stores *boltstore.Stores) error {
	for _, s := range stores.All() {
		if err := s.View(ctx, l.readSome); err != nil {
			return err
		}
	}
	if len(l.who) == 0 {
		return errors.New("no contacts are stored")
	}
	return nil
}

func (l *linkBench) readSome(tx engine.Tx) (err error) {
	prefix := engine.Key("bench")
	tx.Scan(engine.SpacePeople, prefix, engine.PrefixEnd(prefix), func(k, v []byte) bool {
		if len(k) != len(prefix)+17 || k[len(k)-1] != 0 {
			return true
		}
		var p *engine.Person
		if p, err = engine.DecodePerson(v); err == nil {
			l.who = append(l.who, benchContact{p.Key, p.Contact.Email})
		}
		return err == nil
	})
	return err
}

// whose returns the contact of the i-th link.
func (l *linkBench) whose(i int) benchContact {
	const stride = 7_368_787 // a prime, and no divisor of the number of contacts
	return l.who[i*stride%len(l.who)]
}

// request is what a workflow asks for of the i-th contact.
func (l *linkBench) request(i int, ordinal uint64) engine.LinkRequest {
	who := l.whose(i)
	return engine.LinkRequest{Now: time.Now(), Location: "bench", Contact: who.key, Ordinal: ordinal, Workflow: "welcome", Step: "email1",
		Channel: "email", Address: who.email, TTL: 7 * 24 * time.Hour}
}

// mintMany has all minters mint, each link in a function of its own and on disk before the next one.
func (l *linkBench) mintMany(ctx context.Context) error {
	stores, err := l.open(false)
	if err != nil {
		return err
	}
	before := stores.Stats()
	cpu, start := cpuSeconds(os.Getpid()), time.Now()
	err = together(benchMinters, l.f.Minted, func(i int) error {
		return stores.For(l.whose(i).key.Shard()).Update(ctx, func(tx engine.Tx) error {
			_, _, err := l.links.Mint(tx, l.request(i, 2))
			return err
		})
	})
	n := float64(l.f.Minted)
	l.f.MintPerSec = n / time.Since(start).Seconds()
	l.f.MintCPU = (cpuSeconds(os.Getpid()) - cpu) * 1e6 / n
	after := stores.Stats()
	l.f.MintCommits = float64(after.Functions-before.Functions) / float64(after.Commits-before.Commits)
	err = errors.Join(err, stores.Close())
	l.f.StoreMiB = folderMiB(filepath.Join(l.dir, "data", "store"))
	return err
}

// together has workers call do with each number below n, and returns the first error.
func together(workers, n int, do func(i int) error) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	var once sync.Once
	var first error
	for range workers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := do(i); err != nil {
					once.Do(func() { first = err })
					return
				}
			}
		})
	}
	wg.Wait()
	return first
}
