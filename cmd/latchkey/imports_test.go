package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// rooms says who may import whom: for each package of ours, the packages of ours that it may import. A package
// that is not in the table has no room, and fails.
var rooms = map[string][]string{
	"engine":                  {},
	"engine/boltstore":        {"engine"},
	"engine/console":          {"engine"},
	"engine/enginetest":       {"engine"},
	"engine/flowfile":         {"engine"},
	"engine/runner":           {"engine"},
	"engine/simulate":         {"engine"},
	"triggers":                {"engine"},
	"actions":                 {"engine", "templates"},
	"actions/outbox":          {"actions", "engine"},
	"actions/smtp":            {"actions", "engine"},
	"actions/smtp/sink":       {},
	"actions/twilio":          {"actions", "engine"},
	"templates":               {},
	"linkgen":                 {"engine"},
	"linkgen/portal":          {"engine", "linkgen"},
	"linkgen/sso":             {"engine", "linkgen"},
	"examples":                {},
	"examples/coursesite":     {},
	"examples/coursesite/run": {"examples/coursesite"},
	"cmd/latchkey": {
		"engine", "engine/boltstore", "engine/console", "engine/flowfile", "engine/runner", "engine/simulate",
		"triggers", "actions", "actions/outbox", "actions/smtp", "actions/smtp/sink", "actions/twilio", "templates",
		"linkgen", "linkgen/portal", "linkgen/sso", "examples", "examples/coursesite",
	},
}

// owners says which package alone may import a module that stands for a real system.
var owners = map[string][]string{
	"github.com/nats-io/":       {"triggers"},
	"go.etcd.io/bbolt":          {"engine/boltstore"},
	"github.com/wneessen/":      {"actions/smtp"},
	"github.com/fsnotify/":      {"cmd/latchkey"},
	"github.com/twilio/":        {"actions/twilio"},
	"go.yaml.in/yaml":           {"engine/flowfile", "cmd/latchkey"},
	"github.com/expr-lang/expr": {"engine"},
	"github.com/yuin/goldmark":  {"templates"},
	"github.com/prometheus/":    {"cmd/latchkey"},
	"github.com/zitadel/":       {"linkgen/sso"},
	"github.com/go-jose/":       {"linkgen/portal", "linkgen/sso"},
	"html/template":             {"templates", "linkgen/portal", "engine/console", "actions/outbox", "examples/coursesite"},
}

type listed struct {
	ImportPath string
	Imports    []string
}

func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "latchkey/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		checkRoom(t, p)
	}
}

func checkRoom(t *testing.T, p listed) {
	t.Helper()
	room := strings.TrimPrefix(p.ImportPath, "latchkey/")
	allowed, ok := rooms[room]
	if !ok {
		t.Errorf("%s has no room: design it into the table first", room)
		return
	}
	for _, imp := range p.Imports {
		if ours, ok := strings.CutPrefix(imp, "latchkey/"); ok && !slices.Contains(allowed, ours) {
			t.Errorf("%s must not import %s", room, ours)
		}
		for module, rooms := range owners {
			if strings.HasPrefix(imp, module) && !slices.Contains(rooms, room) {
				t.Errorf("%s must not import %s: only %s may", room, imp, strings.Join(rooms, ", "))
			}
		}
		if room == "engine" && strings.Contains(imp, ".") && !strings.HasPrefix(imp, "github.com/expr-lang/expr") {
			t.Errorf("engine must not import %s", imp)
		}
	}
}
