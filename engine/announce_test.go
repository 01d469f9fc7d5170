package engine

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// announcer is a step's settings that publish.
type announcer struct {
	data any
	err  error
}

func (a announcer) Announce(call Call, path []string) (Announcement, error) {
	return Announcement{Type: "custom.lead", Subject: call.Person.Contact.ID + "/" + strings.Join(path, "/"), Data: a.data}, a.err
}

// TestAnnounce publishes in the commit of its step: by an id that run and step alone decide, one deeper than its event.
func TestAnnounce(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		step   Step
		want   StepResult
		state  RunState
		notice bool
	}{
		{"published", Step{ID: "p", Kind: "publish", Settings: announcer{data: map[string]any{"n": 1}}}, StepResult{Outcome: "published"}, RunFinished, true},
		{"a field is missing", Step{ID: "p", Kind: "publish", Settings: announcer{err: errors.New("gone")}}, StepResult{Outcome: "failed", Fault: "gone"}, RunFinished, false},
		{"and stops the run", Step{ID: "p", Kind: "publish", StopOnError: true, Settings: announcer{err: errors.New("gone")}}, StepResult{Outcome: "failed", Fault: "gone"}, RunStopped, false},
		{"no JSON", Step{ID: "p", Kind: "publish", Settings: announcer{data: make(chan int)}},
			StepResult{Outcome: "failed", Fault: "it cannot be written as JSON: json: unsupported type: chan int"}, RunFinished, false},
		{"too long", Step{ID: "p", Kind: "publish", Settings: announcer{data: strings.Repeat("x", 70<<10)}}, StepResult{Outcome: "failed", Fault: "it takes 70 KiB; it may take 64"}, RunFinished, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := &Workflow{ID: "w", Version: "v", Steps: []Step{tt.step}}
			p := *goldenPerson()
			r := Run{ID: NewID(day1, 1, "run"), Location: "academy", Workflow: "w", Version: "v", Contact: p.Key, Event: Event{ID: "e", Depth: 2}}
			got, _, cmds := Advance(w, &Location{ID: "academy"}, r, p, Input{Begin: true}, day1)
			tt.want.Path, tt.want.Kind, tt.want.At = []string{"p"}, "publish", day1
			if diff := cmp.Diff([]StepResult{tt.want}, got.Steps); diff != "" || got.State != tt.state {
				t.Errorf("%s %s", got.State, diff)
			}
			if len(cmds) != 1 && !tt.notice || len(cmds) != 2 && tt.notice {
				t.Fatal(cmds)
			}
			if !tt.notice {
				return
			}
			want := &Notice{ID: "custom.lead:" + r.ID.String() + "/p", Location: "academy", Type: "custom.lead", Subject: "c-17/p", Time: day1,
				Data: json.RawMessage(`{"n":1}`), Depth: 3}
			if diff := cmp.Diff(want, cmds[0].Notice); diff != "" {
				t.Error(diff)
			}
			checkNoticeRecord(t, want)
		})
	}
}

// checkNoticeRecord holds the record of a notice with a subject.
func checkNoticeRecord(t *testing.T, n *Notice) {
	t.Helper()
	b, err := encodeNotice(n)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeNotice(golden(t, "notice-subject.v1", b))
	if err != nil || !cmp.Equal(n, got) {
		t.Errorf("%v %s", err, cmp.Diff(n, got))
	}
}
