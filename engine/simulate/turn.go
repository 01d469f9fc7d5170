package simulate

import (
	"context"
	"slices"

	"latchkey/engine"
)

// SetStatus gives a workflow another status, as a changed file would. What was held goes on if it may.
func (w *World) SetStatus(ctx context.Context, workflow string, status engine.Status) {
	flows := slices.Clone(w.set.Workflows)
	for i, f := range flows {
		if f.ID == workflow {
			changed := *f
			changed.Status = status
			flows[i] = &changed
		}
	}
	w.set = engine.NewSet(w.set.Location, flows)
	w.say("%s is %s", workflow, status)
	w.release(ctx)
}

// Pause holds all sending back, or lets it go on if it is nil.
func (w *World) Pause(ctx context.Context, p *engine.Pause) {
	loc := *w.set.Location
	loc.Pause = p
	w.set = engine.NewSet(&loc, w.set.Workflows)
	w.say("all sending is %s", map[bool]string{true: "paused", false: "going on"}[p != nil])
	w.release(ctx)
}

// release lets what was held go on, if it may.
func (w *World) release(ctx context.Context) {
	held := w.held
	w.held = nil
	for _, p := range held {
		w.appoint(p)
	}
	w.Until(ctx, w.now)
}

// Refused is the error of a link that lets nobody in.
type Refused struct{ Reason string }

// Error names the reason.
func (r *Refused) Error() string { return "the link lets nobody in: " + r.Reason }

// Redeem opens a link as its learner would. Returns a *Refused if the link lets nobody in.
func (w *World) Redeem(ctx context.Context, url engine.Secret) error {
	red, err := w.cfg.Open(ctx, w.store, url, w.now)
	if err != nil {
		return err
	}
	w.say("the learner comes in by a link")
	p := w.person(red.Contact)
	depth := 0
	if r := w.byID[red.Run]; r != nil {
		depth = r.Event.Depth + 1
		w.advance(r, engine.Input{Redeemed: &red})
	}
	w.Event(ctx, engine.Event{
		ID: "user_login:" + red.Session, Source: "latchkey", Type: "user_login", Depth: depth,
		Contact: engine.Contact{ID: p.Contact.ID, Email: p.Contact.Email}, Custom: engine.Custom{"via": "latchkey"},
	})
	return nil
}

// CameIn notes that a contact came in by a link, of which nothing else is known: every run of theirs that has sent a link, and
// knows of none that was opened, learns of it.
func (w *World) CameIn(ctx context.Context, c *engine.Contact) {
	key := w.keyOf(c)
	for _, r := range w.active[key] {
		if r.Redeemed.IsZero() && r.linked {
			w.advance(r, engine.Input{Redeemed: &engine.Redemption{Location: r.Location, Contact: key, Run: r.ID, At: w.now}})
		}
	}
	w.Until(ctx, w.now)
}
