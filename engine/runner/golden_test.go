package runner

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/engine"
	"latchkey/engine/enginetest"
)

var update = flag.Bool("update", false, "write golden records that are not there yet")

// golden puts a record written when its version was new in the place of today's, after it compared the two.
func golden(t *testing.T, s engine.Stores, name string, space engine.Space, key string) {
	t.Helper()
	file := filepath.Join("testdata", "records", name)
	err := s.Global().Update(t.Context(), func(tx engine.Tx) error {
		today := bytes.Clone(tx.Get(space, []byte(key)))
		if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) && *update {
			if err := os.WriteFile(file, today, 0o644); err != nil {
				return err
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if !bytes.Equal(today, want) {
			t.Errorf("today's encoding differs: what is stored already must be read for ever, so add a new golden record beside it\n got %q\nwant %q", today, want)
		}
		tx.Put(space, []byte(key), want)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestGoldenRecords compares records of the directory and of positions, their keys included, with those written when
// their version was new: what is written is the same today, and what was written then is read.
func TestGoldenRecords(t *testing.T) {
	t.Parallel()
	day := time.Date(2026, 11, 2, 9, 30, 0, 123e6, time.UTC)
	key, other := engine.NewID(day, 0x1234, "person"), engine.NewID(day, 0x4321, "other")
	entry := idEntry{key, "ada@example.com"}
	alone, shared := address{provisional: key}, address{}
	shared.add("c-17")
	shared.add("c-18")
	pos := position{created: day.Add(5), generation: 2, seq: 1<<40 + 7}
	dir := func(tx engine.Tx) *resolver { return &resolver{tx: tx} }
	tests := []struct {
		name  string
		space engine.Space
		key   string
		write func(tx engine.Tx)
		read  func(tx engine.Tx) (any, error)
		want  any
	}{
		{
			"directory-id.v1", engine.SpaceDirectory, "academy\x00ic-17",
			func(tx engine.Tx) { dir(tx).putID("academy", "c-17", entry) },
			func(tx engine.Tx) (any, error) {
				e, _, err := dir(tx).id("academy", "c-17")
				return e, err
			}, entry,
		},
		{
			"directory-provisional.v1", engine.SpaceDirectory, "academy\x00ebob@example.com",
			func(tx engine.Tx) { dir(tx).putAddress("academy", "bob@example.com", alone) },
			func(tx engine.Tx) (any, error) { return dir(tx).address("academy", "bob@example.com") }, alone,
		},
		{
			"directory-shared.v1", engine.SpaceDirectory, "academy\x00eada@example.com",
			func(tx engine.Tx) { dir(tx).putAddress("academy", "ada@example.com", shared) },
			func(tx engine.Tx) (any, error) { return dir(tx).address("academy", "ada@example.com") }, shared,
		},
		{
			"directory-absorb.v1", engine.SpaceDirectory, "academy\x00a" + string(key[:]),
			func(tx engine.Tx) { dir(tx).absorb("academy", key, other) },
			func(tx engine.Tx) (any, error) { return pendingAbsorptions(tx, []string{"academy"}), nil },
			[]absorption{{"academy", key, other}},
		},
		{
			"position.v1", engine.SpaceMeta, "offset COURSES",
			func(tx engine.Tx) { pos.save(tx, "COURSES") },
			func(tx engine.Tx) (any, error) {
				got, _ := loadPosition(tx, "COURSES")
				return got, nil
			}, pos,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := enginetest.NewStores(1)
			err := s.Global().Update(t.Context(), func(tx engine.Tx) error {
				tt.write(tx)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			golden(t, s, tt.name, tt.space, tt.key)
			err = s.Global().View(t.Context(), func(tx engine.Tx) error {
				got, err := tt.read(tx)
				unexported := cmp.AllowUnexported(idEntry{}, address{}, absorption{}, position{})
				if diff := cmp.Diff(tt.want, got, unexported); diff != "" {
					t.Error(diff)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// TestGoldenVersion does so with the stored source of a workflow.
func TestGoldenVersion(t *testing.T) {
	t.Parallel()
	w := memory(t)
	cfg := w.config()
	var got []string
	cfg.Compile = func(_ context.Context, location, id string, source []byte) (*engine.Workflow, error) {
		got = []string{location, id, string(source)}
		return &engine.Workflow{}, nil
	}
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	wf := &engine.Workflow{ID: "welcome", Version: "0123456789abcdef", Source: []byte("name: Welcome\n")}
	if err := r.SetWorkflows(t.Context(), engine.NewSet(academy, []*engine.Workflow{wf})); err != nil {
		t.Fatal(err)
	}
	golden(t, w.stores, "version.v1", engine.SpaceVersions, "academy\x00welcome\x000123456789abcdef")
	err = r.versions.load(t.Context(), r, versionKey{"academy", "welcome", "0123456789abcdef"})
	if diff := cmp.Diff([]string{"academy", "welcome", "name: Welcome\n"}, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}
