package flowfile_test

import (
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/engine"
	"latchkey/engine/flowfile"
)

var update = flag.Bool("update", false, "write what came out to the golden files")

// A message is a step kind that reads settings as those of actions do.
type message struct{ engine.Action }

type settings struct {
	Template string `yaml:"template"`
	Subject  string `yaml:"subject"`
	Text     string `yaml:"text"`
	Class    string `yaml:"class"`
	Parts    int    `yaml:"max_segments"`

	class engine.Class
}

func (s *settings) MessageClass() engine.Class { return s.class }

func (message) Decode(n engine.Node, sc engine.StepContext) any {
	s := &settings{class: sc.Class}
	if n.Decode(s) && s.Class == "" && sc.Class == "" {
		n.Report(engine.Problem{Pos: n.Pos("", -1), Msg: "the message has no class"})
	}
	if i := strings.Index(s.Text, "<<nope>>"); i >= 0 {
		n.Report(engine.Problem{Pos: n.Pos("text", len([]rune(s.Text[:i]))), Msg: "no field nope"})
	}
	return s
}

func catalog() *engine.Catalog {
	c := &engine.Catalog{Triggers: map[string]engine.TriggerKind{}, Actions: map[string]engine.Action{"email": message{}, "sms": message{}}}
	for name, filters := range map[string]string{
		"category_started": "product category", "category_completed": "product category",
		"lesson_started": "product category lesson", "lesson_completed": "product category lesson",
		"new_sign_up": "offer product", "offer_access_granted": "offer", "offer_access_removed": "offer",
		"product_access_granted": "product", "product_access_removed": "product",
		"product_started": "product", "product_completed": "product", "user_login": "",
	} {
		noun, _, _ := strings.Cut(name, "_")
		if noun == "new" || noun == "user" {
			noun = ""
		}
		c.Triggers[name] = engine.TriggerKind{Name: name, Noun: noun, Filters: strings.Fields(filters), Course: true}
	}
	return c
}

func load(file string, src []byte) (*engine.Workflow, []engine.Problem) {
	id := strings.TrimSuffix(filepath.Base(file), ".yaml")
	return flowfile.Load(file, id, src, catalog(), &engine.Location{ID: "academy", Custom: map[string]string{"signature": "Mara"}})
}

// golden compares what came out with the file beside the source.
func golden(t *testing.T, file, ending, got string) {
	t.Helper()
	name := strings.TrimSuffix(file, ".yaml") + ending
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; -update accepts):\n%s", name, diff)
	}
}

// TestMistakes holds one small file for each way to go wrong, and beside it what the author is told.
func TestMistakes(t *testing.T) {
	t.Parallel()
	files, _ := filepath.Glob("testdata/err/*.yaml")
	if len(files) == 0 {
		t.Fatal("no files")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			flow, problems := load(filepath.Base(file), src)
			if flow != nil || len(problems) == 0 {
				t.Errorf("the file was taken: %+v", problems)
			}
			var b strings.Builder
			for _, p := range problems {
				b.WriteString(flowfile.Excerpt(p, src))
			}
			golden(t, file, ".txt", b.String())
		})
	}
}

func TestGoodFiles(t *testing.T) {
	t.Parallel()
	files, _ := filepath.Glob("testdata/ok/*.yaml")
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			flow, problems := load(file, src)
			if flow == nil || len(problems) > 0 {
				t.Fatal(problems)
			}
			if string(flow.Source) != string(src) {
				t.Error("the source is not kept as it was read")
			}
			flow.Source = nil
			out, err := json.MarshalIndent(flow, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, file, ".json", string(out)+"\n")
		})
	}
}

