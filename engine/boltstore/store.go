package boltstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"go.etcd.io/bbolt"

	"latchkey/engine"
)

// closeGrace is how long a journal may take over its last commit once the store is being closed.
const closeGrace = 10 * time.Second

// A Store is one partition: a file with one writer. It implements engine.Store.
type Store struct {
	db      *bbolt.DB
	journal engine.Journal
	log     zerolog.Logger
	commit  func(*bbolt.Tx) error // (*bbolt.Tx).Commit, but in tests
	told    func(Commit)          // may be nil

	calls    chan *call    // unbuffered: a function that was received was taken up
	stopping chan struct{} // closed to end the writer
	stopped  chan struct{} // closed by the writer as it ends
	stop     sync.Once
	cancel   context.CancelFunc // ends a journal that blocks
	closeErr error

	full     bool                  // the writer's: commits fail for want of room
	lost     atomic.Pointer[error] // set once, when the store is closed for good
	position atomic.Pointer[engine.Position]
	stats    counters
}

var _ engine.Store = (*Store)(nil)

// Stats count what a store did since it was opened.
type Stats struct {
	Commits    uint64        // commits that reached the disk
	Functions  uint64        // functions that were run and answered
	Bytes      uint64        // of keys and values written
	LastCommit time.Duration // of the last commit's way to the disk, the journal's part included
}

// A Commit is what one commit took and held.
type Commit struct {
	Took      time.Duration // to the disk, the journal's part included
	Functions int           // that shared it
	Bytes     int           // of keys and values
}

type counters struct {
	commits, functions, bytes atomic.Uint64
	lastCommit                atomic.Int64
}

func newStore(db *bbolt.DB, journal engine.Journal, told func(Commit), log zerolog.Logger) (*Store, error) {
	s := &Store{
		db:       db,
		journal:  journal,
		log:      log,
		commit:   (*bbolt.Tx).Commit,
		told:     told,
		calls:    make(chan *call),
		stopping: make(chan struct{}),
		stopped:  make(chan struct{}),
	}
	err := db.View(func(tx *bbolt.Tx) error {
		v := view{buckets: newBuckets(tx)}
		pos, err := decodePosition(v.Get(engine.SpaceMeta, positionKey))
		s.position.Store(&pos)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("store file %s: %w", db.Path(), err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	go s.write(ctx)
	return s, nil
}

// Update runs fn in the writer; see engine.Store. An fn that panics gives an error that says so, and one that wrote
// what cannot be stored (an empty key, a space while it scanned it) an error that names the space.
func (s *Store) Update(ctx context.Context, fn func(engine.Tx) error) error {
	return s.do(ctx, &call{run: func(o *overlay) error { return fn(o) }})
}

// View runs fn on the state after the last commit; see engine.Store. Views run beside one another and beside
// the writer. A panic, which a damaged file causes too, is returned as an error. A view that takes long keeps the file from using pages again that were freed meanwhile.
func (s *Store) View(ctx context.Context, fn func(engine.Tx) error) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.ended(); err != nil {
		return err
	}
	defer faultsPanic()()
	defer guard(s.db.Path(), s.log, &err)
	tx, err := s.db.Begin(false)
	if err != nil {
		return s.beginError(err)
	}
	defer tx.Rollback()
	v := view{buckets: newBuckets(tx)}
	if err := fn(&v); err != nil {
		return err
	}
	if v.wrote {
		return engine.ErrReadOnly
	}
	return nil
}

// Position returns the last commit that went through the journal or came from it by Apply.
func (s *Store) Position() engine.Position { return *s.position.Load() }

// Stats returns what the store did since it was opened.
func (s *Store) Stats() Stats {
	return Stats{
		Commits:    s.stats.commits.Load(),
		Functions:  s.stats.functions.Load(),
		Bytes:      s.stats.bytes.Load(),
		LastCommit: time.Duration(s.stats.lastCommit.Load()),
	}
}

func (s *Store) close() error {
	s.stop.Do(func() {
		close(s.stopping)
		impatient := time.AfterFunc(closeGrace, s.cancel)
		<-s.stopped
		impatient.Stop()
		s.cancel()
		if s.db.NoSync && s.lost.Load() == nil {
			s.closeErr = s.db.Sync()
		}
		if err := errors.Join(s.closeErr, s.db.Close()); err != nil {
			s.closeErr = fmt.Errorf("close store file: %w", err)
		}
	})
	return s.closeErr
}

// ended returns why the store takes no more calls, or nil.
func (s *Store) ended() error {
	if err := s.lost.Load(); err != nil {
		return *err
	}
	select {
	case <-s.stopping:
		return engine.ErrClosed
	default:
		return nil
	}
}

// beginError explains why bbolt gave no transaction.
func (s *Store) beginError(err error) error {
	if why := s.ended(); why != nil {
		return why
	}
	return fmt.Errorf("begin: %w", err)
}
