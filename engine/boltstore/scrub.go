package boltstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// What was deleted stays readable in pages that are free until they are used again. Scrub uses them all: it fills them
// with blanks, and frees them. Two blanks fill a page, so that no gap is too small. That there is no gap left shows
// in that the file grows.
const (
	scrubPages = 100 // of one commit: others wait for it
	// A list of so many free pages is itself so large that the file may grow by it.
	scrubMany = 20_000
)

// scrubBucket holds the blanks. As it begins with a zero byte it is no space, and no journal knows of it.
var scrubBucket = []byte("\x00scrub")

// Scrub overwrites what is left of deleted records in free pages. It writes as much as is free. Pages that an open view
// (a backup that is being read) still needs are not free, and left as they are. What a crash leaves of it the next Scrub removes.
func (s *Stores) Scrub(ctx context.Context) error {
	for _, p := range s.parts {
		if err := p.scrub(ctx); err != nil {
			return fmt.Errorf("scrub store file %s: %w", p.db.Path(), err)
		}
	}
	return nil
}

func (s *Store) scrub(ctx context.Context) (err error) {
	if err := s.ended(); err != nil {
		return err
	}
	defer faultsPanic()()
	defer guard(s.db.Path(), s.log, &err)
	if err := s.dropScrub(); err != nil { // and so what the last commits freed can be used
		return err
	}
	var n uint64
	free, written := -1, 0
	for {
		if err := errors.Join(ctx.Err(), s.ended()); err != nil {
			return errors.Join(err, s.dropScrub())
		}
		var before, after int64
		err := s.db.Update(func(tx *bbolt.Tx) error {
			if free < 0 {
				free = freePages(tx)
			}
			before = tx.Size()
			return fillPages(tx, scrubPages, s.db.Info().PageSize, &n)
		})
		if err == nil {
			err = s.db.View(func(tx *bbolt.Tx) error { after = tx.Size(); return nil })
		}
		if err != nil {
			return errors.Join(err, s.dropScrub())
		}
		written += scrubPages
		grown := int(after-before) / s.db.Info().PageSize
		if grown >= scrubPages/2 && free-written < scrubMany || written > free+free/10+2*scrubPages {
			return s.dropScrub()
		}
	}
}

// freePages returns how many pages are free, or will be when a view ends.
func freePages(tx *bbolt.Tx) (n int) {
	for id := 0; ; id++ {
		p, err := tx.Page(id)
		switch {
		case err != nil || p == nil:
			return n
		case p.Type == "free":
			n++
		}
	}
}

func fillPages(tx *bbolt.Tx, pages, pageSize int, n *uint64) error {
	b, err := tx.CreateBucketIfNotExists(scrubBucket)
	if err != nil {
		return err
	}
	b.FillPercent = 1
	blank := make([]byte, pageSize/2-64)
	for range 2 * pages {
		*n++
		if err := b.Put(binary.BigEndian.AppendUint64(nil, *n), blank); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) dropScrub() error {
	return s.db.Update(func(tx *bbolt.Tx) error {
		if err := tx.DeleteBucket(scrubBucket); err != nil && !errors.Is(err, bolterrors.ErrBucketNotFound) {
			return err
		}
		return nil
	})
}