// TestColumns checks that a mistake inside a scalar stands where the author sees it, however the scalar is written.
func TestColumns(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text string }{
		{"plain", "text: Hi <<nope>>"},
		{"plain, wide runes", "text: Hé 👋 <<nope>>"},
		{"flow", "{subject: a, text: Hi <<nope>>}"},
		{"single quotes", "text: 'it''s <<nope>>'"},
		{"double quotes", `text: "a \"b\" \u00e9 \x41 <<nope>>"`},
		{"double quotes, line end", `text: "a\n<<nope>>"`},
		{"plain over lines", "text: Hi there\n      and   \n\n\n      then <<nope>>"},
		{"single quotes over lines", "text: 'Hi there  \n\n      it''s <<nope>>'"},
		{"double quotes over lines", "text: \"Hi\n\n\n      there <<nope>>\""},
		{"double quotes, escaped line end", "text: \"Hi \\\n      there \\\n      <<nope>>\""},
		{"double quotes, escaped line end at once", "text: \"\\\n      <<nope>>\""},
		{"literal", "text: |\n      Hi\n\n        two\n      é <<nope>>"},
		{"literal, blank lines first", "text: |-\n\n\n      Hi\n      <<nope>>"},
		{"literal with indent", "text: |2\n        two\n      <<nope>>"},
		{"literal at once", "text: | # comment\n      <<nope>>"},
		{"folded", "text: >\n      Hi\n      there\n\n\n      and\n      é <<nope>>"},
		{"folded, more indented", "text: >\n      Hi\n        there\n        too\n      and <<nope>>"},
		{"folded at once", "text: >-\n\n      <<nope>>"},
		{"anchor", "text: &a 'Hi <<nope>>'"},
		{"anchor, literal", "text: &a |\n      Hi <<nope>>"},
		{"anchor, plain", "text: &a Hi <<nope>>"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, end := range []string{"\n", "\r\n"} {
				src := "triggers: [user_login]\nclass: marketing\nsteps:\n- email:\n    " + tt.text + "\n- end\n"
				if strings.HasPrefix(tt.text, "{") {
					src = strings.Replace(src, "email:\n    ", "email: ", 1)
				}
				var want engine.Pos
				for i, l := range strings.Split(src, "\n") {
					if at := strings.Index(l, "<<nope>>"); at >= 0 {
						want = engine.Pos{File: "f.yaml", Line: i + 1, Col: len([]rune(l[:at])) + 1}
					}
				}
				_, problems := load("f.yaml", []byte(strings.ReplaceAll(src, "\n", end)))
				if len(problems) != 1 || problems[0].Pos != want {
					t.Errorf("want %v, got %v in\n%s", want, problems, src)
				}
			}
		})
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	if got := flowfile.Version(nil); got != "e3b0c44298fc1c14" {
		t.Errorf("got %s", got)
	}
}

func TestLoadDir(t *testing.T) {
	t.Parallel()
	good := "triggers: [user_login]\nclass: marketing\nsteps: [end]\n"
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	fsys := fstest.MapFS{
		"workflows/b.yaml":      file(good),
		"workflows/a.yaml":      file(good),
		"workflows/a_test.yaml": file("not: a workflow"),
		"workflows/bad.yaml":    file("triggers: [user_logn]\nsteps: [nothing]\n"),
		"workflows/old.yml":     file(good),
		"workflows/a b.yaml":    file(good),
		"workflows/README.md":   file("# hello"),
		"workflows/.#a.yaml":    file("x"),
		"workflows/no.yaml":     {Mode: fs.ModeDir},
		"workflows/zz.yaml":     file("name: 'x\n"),
	}
	flows, problems := flowfile.LoadDir(broken{fsys}, "workflows", catalog(), nil)
	var ids, msgs []string
	for _, f := range flows {
		ids = append(ids, f.ID)
	}
	for _, p := range problems {
		msgs = append(msgs, p.String())
	}
	if diff := cmp.Diff([]string{"a"}, ids); diff != "" {
		t.Error(diff)
	}
	want := []string{
		"workflows/a b.yaml:1:1: the file's name is the workflow's id: use letters, digits, - and _ only",
		"workflows/b.yaml:1:1: the file cannot be read: input/output error",
		`workflows/bad.yaml:1:12: no trigger "user_logn"; did you mean user_login?`,
		`workflows/bad.yaml:2:9: no step "nothing"; the steps are email, sms, wait, if, split, tag, set, goal, start and end`,
		"workflows/no.yaml:1:1: this is a folder; a workflow is a file",
		"workflows/old.yml:1:1: only .yaml files are read; name it old.yaml",
		"workflows/zz.yaml:1:7: the quote ' that opens here is never closed",
	}
	if diff := cmp.Diff(want, msgs); diff != "" {
		t.Error(diff)
	}
	if _, problems = flowfile.LoadDir(fsys, "flows", catalog(), nil); len(problems) != 1 ||
		problems[0].String() != "flows:1:1: there is no such folder" {
		t.Error(problems)
	}
}

