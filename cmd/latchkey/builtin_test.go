package main

import (
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"time"

	"latchkey/actions"
	"latchkey/engine"
	"latchkey/engine/console"
	"latchkey/templates"
)

// TestBuiltins reads the built-in workflows and templates in a project that has none of its own, without a warning.
func TestBuiltins(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow})
	cfg := w.config()
	p := readProject(cfg, checkDeps(cfg))
	if len(p.problems) > 0 || len(p.builtins) != 2 || p.set().Lookup(loginFlow) == nil || p.set().Lookup(inviteFlow) == nil {
		t.Fatalf("%d built-in workflows: %s", len(p.builtins), lines(p.problems))
	}
	if names := p.templates.Names("email"); len(names) > 0 {
		t.Errorf("the project's own templates are %s", names)
	}
	for _, trigger := range []string{engine.EventLogin, engine.EventInvite} {
		if _, ok := p.catalog.Triggers[trigger]; ok {
			t.Errorf("%s can be published", trigger)
		}
	}
}

// TestBuiltinTemplates renders each, with and without a name, for a site with a long name.
func TestBuiltinTemplates(t *testing.T) {
	t.Parallel()
	lib := builtinTemplates(actions.Deps{Options: (&Config{}).templateOptions()})
	const long = "The Long-Established Academy of Very Long Names and Titles"
	files, err := fs.Glob(builtinFiles, "builtin/templates/*")
	if err != nil || len(files) != 8 {
		t.Fatalf("%d templates, %v", len(files), err)
	}
	for _, name := range []string{"Ada", ""} {
		for _, staff := range []bool{true, false} {
			values := map[string]any{
				"contact": map[string]any{"first_name": name, "email": "ada@example.com"}, "location": map[string]any{"name": long, "email": "hello@acme.test"},
				"event": map[string]any{"custom": map[string]any{"staff": staff}}, "custom": map[string]any{},
			}
			for _, tmpl := range lib.Names("email") {
				checkBuiltinMail(t, lib, tmpl, values)
			}
			for _, tmpl := range lib.Names("sms") {
				checkBuiltinSMS(t, lib, tmpl, values)
			}
		}
	}
}

const sampleLink = "https://learn.academy-of-long-names.test/l/Ab3dEf6hIj9lMn2pQr5tUv8xYz1BcD4eF7gH"

func checkBuiltinMail(t *testing.T, lib *actions.Library, name string, values map[string]any) {
	t.Helper()
	tmpl, _ := lib.Lookup("email", name)
	if strings.HasSuffix(tmpl.File, ".txt") {
		t.Errorf("%s has no mail", name)
		return
	}
	m, warnings, err := templates.NewMail(tmpl.Parts, templates.Options{})
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%s: %v %v", name, err, warnings)
	}
	out, err := m.Render(templates.Data{Values: values, Links: map[templates.LinkField]string{{}: sampleLink}, Zone: time.UTC})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if n := len([]rune(out.Subject)); n >= 50 || out.Preheader == "" {
		t.Errorf("%s: subject of %d characters: %s", name, n, out.Subject)
	}
	lang := "en"
	if strings.HasSuffix(name, ".de") {
		lang = "de"
	}
	if strings.Count(out.HTML, sampleLink) != 3 || strings.Count(out.HTML, "lk-press\"") != 1 || !strings.Contains(out.HTML, `<html lang="`+lang+`"`) { // the button, and the bare link
		t.Errorf("%s: %d links, or not one button", name, strings.Count(out.HTML, sampleLink))
	}
	if strings.Count(out.Text, sampleLink) != 1 || strings.Contains(out.Text, "  ") || strings.Contains(out.Text, "\n\n\n") {
		t.Errorf("%s:\n%s", name, out.Text)
	}
}

func checkBuiltinSMS(t *testing.T, lib *actions.Library, name string, values map[string]any) {
	t.Helper()
	tmpl, _ := lib.Lookup("sms", name)
	m, warnings, err := templates.NewSMS(tmpl.Parts.Text, templates.Options{})
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%s: %v %v", name, err, warnings)
	}
	body, err := m.Render(templates.Data{Values: values, Links: map[templates.LinkField]string{{}: sampleLink}, Zone: time.UTC})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if n, how := templates.Segments(body); n > 2 || strings.Count(body, sampleLink) != 1 {
		t.Errorf("%s: %d segments (%s): %s", name, n, how, body)
	}
}

// TestBuiltinsOwn has mistakes of a project around the built-in workflows told in the project's files.
func TestBuiltinsOwn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file, text, want string
	}{
		"no subject":        {"templates/login.md", "[In](<<login_url>>)\n", "login.md:1:1: warning: templates/login.md begins with no `subject:`"},
		"a field":           {"templates/invite.md", "---\nsubject: Hi\n---\nFor <<offer.title>>: <<login_url>>\n", "invite.md:4:5: warning: "},
		"a workflow's name": {"workflows/latchkey-login.yaml", helloWorkflow, "latchkey-login.yaml:1:1: the name latchkey-login belongs to a built-in workflow"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow, c.file: c.text})
			cfg := w.config()
			if got := lines(readProject(cfg, checkDeps(cfg)).problems); !strings.Contains(got, c.want) {
				t.Errorf("%s", got)
			}
		})
	}
}

// TestBuiltinsOwnSMS has a project that words the SMS alone: login mails are the built-in ones.
func TestBuiltinsOwnSMS(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow, "templates/login.txt": "Ours: <<login_url>>\n"})
	cfg := w.config()
	if p := readProject(cfg, checkDeps(cfg)); len(p.problems) > 0 {
		t.Errorf("%s", lines(p.problems))
	}
	w.start()
	w.learners("", "ada")
	var mailed console.Mailed
	for _, channel := range []string{"email", "sms"} {
		w.ask(http.MethodPost, "/v1/contacts/ada/send", fmt.Sprintf(`{"channel": %q}`, channel), &mailed)
	}
	if text := w.waitTexts(1)[0].Get("Body"); !strings.HasPrefix(text, "Ours: ") {
		t.Errorf("the SMS says %q", text)
	}
	if mail := w.waitMails(1)[0]; mail.subject != "Your login link for Acme Academy" {
		t.Errorf("the mail's subject is %q", mail.subject)
	}
}
