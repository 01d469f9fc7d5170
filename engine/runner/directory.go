package runner

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"latchkey/engine"
)

// The directory is in the global partition's SpaceDirectory. It says which contact key (location, id) and (location,
// e-mail) stand for. A record begins with a version byte (1):
//
//	location 0 'i' id            key of 16 bytes, the e-mail address it has now
//	location 0 'e' address       key of a provisional contact, else zeros; then each id that holds the address,
//	                             its length as a varint before it
//	location 0 'a' key           key of the contact that is to absorb this one; gone when that is done
const (
	byID      = 'i'
	byAddress = 'e'
	absorbing = 'a'
)

const maxIdentity = 1024 // bytes of an id or address: they are keys

// Why a contact cannot be told from an event.
var (
	errAmbiguous = errors.New("ambiguous: several contacts have this e-mail address")
	errTooLong   = errors.New("contact id or e-mail address is too long")
	errNobody    = errors.New("no contact")
	errMustWrite = errors.New("the directory must be written")
)

// A resolver finds the keys of contacts inside one transaction of the global partition.
type resolver struct {
	tx       engine.Tx
	now      time.Time
	readOnly bool // stop with errMustWrite at the first contact that changes the directory
	nonce    string
	made     int // keys
}

// An idEntry is what the directory has of an id, an address what it has of an e-mail address.
type idEntry struct {
	key   engine.ID
	email string
}

// A placeholder ("none@example.com") may be held by very many ids, so they stay as they are stored.
type address struct {
	provisional engine.ID // a contact that is known by the address alone; zero if there is none
	ids         []byte    // each with its length as a varint before it
}

// each calls fn for each id until it returns false.
func (a address) each(fn func(id []byte) bool) error {
	for b := a.ids; len(b) > 0; {
		n, w := binary.Uvarint(b)
		if w <= 0 || n > uint64(len(b)-w) {
			return fmt.Errorf("directory: %w", engine.ErrRecord)
		}
		if !fn(b[w : w+int(n)]) {
			return nil
		}
		b = b[w+int(n):]
	}
	return nil
}

// first returns the first ids, at most limit of them.
func (a address) first(limit int) (ids []string, err error) {
	err = a.each(func(id []byte) bool {
		ids = append(ids, string(id))
		return len(ids) < limit
	})
	return ids, err
}

func (a *address) add(id string) {
	a.ids = append(binary.AppendUvarint(slices.Clip(a.ids), uint64(len(id))), id...)
}

func (a *address) drop(id string) error {
	var left address
	err := a.each(func(held []byte) bool {
		if string(held) != id {
			left.ids = append(binary.AppendUvarint(left.ids, uint64(len(held))), held...)
		}
		return true
	})
	a.ids = left.ids
	return err
}

// normal is the form in which addresses are compared.
func normal(email string) string { return engine.NormalAddress(email) }

// resolve returns the key of a contact, and makes one at first sight. Returns errAmbiguous, errTooLong, errNobody
// or, if readOnly, errMustWrite.
func (d *resolver) resolve(location string, c *engine.Contact) (engine.ID, error) {
	email := normal(c.Email)
	switch {
	case len(c.ID) > maxIdentity || len(email) > maxIdentity:
		return engine.ID{}, errTooLong
	case c.ID != "":
		return d.resolveID(location, c.ID, email)
	case email != "":
		return d.resolveAddress(location, email)
	}
	return engine.ID{}, errNobody
}

func (d *resolver) resolveAddress(location, email string) (engine.ID, error) {
	a, err := d.address(location, email)
	var ids []string
	if err == nil {
		ids, err = a.first(2)
	}
	switch {
	case err != nil:
		return engine.ID{}, err
	case len(ids) > 1:
		return engine.ID{}, errAmbiguous
	case len(ids) == 1:
		e, _, err := d.id(location, ids[0])
		return e.key, err
	case !a.provisional.IsZero():
		return a.provisional, nil
	case d.readOnly:
		return engine.ID{}, errMustWrite
	}
	a.provisional = d.newKey(location, email)
	d.putAddress(location, email, a)
	return a.provisional, nil
}

