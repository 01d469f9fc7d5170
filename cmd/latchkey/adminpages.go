package main

import (
	"context"
	"slices"

	"latchkey/engine"
	"latchkey/engine/console"
	"latchkey/engine/runner"
)

// This file answers what the pages ask beyond what the API gives: finding contacts, figures.

// Search implements console.People.
func (i adminContacts) Search(ctx context.Context, q console.PeopleQuery) ([]engine.Person, error) {
	before, err := parseID("before", q.Before)
	if err != nil {
		return nil, err
	}
	return i.runner.People(ctx, i.cfg.Location, q.Text, before, q.Limit)
}

// counts returns when things happened, for the overview.
func (s *site) counts(ctx context.Context, q console.Query) (out console.Counts, err error) {
	f := runner.Filter{Location: s.cfg.Location, Limit: q.Limit, Since: q.Since}
	events, err := s.runner.Events(ctx, f)
	if err != nil {
		return out, err
	}
	for _, e := range events {
		out.Events = append(out.Events, e.At)
		if e.Type == "user_login" {
			out.SignIns = append(out.SignIns, e.At)
		}
	}
	tasks, err := s.runner.Tasks(ctx, f)
	if err != nil {
		return out, err
	}
	for _, t := range tasks {
		if t.State == engine.TaskFailed {
			out.Failed = append(out.Failed, t.Changed)
		}
		out.Messages = append(out.Messages, t.Created)
	}
	return out, nil
}

// apps lists what links may be for.
func (s *site) apps() (out []console.App) {
	for _, name := range slices.Sorted(slices.Values(s.inForce().loc.Apps)) {
		out = append(out, console.App{Name: name, URL: s.inForce().cfg.Apps[name].URL})
	}
	return out
}
