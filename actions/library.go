package actions

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"latchkey/engine"
	"latchkey/templates"
)

// A Template is one file of the templates folder, read but not compiled: a step may bring its own subject.
type Template struct {
	Name   string // the file's, without its ending
	File   string // as problems show it
	Parts  templates.Parts
	Broken bool // it has mistakes, and they were told when it was read
}

// A Library is a templates folder as it was when it was read. The zero Library is empty.
type Library struct {
	mails, texts map[string]*Template
}

var _ Templates = (*Library)(nil)

// maxTemplate is how long a template may be, in bytes.
const maxTemplate = 1 << 20

// ReadTemplates reads the *.md, *.html and *.txt files of a folder and reports every mistake in them. A project
// without the folder has no templates. Files with mistakes are in the library, and fail when they are sent.
func ReadTemplates(fsys fs.FS, dir string, o templates.Options) (*Library, []engine.Problem) {
	l := &Library{mails: map[string]*Template{}, texts: map[string]*Template{}}
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return l, []engine.Problem{unreadable(dir, err)}
	}
	var problems []engine.Problem
	for _, e := range entries {
		ending := path.Ext(e.Name())
		if strings.HasPrefix(e.Name(), ".") || !slices.Contains([]string{".md", ".html", ".txt"}, ending) {
			continue
		}
		file := path.Join(dir, e.Name())
		src, err := fs.ReadFile(fsys, file)
		if err != nil {
			problems = append(problems, unreadable(file, err))
			continue
		}
		t := &Template{Name: strings.TrimSuffix(e.Name(), ending), File: file}
		found := t.read(src, o)
		if prior := l.mails[t.Name]; prior != nil && path.Ext(prior.File) != ".txt" && ending != ".txt" {
			problems = append(problems, engine.Problem{Pos: engine.Pos{File: file, Line: 1, Col: 1},
				Msg: fmt.Sprintf("%s has the same name; a workflow could not tell them apart", path.Base(prior.File))})
		}
		problems = append(problems, found...)
		l.add(t, ending)
	}
	return l, problems
}

// add files a template. A .txt is for SMS, and for mails if nothing else has its name.
func (l *Library) add(t *Template, ending string) {
	if ending == ".txt" {
		l.texts[t.Name] = t
		if l.mails[t.Name] != nil {
			return
		}
	}
	l.mails[t.Name] = t
}

// read fills a template from its source.
func (t *Template) read(src []byte, o templates.Options) []engine.Problem {
	if len(src) > maxTemplate {
		t.Broken = true
		return []engine.Problem{{Pos: engine.Pos{File: t.File, Line: 1, Col: 1},
			Msg: fmt.Sprintf("the template has %d KiB; it may have %d", len(src)>>10, maxTemplate>>10)}}
	}
	var problems []engine.Problem
	var err error
	if t.Parts, err = templates.ReadParts(t.File, src); err == nil {
		err = t.check(o)
	}
	var list templates.Errors
	if errors.As(err, &list) {
		t.Broken = true
		for _, e := range list {
			problems = append(problems, engine.Problem{Pos: engine.Pos{File: e.File, Line: e.Line, Col: e.Col}, Msg: e.Msg})
		}
	}
	return problems
}

// check compiles a template by itself. Where it has no subject, the step that sends it brings one.
func (t *Template) check(o templates.Options) error {
	if t.Parts.Text.Text != "" && t.Parts.Subject.Text == "" {
		_, _, err := templates.NewSMS(t.Parts.Text, o)
		return err
	}
	p := t.Parts
	if p.Subject.Text == "" {
		p.Subject.Text = "-"
	}
	_, _, err := templates.NewMail(p, o)
	return err
}

// Lookup implements Templates.
func (l *Library) Lookup(kind, name string) (*Template, bool) {
	t, ok := l.of(kind)[name]
	return t, ok
}

// Names implements Templates.
func (l *Library) Names(kind string) []string {
	var names []string
	for name := range l.of(kind) {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (l *Library) of(kind string) map[string]*Template {
	if kind == "sms" {
		return l.texts
	}
	return l.mails
}

func unreadable(name string, err error) engine.Problem {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return engine.Problem{Pos: engine.Pos{File: name, Line: 1, Col: 1}, Msg: fmt.Sprintf("it cannot be read: %v", err)}
}
