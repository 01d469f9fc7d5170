// Package flowfile reads workflow files: YAML in, engine.Workflow out. It owns the file's grammar, how mistakes in it
// are told, and where in the file each of them stands. What a step's settings mean belongs to the step's action, and
// the language of conditions to engine; both are asked through engine.Catalog and engine.CompileExpr.
//
// Every scalar is read as it is written: `lesson: 101` is "101", `yes` is "yes", and a phone keeps its plus.
package flowfile

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"latchkey/engine"
)

// MaxSize is how long a workflow file may be, in bytes: a version of it is stored with each run's history.
const MaxSize = 256 << 10

// Version returns what names this version of a workflow: the first 16 hex digits of the SHA-256 of its source.
func Version(src []byte) string {
	sum := sha256.Sum256(src)
	return hex.EncodeToString(sum[:8])
}

// Load compiles one workflow file. file is its name as problems show it, id the workflow's. The workflow is nil if
// any problem is more than a warning. Problems are all that is wrong, in the order of the file; of a file that
// is not YAML, the first place where it is not.
//
// Read alone, a file's steps of kind "start" are not compared with other files: see LoadDir.
func Load(file, id string, src []byte, cat *engine.Catalog, loc *engine.Location) (*engine.Workflow, []engine.Problem) {
	return load(file, id, src, cat, loc, nil)
}

func load(file, id string, src []byte, cat *engine.Catalog, loc *engine.Location, g *graph) (*engine.Workflow, []engine.Problem) {
	r := read(file, id, src, cat, loc, g)
	for _, p := range r.problems {
		if !p.Warning {
			return nil, r.problems
		}
	}
	return r.flow, r.problems
}

// LoadPinned compiles a version that runs began with, from its stored source. What has changed around it since (a
// template or a trigger that is gone) does not matter here: a step that cannot be carried out any more fails
// when its turn comes. It returns an error if the source has no steps that could be followed.
func LoadPinned(id string, src []byte, cat *engine.Catalog, loc *engine.Location) (*engine.Workflow, error) {
	r := read(id+".yaml", id, src, cat, loc, nil)
	if r.broken != nil {
		return nil, fmt.Errorf("workflow %s version %s: %s", id, Version(src), r.broken)
	}
	return r.flow, nil
}

// LoadDir compiles the workflow files of a folder (*.yaml but not *_test.yaml), in the order of their ids, and
// returns every problem of all of them, sorted. Workflows without mistakes are returned even if others have some.
func LoadDir(fsys fs.FS, dir string, cat *engine.Catalog, loc *engine.Location) ([]*engine.Workflow, []engine.Problem) {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return nil, []engine.Problem{unreadable(dir, "folder", err)}
	}
	var flows []*engine.Workflow
	var problems []engine.Problem
	var sources []source
	g := &graph{starts: map[string][]string{}, triggers: map[string][]string{}}
	for _, e := range entries {
		name := e.Name()
		file := path.Join(dir, name)
		stem, ending, _ := cutLast(name, ".")
		switch {
		case strings.HasPrefix(name, "."):
			continue
		case ending == "yml":
			problems = append(problems, engine.Problem{Pos: engine.Pos{File: file, Line: 1, Col: 1},
				Msg: fmt.Sprintf("only .yaml files are read; name it %s.yaml", stem)})
			continue
		case ending != "yaml", strings.HasSuffix(stem, "_test"):
			continue
		case e.IsDir():
			problems = append(problems, engine.Problem{Pos: engine.Pos{File: file, Line: 1, Col: 1}, Msg: "this is a folder; a workflow is a file"})
			continue
		}
		src, err := fs.ReadFile(fsys, file)
		if err != nil {
			problems = append(problems, unreadable(file, "file", err))
			continue
		}
		sources = append(sources, source{file, stem, src})
		g.add(stem, src)
	}
	for _, s := range sources {
		flow, found := load(s.file, s.id, s.src, cat, loc, g)
		problems = append(problems, found...)
		if flow != nil {
			flows = append(flows, flow)
		}
	}
	slices.SortFunc(flows, func(a, b *engine.Workflow) int { return cmp.Compare(a.ID, b.ID) })
	return flows, tidy(problems)
}

// A source is a workflow file as it was read.
type source struct {
	file, id string
	src      []byte
}

func unreadable(name, what string, err error) engine.Problem {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	msg := fmt.Sprintf("the %s cannot be read: %v", what, err)
	if errors.Is(err, fs.ErrNotExist) {
		msg = fmt.Sprintf("there is no such %s", what)
	}
	return engine.Problem{Pos: engine.Pos{File: name, Line: 1, Col: 1}, Msg: msg}
}

// tidy sorts problems and drops repetitions, which aliases cause.
func tidy(problems []engine.Problem) []engine.Problem {
	slices.SortStableFunc(problems, func(a, b engine.Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col),
			cmp.Compare(a.Msg, b.Msg))
	})
	return slices.Compact(problems)
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