// broken cannot read b.yaml.
type broken struct{ fstest.MapFS }

func (b broken) ReadFile(name string) ([]byte, error) {
	if strings.HasSuffix(name, "/b.yaml") {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errors.New("input/output error")}
	}
	return b.MapFS.ReadFile(name)
}

// TestPinned checks that a run keeps its workflow when what is around it has gone, and only then.
func TestPinned(t *testing.T) {
	t.Parallel()
	src := []byte("triggers: [gone]\ncolour: red\nsteps:\n- email: {subjekt: a}\n- wait: 1d\n- wait: {until: custom.gone}\n")
	w, err := flowfile.LoadPinned("a", src, catalog(), &engine.Location{})
	if err != nil || len(w.Steps) != 3 || w.Version != flowfile.Version(src) || w.Steps[1].Wait != (engine.Duration{Days: 1}) {
		t.Errorf("%+v, %v", w, err)
	}
	if _, err := flowfile.LoadPinned("a", []byte("triggers: [gone]\nsteps:\n- fly: a\n"), catalog(), nil); err == nil {
		t.Error("a workflow whose steps cannot be followed was taken")
	}
}

// TestAliasBomb checks that aliases cannot make a small file endless work.
func TestAliasBomb(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("triggers: [user_login]\nclass: marketing\nsteps:\n- if: 'true'\n  then: &a0 [end]\n  else: []\n")
	for i := range 19 {
		n, m := string(rune('a'+i)), string(rune('b'+i))
		if i == 0 {
			n = "a0"
		}
		step := "{if: 'true', then: *" + n + ", else: *" + n + "}"
		b.WriteString("- if: 'true'\n  then: &" + m + " [" + step + ", " + step + "]\n  else: []\n")
	}
	start := time.Now()
	flow, problems := load("bomb.yaml", []byte(b.String()))
	if flow != nil || len(problems) == 0 || time.Since(start) > 30*time.Second {
		t.Error(flow != nil, len(problems), time.Since(start))
	}
}

// TestLongText checks that placing a mistake in a long text takes no longer than reading it.
func TestLongText(t *testing.T) {
	t.Parallel()
	for _, fill := range []string{" ", "a", "a ", "''"} {
		src := "triggers: [user_login]\nclass: marketing\nsteps:\n- email: {text: 'a" + strings.Repeat(fill, 200_000/len(fill)) + "<<nope>>'}\n"
		start := time.Now()
		if _, problems := load("f.yaml", []byte(src)); len(problems) != 1 || problems[0].Col != 200_019 || time.Since(start) > 30*time.Second {
			t.Errorf("%q: %v after %v", fill, problems, time.Since(start))
		}
	}
}

func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/err/*.yaml", "testdata/ok/*.yaml"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			src, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(src)
		}
	}
	cat := catalog()
	f.Fuzz(func(t *testing.T, src []byte) {
		flow, problems := flowfile.Load("f.yaml", "f", src, cat, nil)
		fatal := false
		for _, p := range problems {
			fatal = fatal || !p.Warning
			if p.File != "f.yaml" || p.Line < 1 || p.Col < 1 || p.Msg == "" || strings.Contains(p.Msg, "yaml.") {
				t.Errorf("%+v", p)
			}
			if n := strings.Count(string(src), "\n") + strings.Count(string(src), "\r") + 1; p.Line > n+3*strings.Count(string(src), "\u2028")+
				3*strings.Count(string(src), "\u2029")+strings.Count(string(src), "\u0085") {
				t.Errorf("line %d of %d: %s", p.Line, n, p.Msg)
			}
			flowfile.Excerpt(p, src)
		}
		if fatal == (flow != nil) {
			t.Errorf("flow %v, problems %v", flow, problems)
		}
	})
}
