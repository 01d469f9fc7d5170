package runner

import (
	"errors"
	"fmt"

	"latchkey/engine"
)

// wake ends the gatherings and watches of a person whose time has come, by the workflows of today. It returns when to look
// again (0: never), or that the location is not configured and so nothing is known of its workflows.
func (s *scope) wake(t timer) (again int64, hold bool, err error) {
	p, err := s.load(t.place.id, t.id)
	if err != nil && !errors.Is(err, ErrNoPerson) {
		return 0, false, err
	}
	if p == nil || p.NextWake().IsZero() || dueMilli(p.NextWake()) != t.due {
		s.dropTimer(t)
		return 0, false, nil
	}
	due := p.NextWake()
	if due.After(s.now) {
		return t.due, false, nil
	}
	set := t.place.set.Load()
	if set == nil {
		return 0, true, nil
	}
	if p = s.endStarts(p); p == nil {
		return 0, false, nil // the transaction runs again
	}
	s.tell(t.place.id, func(m Meter) { m.Late(s.now.Sub(due)) })
	changed, runs, cmds, _ := engine.Wake(set, *p, s.now)
	for i := range runs {
		if err := s.saveRun(&runs[i]); err != nil {
			return 0, false, err
		}
		s.tell(t.place.id, func(m Meter) { m.Run("started") })
	}
	if err := s.commands(cmds); err != nil {
		return 0, false, err
	}
	s.keep(changed)
	return 0, false, nil
}

// settleEvent tells the record of an event what came of it. That it cannot be read holds nothing up.
func (s *scope) settleEvent(d *engine.Decided) {
	if err := engine.SettleEvent(s.tx, d); err != nil {
		s.r.cfg.Logger.Error().Err(err).Stringer("record", d.Record).Msg("event's record is not told what came of it")
	}
}

// savePerson stores a person, and has their timer fire when its time has come.
func (s *scope) savePerson(p *engine.Person) error {
	was := p.Wakes
	if err := engine.SavePerson(s.tx, p); err != nil {
		return fmt.Errorf("store contact: %w", err)
	}
	if !p.Wakes.Equal(was) {
		s.queueTimer(p.Location, engine.TimerPerson, p.Key, p.Wakes)
	}
	return nil
}

// remind has the timer of a person fire who was stored in the partition.
func (r *Runner) remind(p *partition, who *engine.Person) {
	if who.Wakes.IsZero() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.addTimer(timer{id: who.Key, place: r.place(who.Location), due: dueMilli(who.Wakes), kind: engine.TimerPerson}, r.cfg.timersAtOnce)
	signal(p.wake)
}
