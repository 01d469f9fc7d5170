package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v3"

	"latchkey/engine/boltstore"
	"latchkey/engine/console"
	"latchkey/triggers"
)

func (a *app) backupCommand() *cli.Command {
	return &cli.Command{
		Name: "backup", Usage: "copy a running server's store to a file", ArgsUsage: "FILE",
		Description: "The server goes on meanwhile. The file is checked as it comes; it replaces an older FILE only when it is whole.\n" +
			"Keep the keys folder elsewhere: it is not in it.\n\nExample:\n  latchkey backup academy-$(date +%F).tar --dir academy",
		Flags: clientFlags(),
		Action: func(ctx context.Context, c *cli.Command) error {
			if c.Args().Len() != 1 {
				return usagef("backup takes one file to write")
			}
			cl, err := a.client(c)
			if err != nil {
				return err
			}
			m, err := fetchBackup(ctx, cl, c.Args().First())
			if err != nil {
				return fmt.Errorf("backup: %w", err)
			}
			return a.print(c, m, func(w io.Writer) {
				fmt.Fprintf(w, "%s holds the store of %s as it was on %s, with all events up to number %d.\n",
					c.Args().First(), m.Location, stamp(m.Time), m.Events.Sequence)
				fmt.Fprintln(w, "The keys folder is not in it: without that, links that were sent do not open after a restore.")
			})
		},
	}
}

// fetchBackup stores a backup under that name once it is whole and checked.
func fetchBackup(ctx context.Context, cl *client, file string) (m manifest, err error) {
	body, err := cl.stream(ctx, "/v1/backup")
	if err != nil {
		return m, err
	}
	defer body.Close()
	f, err := os.CreateTemp(filepath.Dir(file), ".backup-*") // mode 0600
	if err != nil {
		return m, err
	}
	defer os.Remove(f.Name()) // fails once it has its name
	m, err = readBackup(io.TeeReader(body, f), func(_ int, r io.Reader) error {
		_, err := io.Copy(io.Discard, r)
		return err
	})
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return m, err
	}
	return m, os.Rename(f.Name(), file)
}

// stream asks for what may be large and may take its time.
func (cl *client) stream(ctx context.Context, path string) (io.ReadCloser, error) {
	patient := *cl
	patient.http = &http.Client{}
	res, err := patient.send(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	if res.StatusCode >= 300 {
		defer res.Body.Close()
		return nil, cl.refused(res)
	}
	return res.Body, nil
}

// stalled is how long a reader of a backup may take nothing: meanwhile the store cannot use its free pages again.
const stalled = time.Minute

// backup answers with a backup. One that fails on its way ends the connection, so that nobody takes it for whole.
func (i *instance) backup(w http.ResponseWriter, r *http.Request) {
	m, snaps, err := i.snapshot(r.Context())
	if err != nil {
		console.WriteProblem(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	defer func() {
		for _, s := range snaps {
			s.Close()
		}
	}()
	w.Header().Set("Content-Type", "application/x-tar")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="%s-%s.tar"`, m.Location, m.Time.Format("20060102-150405")))
	if err := writeBackup(patientWriter{w, http.NewResponseController(w)}, m, snaps); err != nil {
		i.log.Warn().Err(err).Msg("backup was cut short")
		panic(http.ErrAbortHandler)
	}
	i.log.Info().Uint64("events", m.Events.Sequence).Msg("backup taken")
}

// snapshot freezes the store and says what that is.
func (i *instance) snapshot(ctx context.Context) (m manifest, snaps []*boltstore.Snapshot, err error) {
	id, err := i.stores.ID()
	if err != nil {
		return m, nil, err
	}
	upTo, err := i.runner.Offsets(ctx, triggers.StreamCourses) // before the freeze: what it counts is in the snapshots
	if err != nil {
		return m, nil, err
	}
	m = manifest{
		Format: backupFormat, Version: version, Time: i.cfg.Now().UTC().Truncate(time.Second), Location: i.cfg.label(),
		Store: id, Events: offsetOf(upTo), LinkKeys: i.keys.IDs(),
	}
	snaps, err = i.stores.Snapshots(ctx)
	return m, snaps, err
}

// A patientWriter gives each write its own time limit, in place of one for the whole answer.
type patientWriter struct {
	w  io.Writer
	rc *http.ResponseController
}

func (p patientWriter) Write(b []byte) (int, error) {
	if err := p.rc.SetWriteDeadline(time.Now().Add(stalled)); err != nil {
		return 0, err
	}
	return p.w.Write(b)
}
