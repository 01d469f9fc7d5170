package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"latchkey/engine/boltstore"
	"latchkey/linkgen"
	"latchkey/triggers"
)

func (a *app) restoreCommand() *cli.Command {
	return &cli.Command{
		Name: "restore", Usage: "put a backup's store into a project that is not running", ArgsUsage: "FILE [DIR]",
		Description: "Everything is checked before anything is changed. Example:\n  latchkey restore academy-2026-11-02.tar academy",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "force", Usage: "move a store that is there aside"},
			&cli.StringFlag{Name: "data", Usage: "`FOLDER` of the store and the streams"},
			&cli.StringFlag{Name: "forget", Usage: "a forget list beside the project's own: the `FILE` forgotten of a keys folder"},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			if n := c.Args().Len(); n < 1 || n > 2 {
				return usagef("restore takes a backup and a project's folder")
			}
			file, dir, flags := c.Args().First(), ".", map[string]string{}
			if c.Args().Len() == 2 {
				dir = c.Args().Get(1)
			}
			if c.IsSet("data") {
				flags["data"] = c.String("data")
			}
			cfg, err := a.config(dir, flags)
			if err != nil {
				return err
			}
			if list := c.String("forget"); list != "" {
				if err := mergeForgotten(cfg, list); err != nil {
					return fmt.Errorf("restore: %w", err)
				}
			}
			m, aside, err := restore(ctx, cfg, file, c.Bool("force"))
			if err != nil {
				return fmt.Errorf("restore: %w", err)
			}
			a.sayRestored(cfg, m, aside)
			return nil
		},
	}
}

// restored is what was restored, and how many contacts the next start forgets again.
type restored struct {
	manifest
	toForget int
}

// mergeForgotten adds the entries of another forget list to the project's.
func mergeForgotten(cfg *Config, file string) error {
	if _, err := os.Stat(file); err != nil {
		return fmt.Errorf("forget list: %w", err)
	}
	list, err := readForgetList(file)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(cfg.Keys, 0o700); err != nil {
		return err
	}
	_, err = addForgotten(forgetList(cfg.Keys), list...)
	return err
}

// unfinished begins the names of folders below data that a backup is unpacked into.
const unfinished = "restore-"

// dropUnfinished removes what a restore that was killed had unpacked: the data of learners that nobody looks after. The caller holds the
// store; a restore that is under way cannot put its own in place then, and fails.
func dropUnfinished(data string) error {
	entries, err := os.ReadDir(data)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), unfinished) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(data, e.Name())))
		}
	}
	return err
}

// restore puts the backup's store in place, and one that was there aside. Until everything is checked nothing changes.
func restore(ctx context.Context, cfg *Config, file string, force bool) (m restored, aside string, err error) {
	store := filepath.Join(cfg.Data, "store")
	there, release, err := holdStore(cfg, store, force)
	if err != nil {
		return m, "", err
	}
	defer func() { err = errors.Join(err, release()) }()
	f, err := os.Open(file)
	if err != nil {
		return m, "", err
	}
	defer f.Close()
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return m, "", err
	}
	fresh, err := os.MkdirTemp(cfg.Data, unfinished) // mode 0700
	if err != nil {
		return m, "", err
	}
	defer os.RemoveAll(fresh) // gone once it has its name
	m.manifest, err = readBackup(f, func(i int, r io.Reader) error { return writePart(filepath.Join(fresh, boltstore.FileName(i)), r) })
	if err == nil {
		m.toForget, err = checkBackup(ctx, cfg, m.manifest, fresh)
	}
	if err != nil {
		return m, "", fmt.Errorf("%s: %w", file, err)
	}
	if there {
		aside = store + ".before-" + time.Now().UTC().Format("20060102T150405")
		if err := os.Rename(store, aside); err != nil {
			return m, "", err
		}
	}
	if err := os.Rename(fresh, store); err != nil {
		return m, aside, err
	}
	return m, aside, syncFolder(cfg.Data)
}

// holdStore reports whether the project has a store, and whether it may be replaced. Until release nobody else opens it: a server that is
// started meanwhile would go on with what is moved aside.
func holdStore(cfg *Config, store string, force bool) (there bool, release func() error, err error) {
	release = func() error { return nil }
	entries, err := os.ReadDir(store)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && len(entries) == 0:
		return false, release, nil
	case err != nil:
		return false, release, err
	case !force:
		return true, release, fmt.Errorf("%s holds a store already: --force moves it aside, or name another folder with --data", store)
	}
	s, err := boltstore.Open(store, boltstore.Options{Partitions: cfg.Partitions})
	switch {
	case errors.Is(err, boltstore.ErrInUse):
		return true, release, err
	case err == nil:
		release = s.Close
	}
	return true, release, nil // one that cannot be opened is what backups are for
}

