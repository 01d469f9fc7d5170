package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"latchkey/engine"
	"latchkey/engine/runner"
	"latchkey/linkgen/portal"
)

// edit changes files of a project; "" removes one. It returns when they were read. If they are several, something may have been read
// when not all were changed: then what counts is what was read after latchkey.yaml was touched, in the end.
func (w *world) edit(t *testing.T, i *instance, files map[string]string) *filesState {
	t.Helper()
	before := i.sites[0].files.state.Load()
	for name, text := range files {
		path := filepath.Join(w.dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o700)
		if text != "" {
			err = errors.Join(err, os.WriteFile(path, []byte(text), 0o600))
		} else {
			err = errors.Join(err, os.Remove(path))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var after time.Time
	if len(files) > 1 {
		after = w.now()
		if err := os.Chtimes(filepath.Join(w.dir, "latchkey.yaml"), time.Time{}, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	return w.read(t, i, before, after)
}

// read returns how the files are, once they are no longer as before, and were read after that time.
func (w *world) read(t *testing.T, i *instance, before *filesState, after time.Time) (s *filesState) {
	t.Helper()
	if !comes(func() bool { s = i.sites[0].files.state.Load(); return s != before && s.ReadAt.After(after) }) {
		t.Fatalf("files were not read again\n%s", w.logTail())
	}
	return s
}

// setting returns the world's latchkey.yaml with one line changed.
func (w *world) setting(t *testing.T, old, changed string) map[string]string {
	t.Helper()
	src, err := os.ReadFile(filepath.Join(w.dir, "latchkey.yaml"))
	if err != nil || !strings.Contains(string(src), old) {
		t.Fatalf("no %q in the settings: %v", old, err)
	}
	return map[string]string{"latchkey.yaml": strings.Replace(string(src), old, changed, 1)}
}

const greetWorkflow = `name: Hello
class: transactional
triggers: [new_sign_up]
reentry: always
steps:
  - email: {template: hello}
`

const greetTemplate = "---\nsubject: one by <<location.name>>\n---\nCome in: <<login_url>>\n"

// TestReload changes the files of a running instance. Each line is a change, the mail that the next event gives, a mistake
// in it, and the files that stay in force as they were.
func TestReload(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": greetWorkflow, "templates/hello.md": greetTemplate,
		"extra": "custom: {sign: Mara}\n"})
	i, _ := w.start()
	nc := w.connect()
	other := func(subject string) string {
		return strings.Replace(greetWorkflow, "hello}", "other, subject: "+subject+"}", 1)
	}
	inline := strings.Replace(greetWorkflow, "{template: hello}", "{subject: four, text: '<<login_url>>'}", 1)
	for n, c := range []struct {
		name    string
		files   map[string]string
		subject string
		mistake string
		kept    string
	}{
		{"nothing", nil, "one by Acme Academy", "", ""},
		{"a template", map[string]string{"templates/hello.md": strings.Replace(greetTemplate, "one", "two", 1)}, "two by Acme Academy", "", ""},
		{"a broken template", map[string]string{"templates/hello.md": strings.Replace(greetTemplate, "<<location.name>>", "<<location.nam>>", 1)},
			"two by Acme Academy", "templates/hello.md:2:", "templates/hello.md"},
		{"mended", map[string]string{"templates/hello.md": strings.Replace(greetTemplate, "one", "three", 1)}, "three by Acme Academy", "", ""},
		{"a broken workflow", map[string]string{"workflows/hello.yaml": strings.Replace(inline, "email", "emial", 1)},
			"three by Acme Academy", "workflows/hello.yaml:6:", "workflows/hello.yaml"},
		{"a workflow that is mended", map[string]string{"workflows/hello.yaml": inline}, "four", "", ""},
		{"a template and who needs it", map[string]string{"templates/hello.md": "", "templates/other.txt": "subject: five\n\n<<login_url>>\n",
			"workflows/hello.yaml": other("five")}, "five", "", ""},
		{"a template that is needed goes", map[string]string{"templates/other.txt": ""}, "five", "workflows/hello.yaml:6:", "templates/other.txt"},
		{"it is back", map[string]string{"templates/other.txt": "<<custom.sign>>: <<login_url>>\n"}, "five", "", ""},
		{"a broken template beside a right workflow", map[string]string{"templates/other.txt": "<<custom.sing>>",
			"workflows/hello.yaml": other("six")}, "six", "templates/other.txt:1:", "templates/other.txt"},
		{"a new broken template and who needs it", map[string]string{"templates/new.md": "<<custom.sing>>", "workflows/second.yaml": greetWorkflow + "  - end\n",
			"workflows/hello.yaml": strings.Replace(other("seven"), "template: other", "template: new", 1)},
			"six", "templates/new.md:1:", "templates/new.md templates/other.txt workflows/hello.yaml workflows/second.yaml"},
		{"all is mended", map[string]string{"templates/new.md": "", "workflows/second.yaml": "", "workflows/hello.yaml": other("eight"),
			"templates/other.txt": "<<custom.sign>>: <<login_url>>\n"}, "eight", "", ""},
		{"a setting that is needed goes", w.setting(t, "custom: {sign: Mara}", ""), "eight", "templates/other.txt:1:", "latchkey.yaml"},
		{"the settings are emptied", map[string]string{"latchkey.yaml": "\n"}, "eight", "latchkey.yaml:1:1: the file is empty", "latchkey.yaml"},
		{"the settings go", map[string]string{"latchkey.yaml": ""}, "eight", "latchkey.yaml:1:1: the file is gone", "latchkey.yaml"},
	} {
		if c.files != nil {
			s := w.edit(t, i, c.files)
			if s.InForce != (c.mistake == "") {
				t.Fatalf("%s: %+v\n%s", c.name, *s, w.logTail())
			}
			if c.mistake != "" && !strings.Contains(strings.Join(s.Mistakes, "\n"), c.mistake) {
				t.Errorf("%s: mistakes %q lack %q", c.name, s.Mistakes, c.mistake)
			}
			if got := strings.Join(s.Kept, " "); got != c.kept {
				t.Errorf("%s: kept %s, want %s", c.name, got, c.kept)
			}
		}
		w.send(nc, "new_sign_up", c.name, `{"contact":{"email":"ada@example.com"}}`)
		mails := w.waitMails(n + 1)
		if got := mails[n].subject; got != c.subject {
			t.Errorf("%s: subject %q, want %q", c.name, got, c.subject)
		}
	}
}

// TestReloadSettings changes latchkey.yaml: what may change does, and the rest is said to need a restart.
func TestReloadSettings(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": greetWorkflow, "templates/hello.md": greetTemplate})
	i, _ := w.start()
	nc := w.connect()
	files := w.setting(t, "name: Acme Academy", "name: Zenith\nbrand: \"#aa1122\"\nlinks: {ttl: 2h, max_ttl: 2d}\napps: {courses: {url: https://learn.acme.test}}")
	files["latchkey.yaml"] = strings.NewReplacer("Acme <hello@acme.test>", "Zenith <desk@acme.test>", "+14155550100", "+14155550199",
		"level: debug", "level: warn").Replace(files["latchkey.yaml"]) + "partitions: 3\n"
	s := w.edit(t, i, files)
	if want := []string{"partitions", "log"}; !s.InForce || !slices.Equal(s.Restart, want) {
		t.Fatalf("%+v, want a restart for %v\n%s", *s, want, w.logTail())
	}
	w.send(nc, "new_sign_up", "a", `{"contact":{"id":"ada","email":"ada@example.com"}}`)
	m := w.waitMails(1)[0]
	if m.subject != "one by Zenith" || !strings.Contains(m.from, "desk@acme.test") {
		t.Errorf("mail %q from %s", m.subject, m.from)
	}
	if _, page := w.get("/"); !strings.Contains(page, "<b>Zenith</b>") {
		t.Errorf("console: %s", page)
	}
	var status struct{ Files filesState }
	w.ask("GET", "/v1/status", "", &status)
	if !status.Files.InForce || status.Files.ReadAt.IsZero() || !slices.Equal(status.Files.Restart, s.Restart) {
		t.Errorf("status: %+v", status.Files)
	}
	var made struct{ Created, Expires time.Time }
	w.ask("POST", "/v1/links", `{"contact":"ada","app":"courses"}`, &made)
	if got := made.Expires.Sub(made.Created); got != 2*time.Hour {
		t.Errorf("a link lives %v", got)
	}
}

// TestReloadLogo changes the picture that latchkey.yaml names, and nothing else.
//
// Red when lookAt leaves it out; the last line, when reload does not note where it is.
func TestReloadLogo(t *testing.T) {
	t.Parallel()
	const red, green = `<svg xmlns="http://www.w3.org/2000/svg"><g fill="red"/></svg>`, `<svg xmlns="http://www.w3.org/2000/svg"><g fill="green"/></svg>`
	w := newWorld(t, map[string]string{"workflows/hello.yaml": greetWorkflow, "templates/hello.md": greetTemplate})
	i, _ := w.start()
	for _, c := range []struct {
		name    string
		files   map[string]string
		inForce bool
		logo    string
	}{
		{"named, and not there", w.setting(t, "name: Acme Academy", "name: Acme Academy\nlogo: logo.svg"), false, ""},
		{"there", map[string]string{"logo.svg": red}, true, red},
		{"another", map[string]string{"logo.svg": green}, true, green},
		{"none", map[string]string{"logo.svg": "nothing"}, false, green},
	} {
		s, want := w.edit(t, i, c.files), ""
		if c.logo != "" {
			want, _ = portal.Logo([]byte(c.logo))
		}
		if got := i.sites[0].inForce().loc.Logo; s.InForce != c.inForce || got != want {
			t.Errorf("%s: the logo is %q, want %q; %+v", c.name, got, want, *s)
		}
	}
}

// TestReloadHeld pauses and deletes a workflow while it runs: its runs hold, and go on when it is live again.
func TestReloadHeld(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, file string
		want       []string
	}{
		{"paused", strings.Replace(courseWorkflow, "live", "paused", 1), []string{"ada first", "ada second", "bob first", "bob second"}},
		{"deleted", "", []string{"ada first", "ada second"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]string{"workflows/course.yaml": courseWorkflow, "workflows/other.yaml": mailWorkflow("new_sign_up")})
			i, _ := w.start()
			nc := w.connect()
			w.grant(nc, "ada", "gold")
			w.quiet(i, nc)
			if s := w.edit(t, i, map[string]string{"workflows/course.yaml": c.file}); !s.InForce {
				t.Fatalf("%+v", *s)
			}
			w.pass(2 * time.Hour)
			w.grant(nc, "bob", "gold")
			w.quiet(i, nc)
			w.until(t, "held", i, func(s runner.Stats) bool { return s.Held == len(c.want)/2 })
			if got := w.sent(); !slices.Equal(got, []string{"ada first"}) {
				t.Fatalf("while it is %s: %v", c.name, got)
			}
			if s := w.edit(t, i, map[string]string{"workflows/course.yaml": courseWorkflow}); !s.InForce {
				t.Fatalf("%+v", *s)
			}
			w.waitMails(1 + len(c.want)/2)
			w.quiet(i, nc)
			w.pass(2 * time.Hour)
			w.waitMails(len(c.want))
			w.quiet(i, nc)
			if got := w.sent(); !slices.Equal(got, c.want) {
				t.Errorf("live again: %v, want %v", got, c.want)
			}
		})
	}
}

