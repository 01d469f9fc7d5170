package main

import (
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"latchkey/actions"
	"latchkey/engine"
	"latchkey/engine/flowfile"
)

// builtinFiles are the workflows that every location has beside its own, and the templates that they use where a project has none
// of that name.
//
//go:embed builtin
var builtinFiles embed.FS

// The built-in workflows. They are started by hand alone; see engine.EventLogin.
const (
	loginFlow  = "latchkey-login"
	inviteFlow = "latchkey-invite"
)

// builtinKinds are the events that the built-in workflows start with. Nobody can publish them, and no other workflow has them.
func builtinKinds() map[string]engine.TriggerKind {
	return map[string]engine.TriggerKind{
		engine.EventLogin:  {Name: engine.EventLogin, Label: "Login Link Asked For", Course: true},
		engine.EventInvite: {Name: engine.EventInvite, Label: "Invitation", Course: true},
	}
}

// layered finds a project's own templates, and behind them the built-in ones. Of a language's variant (login.de) the project's
// plain one (login) comes before the built-in variant: it is in the site's own words.
type layered struct{ own, builtin *actions.Library }

var _ actions.Templates = layered{}

// Lookup implements actions.Templates.
func (l layered) Lookup(kind, name string) (*actions.Template, bool) {
	builtin, ok := l.builtin.Lookup(kind, name)
	if !ok {
		return l.own.Lookup(kind, name)
	}
	base, _, _ := strings.Cut(name, ".")
	for _, name := range []string{name, base} {
		if t, own := l.own.Lookup(kind, name); own && !(kind == "email" && forSMS(t)) {
			return t, true
		}
	}
	return builtin, true
}

// forSMS reports whether a template with a built-in one's name words the SMS alone: a text that could be no mail, without a subject.
func forSMS(t *actions.Template) bool {
	return path.Ext(t.File) == ".txt" && t.Parts.Subject.Text == ""
}

// Names implements actions.Templates: the project's own, which a workflow may be meant to name.
func (l layered) Names(kind string) []string { return l.own.Names(kind) }

// builtinTemplates reads the built-in templates for one project's settings.
func builtinTemplates(deps actions.Deps) *actions.Library {
	lib, problems := actions.ReadTemplates(builtinFiles, "builtin/templates", deps.Options)
	if mistakes(problems) {
		panic(problems[0].String()) // the tests read them
	}
	return lib
}

// addBuiltins compiles the built-in workflows among the project's settings and templates. What is wrong with a template of the
// project's for them is a warning: the site may have it for something else.
func (p *project) addBuiltins() {
	cat := *p.catalog
	cat.Triggers = maps.Clone(cat.Triggers)
	maps.Copy(cat.Triggers, builtinKinds())
	for _, id := range []string{inviteFlow, loginFlow} {
		file := path.Join("builtin/workflows", id+".yaml")
		src, err := fs.ReadFile(builtinFiles, file)
		if err != nil {
			panic(err) // embedded
		}
		if i := slices.IndexFunc(p.workflows, func(w *engine.Workflow) bool { return w.ID == id }); i >= 0 {
			p.problems = append(p.problems, engine.Problem{Pos: engine.Pos{File: "workflows/" + id + ".yaml", Line: 1, Col: 1},
				Msg: "the name " + id + " belongs to a built-in workflow; give this one another"})
			continue
		}
		_, problems := flowfile.Load(file, id, src, &cat, p.loc)
		for _, found := range problems {
			p.warn(id, found)
		}
		w, err := flowfile.LoadPinned(id, src, &cat, p.loc)
		if err != nil {
			panic(err)
		}
		p.builtins = append(p.builtins, w)
	}
}

// warn passes on what is wrong with a template of the project's in a built-in workflow.
func (p *project) warn(id string, found engine.Problem) {
	if strings.HasPrefix(found.File, "builtin/") {
		own, ok := p.templates.Lookup("email", strings.TrimPrefix(id, "latchkey-"))
		if !ok {
			return
		}
		found.Pos = engine.Pos{File: own.File, Line: 1, Col: 1}
	}
	found.Warning = true
	found.Msg = fmt.Sprintf("%s (the built-in workflow %s sends it)", found.Msg, id)
	if !slices.Contains(p.problems, found) {
		p.problems = append(p.problems, found)
	}
}

// set is all workflows in force: the project's, and the built-in ones.
func (p *project) set() *engine.Set {
	return engine.NewSet(p.loc, slices.Concat(p.workflows, p.builtins))
}
