package runner

import (
	"context"
	"fmt"
	"time"

	"latchkey/engine"
)

// Redeem runs fn in the partition of a shard and, in the same commit, lets the redemption that it returns have
// its effects: the run moves on, and link.redeemed and user_login are published. fn may run twice; its error
// is returned as it is and nothing is stored. A redemption without a contact has no effects.
func (r *Runner) Redeem(ctx context.Context, shard uint16, fn func(tx engine.Tx, now time.Time) (engine.Redemption, error)) error {
	if err := r.awaitReady(ctx); err != nil {
		return err
	}
	return r.update(ctx, r.of[r.cfg.Stores.For(shard)], func(s *scope) error {
		red, err := fn(s.tx, s.now)
		if err != nil || red.Contact.IsZero() {
			return err
		}
		return s.redeemed(&red)
	})
}

func (s *scope) redeemed(red *engine.Redemption) error {
	person, err := s.person(red.Location, red.Contact)
	if err != nil || person == nil {
		return err
	}
	depth := 0 // a link made by hand: no run caused it
	data := map[string]any{
		"link": red.Link, "session": red.Session, "contact": person.Contact.ID, "first": red.First,
	}
	if !red.Run.IsZero() {
		run, err := engine.LoadRun(s.tx, red.Location, red.Run)
		if err != nil {
			return err
		}
		if run != nil { // else it is over and its time of being kept is too
			depth = run.Event.Depth + 1
			data["run"], data["workflow"] = run.ID.String(), run.Workflow
			if err := s.redeemRun(run, red); err != nil {
				return err
			}
		}
	}
	for _, n := range []engine.Notice{
		{ID: "link.redeemed:" + red.Session, Type: "link.redeemed", Data: data},
		{ID: "user_login:" + red.Session, Type: "user_login", Data: loginData(person)},
	} {
		n.Location, n.Time, n.Depth = red.Location, s.now, depth
		if err := s.notify(&n); err != nil {
			return err
		}
	}
	return nil
}

// redeemRun tells the run. That it cannot go on does not keep the learner out.
func (s *scope) redeemRun(run *engine.Run, red *engine.Redemption) error {
	set := s.r.place(red.Location).set.Load()
	if set == nil {
		return fmt.Errorf("location %s is not configured", red.Location)
	}
	if err := s.advance(set.Location, run, engine.Input{Redeemed: red}); err != nil {
		s.r.cfg.Logger.Error().Err(err).Stringer("run", run.ID).Msg("run does not learn that its link was redeemed")
	}
	return nil
}

// loginData is the data of the user_login event: enough of the contact to be found again.
func loginData(p *engine.Person) map[string]any {
	contact := map[string]any{}
	if p.Contact.ID != "" {
		contact["id"] = p.Contact.ID
	}
	if p.Contact.Email != "" {
		contact["email"] = p.Contact.Email
	}
	return map[string]any{"contact": contact, "via": "latchkey"}
}
