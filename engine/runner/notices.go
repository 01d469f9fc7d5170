package runner

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"latchkey/engine"
)

const (
	publishMost = 500 // notices of one Publish
	gatherMost  = 250 * time.Millisecond
	gatherEach  = 5 * time.Millisecond
)

// notify stores a notice; it is published after the commit.
func (s *scope) notify(n *engine.Notice) error {
	s.notices = true
	return engine.SaveNotice(s.tx, n, s.now)
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
			// Let the next ones gather, the longer the more there are: the stream takes many at the cost of a few.
			nap(ctx, min(time.Duration(n)*gatherEach, gatherMost))
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
	p.published++
	p.unread = p.unread || err != nil || n == publishMost
	p.mu.Unlock()
	return n, err
}

func (r *Runner) publish(ctx context.Context, p *partition) (int, error) {
	if err := r.pay(ctx, p); err != nil {
		return 0, err
	}
	var keys [][]byte
	var notices []engine.Notice
	err := p.store.View(ctx, func(tx engine.Tx) error {
		keys, notices = nil, nil
		tx.Scan(engine.SpaceNotices, nil, nil, func(k, v []byte) bool {
			n, err := engine.DecodeNotice(v)
			if err != nil {
				r.cfg.Logger.Error().Err(err).Hex("key", k).Msg("unreadable notice passed over")
				return true
			}
			keys, notices = append(keys, bytes.Clone(k)), append(notices, *n)
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
