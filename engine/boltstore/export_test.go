package boltstore

import "go.etcd.io/bbolt"

// FailCommits lets every commit from now on fail with err, which is seen by the writer before its next group.
// A nil err lets them succeed again.
func (s *Store) FailCommits(err error) {
	s.commit = func(tx *bbolt.Tx) error {
		if err != nil {
			return err
		}
		return tx.Commit()
	}
}
