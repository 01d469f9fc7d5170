//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
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
