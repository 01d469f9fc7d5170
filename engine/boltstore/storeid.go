package boltstore

import "encoding/hex"

// ID returns what tells this store from every other: 32 hex digits, drawn when it was made, the same in a copy.
func (s *Stores) ID() (string, error) {
	id, _, err := readIdentity(s.Partition(0).db)
	return hex.EncodeToString(id.store[:]), err
}
