package runner

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"latchkey/engine"
)

const publishMost = 200 // notices of one Publish

// notify stores a notice; it is published after the commit. Key in SpaceNotices: location 0 id, in the order of time; value a
// version byte (1) and JSON.
func (s *scope) notify(n *engine.Notice) error {
	b, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("notice %s: %w", n.ID, err)
	}
	id := engine.NewID(s.now, 0, n.ID)
	s.tx.Put(engine.SpaceNotices, engine.Key(n.Location, id[:]), append([]byte{1}, b...))
	s.notices = true
	return nil
}

// announce publishes a partition's notices, and forgets each when it is published.
func (r *Runner) announce(ctx context.Context, p *partition) {
	for failures := 0; ctx.Err() == nil; {
		n, err := r.publishSome(ctx, p)
		switch {
		case err != nil && (ctx.Err() != nil || r.fail(err)):
			return
		case err != nil:
			failures++
			r.cfg.Logger.Error().Err(err).Int("failures", failures).Msg("notices are not published, trying again")
			nap(ctx, backoff(failures, 250*time.Millisecond, 30*time.Second))
		case n == publishMost:
			failures = 0
		default:
			failures = 0
			if n > 0 {
				nap(ctx, r.cfg.Linger) // let the next ones gather
			}
			p.awaitNotices(ctx)
		}
	}
}

func (p *partition) awaitNotices(ctx context.Context) {
	p.mu.Lock()
	unread := p.unread
	p.mu.Unlock()
	if unread {
		return
	}
	select {
	case <-p.announce:
	case <-ctx.Done():
	}
}

// publishSome publishes the oldest notices and returns how many it was.
func (r *Runner) publishSome(ctx context.Context, p *partition) (int, error) {
	p.mu.Lock()
	p.unread = false
	p.publishing = true
	p.mu.Unlock()
	n, err := r.publish(ctx, p)
	p.mu.Lock()
	p.publishing = false
	p.unread = p.unread || err != nil || n == publishMost
	p.mu.Unlock()
	return n, err
}

func (r *Runner) publish(ctx context.Context, p *partition) (int, error) {
	var keys [][]byte
	var notices []engine.Notice
	err := p.store.View(ctx, func(tx engine.Tx) error {
		keys, notices = nil, nil
		tx.Scan(engine.SpaceNotices, nil, nil, func(k, v []byte) bool {
			var n engine.Notice
			if len(v) == 0 || v[0] != 1 || json.Unmarshal(v[1:], &n) != nil {
				r.cfg.Logger.Error().Hex("key", k).Msg("unreadable notice passed over")
				return true
			}
			keys, notices = append(keys, bytes.Clone(k)), append(notices, n)
			return len(keys) < publishMost
		})
		return nil
	})
	if err != nil || len(keys) == 0 {
		return 0, err
	}
	if err := r.cfg.Publisher.Publish(ctx, notices); err != nil {
		return 0, fmt.Errorf("publish notices: %w", err)
	}
	err = p.store.Update(ctx, func(tx engine.Tx) error {
		for _, k := range keys {
			tx.Delete(engine.SpaceNotices, k)
		}
		return nil
	})
	return len(keys), err
}

// An EventRecord tells what one event caused.
type EventRecord struct {
	Location  string            `json:"location"`
	Ordinal   uint64            `json:"ordinal"`
	ID        string            `json:"id"`
	Type      string            `json:"type"`
	Source    string            `json:"source,omitempty"`
	Contact   engine.ID         `json:"contact"`
	Time      time.Time         `json:"time"` // when it happened
	At        time.Time         `json:"at"`   // when it was applied
	Warnings  []string          `json:"warnings,omitempty"`
	Decisions []engine.Decision `json:"decisions,omitempty"`
}

// decided stores what an event caused. Key in SpaceDecisions: location 0 id, of the time it was applied; value a
// version byte (1) and JSON.
func (s *scope) decided(ev engine.Event, contact engine.ID, ds []engine.Decision) error {
	b, err := json.Marshal(EventRecord{
		Location: ev.Location, Ordinal: ev.Ordinal, ID: ev.ID, Type: ev.Type, Source: ev.Source, Contact: contact,
		Time: ev.Time, At: s.now, Warnings: ev.Warnings, Decisions: ds,
	})
	if err != nil {
		return &planFault{err: fmt.Errorf("decisions: %w", err)}
	}
	id := engine.NewID(s.now, contact.Shard())
	binary.BigEndian.PutUint64(id[8:], ev.Ordinal)
	s.tx.Put(engine.SpaceDecisions, engine.Key(ev.Location, id[:]), append([]byte{1}, b...))
	return nil
}
