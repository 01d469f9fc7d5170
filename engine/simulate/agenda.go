package simulate

import (
	"container/heap"
	"context"
	"time"

	"latchkey/engine"
)

// An appointment is a run's timer, a task's time, or a person's to be woken.
type appointment struct {
	at   time.Time
	seq  int
	run  *running
	task *engine.Task
	who  engine.ID // the person; zero if it is a run's or a task's
}

// An agenda is a heap of appointments.
type agenda struct {
	list []appointment
	made int
}

func (a *agenda) Len() int { return len(a.list) }

func (a *agenda) Less(i, j int) bool {
	if !a.list[i].at.Equal(a.list[j].at) {
		return a.list[i].at.Before(a.list[j].at)
	}
	return a.list[i].seq < a.list[j].seq
}

func (a *agenda) Swap(i, j int) { a.list[i], a.list[j] = a.list[j], a.list[i] }

// Push implements heap.Interface.
func (a *agenda) Push(x any) { a.list = append(a.list, x.(appointment)) }

// Pop implements heap.Interface.
func (a *agenda) Pop() any {
	last := a.list[len(a.list)-1]
	a.list = a.list[:len(a.list)-1]
	return last
}

func (w *World) appoint(p appointment) {
	w.agenda.made++
	p.seq = w.agenda.made
	heap.Push(&w.agenda, p)
}

// Until lets time pass up to and including t, with all that falls due.
func (w *World) Until(ctx context.Context, t time.Time) {
	for w.err == nil && w.agenda.Len() > 0 && !w.agenda.list[0].at.After(t) {
		p := heap.Pop(&w.agenda).(appointment)
		if p.at.After(w.now) {
			w.now = p.at
		}
		switch {
		case p.task != nil:
			w.due(ctx, p.run, p.task)
		case p.run != nil:
			w.fire(p)
		default:
			w.wake(p.who)
		}
	}
	if t.After(w.now) {
		w.now = t.UTC()
	}
}

// fire goes on with a run whose wait is over.
func (w *World) fire(p appointment) {
	r := p.run
	wf := w.set.Lookup(r.Workflow)
	switch {
	case r.State != engine.RunWaiting || r.Wait == nil:
	case r.Wait.Due.After(w.now):
		w.appoint(appointment{at: r.Wait.Due, run: r})
	case wf == nil || wf.Status == engine.Paused:
		w.held = append(w.held, p)
	default:
		w.advance(r, engine.Input{Timer: true})
	}
}