// TestReloadHangUp asks by signal: files are read although none has changed.
func TestReloadHangUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": greetWorkflow, "templates/hello.md": greetTemplate})
	signals := make(chan os.Signal, 1)
	w.hangUps = signals
	i, _ := w.start()
	before := i.sites[0].files.state.Load()
	signals <- syscall.SIGHUP
	if s := w.read(t, i, before, time.Time{}); !s.InForce {
		t.Errorf("%+v", *s)
	}
}

// TestReloadElsewhere has a file that is a link to another folder, of whose changes the system says nothing.
func TestReloadElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": greetWorkflow, "shared/hello.md": greetTemplate, "templates/other.md": greetTemplate})
	if err := os.Symlink("../shared/hello.md", filepath.Join(w.dir, "templates", "hello.md")); err != nil {
		t.Skip(err)
	}
	i, _ := w.start()
	if s := w.edit(t, i, map[string]string{"shared/hello.md": "subject is missing"}); s.InForce {
		t.Errorf("%+v", *s)
	}
}

// TestReloadWhileSending changes a template again and again while events come: each gives one mail, of one version.
func TestReloadWhileSending(t *testing.T) {
	t.Parallel()
	const events = 300
	w := newWorld(t, map[string]string{"workflows/hello.yaml": greetWorkflow, "templates/hello.md": greetTemplate})
	i, _ := w.start()
	nc := w.connect()
	before := i.sites[0].files.state.Load()
	for n := range events {
		if n%100 == 0 {
			text := strings.Replace(greetTemplate, "one", fmt.Sprintf("version %d", n), 1)
			if err := os.WriteFile(filepath.Join(w.dir, "templates", "hello.md"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		w.send(nc, "new_sign_up", fmt.Sprint(n), fmt.Sprintf(`{"contact":{"id":"c%[1]d","email":"c%[1]d@example.com"}}`, n))
		time.Sleep(4 * time.Millisecond)
	}
	w.read(t, i, before, time.Time{})
	w.waitMails(events)
	w.quiet(i, nc)
	got := map[string]bool{}
	for _, m := range w.waitMails(events) {
		got[m.to] = true
		if !strings.HasPrefix(m.subject, "version ") && !strings.HasPrefix(m.subject, "one ") {
			t.Errorf("subject %q", m.subject)
		}
	}
	if n := len(w.waitMails(events)); n != events || len(got) != events {
		t.Errorf("%d mails to %d readers, want %d", n, len(got), events)
	}
}

// TestEverySetting changes each setting: it takes effect, or a restart is asked for. None is passed over in silence.
func TestEverySetting(t *testing.T) {
	t.Parallel()
	c := defaultConfig("")
	n := 0
	eachLeaf(reflect.ValueOf(c).Elem(), "", nil, func(name string, index []int) {
		if slices.Contains([]string{".Dir", ".File", ".Day", ".Now", ".Sites"}, name) {
			return // no settings
		}
		n++
		fresh := *defaultConfig("")
		at := reflect.ValueOf(&fresh).Elem().FieldByIndex(index)
		alter(t, name, at)
		next, restart := c.changedBy(&fresh)
		if len(restart) == 0 && !reflect.DeepEqual(reflect.ValueOf(next).Elem().FieldByIndex(index).Interface(), at.Interface()) {
			t.Errorf("%s: a change neither takes effect nor asks for a restart", name)
		}
	})
	keys := map[string]bool{}
	for _, s := range settings() {
		before, _, _ := strings.Cut(s.key, ".*") // a map is one field
		keys[before] = true
	}
	if n < len(keys)-5 {
		t.Errorf("%d fields for %d settings", n, len(keys))
	}
}

// eachLeaf visits the exported fields of a struct, and of the structs in it.
func eachLeaf(v reflect.Value, name string, index []int, visit func(name string, index []int)) {
	if v.Kind() != reflect.Struct || v.Type() == reflect.TypeFor[engine.Secret]() {
		visit(name, index)
		return
	}
	for n := range v.NumField() {
		if f := v.Type().Field(n); f.IsExported() {
			eachLeaf(v.Field(n), name+"."+f.Name, append(slices.Clone(index), n), visit)
		}
	}
}

// alter gives a field another value.
func alter(t *testing.T, name string, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.String:
		v.SetString("changed")
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int, reflect.Int64:
		v.SetInt(v.Int() + 1)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("changed").Convert(v.Type().Key()), reflect.Zero(v.Type().Elem()))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Struct:
		v.Set(reflect.ValueOf(engine.NewSecret("changed")))
	default:
		t.Fatalf("%s: no other value of %v", name, v.Type())
	}
}

// TestChanges changes one file of a folder in each way.
func TestChanges(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(dir string) error
		want   []string
	}{
		{"nothing", func(string) error { return nil }, nil},
		{"written", func(d string) error { return os.WriteFile(d+"/workflows/a.yaml", []byte("longer"), 0o600) }, []string{"workflows/a.yaml"}},
		{"touched", func(d string) error {
			return os.Chtimes(d+"/workflows/a.yaml", time.Time{}, time.Unix(1, 0))
		}, []string{"workflows/a.yaml"}},
		{"renamed over", func(d string) error {
			info, err := os.Stat(d + "/workflows/a.yaml")
			return errors.Join(err, os.WriteFile(d+"/new", []byte("b"), 0o600), os.Chtimes(d+"/new", time.Time{}, info.ModTime()),
				os.Rename(d+"/new", d+"/workflows/a.yaml"))
		}, []string{"workflows/a.yaml"}},
		{"removed", func(d string) error { return os.Remove(d + "/workflows/a.yaml") }, []string{"workflows/a.yaml"}},
		{"added", func(d string) error { return os.WriteFile(d+"/workflows/b.yaml", nil, 0o600) }, []string{"workflows/b.yaml"}},
		{"an editor's file", func(d string) error { return os.WriteFile(d+"/workflows/.a.yaml.swp", nil, 0o600) }, nil},
		{"another file", func(d string) error { return os.WriteFile(d+"/workflows/notes.org", nil, 0o600) }, nil},
		{"a folder", func(d string) error { return os.Mkdir(d+"/templates", 0o700) }, []string{"templates"}},
	} {
		dir := writeProject(t, map[string]string{"workflows/a.yaml": "a"})
		before := lookAt(dir)
		if err := c.change(dir); err != nil {
			t.Fatal(err)
		}
		if got := changes(before, lookAt(dir)); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
