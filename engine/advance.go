package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Advance moves one run by one input, through all steps that need no waiting. w is the version that the run is pinned
// to, loc its location today. It changes none of its arguments. An input that does not fit the run's state
// (a timer that was overtaken, a second result) changes nothing.
//
// An event, or a redemption, moves a run that waits for it or has it as a goal; a goal beats a wait. An open wait is met even if
// its time has come and no timer said so yet.
//
// A message that failed does not stop the run unless its step says so: its outcome is in the story, and the run goes on. A redemption is noted
// even when the run is over. A run whose position is not in w is stopped. Steps of kind "start" find no workflow: see AdvanceIn.
func Advance(w *Workflow, loc *Location, r Run, p Person, in Input, now time.Time) (Run, Person, []Command) {
	r, p, _, cmds := advance(nil, 0, w, loc, r, p, in, now)
	return r, p, cmds
}

func advance(set *Set, depth int, w *Workflow, loc *Location, r Run, p Person, in Input, now time.Time) (Run, Person, []Run, []Command) {
	if in.Redeemed != nil {
		if in.Redeemed.Run != r.ID || r.ID.IsZero() {
			return r, p, nil, nil
		}
		if r.Redeemed.IsZero() {
			r.Redeemed = in.Redeemed.At
		}
		in.Event = &Event{Type: LinkRedeemed}
	}
	m := machine{among: set, depth: depth, w: w, loc: loc, r: r, p: p, now: now, due: now}
	m.r.Steps = slices.Clip(r.Steps) // so that nothing is appended in the caller's array
	switch {
	case in.Begin && r.State == "":
		m.push(w.Steps, 0, nil)
	case in.Timer && r.State == RunWaiting && r.Wait != nil && !r.Wait.Due.IsZero() && !now.Before(r.Wait.Due):
		m.due = r.Wait.Due
		if r.Wait.Kind == WaitHeld {
			m.takeAgain()
		} else if m.resume() {
			m.note(r.At, m.timeIsUp(&r))
		}
	case in.Done != nil && r.State == RunSending && in.Done.ID == r.Task && in.Done.State.Over():
		if in.Done.State == TaskExpired {
			m.due = in.Done.NotBefore // what follows at once is as late
		}
		if m.resume() {
			m.note(r.At, doneResult(in.Done))
			m.stopOnError(r.At, in.Done)
		}
	case in.Done != nil && in.Done.State.Over():
		r, _ = Settled(r, in.Done)
		return r, p, nil, nil
	case in.Event != nil && r.State != "" && !r.State.Over():
		if !m.happened(in.Event) {
			r.Steps = m.r.Steps // a goal's condition may have faulted
			return r, p, nil, nil
		}
	default:
		return r, p, nil, nil
	}
	m.run()
	m.listen()
	return m.r, m.p, m.started, m.commands
}

// timeIsUp is the story of a wait that nothing but its time ended.
func (m *machine) timeIsUp(r *Run) StepResult {
	s := StepResult{Kind: StepAt(m.w.Steps, r.At).Kind, Outcome: "waited"}
	if r.Wait.Kind == WaitEvent {
		s.Outcome = outcomeTimedOut
	}
	return s
}

// Stop ends a run that cannot be moved by Advance, for that reason. One that is over stays as it is. It changes none of its
// arguments.
func Stop(r Run, p Person, reason string, now time.Time) (Run, Person, []Command) {
	m := machine{r: r, p: p, now: now}
	if !r.State.Over() {
		m.end(RunStopped, reason)
	}
	return m.r, m.p, m.commands
}

// A machine takes a run through its workflow's steps. It ends, since each step is taken at most once and in order.
type machine struct {
	w        *Workflow
	loc      *Location
	r        Run
	p        Person
	now      time.Time
	due      time.Time // when this was to happen: before now, if the run was held
	lists    []list    // those around the position, the innermost last
	commands []Command
	among    *Set  // the workflows in force; may be nil
	depth    int   // how many workflows started one another so that this one runs
	started  []Run // by steps of this one
}

// A list is steps in order, and which of them comes next.
type list struct {
	steps []Step
	next  int
	path  []string // to the list
}

func (m *machine) push(steps []Step, next int, path []string) {
	m.lists = append(m.lists, list{steps, next, path})
}

// resume lets the run go on behind its position. If that is not in the workflow, it stops the run and returns false.
func (m *machine) resume() bool {
	if !m.locate() {
		return false
	}
	m.depart()
	return true
}

// depart has the run stand nowhere, until it comes to a step.
func (m *machine) depart() { m.r.Wait, m.r.Task, m.r.At = nil, ID{}, nil }

// locate finds the lists around the run's position, each to go on behind it. If the position is not in the workflow,
// it stops the run and returns false.
func (m *machine) locate() bool {
	steps, at := m.w.Steps, m.r.At
	for i := 0; i < len(at); i += 2 {
		n := slices.IndexFunc(steps, func(s Step) bool { return s.ID == at[i] })
		if n < 0 {
			break
		}
		m.push(steps, n+1, at[:i:i])
		if i == len(at)-1 {
			return true
		}
		steps = steps[n].list(at[i+1])
	}
	m.end(RunStopped, fmt.Sprintf("step %s is not in version %s of the workflow", strings.Join(at, "/"), m.w.Version))
	return false
}

// run takes steps until one waits or there are none left.
func (m *machine) run() {
	for !m.r.State.Over() {
		if len(m.lists) == 0 {
			m.end(RunFinished, "came to its last step")
			return
		}
		top := &m.lists[len(m.lists)-1]
		if top.next == len(top.steps) {
			m.lists = m.lists[:len(m.lists)-1]
			continue
		}
		s := &top.steps[top.next]
		top.next++
		if m.take(s, slices.Concat(top.path, []string{s.ID})) {
			return
		}
	}
}