func writePart(path string, r io.Reader) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// checkBackup opens what a backup held, and compares it with the project. It returns how many contacts were forgotten since.
func checkBackup(ctx context.Context, cfg *Config, m manifest, dir string) (toForget int, err error) {
	if m.Location != cfg.label() {
		return 0, fmt.Errorf("it is of location %s, and this project is %s", m.Location, cfg.label())
	}
	if n := max(1, cfg.Partitions); n != len(m.Parts) {
		return 0, fmt.Errorf("its store has partitions: %d, and this project says %d", len(m.Parts), n)
	}
	list, err := readForgetList(forgetList(cfg.Keys))
	if err != nil {
		return 0, err
	}
	s, err := boltstore.Open(dir, boltstore.Options{Partitions: len(m.Parts)})
	if err != nil {
		return 0, err
	}
	id, err := s.ID()
	if err == nil && id != m.Store {
		err = fmt.Errorf("it holds store %s, and its manifest names %s", id, m.Store)
	}
	open, ferr := notForgotten(ctx, s.Global(), list)
	return len(open), errors.Join(err, ferr, s.Close())
}

// syncFolder makes the names in a folder durable.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// sayRestored tells what is there now, and what will not work.
func (a *app) sayRestored(cfg *Config, m restored, aside string) {
	fmt.Fprintf(a.out, "%s holds the store of %s as it was on %s.\n", filepath.Join(cfg.Data, "store"), m.Location, stamp(m.Time))
	if aside != "" {
		fmt.Fprintf(a.out, "The store that was there is in %s.\n", aside)
	}
	fmt.Fprintln(a.out, "events    "+saysEvents(cfg, m.manifest))
	fmt.Fprintln(a.out, "messages  What was sent after the backup is not known to it, and is sent again.")
	fmt.Fprintln(a.out, "links     "+saysKeys(cfg, m.manifest))
	fmt.Fprintln(a.out, "ended     Links and sessions that were ended or used up since the backup work again, and sending is paused only if it was then.\n"+
		"          Once it runs, `latchkey link revoke` ends them anew; with --everything, all.")
	fmt.Fprintln(a.out, "forgotten "+saysForgotten(cfg, m.toForget))
}

// saysForgotten tells of contacts that were forgotten after the backup was made.
func saysForgotten(cfg *Config, toForget int) string {
	if _, err := os.Stat(forgetList(cfg.Keys)); err != nil {
		return fmt.Sprintf("%s is not there: whoever was forgotten since the backup is known again. --forget FILE names such a list.", forgetList(cfg.Keys))
	}
	if toForget == 0 {
		return fmt.Sprintf("Nobody of %s is in it.", forgetList(cfg.Keys))
	}
	return fmt.Sprintf("%s names %d whom it may know: the next start forgets them before it does anything else.", forgetList(cfg.Keys), toForget)
}

func saysEvents(cfg *Config, m manifest) string {
	if cfg.NATS.URL == "" && cfg.NATS.Context == "" {
		if _, err := os.Stat(filepath.Join(cfg.Data, "nats")); err != nil {
			return fmt.Sprintf("%s has no streams: publish again what came after number %d; events that are known are passed over.", cfg.Data, m.Events.Sequence)
		}
	}
	return fmt.Sprintf("Those after number %d of the stream %s are read again at the start, as far as it still holds them.", m.Events.Sequence, triggers.StreamCourses)
}

// saysKeys tells whether links that were sent before will open.
func saysKeys(cfg *Config, m manifest) string {
	if _, err := os.Stat(filepath.Join(cfg.Keys, "link.key")); err != nil {
		return fmt.Sprintf("%s has no link.key: no link that was sent will open. Put the keys folder back before the start, which else makes a new key.", cfg.Keys)
	}
	keys, err := linkgen.OpenKeys(cfg.Keys)
	if err != nil {
		return "No link that was sent will open: " + err.Error()
	}
	have := keys.IDs()
	missing := slices.DeleteFunc(slices.Clone(m.LinkKeys), func(id string) bool { return slices.Contains(have, id) })
	if len(missing) > 0 {
		return fmt.Sprintf("%s/link.key lacks %s: links made with that will not open.", cfg.Keys, strings.Join(missing, ", "))
	}
	return "Those that were sent open as before: link.key is the one that they were made with."
}
