package engine

import (
	"strings"
	"time"
)

// wait begins a wait, unless its end is not in the future. A field that holds no time is no reason to wait for ever, nor
// for the length of anything: the step is skipped, and the story tells why.
func (m *machine) wait(s *Step, path []string) (waits bool) {
	var due time.Time
	switch {
	case len(s.For) > 0:
		return m.waitFor(s, path)
	case s.Until == nil:
		due = m.after(s.Wait)
	case s.Until.Field != "":
		v := m.field(s.Until.Field)
		t, ok := readTime(v, m.p.Zone(m.loc))
		if !ok {
			fault := notATime(s.Until.Field, v)
			m.note(path, StepResult{Kind: s.Kind, Outcome: "no_time", Fault: fault})
			m.stopOnFault(s, path, fault)
			return false
		}
		due = m.short(t)
	default:
		due = m.short(s.Until.next(m.now, m.p.Zone(m.loc)))
	}
	if s.Until != nil && !due.After(m.now) {
		m.note(path, StepResult{Kind: s.Kind, Outcome: "waited"})
		return false
	}
	m.r.State, m.r.At = RunWaiting, path
	m.r.Wait = &Wait{Kind: WaitTime, Since: m.now, Due: due}
	return true
}

// after returns when a wait that begins now ends.
func (m *machine) after(d Duration) time.Time {
	if m.loc.Day > 0 {
		return m.short(m.now.Add(d.Fixed()))
	}
	return d.After(m.now, m.p.Zone(m.loc))
}

// short brings a time to come as near as the location's days are short.
func (m *machine) short(t time.Time) time.Time {
	if m.loc.Day <= 0 {
		return t
	}
	return m.now.Add(time.Duration(float64(t.Sub(m.now)) * float64(m.loc.Day) / float64(24*time.Hour)))
}

// field returns what a field that an Until may name holds, or nil.
func (m *machine) field(path string) any {
	name := path[strings.LastIndexByte(path, '.')+1:]
	switch strings.TrimSuffix(path, name) {
	case "contact.custom.":
		return m.p.Contact.Custom[name]
	case "event.custom.":
		return m.r.Event.Custom[name]
	case "event.":
		return m.r.Event.Time
	}
	if v, ok := m.loc.Custom[name]; ok {
		return v
	}
	return nil
}
