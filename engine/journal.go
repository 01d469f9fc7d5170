package engine

import (
	"context"
	"errors"
)

// A Position names one commit of a partition. The zero Position is that of a store nothing was written to.
type Position struct {
	Seq uint64 // where the journal keeps the commit, in the journal's own count
	N   uint64 // the partition's commits, counted from 1 without holes
	ID  string // the commit's own name, by which its writer knows it again
}

// A Journal makes a commit durable elsewhere before the store makes it. One goroutine calls it.
//
// Append stores rec as the commit that directly follows prev and returns its position, whose N is prev.N+1.
// It may block. The context ends only when the store is closed and Append took too long over it.
// Any error closes the store for good: its callers get ErrLost, for rec may or may not be in the journal.
// ErrFenced says that it is not, because another owner wrote after prev.
type Journal interface {
	Append(ctx context.Context, prev Position, rec []byte) (Position, error)
}

// Errors of a journal and of the stores that follow one.
var (
	// ErrFenced is returned by a Journal for a store that does not own the partition any more.
	ErrFenced = errors.New("another owner wrote to the journal")
	// ErrHole is returned by a store asked to apply a commit that does not follow the last one it holds.
	ErrHole = errors.New("commit does not follow the last one in the store")
	// ErrBadRecord is returned by a store asked to apply a record that it cannot read.
	ErrBadRecord = errors.New("not a commit record of a known version")
)
