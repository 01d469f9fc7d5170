package engine

import (
	"slices"
	"strings"
)

// A Tag says what a step of kind "tag" does to the contact's tags. No tag is in both.
type Tag struct {
	Add, Remove []string
}

// tagged returns the tags, in order, after t. It does not change have.
func tagged(have []string, t Tag) []string {
	tags := slices.Concat(have, t.Add)
	slices.Sort(tags)
	tags = slices.Compact(tags)
	tags = slices.DeleteFunc(tags, func(s string) bool { return slices.Contains(t.Remove, s) })
	if len(tags) == 0 {
		return nil
	}
	return tags
}

// tag carries out a step of kind "tag".
func (m *machine) tag(s *Step, path []string) {
	m.p.Tags = tagged(m.p.Tags, s.Tag)
	m.note(path, StepResult{Kind: s.Kind, Outcome: "tagged"})
}

// set carries out a step of kind "set". A field for which the contact has no room is told in the story.
func (m *machine) set(s *Step, path []string) {
	m.p.Contact.Custom = mergeCustom(m.p.Contact.Custom, s.Set)
	var full []string
	for _, name := range sortedKeys(s.Set) {
		if v := s.Set[name]; v != nil && m.p.Contact.Custom[name] != v {
			full = append(full, name)
		}
	}
	r := StepResult{Kind: s.Kind, Outcome: "set"}
	if len(full) > 0 {
		r.Fault = "no room among the contact's custom fields for " + strings.Join(full, ", ")
	}
	m.note(path, r)
}
