package boltstore

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"go.etcd.io/bbolt"

	"latchkey/engine"
)

// A group is complete when it reaches one of these.
const (
	groupBytes     = 512 << 10
	groupFunctions = 1024
)

// A call is one function on its way through the writer.
type call struct {
	run     func(*overlay) error
	follows *engine.Position // set for what came from the journal: it becomes the position after this call
	err     error
	done    chan error // holds one answer
}

// do hands c to the writer and waits for its answer.
func (s *Store) do(ctx context.Context, c *call) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.ended(); err != nil {
		return err
	}
	c.done = make(chan error, 1)
	select {
	case s.calls <- c:
		return <-c.done
	case <-ctx.Done():
		return ctx.Err()
	case <-s.stopping:
	case <-s.stopped:
	}
	return s.ended()
}

// write is the writer: group after group until the store is closed.
func (s *Store) write(ctx context.Context) {
	defer close(s.stopped)
	defer faultsPanic()()
	var next *call
	for {
		if next == nil {
			select {
			case next = <-s.calls:
			case <-s.stopping:
				return
			}
		}
		next = s.writeGroup(ctx, next)
	}
}

// writeGroup runs and commits one group and answers its callers. It returns a call that it took but that
// belongs to the next group.
func (s *Store) writeGroup(ctx context.Context, first *call) (next *call) {
	if err := s.ended(); errors.Is(err, engine.ErrLost) {
		first.done <- err
		return nil
	}
	tx, err := s.db.Begin(true)
	if err != nil {
		first.done <- s.lose(fmt.Errorf("begin: %w", err))
		return nil
	}
	g := &group{store: s, tx: tx, buckets: newBuckets(tx)}
	complete := false
	defer func() {
		if complete {
			return
		}
		why := errors.New("writer ended by a function") // runtime.Goexit
		if v := recover(); v != nil {                   // bbolt
			s.log.Error().Str("panic", engine.WithoutTokens(v)).Bytes("stack", debug.Stack()).Msg("commit panicked")
			why = unreadable(s.db.Path(), v)
		}
		g.answer(s.lose(why))
		defer func() { _ = recover() }() // it reads the file, too
		tx.Rollback()
	}()
	next = g.gather(first)
	err = g.commit(ctx)
	complete = true
	g.answer(err)
	return next
}

// lose closes the store for good and returns what every call gets from now on.
func (s *Store) lose(cause error) error {
	err := fmt.Errorf("%w: %w", engine.ErrLost, cause)
	if s.lost.CompareAndSwap(nil, &err) {
		s.log.Error().Err(cause).Str("file", s.db.Path()).Msg("store closed for good, open it anew")
	}
	return *s.lost.Load()
}

// A group is the functions that share one commit.
type group struct {
	store    *Store
	tx       *bbolt.Tx
	buckets  buckets
	calls    []*call
	bytes    int
	wrote    bool
	record   []byte           // for the journal; nil if there is nothing for it
	position *engine.Position // to be stored with the commit, or nil
	err      error            // of moving a function's writes to the transaction
}

// gather runs first and every call that waits behind it, until the group is complete. Calls that bring
// the journal's own commits do not share a group with others, whose commits are new to the journal.
func (g *group) gather(first *call) (next *call) {
	g.add(first)
	runtime.Gosched() // lets those who were just answered call again: groups get a third bigger
	for g.err == nil && len(g.calls) < groupFunctions && g.bytes < groupBytes {
		select {
		case c := <-g.store.calls:
			if (c.follows != nil) != (first.follows != nil) {
				return c
			}
			g.add(c)
		default:
			return nil
		}
	}
	return nil
}

// add runs a call and, if it succeeded, moves its writes to the transaction.
func (g *group) add(c *call) {
	g.calls = append(g.calls, c)
	if c.follows != nil && c.follows.N <= g.at().N {
		return // the store holds it already
	}
	o := &overlay{buckets: g.buckets}
	if c.err = g.run(c, o); c.err != nil {
		return
	}
	journaled := g.store.journal != nil && c.follows == nil
	g.err = o.ops(func(op op) error {
		g.wrote = true
		if journaled {
			if g.record == nil {
				g.record = []byte{recordVersion}
			}
			g.record = appendOp(g.record, op)
		}
		return g.buckets.apply(op)
	})
	g.bytes += o.bytes
	if c.follows != nil {
		g.position, g.wrote = c.follows, true
	}
}

