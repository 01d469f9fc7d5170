package smtp

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"latchkey/actions"
	"latchkey/engine"
)

// ErrClosed is returned by Send after Close.
var ErrClosed = errors.New("smtp: the mailer is closed")

// A Mailer keeps connections to one server and hands mails over on them. It is an actions.Mailer.
type Mailer struct {
	cfg   Config
	slots chan struct{} // one for each mail under way

	mu     sync.Mutex
	idle   []*conn // the one used last is taken first, so that the others may time out
	reaper *time.Timer
	closed bool
	down   error
}

// New returns a Mailer. It connects when there is something to send. Errors are those of Config.Check.
func New(cfg Config) (*Mailer, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	return &Mailer{cfg: cfg, slots: make(chan struct{}, cfg.Conns)}, nil
}

// Send implements actions.Mailer: it returns nil when the server has answered 250 to the final dot. The receipt is what
// the server said with it, which holds its queue id.
//
// If ctx ends between the final dot and its reply the outcome is unknown, and the runner may have to send a second copy:
// on shutdown, stop asking for mails and let those under way finish before the context ends.
func (m *Mailer) Send(ctx context.Context, out actions.Mail) (actions.Receipt, error) {
	l, err := compose(out)
	if err != nil {
		return actions.Receipt{}, engine.Final(fmt.Errorf("smtp: %w", err))
	}
	select {
	case m.slots <- struct{}{}:
		defer func() { <-m.slots }()
	case <-ctx.Done():
		return actions.Receipt{}, fmt.Errorf("smtp: waiting for a connection: %w", context.Cause(ctx))
	}
	receipt, err := m.send(ctx, l)
	m.note(err)
	return actions.Receipt{ID: shorten(receipt)}, err
}

func (m *Mailer) send(ctx context.Context, l letter) (string, error) {
	c, err := m.take()
	if err != nil {
		return "", err
	}
	if c != nil {
		receipt, at, err := m.attempt(ctx, c, l)
		if err == nil || !stale(at, err) || ctx.Err() != nil {
			return receipt, classify(ctx, at, err)
		}
	}
	if c, err = dial(ctx, &m.cfg); err != nil {
		return "", classify(ctx, stageConnect, err)
	}
	receipt, at, err := m.attempt(ctx, c, l)
	return receipt, classify(ctx, at, err)
}

func (m *Mailer) attempt(ctx context.Context, c *conn, l letter) (string, stage, error) {
	receipt, at, err := c.transact(ctx, l)
	m.give(c)
	return receipt, at, err
}

// take returns an idle connection, or nil if there is none.
func (m *Mailer) take() (*conn, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, ErrClosed
	}
	n := len(m.idle)
	if n == 0 {
		return nil, nil
	}
	c := m.idle[n-1]
	m.idle = m.idle[:n-1]
	return c, nil
}

// give takes a connection back, or ends it if it is of no more use.
func (m *Mailer) give(c *conn) {
	c.idleSince = time.Now()
	m.mu.Lock()
	keep := !c.broken && !m.closed && c.tried < m.cfg.MaxPerConn
	if keep {
		m.idle = append(m.idle, c)
		if m.reaper == nil {
			m.reaper = time.AfterFunc(m.cfg.Idle, m.reap)
		}
	}
	m.mu.Unlock()
	if !keep {
		c.quit()
	}
}

// reap ends the connections that were not used for a while, and comes again while any are left.
func (m *Mailer) reap() {
	m.mu.Lock()
	var old []*conn
	for len(m.idle) > 0 && time.Since(m.idle[0].idleSince) >= m.cfg.Idle {
		old = append(old, m.idle[0])
		m.idle = m.idle[1:]
	}
	m.reaper = nil
	if len(m.idle) > 0 && !m.closed {
		m.reaper = time.AfterFunc(m.cfg.Idle-time.Since(m.idle[0].idleSince), m.reap)
	}
	m.mu.Unlock()
	for _, c := range old {
		c.quit()
	}
}

// note remembers whether the server takes our mails.
func (m *Mailer) note(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case err == nil:
		m.down = nil
	case engine.IsDown(err):
		m.down = err
	}
}

// Down returns why mails do not go out at all (no connection, a refused login or sender), or nil. It is the last error
// marked by engine.Down since a mail was accepted.
func (m *Mailer) Down() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.down
}

// Close ends the idle connections; those in use end with their mail. Send then returns ErrClosed.
func (m *Mailer) Close() error {
	m.mu.Lock()
	idle := m.idle
	m.idle, m.closed = nil, true
	if m.reaper != nil {
		m.reaper.Stop()
	}
	m.mu.Unlock()
	var wg sync.WaitGroup
	for _, c := range idle {
		wg.Go(c.quit)
	}
	wg.Wait()
	return nil
}
