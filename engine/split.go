package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// A Branch is one way that a step of kind "split" goes on.
type Branch struct {
	Name   string // unique in the split; it is a part of the path of the steps in it
	Weight int    // its share of the sum of all weights; from 1 to MaxWeight
	Steps  []Step
}

// MaxWeight is the largest weight of a Branch.
const MaxWeight = 10_000

// choose returns the branch that the contact takes at the split of that id. It is the same each time and in each version
// of the workflow, as long as the branches, their weights and their order stay. It returns nil if there is none.
func choose(branches []Branch, location, workflow, step string, contact ID) *Branch {
	sum := uint64(0)
	for _, b := range branches {
		sum += uint64(b.Weight)
	}
	if sum == 0 {
		return nil
	}
	said := make([]byte, 0, 128)
	for _, s := range [...]string{location, workflow, step} {
		said = binary.BigEndian.AppendUint32(said, uint32(len(s)))
		said = append(said, s...)
	}
	hash := sha256.Sum256(append(said, contact[:]...))
	at := binary.BigEndian.Uint64(hash[:]) % sum // the sum is so small that no branch is favoured noticeably
	for i := range branches {
		if at < uint64(branches[i].Weight) {
			return &branches[i]
		}
		at -= uint64(branches[i].Weight)
	}
	return nil
}

// split takes the run into the branch that is the contact's.
func (m *machine) split(s *Step, path []string) {
	b := choose(s.Split, m.r.Location, m.r.Workflow, s.ID, m.r.Contact)
	if b == nil {
		m.note(path, StepResult{Kind: s.Kind, Outcome: "skipped"})
		return
	}
	m.note(path, StepResult{Kind: s.Kind, Outcome: b.Name})
	m.push(b.Steps, 0, slices.Concat(path, []string{b.Name}))
}

// Lists returns the lists of steps within a step, under the names that follow its id in a path.
func (s *Step) Lists() []Branch {
	if s.Kind == StepIf {
		return []Branch{{Name: "then", Steps: s.Then}, {Name: "else", Steps: s.Else}}
	}
	return s.Split
}

// list returns the steps within s under that name, or nil.
func (s *Step) list(name string) []Step {
	for _, b := range s.Lists() {
		if b.Name == name {
			return b.Steps
		}
	}
	return nil
}

// StepAt returns the step at a path: ids, each but the last followed by the name of the list that the next is in. It
// returns nil if there is none.
func StepAt(steps []Step, path []string) *Step {
	for i := 0; i < len(path); i += 2 {
		s := find(steps, path[i])
		if s == nil || i == len(path)-1 {
			return s
		}
		steps = s.list(path[i+1])
	}
	return nil
}

func find(steps []Step, id string) *Step {
	for i := range steps {
		if steps[i].ID == id {
			return &steps[i]
		}
	}
	return nil
}
