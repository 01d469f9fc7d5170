package engine

// paused reports whether the workflow in force today is paused, or has no file any more, which is as good. What the run's own version
// said does not matter.
func (m *machine) paused() bool {
	if m.among == nil {
		return false
	}
	w := m.among.Lookup(m.w.ID)
	return w == nil || w.Status == Paused
}

// outward reports whether a step is one that others see, though no task of it could be held: it publishes, or starts a workflow.
func (s *Step) outward() bool {
	_, announces := s.Settings.(Announcer)
	return announces || s.Kind == StepStart
}

// hold has the run wait before a step. Its timer is due at once, but none of a paused workflow fires.
func (m *machine) hold(path []string) {
	m.r.State, m.r.At = RunWaiting, path
	m.r.Wait = &Wait{Kind: WaitHeld, Since: m.now, Due: m.now}
}

// takeAgain lets a run go on with the step that it was held before.
func (m *machine) takeAgain() {
	if m.locate() {
		m.lists[len(m.lists)-1].next--
		m.depart()
	}
}