func (d *resolver) resolveID(location, id, email string) (engine.ID, error) {
	e, known, err := d.id(location, id)
	if err != nil || known && (email == "" || email == e.email) {
		return e.key, err
	}
	if d.readOnly {
		return engine.ID{}, errMustWrite
	}
	var a address
	if email != "" {
		if a, err = d.address(location, email); err != nil {
			return engine.ID{}, err
		}
	}
	provisional := a.provisional
	a.provisional = engine.ID{}
	switch {
	case known && !provisional.IsZero():
		d.absorb(location, provisional, e.key)
	case !known && !provisional.IsZero():
		e.key = provisional // the id is given to the contact that was known by its address
	case !known:
		e.key = d.newKey(location, id)
	}
	if err := d.dropHolder(location, e.email, id); err != nil {
		return engine.ID{}, err
	}
	if email != "" {
		a.add(id)
		d.putAddress(location, email, a)
	}
	e.email = email
	d.putID(location, id, e)
	return e.key, nil
}

// absorb notes that one contact takes over another; it is done when all of it is stored.
func (d *resolver) absorb(location string, from, to engine.ID) {
	d.tx.Put(engine.SpaceDirectory, engine.Key(location, []byte{absorbing}, from[:]), append([]byte{1}, to[:]...))
}

// dropHolder takes an id from the address that it had.
func (d *resolver) dropHolder(location, email, id string) error {
	if email == "" {
		return nil
	}
	a, err := d.address(location, email)
	if err != nil {
		return err
	}
	if err := a.drop(id); err != nil {
		return err
	}
	d.putAddress(location, email, a)
	return nil
}

// newKey makes a key. The nonce tells it from one that was made of the same address within the same millisecond.
func (d *resolver) newKey(location, identity string) engine.ID {
	d.made++
	return engine.NewID(d.now, engine.ShardOf(location, identity), location, identity, d.nonce, strconv.Itoa(d.made))
}

func directoryKey(location string, kind byte, identity string) []byte {
	return engine.Key(location, []byte{kind}, []byte(identity))
}

func (d *resolver) id(location, id string) (e idEntry, known bool, err error) {
	b := d.tx.Get(engine.SpaceDirectory, directoryKey(location, byID, id))
	if b == nil {
		return e, false, nil
	}
	if len(b) < 17 || b[0] != 1 {
		return e, false, fmt.Errorf("directory: %w", engine.ErrRecord)
	}
	return idEntry{engine.ID(b[1:17]), string(b[17:])}, true, nil
}

func (d *resolver) putID(location, id string, e idEntry) {
	b := append([]byte{1}, e.key[:]...)
	d.tx.Put(engine.SpaceDirectory, directoryKey(location, byID, id), append(b, e.email...))
}

func (d *resolver) address(location, email string) (a address, err error) {
	b := d.tx.Get(engine.SpaceDirectory, directoryKey(location, byAddress, email))
	if b == nil {
		return a, nil
	}
	if len(b) < 17 || b[0] != 1 {
		return a, fmt.Errorf("directory: %w", engine.ErrRecord)
	}
	a.provisional = engine.ID(b[1:17])
	if len(b) > 17 {
		a.ids = b[17:]
	}
	return a, nil
}

// putAddress stores an address, or forgets it when it stands for nobody.
func (d *resolver) putAddress(location, email string, a address) {
	key := directoryKey(location, byAddress, email)
	if a.provisional.IsZero() && len(a.ids) == 0 {
		d.tx.Delete(engine.SpaceDirectory, key)
		return
	}
	b := append(make([]byte, 0, 17+len(a.ids)), 1)
	d.tx.Put(engine.SpaceDirectory, key, append(append(b, a.provisional[:]...), a.ids...))
}

// An absorption is one that is not done yet.
type absorption struct {
	location string
	from, to engine.ID
}

// pendingAbsorptions lists what absorb noted, of all locations.
func pendingAbsorptions(tx engine.Tx, locations []string) (all []absorption) {
	for _, location := range locations {
		prefix := engine.Key(location, []byte{absorbing})
		tx.Scan(engine.SpaceDirectory, prefix, engine.PrefixEnd(prefix), func(k, v []byte) bool {
			k = bytes.TrimPrefix(k, prefix)
			if len(k) == 16 && len(v) == 17 && v[0] == 1 {
				all = append(all, absorption{location, engine.ID(k), engine.ID(v[1:])})
			}
			return true
		})
	}
	return all
}
