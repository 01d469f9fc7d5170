//go:build unix

package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"latchkey/engine/boltstore"
)

// A pipe or a device among a project's files is a mistake to be told, and nothing to wait for.
func TestPipesAndDevices(t *testing.T) {
	t.Parallel()
	pipe := func(path string) error { return syscall.Mkfifo(path, 0o600) }
	zero := func(path string) error { return os.Symlink("/dev/zero", path) }
	huge := func(path string) error {
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		defer f.Close()
		return f.Truncate(1 << 40) // takes no room
	}
	for name, put := range map[string]func(string) error{"pipe": pipe, "device": zero, "huge": huge} {
		for _, file := range []string{"latchkey.yaml", "workflows/x.yaml", "templates/x.md"} {
			t.Run(name+" "+file, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				for _, sub := range []string{"workflows", "templates"} {
					if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
						t.Fatal(err)
					}
				}
				if err := put(filepath.Join(dir, file)); err != nil {
					t.Skip(err)
				}
				told := make(chan string, 1)
				go func() {
					cfg, problems := loadConfig(dir, nil, nil)
					problems = append(problems, readProject(cfg, (&site{instance: &instance{}}).deps(cfg)).problems...)
					var out strings.Builder
					(&app{out: &out, err: &out}).report(dir, problems)
					told <- out.String()
				}()
				select {
				case s := <-told:
					if !strings.Contains(s, file+":1:1") || !strings.Contains(s, "not a file") && !strings.Contains(s, "MiB") {
						t.Error(s)
					}
				case <-time.After(patience):
					t.Error("it waits")
				}
			})
		}
	}
}

// TestRestoreHoldsTheStore: while a backup is unpacked nobody opens the store that it is to replace. A server that was started
// meanwhile went on with the files that were moved aside. A restore that does not hold it turns it red.
func TestRestoreHoldsTheStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/once.yaml": onceWorkflow})
	_, stop := w.start()
	file := filepath.Join(t.TempDir(), "academy.tar")
	var out bytes.Buffer
	if code := latchkeyDo(t, &out, "backup", file, "--dir", w.dir); code != 0 {
		t.Fatalf("backup: %d\n%s", code, out.String())
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	backup, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	slow, cfg := filepath.Join(t.TempDir(), "slow.tar"), w.config()
	if err := syscall.Mkfifo(slow, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, _, err := restore(t.Context(), cfg, slow, true)
		done <- err
	}()
	pipe, err := os.OpenFile(slow, os.O_WRONLY, 0) // once it is read
	if err == nil {
		_, err = pipe.Write(backup[:len(backup)/2])
	}
	if err != nil {
		t.Fatal(err)
	}
	if s, err := boltstore.Open(filepath.Join(cfg.Data, "store"), boltstore.Options{}); !errors.Is(err, boltstore.ErrInUse) {
		t.Errorf("somebody else opens the store meanwhile: %v", err)
		if s != nil {
			s.Close()
		}
	}
	if _, err := pipe.Write(backup[len(backup)/2:]); err != nil {
		t.Error(err)
	}
	pipe.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
	w.start()
}
