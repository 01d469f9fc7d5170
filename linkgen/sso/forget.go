package sso

import (
	"bytes"
	"fmt"

	"latchkey/engine"
)

// Forget removes the codes and tokens of a contact: they hold whom a site was told of. It runs on the contact's partition; a contact
// of which nothing is stored is no error.
func Forget(tx engine.Tx, location string, contact engine.ID) error {
	prefix, subject := engine.Key(location), contact.String()
	var drop [][]byte
	var bad error
	tx.Scan(engine.SpaceSSO, prefix, engine.PrefixEnd(prefix), func(k, v []byte) bool {
		var g grant
		if bad = decode(v, &g); bad != nil {
			return false
		}
		if g.Contact == contact || g.Subject == subject {
			drop = append(drop, bytes.Clone(k))
		}
		return true
	})
	if bad != nil {
		return fmt.Errorf("forget sign-ins of contact %s: %w", contact, bad)
	}
	for _, k := range drop {
		tx.Delete(engine.SpaceSSO, k)
	}
	return nil
}
