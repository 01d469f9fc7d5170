package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs the command as a user does, in testdata/script. A script has the ports of a project of its own in
// its environment, a `latchkey` to execute, `exits N command...`, which wants that exit code, `until command...`, which waits for it to
// succeed, and `ready`, which waits until the project's server answers.
func TestScripts(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	command := fmt.Sprintf("#!/bin/sh\n%s=latchkey exec %s \"$@\"\n", asCommand, self)
	if err := os.WriteFile(filepath.Join(bin, "latchkey"), []byte(command), 0o700); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			ports := testPorts(t, 3)
			for n, name := range []string{"PORTAL", "ADMIN", "NATS"} {
				env.Setenv(name, fmt.Sprint(ports[n]))
			}
			env.Setenv("GORACE", "atexit_sleep_ms=0")
			env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"ready": ready, "exits": exits, "until": until},
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits N command...")
	}
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var ee *exec.ExitError
		if !errors.As(err, &ee) {
			ts.Fatalf("%s: %v", args[1], err)
		}
		code = ee.ExitCode()
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: until command...")
	}
	if !comes(func() bool { return ts.Exec(args[0], args[1:]...) == nil }) {
		ts.Fatalf("it never succeeds")
	}
}

func ready(ts *testscript.TestScript, _ bool, _ []string) {
	if !comes(func() bool { return isReady("http://127.0.0.1:" + ts.Getenv("ADMIN") + "/readyz") }) {
		ts.Fatalf("no server is ready")
	}
}

// isReady reports whether a server says that it is.
func isReady(url string) bool {
	res, err := http.Get(url)
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}
