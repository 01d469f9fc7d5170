package enginetest

import (
	"context"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey/engine"
)

// A JournaledStore is a store that writes to a journal and can follow one.
type JournaledStore interface {
	engine.Store
	Apply(ctx context.Context, pos engine.Position, rec []byte) error
	Position() engine.Position
	Snapshot(w io.Writer) (engine.Position, error)
}

// A Record is one commit as a journal holds it.
type Record struct {
	Position engine.Position
	Bytes    []byte
}

// A Journal is an engine.Journal in memory. It refuses what does not follow its last commit, and can be told to
// misbehave at a commit to come. Its zero value is empty and ready.
type Journal struct {
	mu      sync.Mutex
	records []Record
	faults  map[uint64]Fault
}

// A Fault stands in for the N-th Append. It may call keep, once, to take the record into the journal.
type Fault func(ctx context.Context, keep func() engine.Position) (engine.Position, error)

// At puts a fault in the place of the n-th commit, counted from 1.
func (j *Journal) At(n uint64, f Fault) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.faults == nil {
		j.faults = map[uint64]Fault{}
	}
	j.faults[n] = f
}

// Append implements engine.Journal.
func (j *Journal) Append(ctx context.Context, prev engine.Position, rec []byte) (engine.Position, error) {
	j.mu.Lock()
	last := j.last()
	fault := j.faults[prev.N+1]
	delete(j.faults, prev.N+1)
	j.mu.Unlock()
	if prev != last {
		return engine.Position{}, fmt.Errorf("the last commit is %v, not %v: %w", last, prev, engine.ErrFenced)
	}
	keep := func() engine.Position {
		j.mu.Lock()
		defer j.mu.Unlock()
		// A sequence with holes, as in a log that partitions share.
		pos := engine.Position{Seq: last.Seq + 3, N: last.N + 1, ID: fmt.Sprintf("test/%d", last.N+1)}
		j.records = append(j.records, Record{pos, append([]byte(nil), rec...)})
		return pos
	}
	if fault != nil {
		return fault(ctx, keep)
	}
	return keep(), nil
}

func (j *Journal) last() engine.Position {
	if len(j.records) == 0 {
		return engine.Position{}
	}
	return j.records[len(j.records)-1].Position
}

// Records returns the commits that the journal holds, in order.
func (j *Journal) Records() []Record {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]Record(nil), j.records...)
}

// Replay applies the journal's commits to s, which may hold some of them already.
func (j *Journal) Replay(t testing.TB, s JournaledStore) {
	t.Helper()
	for _, r := range j.Records() {
		if err := s.Apply(context.WithoutCancel(t.Context()), r.Position, r.Bytes); err != nil {
			t.Fatalf("replay of commit %d: %v", r.Position.N, err)
		}
	}
}

// Verify replays the journal into fresh, an empty store, and compares every space with s byte by byte.
func (j *Journal) Verify(t testing.TB, s, fresh JournaledStore) {
	t.Helper()
	j.Replay(t, fresh)
	if diff := cmp.Diff(Dump(t, s), Dump(t, fresh)); diff != "" {
		t.Errorf("the journal's commits give another store (-written +replayed):\n%s", diff)
	}
	if s.Position() != fresh.Position() {
		t.Errorf("positions differ: written %v, replayed %v", s.Position(), fresh.Position())
	}
}
