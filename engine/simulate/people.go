package simulate

import (
	"context"
	"errors"

	"latchkey/engine"
)

var errNoPerson = errors.New("contact is not in the world")

// Meet makes a contact known before anything happens to it. key is that of Key, or of KeyFor.
func (w *World) Meet(c engine.Contact, tags []string, key engine.ID) {
	if c.ID != "" {
		w.keys["id:"+c.ID] = key
	}
	if c.Email != "" {
		w.keys["email:"+engine.NormalAddress(c.Email)] = key
	}
	w.save(&engine.Person{Key: key, Location: w.set.Location.ID, Contact: c, Tags: tags, Since: w.now})
}

// Key returns the key of a contact: the same in each world that begins at the same time. Another salt makes another one.
func (w *World) Key(c *engine.Contact, salt string) engine.ID {
	identity := c.ID
	if identity == "" {
		identity = engine.NormalAddress(c.Email)
	}
	loc := w.set.Location.ID
	return engine.NewID(w.now, engine.ShardOf(loc, identity), loc, identity, salt)
}

// keyOf returns whom an event is about; who is new gets a key. One contact that is known by its address only, and is then
// told with its id, stays the same; that two contacts turn out to be one is not simulated.
func (w *World) keyOf(c *engine.Contact) engine.ID {
	address := "email:" + engine.NormalAddress(c.Email)
	key, ok := w.keys["id:"+c.ID]
	if !ok && c.Email != "" {
		if key, ok = w.keys[address]; ok && c.ID != "" {
			if p := w.person(key); p.Contact.ID != "" && p.Contact.ID != c.ID {
				ok = false // the address is another's
			}
		}
	}
	if !ok {
		key = w.Key(c, "")
		w.save(&engine.Person{Key: key, Location: w.set.Location.ID, Since: w.now})
	}
	if c.ID != "" {
		w.keys["id:"+c.ID] = key
	}
	if c.Email != "" {
		w.keys[address] = key
	}
	return key
}

// person returns a person as it is stored.
func (w *World) person(key engine.ID) *engine.Person {
	var p *engine.Person
	err := w.store.View(context.Background(), func(tx engine.Tx) (err error) {
		p, err = engine.LoadPerson(tx, w.set.Location.ID, key)
		return err
	})
	if err == nil && p == nil {
		err = errNoPerson
	}
	if err != nil {
		w.fail(err)
		return &engine.Person{Key: key, Location: w.set.Location.ID}
	}
	return p
}

func (w *World) save(p *engine.Person) {
	was := p.Wakes
	w.update(func(tx engine.Tx) error { return engine.SavePerson(tx, p) })
	if at := p.NextWake(); !at.IsZero() && !at.Equal(was) {
		w.appoint(appointment{at: at, who: p.Key})
	}
}