// at returns the position that the next call follows.
func (g *group) at() engine.Position {
	if g.position != nil {
		return *g.position
	}
	return g.store.Position()
}

// run calls the function and turns a panic into its error.
func (g *group) run(c *call, o *overlay) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("function panicked: %s", engine.WithoutTokens(r))
			g.store.log.Error().Str("panic", engine.WithoutTokens(r)).Bytes("stack", debug.Stack()).Msg("function panicked in the store")
		}
	}()
	if c.follows != nil && c.follows.N != g.at().N+1 {
		return fmt.Errorf("apply commit %d after %d: %w", c.follows.N, g.at().N, engine.ErrHole)
	}
	if err := c.run(o); err != nil {
		return err
	}
	return o.err
}

// commit makes the group's writes durable, in the journal first.
func (g *group) commit(ctx context.Context) error {
	s := g.store
	if g.err != nil {
		g.tx.Rollback()
		return s.lose(g.err)
	}
	if !g.wrote {
		return g.tx.Rollback()
	}
	start := time.Now()
	if g.record != nil {
		if err := g.append(ctx); err != nil {
			g.tx.Rollback()
			return s.lose(err)
		}
	}
	if g.position != nil {
		if err := g.buckets.apply(op{opPut, engine.SpaceMeta, positionKey, encodePosition(*g.position)}); err != nil {
			g.tx.Rollback()
			return s.lose(fmt.Errorf("store journal position: %w", err))
		}
	}
	txid := g.tx.ID()
	if err := s.commit(g.tx); err != nil {
		g.tx.Rollback()
		return g.failed(txid, err)
	}
	if g.position != nil {
		s.position.Store(g.position)
	}
	if s.full {
		s.full = false
		s.log.Info().Str("file", s.db.Path()).Msg("there is room on disk again")
	}
	s.stats.commits.Add(1)
	s.stats.bytes.Add(uint64(g.bytes))
	took := time.Since(start)
	s.stats.lastCommit.Store(int64(took))
	if s.told != nil {
		s.told(Commit{took, len(g.calls), g.bytes})
	}
	return nil
}

// append gives the group's record to the journal.
func (g *group) append(ctx context.Context) error {
	prev := g.store.Position()
	pos, err := g.store.journal.Append(ctx, prev, g.record)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if pos.N != prev.N+1 {
		return fmt.Errorf("journal: commit %d came after %d", pos.N, prev.N)
	}
	g.position = &pos
	return nil
}

// failed says what a failed commit means.
func (g *group) failed(txid int, err error) error {
	s := g.store
	if g.position != nil || !noRoom(err) || s.current() >= txid {
		return s.lose(fmt.Errorf("commit: %w", err))
	}
	if !s.full {
		s.full = true
		s.log.Error().Err(err).Str("file", s.db.Path()).Msg("no room on disk, nothing is stored until there is")
	}
	return fmt.Errorf("%w: %w", engine.ErrFull, err)
}

// current returns the id of the transaction that readers see, or one beyond all if none can be had. After a commit
// that failed it tells whether the page that makes it current was written before.
func (s *Store) current() int {
	tx, err := s.db.Begin(false)
	if err != nil {
		return int(^uint(0) >> 1)
	}
	defer tx.Rollback()
	return tx.ID()
}

// noRoom reports whether err means that the disk is full. bbolt keeps only the text of some of its errors.
func noRoom(err error) bool {
	for _, e := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(err, e) || strings.Contains(err.Error(), e.Error()) {
			return true
		}
	}
	return false
}

// answer tells every caller of the group how it ended.
func (g *group) answer(err error) {
	g.store.stats.functions.Add(uint64(len(g.calls)))
	for _, c := range g.calls {
		if err != nil {
			c.done <- err
		} else {
			c.done <- c.err
		}
	}
}
