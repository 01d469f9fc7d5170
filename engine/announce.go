package engine

import (
	"encoding/json"
	"fmt"
	"strings"
)

// A NoticeKind is a step kind that publishes one notice and needs no attempt: the core carries it out, in the commit of its
// step. So it happens once, whatever fails.
type NoticeKind interface {
	// Decode checks a step's settings as Action.Decode does. What it returns is Step.Settings; nil if nothing can be
	// made of them, and that is reported.
	Decode(n Node, sc StepContext) Announcer
}

// An Announcer makes the notice of one step. It must be pure.
type Announcer interface {
	// Announce is given a Call without a task, and the path of the step. Its error is for people; nothing is published
	// then.
	Announce(call Call, path []string) (Announcement, error)
}

// An Announcement is what a notice says. Its id, time and depth are the core's.
type Announcement struct {
	Type    string
	Subject string // of the CloudEvent; may be empty
	Data    any    // what encoding/json makes an object of
}

// maxAnnounced is how many bytes the data of a step's notice may take: it is stored until it is published.
const maxAnnounced = 64 << 10

// announce carries out a step that publishes.
func (m *machine) announce(a Announcer, s *Step, path []string) {
	n, err := m.noticeOf(a, path)
	if err != nil {
		m.note(path, StepResult{Kind: s.Kind, Outcome: string(TaskFailed), Fault: err.Error()})
		m.stopOnFault(s, path, err.Error())
		return
	}
	m.commands = append(m.commands, Command{Notice: n})
	m.note(path, StepResult{Kind: s.Kind, Outcome: "published"})
}

func (m *machine) noticeOf(a Announcer, path []string) (*Notice, error) {
	p, r := m.p, m.r
	out, err := a.Announce(Call{Now: m.now, Run: &r, Person: &p, Location: m.loc}, path)
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(out.Data)
	if err != nil {
		return nil, fmt.Errorf("it cannot be written as JSON: %w", err)
	}
	if len(data) > maxAnnounced {
		return nil, fmt.Errorf("it takes %d KiB; it may take %d", len(data)>>10, maxAnnounced>>10)
	}
	return &Notice{
		ID:       announcementID(out.Type, m.r.ID, path),
		Location: m.r.Location,
		Type:     out.Type,
		Subject:  out.Subject,
		Time:     m.now,
		Data:     json.RawMessage(data),
		Depth:    m.r.Event.Depth + 1,
	}, nil
}

func announcementID(kind string, run ID, path []string) string {
	return kind + ":" + run.String() + "/" + strings.Join(path, "/")
}

// AnnouncedBy returns the id of the run whose step made a notice of that id, or "" for another notice. Its data need not name the run,
// for the author wrote it.
func AnnouncedBy(notice string) string {
	_, rest, _ := strings.Cut(notice, ":")
	run, _, step := strings.Cut(rest, "/")
	if !step {
		return ""
	}
	return run
}
