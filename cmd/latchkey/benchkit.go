package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/urfave/cli/v3"

	"latchkey/engine"
)

// figuresOf is what a benchmark found, to be printed.
type figuresOf interface {
	rows(row func(k, format string, args ...any))
}

// benchIn runs a benchmark in a folder that goes with it, and prints what it found.
func (a *app) benchIn(c *cli.Command, run func(*bench) error, f figuresOf) (err error) {
	dir := c.String("keep")
	if dir == "" {
		if dir, err = os.MkdirTemp("", "latchkey-bench-"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	} else if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	b := &bench{app: a, dir: dir, f: new(figures)}
	defer b.close()
	if err := run(b); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	return a.print(c, f, func(w io.Writer) {
		tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		f.rows(func(k, format string, args ...any) { fmt.Fprintf(tw, "%s\t%s\n", k, fmt.Sprintf(format, args...)) })
		tw.Flush()
	})
}

// writeProject writes the files of a project by their paths in it.
func (b *bench) writeProject(files map[string]string) error {
	for name, text := range files {
		p := filepath.Join(b.dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// workflows reads the project's workflows, as an instance does.
func (b *bench) workflows() (*engine.Set, error) {
	cfg, err := b.app.config(b.dir, nil)
	if err != nil {
		return nil, err
	}
	site := cfg.Sites[0]
	p := readProject(site, checkDeps(site))
	if err := b.app.report(b.dir, p.problems); err != nil {
		return nil, err
	}
	return engine.NewSet(p.loc, p.workflows), nil
}

// folderMiB sums the sizes of the files in a folder.
func folderMiB(dir string) float64 {
	var sum int64
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if info, err := d.Info(); err == nil {
				sum += info.Size()
			}
		}
		return nil // a file that is gone counts for nothing
	})
	return float64(sum) / (1 << 20)
}
