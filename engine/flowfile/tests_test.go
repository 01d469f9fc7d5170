package flowfile_test

import (
	"errors"
	"fmt"
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

const testedWorkflow = `
class: transactional
triggers: [new_sign_up]
steps:
  - id: first
    email: {template: welcome}
  - wait: 1d
  - id: nudge
    split:
      plain: [end]
      personal: [{id: text, sms: {text: Hello}}]
`

// grant is a notice whose settings do not matter.
type grant struct{}

func (grant) Decode(engine.Node, engine.StepContext) engine.Announcer { return grant{} }

func (grant) Announce(engine.Call, []string) (engine.Announcement, error) {
	return engine.Announcement{}, nil
}

func testProject(t *testing.T) *flowfile.TestProject {
	t.Helper()
	tp := &flowfile.TestProject{
		Catalog: catalog(), Location: &engine.Location{ID: "academy", Zone: time.UTC},
		Templates: func(kind string) []string {
			if kind == "email" {
				return []string{"welcome", "win-back"}
			}
			return nil
		},
		Event: func(trigger string, data map[string]any) (engine.Event, error) {
			if trigger == "offer_access_granted" && data["offer"] == nil {
				return engine.Event{}, errors.New("offer.id is missing")
			}
			contact := data["contact"].(map[string]any)
			ev := engine.Event{Type: trigger, Contact: engine.Contact{ID: fmt.Sprint(contact["id"])}}
			if contact["timezone"] == "Europe/Lundun" {
				ev.Warnings = []string{"contact.timezone is not an IANA time zone; left out"}
			}
			return ev, nil
		},
	}
	tp.Catalog.Actions["webhook"], tp.Catalog.Notices = message{}, map[string]engine.NoticeKind{"grant": grant{}}
	more := map[string]string{"other": "  - {id: crm, webhook: {text: x}}\n  - {id: give, grant: {offer: gold}}\n"}
	for _, id := range []string{"welcome", "other"} {
		w, problems := flowfile.Load(id+".yaml", id, []byte(testedWorkflow+more[id]), tp.Catalog, tp.Location)
		if w == nil {
			t.Fatal(problems)
		}
		tp.Workflows = append(tp.Workflows, w)
	}
	return tp
}

// TestTestFileMistakes compares all that is said of each test file with the file beside it.
func TestTestFileMistakes(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/tests/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(len(files), err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tests, problems := flowfile.LoadTests(filepath.Base(file), src, testProject(t))
		var said strings.Builder
		for _, p := range problems {
			fmt.Fprintln(&said, p)
		}
		if (len(tests) > 0) != (len(problems) == 0) {
			t.Errorf("%s: %d tests with %d problems", file, len(tests), len(problems))
		}
		golden(t, file, ".txt", said.String())
	}
}

func TestLoadTests(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("testdata/tests/welcome_test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	tests, problems := flowfile.LoadTests("workflows/welcome_test.yaml", src, testProject(t))
	if len(tests) != 1 || len(problems) > 0 {
		t.Fatal(tests, problems)
	}
	got := tests[0]
	if got.Workflow != "welcome" || got.Contact.ID != "17" || got.Line != 1 {
		t.Errorf("workflow %q, contact %q, line %d", got.Workflow, got.Contact.ID, got.Line)
	}
	if want := time.Date(2026, 3, 27, 17, 0, 0, 0, time.UTC); !got.Start.Equal(want) {
		t.Errorf("starts at %v", got.Start)
	}
	want := engine.ExpectMessage{Kind: "email", Name: "welcome", Subject: []string{"Hello", "Ada"}, State: engine.TaskSent}
	if diff := cmp.Diff(want, *got.Do[1].Expect.Message); diff != "" {
		t.Error(diff)
	}
	if at := got.Do[1].Expect.At["subject"]; at.Line != 8 || at.Col != 41 {
		t.Errorf("subject stands at %v", at)
	}
	if link := got.Do[5].Redeem; link.From != "welcome" || link.Refused != "expired" {
		t.Errorf("redeem %+v", link)
	}
	if d := got.Do[2].After; d.Days != 1 {
		t.Errorf("after %v", d)
	}
	x := got.Do[8].Expect
	if v, there := x.Custom["score"]; !there || v != nil || x.Tags == nil || len(*x.Tags) > 0 || x.NotStarted[0].Reason != "re-entry" {
		t.Errorf("%+v", x)
	}
}

func TestLoadTestDir(t *testing.T) {
	t.Parallel()
	good := []byte("- name: a\n  do: [{event: new_sign_up}]\n")
	fsys := fstest.MapFS{
		"workflows/b_test.yaml":  {Data: good},
		"workflows/a_test.yaml":  {Data: []byte("- name: a\n  do: [{event: nw_sign_up}]\n")},
		"workflows/welcome.yaml": {Data: []byte(testedWorkflow)},
		"workflows/._test.yaml":  {Data: []byte("!")},
	}
	tests, problems := flowfile.LoadTestDir(fsys, "workflows", testProject(t))
	if len(tests) != 1 || tests[0].File != "workflows/b_test.yaml" || tests[0].Workflow != "" {
		t.Errorf("%+v", tests)
	}
	if len(problems) != 1 || !strings.Contains(problems[0].String(), `workflows/a_test.yaml:2:16: no trigger "nw_sign_up"; did you mean new_sign_up?`) {
		t.Errorf("%v", problems)
	}
}

// FuzzLoadTests wants an answer to any file: tests, or what is wrong with it.
func FuzzLoadTests(f *testing.F) {
	files, _ := filepath.Glob("testdata/tests/*.yaml")
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		tests, problems := flowfile.LoadTests("welcome_test.yaml", src, testProject(t))
		if len(tests) == 0 && len(problems) == 0 {
			t.Error("neither tests nor problems")
		}
		for _, p := range problems {
			if p.Line < 1 || p.Col < 1 || p.File == "" || p.Msg == "" {
				t.Errorf("%+v", p)
			}
		}
	})
}

func TestLoadTestsOfRequests(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("testdata/tests/other_test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	tests, problems := flowfile.LoadTests("other_test.yaml", src, testProject(t))
	if len(tests) != 1 || len(problems) > 0 {
		t.Fatal(tests, problems)
	}
	do := tests[0].Do
	answers := []engine.TestAnswer{{Step: "crm", Status: 503, Body: []byte("{}")},
		{Step: "crm", Status: 201, Body: []byte(`{"id":5,"tags":[]}`)}, {Step: "crm", Status: 200, Body: []byte("out of order")}}
	for i, want := range answers {
		if diff := cmp.Diff(&want, do[i].Answer); diff != "" {
			t.Error(diff)
		}
	}
	gold := map[string]any{"offer": map[string]any{"id": "gold"}}
	messages := []engine.ExpectMessage{
		{Kind: "webhook", Name: "crm", State: engine.TaskSent, URL: []string{"/v1"}, Headers: map[string]string{"X-A": "b"},
			Data: map[string]any{"n": int64(1)}, Response: map[string]any{"lead": int64(5)}, Attempts: 2},
		{Kind: "grant", State: engine.TaskSent, Data: gold},
		{Kind: "grant", Name: "give", State: engine.TaskSent, Type: "access", Data: gold},
	}
	for i, want := range messages {
		if diff := cmp.Diff(&want, do[4+i].Expect.Message); diff != "" {
			t.Error(diff)
		}
	}
}
