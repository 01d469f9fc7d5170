package linkgen

import (
	"bytes"
	"slices"

	"latchkey/engine"
)

// A contact's links are listed by their selectors: the newest of each app in its head, which a mint writes anyway, so that it
// changes one page and not two; what has no room there, in lists of its own.

// listedInHead is how many selectors a head holds at most.
const listedInHead = 32

// listPrefix begins the keys of a contact's lists; the first selector of the list follows. The value is a version byte and
// the other selectors.
func listPrefix(location string, contact engine.ID) []byte {
	return engine.Key(location, contact[:], []byte("link\x00"))
}

// list adds the selector of a new link. When there is no more room, those before go to a list.
func (h *head) list(tx engine.Tx, location string, contact engine.ID, s Selector) {
	if len(h.Listed) >= listedInHead {
		putList(tx, location, contact, h.Listed)
		h.Listed = h.Listed[:0]
	}
	h.Listed = append(h.Listed, s)
}

func putList(tx engine.Tx, location string, contact engine.ID, list []Selector) {
	if len(list) > 0 {
		tx.Put(engine.SpaceHeads, append(listPrefix(location, contact), list[0][:]...), packSelectors([]byte{recordVersion}, list[1:]))
	}
}

func packSelectors(to []byte, list []Selector) []byte {
	to = slices.Grow(to, len(list)*selectorSize)
	for _, s := range list {
		to = append(to, s[:]...)
	}
	return to
}

func unpackSelectors(b []byte) []Selector {
	list := make([]Selector, 0, len(b)/selectorSize+1) // mostly for one more
	for s := range slices.Chunk(b[:len(b)/selectorSize*selectorSize], selectorSize) {
		list = append(list, Selector(s))
	}
	return list
}

// lists calls fn with each of a contact's lists that are not in heads, in order, until it returns false.
func lists(tx engine.Tx, location string, contact engine.ID, fn func([]Selector) bool) {
	prefix := listPrefix(location, contact)
	tx.Scan(engine.SpaceHeads, prefix, engine.PrefixEnd(prefix), func(k, v []byte) bool {
		if len(k) != len(prefix)+selectorSize || len(v) == 0 || v[0] != recordVersion {
			return true
		}
		return fn(append([]Selector{Selector(k[len(prefix):])}, unpackSelectors(v[1:])...))
	})
}

// selectors returns those of a contact's links, oldest first.
func selectors(tx engine.Tx, location string, contact engine.ID) (all []Selector, err error) {
	lists(tx, location, contact, func(list []Selector) bool { all = append(all, list...); return true })
	prefix := headKey(location, contact, "")
	tx.Scan(engine.SpaceHeads, prefix, engine.PrefixEnd(prefix), func(_, v []byte) bool {
		var h head
		_, err = decode(engine.SpaceHeads, v, &h)
		all = append(all, h.Listed...)
		return err == nil
	})
	slices.SortFunc(all, func(a, b Selector) int { return bytes.Compare(a[:], b[:]) })
	return all, err
}

// unlist takes the selector of a link that is deleted from where it is listed. The oldest are deleted first and are listed first, so
// of very many links it reads few.
func unlist(tx engine.Tx, l Link, s Selector) error {
	key := headKey(l.Location, l.Contact, l.App)
	var h head
	if _, err := load(tx, engine.SpaceHeads, key, &h); err != nil {
		return err
	}
	if i := slices.Index(h.Listed, s); i >= 0 {
		h.Listed = slices.Delete(h.Listed, i, i+1)
		return save(tx, engine.SpaceHeads, key, h)
	}
	var from []Selector
	lists(tx, l.Location, l.Contact, func(list []Selector) bool {
		if slices.Contains(list, s) {
			from = list
		}
		return from == nil && bytes.Compare(list[0][:], s[:]) <= 0 // a list begins with its oldest
	})
	if len(from) > 0 {
		tx.Delete(engine.SpaceHeads, append(listPrefix(l.Location, l.Contact), from[0][:]...))
		putList(tx, l.Location, l.Contact, slices.DeleteFunc(from, func(o Selector) bool { return o == s }))
	}
	return nil
}
