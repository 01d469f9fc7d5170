package boltstore

import "go.etcd.io/bbolt"

// FailCommits lets every commit from now on fail with err; nil lets them succeed again. No update may be under way.
func (s *Store) FailCommits(err error) {
	s.commit = func(tx *bbolt.Tx) error {
		if err != nil {
			return err
		}
		return tx.Commit()
	}
}

// FailAfterCommit lets the next commits succeed on disk but return err.
func (s *Store) FailAfterCommit(err error) {
	s.commit = func(tx *bbolt.Tx) error {
		if failed := tx.Commit(); failed != nil {
			return failed
		}
		return err
	}
}
