package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const goodWorkflow = "class: transactional\ntriggers: [new_sign_up]\nsteps:\n  - email: {subject: hello, text: hello}\n"

// badFiles are workflows that cannot be loaded, and what is said of them.
var badFiles = []struct {
	name string
	make func(path string) error
	says string // a regular expression, after the file's name
}{
	{"a folder", func(p string) error { return os.Mkdir(p, 0o700) }, `:1:1: .*(directory|folder)`},
	{"a link to nowhere", func(p string) error { return os.Symlink(p+".gone", p) }, `:1:1: .*no such file`},
	{"not UTF-8", text2file("name: caf\xe9\n" + goodWorkflow), `:1:10?: .*UTF-8`},
	{"binary", text2file("\x00\x01\x02\x03"), `:1:1: `},
	{"empty", text2file(""), `:1:1: `},
	{"tabs", text2file("class: transactional\ntriggers:\n\t- new_sign_up\n"), `:3:1: .*tab`},
	{"an open bracket", text2file("class: transactional\ntriggers: [new_sign_up\nsteps: []\n"), `:[23]:\d+: `},
	{"a list", text2file("- new_sign_up\n"), `:1:1: `},
	{"JSON with a mistake", text2file("{\"class\": transactional,, }\n"), `:1:\d+: `},
	{"an open quote", text2file(goodWorkflow + "name: \"never closed\n"), `:\d+:\d+: `},
	{"a program", text2file("#!/bin/sh\nexec latchkey run \"$@\"\n"), `:\d+:\d+: `},
	{"a misspelt key", text2file("class: transactional\ntrigers: [new_sign_up]\nsteps: [end]\n"), `:2:1: .*did you mean triggers`},
	{"a misspelt trigger", text2file("class: transactional\ntriggers: [new_signup]\nsteps: [end]\n"), `:2:12: .*did you mean new_sign_up`},
}

func text2file(text string) func(path string) error {
	return func(p string) error { return os.WriteFile(p, []byte(text), 0o600) }
}

// command runs one command line as main does.
func command(t *testing.T, args ...string) (code int, out, err string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	a := &app{in: strings.NewReader(""), out: &stdout, err: &stderr}
	ctx, cancel := context.WithTimeout(t.Context(), patience) // of those that run although they should not
	defer cancel()
	code = a.run(ctx, append([]string{"latchkey"}, args...))
	return code, stdout.String(), stderr.String()
}

// TestUnreadableWorkflows has check and run name the file, line and column, and run start nothing.
func TestUnreadableWorkflows(t *testing.T) {
	t.Parallel()
	for _, bad := range badFiles {
		t.Run(bad.name, func(t *testing.T) {
			t.Parallel()
			dir := writeProject(t, map[string]string{"workflows/good.yaml": goodWorkflow})
			if err := bad.make(filepath.Join(dir, "workflows", "bad.yaml")); err != nil {
				t.Fatal(err)
			}
			says := regexp.MustCompile(`(?m)^\S*/workflows/bad\.yaml` + bad.says)
			for _, cmd := range []string{"check", "run"} {
				code, out, stderr := command(t, cmd, dir)
				if code != exitUsage || !says.MatchString(stderr) {
					t.Errorf("%s: exit code %d, want 2 and %s:\n%s", cmd, code, says, stderr)
				}
				if out != "" || strings.Contains(stderr, "panic") {
					t.Errorf("%s: says %q\n%s", cmd, out, stderr)
				}
			}
			for _, made := range []string{"data", "keys"} {
				if _, err := os.Stat(filepath.Join(dir, made)); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("run made %s: %v", made, err)
				}
			}
		})
	}
}

// TestUnreadableByMode needs a user whom file modes concern.
func TestUnreadableByMode(t *testing.T) {
	t.Parallel()
	dir := writeProject(t, map[string]string{"workflows/bad.yaml": goodWorkflow, "templates/bad.md": "hello"})
	for _, name := range []string{"workflows/bad.yaml", "templates/bad.md"} {
		if err := os.Chmod(filepath.Join(dir, name), 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.ReadFile(filepath.Join(dir, "workflows/bad.yaml")); err == nil {
		t.Log("this user may read everything; the folder and the link of TestUnreadableWorkflows stand in")
		return
	}
	code, _, stderr := command(t, "check", dir)
	for _, want := range []string{"workflows/bad.yaml:1:1: ", "templates/bad.md:1:1: ", "permission denied"} {
		if code != exitUsage || !strings.Contains(stderr, want) {
			t.Errorf("exit code %d, want 2 and %q:\n%s", code, want, stderr)
		}
	}
}

// TestAllMistakesAtOnce has one in each of several files.
func TestAllMistakesAtOnce(t *testing.T) {
	t.Parallel()
	dir := writeProject(t, map[string]string{
		"latchkey.yaml":      "location: academy\nlink: {ttl: 1d}\n",
		"workflows/one.yaml": "class: transactional\ntriggers: [new_sign_up]\nsteps:\n  - email: {subject: a, text: '<<contact.frist_name>>'}\n  - wait: 0s\n",
		"workflows/two.yaml": "class: transactional\ntriggers: [user_login]\nsteps:\n  - sms: '<<login_url>>'\n",
		"templates/three.md": "---\nsubject: hi\n---\n<<if offer>> never closed\n",
	})
	code, _, stderr := command(t, "check", dir)
	if code != exitUsage || !strings.Contains(stderr, "latchkey.yaml:2:1: ") {
		t.Errorf("check: %d\n%s", code, stderr)
	}
	if err := os.WriteFile(filepath.Join(dir, "latchkey.yaml"), []byte("location: academy\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, stderr = command(t, "check", dir)
	for _, want := range []string{
		`workflows/one\.yaml:4:\d+: .*contact\.first_name`, `workflows/one\.yaml:5:\d+: `,
		`workflows/two\.yaml:4:\d+: .*login_url`, `templates/three\.md:4:1: `, `latchkey: 4 mistakes`,
	} {
		if code != exitUsage || !regexp.MustCompile(want).MatchString(stderr) {
			t.Errorf("exit code %d, want 2 and %s:\n%s", code, want, stderr)
		}
	}
}
