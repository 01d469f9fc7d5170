package engine

import (
	"fmt"
	"slices"
	"strings"
)

// A Set is the workflows in force in one location. Make one with NewSet: a Set made otherwise has no index. It does
// not change afterwards, and may be used by several goroutines at once.
type Set struct {
	Location  *Location
	Workflows []*Workflow // in the order of their ids

	counts map[Class]Limit
	byID   map[string]*Workflow
	byType map[string][]candidate

	bySince  map[string][]*lookout // absences, by the type of event that they count from
	lookouts map[string][]*lookout // and by their workflow's id
}

// A candidate is a workflow with those of its triggers that are of one type.
type candidate struct {
	w        *Workflow
	triggers []matcher
}

// A matcher is a trigger whose refusals are worded beforehand.
type matcher struct {
	filters []Filter
	anyOf   []string // for each filter, its AnyOf in words: `"gold", "silver"`
	prefix  string   // "trigger offer_access_granted: "
}

// NewSet makes a set of workflows and puts them in the order of their ids.
func NewSet(loc *Location, workflows []*Workflow) *Set {
	s := &Set{Location: loc, Workflows: slices.Clone(workflows), byID: make(map[string]*Workflow, len(workflows)), byType: map[string][]candidate{},
		bySince: map[string][]*lookout{}, lookouts: map[string][]*lookout{}}
	slices.SortStableFunc(s.Workflows, func(a, b *Workflow) int { return strings.Compare(a.ID, b.ID) })
	s.counts = countsOf(s.Workflows)
	for _, w := range s.Workflows {
		s.byID[w.ID] = w
		s.looks(w)
		for _, t := range w.Triggers {
			list := s.byType[t.Type]
			if n := len(list); n > 0 && list[n-1].w == w {
				list[n-1].triggers = append(list[n-1].triggers, newMatcher(t))
			} else {
				list = append(list, candidate{w, []matcher{newMatcher(t)}})
			}
			s.byType[t.Type] = list
		}
	}
	return s
}

// Lookup returns the workflow of that id in force, or nil.
func (s *Set) Lookup(id string) *Workflow { return s.indexed().byID[id] }

// indexed returns the set with its index, made for this call if the set came without.
func (s *Set) indexed() *Set {
	if s.byID != nil {
		return s
	}
	return NewSet(s.Location, s.Workflows)
}

func newMatcher(t Trigger) matcher {
	m := matcher{filters: t.Filters, prefix: "trigger " + t.Type + ": "}
	for _, f := range t.Filters {
		m.anyOf = append(m.anyOf, quoted(f.AnyOf))
	}
	return m
}

// quoted lists ids; of many, the first few, since decisions are kept.
func quoted(list []string) string {
	const most = 8
	var q []string
	for i, s := range list {
		if i == most {
			return fmt.Sprintf("%s and %d more", strings.Join(q, ", "), len(list)-most)
		}
		q = append(q, fmt.Sprintf("%q", s))
	}
	return strings.Join(q, ", ")
}

// refuse returns why the event does not fit, or "".
func (m *matcher) refuse(ev *Event) string {
	for i := range m.filters {
		f := &m.filters[i]
		n := ev.Noun(f.Noun)
		switch {
		case n == nil && len(f.AnyOf) > 0:
			return m.prefix + "the event names no " + f.Noun + "; it must be one of " + m.anyOf[i]
		case n == nil:
		case len(f.AnyOf) > 0 && !slices.Contains(f.AnyOf, n.ID):
			return m.prefix + f.Noun + ` "` + n.ID + `" is not one of ` + m.anyOf[i]
		case slices.Contains(f.NoneOf, n.ID):
			return m.prefix + f.Noun + ` "` + n.ID + `" is one of none_of ` + quoted(f.NoneOf)
		}
	}
	return ""
}

// refuse returns why none of the triggers fits the event, or "" if one does.
func (c *candidate) refuse(ev *Event) string {
	var why string
	for i := range c.triggers {
		r := c.triggers[i].refuse(ev)
		if r == "" {
			return ""
		}
		if why != "" {
			why += "; "
		}
		why += r
	}
	return why
}
