package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"latchkey/actions/outbox"
	"latchkey/engine"
	"latchkey/engine/console"
	"latchkey/engine/runner"
)

// This file answers the console's questions about the past: messages, runs and events.

type adminMessages struct{ *site }

// filter reads what a query asks for.
func (i *site) filter(ctx context.Context, q console.Query) (f runner.Filter, err error) {
	f = runner.Filter{Location: q.Location, Limit: q.Limit, State: q.State, Workflow: q.Workflow, Event: q.Event,
		Type: q.Type, Since: q.Since, Until: q.Until}
	if f.Before, err = parseID("before", q.Before); err != nil {
		return f, err
	}
	if f.Run, err = parseID("run", q.Run); err != nil {
		return f, err
	}
	if q.Contact != "" {
		p, err := i.person(ctx, q.Contact)
		if err != nil {
			return f, err
		}
		f.Contact = p.Key
		if key, err := engine.ParseID(q.Contact); err == nil && p.Contact.ID != q.Contact {
			f.Contact = key // of a contact that another one took over: what it did stays under its key
		}
	}
	return f, nil
}

// Messages joins tasks with what the outbox holds of them.
func (i adminMessages) Messages(ctx context.Context, q console.Query) ([]console.Message, error) {
	f, err := i.filter(ctx, q)
	if err != nil {
		return nil, err
	}
	tasks, err := i.runner.Tasks(ctx, f)
	if err != nil {
		return nil, err
	}
	out := make([]console.Message, 0, len(tasks))
	for _, t := range tasks {
		m, err := i.withBody(ctx, t)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// Message implements console.Messages.
func (i adminMessages) Message(ctx context.Context, location, id string) (console.Message, error) {
	key, err := parseID("message", id)
	if err != nil {
		return console.Message{}, err
	}
	t, err := i.runner.FindTask(ctx, location, key)
	if err == nil && t == nil {
		err = fmt.Errorf("message %s: %w", id, console.ErrNotFound)
	}
	if err != nil {
		return console.Message{}, err
	}
	return i.withBody(ctx, *t)
}

// withBody adds to a message what the outbox holds of it, in which ids stand for links.
func (i *site) withBody(ctx context.Context, t engine.Task) (console.Message, error) {
	m := i.messageOf(t)
	kept, err := i.outbox.Get(ctx, t.ID)
	switch {
	case err == nil:
		m.Text, m.HTML = kept.Text, kept.HTML
	case !errors.Is(err, outbox.ErrNotFound):
		return m, err
	}
	return m, nil
}

func (i *site) messageOf(t engine.Task) console.Message {
	m := console.Message{
		ID: t.ID.String(), At: t.Created, Location: t.Location, Channel: t.Kind, Class: string(t.Class),
		Contact: t.Contact.String(), To: t.To, Subject: t.Subject, Workflow: t.Workflow, Run: t.Run.String(),
		Step: strings.Join(t.Step, "/"), State: string(t.State), Attempts: t.Attempts, Error: t.Error, Changed: t.Changed, Links: t.Links,
	}
	if t.State == engine.TaskDue {
		if m.Next, m.Held = t.NotBefore, t.Held; t.Held != nil {
			m.Next = t.Held.Until
		} else {
			m.Held = i.heldByChannel(t)
		}
	}
	if m.Links == nil {
		m.Links = []string{}
	}
	m.History = t.History()
	if !t.Of.IsZero() {
		m.Of = t.Of.String()
	}
	for _, id := range t.Copies {
		m.Copies = append(m.Copies, id.String())
	}
	return m
}

type adminHistory struct{ *site }

// Runs implements console.History.
func (i adminHistory) Runs(ctx context.Context, q console.Query) ([]engine.Run, error) {
	f, err := i.filter(ctx, q)
	if err != nil {
		return nil, err
	}
	return i.runner.Runs(ctx, f)
}

// Run implements console.History.
func (i adminHistory) Run(ctx context.Context, location, id string) (rec console.RunRecord, err error) {
	key, err := parseID("run", id)
	if err != nil {
		return rec, err
	}
	run, err := i.runner.FindRun(ctx, location, key)
	if err == nil && run == nil {
		err = fmt.Errorf("run %s: %w", id, console.ErrNotFound)
	}
	if err != nil {
		return rec, err
	}
	rec.Run = *run
	if rec.Person, err = i.runner.Person(ctx, location, run.Contact); err != nil {
		return rec, err
	}
	if rec.Event, err = i.runner.FindEvent(ctx, run); err != nil {
		return rec, err
	}
	var tasks []engine.ID
	for _, s := range run.Steps {
		tasks = append(tasks, s.Task)
	}
	for _, id := range append(tasks, run.Task) {
		if id.IsZero() {
			continue
		}
		t, err := i.runner.FindTask(ctx, location, id)
		if err != nil {
			return rec, err
		}
		if t != nil {
			rec.Messages = append(rec.Messages, i.messageOf(*t))
		}
	}
	return rec, nil
}

// Events implements console.History.
func (i adminHistory) Events(ctx context.Context, q console.Query) ([]console.EventRecord, error) {
	f, err := i.filter(ctx, q)
	if err != nil {
		return nil, err
	}
	events, err := i.runner.Events(ctx, f)
	if err != nil {
		return nil, err
	}
	out := make([]console.EventRecord, len(events))
	for n, e := range events {
		out[n] = console.EventRecord{EventRecord: e, Runs: map[engine.ID]engine.Run{}}
		if out[n].Duplicates, out[n].Again, err = i.runner.Duplicates(ctx, &e); err != nil {
			return nil, err
		}
		for _, d := range e.Decisions {
			if d.Run.IsZero() {
				continue
			}
			run, err := i.runner.FindRun(ctx, e.Location, d.Run)
			if err != nil {
				return nil, err
			}
			if run != nil {
				out[n].Runs[d.Run] = *run
			}
		}
	}
	return out, nil
}