// take carries out one step, and reports whether the run now waits in it.
func (m *machine) take(s *Step, path []string) (waits bool) {
	if s.When != nil {
		if ok, fault := s.When.True(m.env()); !ok {
			m.note(path, StepResult{Kind: s.Kind, Outcome: "skipped", Fault: fault})
			return false
		}
	}
	if s.outward() && m.paused() {
		m.hold(path)
		return true
	}
	switch s.Kind {
	case StepWait:
		return m.wait(s, path)
	case StepIf:
		ok, fault := s.If.True(m.env())
		branch, steps := "else", s.Else
		if ok {
			branch, steps = "then", s.Then
		}
		m.note(path, StepResult{Kind: s.Kind, Outcome: branch, Fault: fault})
		if !m.stopOnFault(s, path, fault) {
			m.push(steps, 0, slices.Concat(path, []string{branch}))
		}
		return false
	case StepSplit:
		m.split(s, path)
		return false
	case StepTag:
		m.tag(s, path)
		return false
	case StepSet:
		m.set(s, path)
		return false
	case StepGoal:
		return m.goal(s, path)
	case StepStart:
		m.start(s, path)
		return false
	case StepEnd:
		m.note(path, StepResult{Kind: s.Kind, Outcome: "ended"})
		reason := s.End
		if reason == "" {
			reason = "came to an end step"
		}
		m.end(RunFinished, reason)
		return false
	}
	if a, ok := s.Settings.(Announcer); ok {
		m.announce(a, s, path)
		return false
	}
	m.ask(s, path)
	return true
}

// doneResult tells of a task that is over.
func doneResult(t *Task) StepResult {
	s := StepResult{Kind: t.Kind, Outcome: string(t.State), Task: t.ID, Fault: t.Error}
	if t.Answer != nil {
		s.Response = t.Answer.Fields
		if s.Fault == "" {
			s.Fault = t.Answer.Fault
		}
	}
	return s
}

// stopOnError ends the run if its step asks for that.
func (m *machine) stopOnError(at []string, t *Task) {
	if t.State != TaskFailed && t.State != TaskExpired || !StepAt(m.w.Steps, at).StopOnError {
		return
	}
	reason := fmt.Sprintf("step %s %s", strings.Join(at, "/"), t.State)
	if t.Error != "" {
		reason += ": " + t.Error
	}
	m.end(RunStopped, reason)
}

// stopOnFault ends the run if a step that the core carries out failed and asks for that.
func (m *machine) stopOnFault(s *Step, path []string, fault string) bool {
	if fault == "" || !s.StopOnError {
		return false
	}
	m.end(RunStopped, fmt.Sprintf("step %s failed: %s", strings.Join(path, "/"), fault))
	return true
}

// ask makes the task of an action, for which the run then waits.
func (m *machine) ask(s *Step, path []string) {
	t := &Task{
		ID:        NewID(m.now, m.r.ID.Shard(), "task", m.r.ID.String(), strings.Join(path, "/")),
		Location:  m.r.Location,
		Run:       m.r.ID,
		Workflow:  m.r.Workflow,
		Version:   m.r.Version,
		Step:      path,
		Kind:      s.Kind,
		Contact:   m.r.Contact,
		Created:   m.now,
		NotBefore: m.due,
		State:     TaskDue,
		Changed:   m.now,
		Class:     s.MessageClass(),
		Depth:     m.r.Event.Depth,
	}
	m.r.State, m.r.At, m.r.Task = RunSending, path, t.ID
	m.commands = append(m.commands, Command{Task: t})
}

// env is made anew for each expression, since the story goes on between them. It gets copies, lest every machine must
// live on the heap.
func (m *machine) env() Env {
	p, r := m.p, m.r
	return NewEnv(m.loc, &p, &r.Event, &r, m.now)
}

func (m *machine) note(path []string, s StepResult) {
	s.Path, s.At = path, m.now
	m.r.Steps = append(m.r.Steps, s)
}

// end ends the run, in the ledger of starts too, and tells so.
func (m *machine) end(state RunState, reason string) {
	m.r.State, m.r.End, m.r.Ended = state, reason, m.now
	m.depart()
	m.p.Listens = WithoutListen(m.p.Listens, m.r.ID)
	m.p.Starts = withEnded(m.p.Starts, m.r.ID, true)
	m.commands = append(m.commands, Command{Notice: &Notice{
		ID:       m.r.endID(),
		Location: m.r.Location,
		Type:     "run.finished",
		Time:     m.now,
		Data: finished{
			Run: m.r.ID, Workflow: m.r.Workflow, Version: m.r.Version, Contact: m.p.Contact.ID,
			Event: m.r.Event.ID, State: state, End: reason,
		},
		Depth: m.r.Event.Depth + 1,
	}})
}

// withEnded returns the ledger in which the run has ended, or has not. It changes nothing of the one given.
func withEnded(starts map[string]Start, run ID, ended bool) map[string]Start {
	var changed map[string]Start
	for k, s := range starts { // several, if events were gathered
		if s.Run == run {
			if changed == nil {
				changed = maps.Clone(starts)
			}
			s.Ended = ended
			changed[k] = s
		}
	}
	if changed == nil {
		return starts
	}
	return changed
}

// finished is the data of run.finished.
type finished struct {
	Contact  string   `json:"contact"`
	End      string   `json:"end"`
	Event    string   `json:"event"`
	Run      ID       `json:"run"`
	State    RunState `json:"state"`
	Version  string   `json:"version"`
	Workflow string   `json:"workflow"`
}
