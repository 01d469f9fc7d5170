package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"latchkey/engine"
	"latchkey/linkgen/portal"
)

// Requests for login links that were answered and are not worked off yet. Whoever asked was told that a message comes, so each is
// in the store before the answer: in the global partition, for who it is about is not known then. Its id is that of the event that
// starts the run, in whatever partition that is: a request that was served when the process died, and was not removed yet,
// starts nothing the second time.

const (
	loginQueue  = 1000                   // requests that wait, at most
	loginRecord = 4 << 10                // bytes of one, at most: the form has no more
	loginLinger = 100 * time.Millisecond // how long those that were served wait for others, to be removed by one commit
	loginAgain  = 5 * time.Second        // when one that the store had no room for is tried again
)

// A loginAsked is a request as it is stored.
type loginAsked struct {
	portal.LoginRequest           // but for Client, which has been counted by then
	ID                  engine.ID // of the request, and of the event that comes of it
	Owner               engine.ID // who it is about, once a message was taken out of the budget for it
}

func loginKey(location string, id engine.ID) []byte { return engine.Key(location, id[:]) }

func (a *loginAsked) key() []byte { return loginKey(a.Location, a.ID) }

// A request's record: a version byte (1), and fields: contact (1), app (3), to (4), channel (5), language (6), reason (7), owner (8),
// and what was typed as an address, sealed (9): it may be anybody's, or a link that was pasted there, and freed pages of the store keep
// what was in them; in (10). Location and id are its key. Records of before have the address as it is (2).
func (d *loginDesk) write(a *loginAsked) []byte {
	w := engine.FieldWriter{B: []byte{1}}
	w.ID(1, a.Contact)
	w.Text(3, a.App)
	w.Text(4, a.To)
	w.Text(5, a.Channel)
	w.Text(6, a.Lang)
	w.Text(7, a.Reason)
	w.ID(8, a.Owner)
	if a.Address != "" {
		w.Bytes(9, d.sealer.Seal(sealedFor(a.key()), a.Address))
	}
	w.Text(10, a.In)
	return w.B
}

// sealedFor is the purpose of a sealed address: it does not open in another record.
func sealedFor(key []byte) string { return "login " + string(key) }

func (d *loginDesk) readRecord(key, b []byte) (*loginAsked, error) {
	location, id := len(key)-len(engine.ID{})-1, len(key)-len(engine.ID{})
	if location < 0 || key[location] != 0 || len(b) == 0 || b[0] != 1 {
		return nil, fmt.Errorf("request for a login link: %w", engine.ErrRecord)
	}
	a := &loginAsked{ID: engine.ID(key[id:])}
	a.Location = string(key[:location])
	r := engine.FieldReader{Rest: b[1:]}
	for r.Next() {
		switch r.Tag {
		case 1:
			a.Contact = r.ID()
		case 2:
			a.Address = r.Text()
		case 3:
			a.App = r.Text()
		case 4:
			a.To = r.Text()
		case 5:
			a.Channel = r.Text()
		case 6:
			a.Lang = r.Text()
		case 7:
			a.Reason = r.Text()
		case 8:
			a.Owner = r.ID()
		case 9:
			address, err := d.sealer.Open(sealedFor(key), r.Bytes())
			if err != nil {
				return nil, fmt.Errorf("%w: address of a request for a login link: %w", engine.ErrRecord, err)
			}
			a.Address = address
		case 10:
			a.In = r.Text()
		}
	}
	return a, r.Err
}

// openLogins finds what an earlier process answered and did not work off.
func (i *instance) openLogins(ctx context.Context) error {
	sealer, err := i.keys.Sealer()
	if err != nil {
		return err
	}
	d := &loginDesk{instance: i, sealer: sealer, warned: map[string]time.Time{}, startRun: i.runner.StartByHand}
	left, err := d.pending(ctx, func(*loginAsked) bool { return true })
	if err != nil {
		return err
	}
	d.queue = make(chan []byte, max(loginQueue, len(left)))
	d.waiting.Store(int64(len(left)))
	for _, key := range left {
		d.queue <- key
	}
	i.logins = d
	return nil
}

// pending returns the keys of the stored requests that are wanted, of all locations in the order in which they came. One that cannot
// be read is wanted.
func (d *loginDesk) pending(ctx context.Context, wanted func(*loginAsked) bool) (keys [][]byte, err error) {
	err = d.stores.Global().View(ctx, func(tx engine.Tx) error {
		keys = nil
		tx.Scan(engine.SpaceLogins, nil, nil, func(k, v []byte) bool {
			if a, err := d.readRecord(k, v); err != nil || wanted(a) {
				keys = append(keys, slices.Clone(k))
			}
			return true
		})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("requests for login links: %w", err)
	}
	slices.SortFunc(keys, func(a, b []byte) int { return slices.Compare(a[max(0, len(a)-16):], b[max(0, len(b)-16):]) })
	return keys, nil
}

// keep stores a request, and has it worked off. There is room for it.
func (d *loginDesk) keep(ctx context.Context, r portal.LoginRequest) error {
	a := loginAsked{LoginRequest: r, ID: engine.NewID(d.cfg.Now(), 0, "login", rand.Text())}
	key, record := a.key(), d.write(&a)
	if len(record) > loginRecord {
		return fmt.Errorf("request for a login link has %d bytes", len(record))
	}
	err := d.stores.Global().Update(ctx, func(tx engine.Tx) error {
		tx.Put(engine.SpaceLogins, slices.Clone(key), slices.Clone(record))
		return nil
	})
	if err != nil {
		return fmt.Errorf("store a request for a login link: %w", err)
	}
	d.queue <- key
	return nil
}

// run works off requests until ctx ends. Those that wait then are found by the next process. While the store has no room for what
// comes of one, all wait.
func (d *loginDesk) run(ctx context.Context) error {
	var served [][]byte
	removed := time.Now()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case key := <-d.queue:
			if d.insist(ctx, func() error { return d.serve(ctx, key) }) {
				served = append(served, key)
			}
		}
		if len(d.queue) > 0 && time.Since(removed) < loginLinger && ctx.Err() == nil {
			continue
		}
		if d.insist(ctx, func() error { return d.remove(context.WithoutCancel(ctx), served) }) {
			d.waiting.Add(-int64(len(served)))
			served, removed = nil, time.Now()
		}
	}
	return nil
}

// insist does something until it is done or ctx ends, and reports which.
func (d *loginDesk) insist(ctx context.Context, do func() error) bool {
	for {
		err := do()
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		d.log.Error().Err(err).Msg("requests for login links wait, trying again later")
		select {
		case <-ctx.Done():
			return false
		case <-time.After(loginAgain):
		}
	}
}

// remove removes requests that were served, or are to be forgotten.
func (d *loginDesk) remove(ctx context.Context, keys [][]byte) error {
	if len(keys) == 0 {
		return nil
	}
	err := d.stores.Global().Update(ctx, func(tx engine.Tx) error {
		for _, key := range keys {
			tx.Delete(engine.SpaceLogins, slices.Clone(key))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("remove requests for login links: %w", err)
	}
	return nil
}

// serve does what one request asks for, if it may and the request is still there. It returns an error if the store could not take
// it now, and nothing was done.
func (d *loginDesk) serve(ctx context.Context, key []byte) error {
	a, err := d.read(ctx, key)
	switch {
	case errors.Is(err, engine.ErrRecord):
		d.log.Error().Err(err).Msg("a request for a login link is passed over")
		return nil
	case err != nil || a == nil:
		return err
	}
	result, who, err := d.decide(ctx, a)
	if waits(err) {
		return err
	}
	d.tell(&a.LoginRequest, result, who, err)
	return nil
}

// waits reports whether an error is one of a store that may take it later, be it in another process.
func waits(err error) bool {
	for _, e := range []error{engine.ErrFull, engine.ErrClosed, engine.ErrLost, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// read returns the request at a key, or nil.
func (d *loginDesk) read(ctx context.Context, key []byte) (a *loginAsked, err error) {
	err = d.stores.Global().View(ctx, func(tx engine.Tx) (err error) {
		if b := tx.Get(engine.SpaceLogins, key); b != nil {
			a, err = d.readRecord(key, b)
		}
		return err
	})
	return a, err
}

// forget removes the requests that are about a contact.
func (d *loginDesk) forget(ctx context.Context, e forgotten, contacts []engine.ID) error {
	keys, err := d.pending(ctx, func(a *loginAsked) bool {
		return a.Location == e.Location && (e.is(whoEmail, a.Address) || slices.Contains(contacts, a.Contact) || slices.Contains(contacts, a.Owner))
	})
	if err != nil {
		return err
	}
	return d.remove(ctx, keys)
}

// answerTime is how long the answer to a request takes, at least. What is done for the request before it keeps the store busy for
// some milliseconds if somebody has that address: without this the next answer would tell.
const answerTime = 100 * time.Millisecond

// An evenSender answers requests no sooner than after answerTime.
type evenSender struct{ portal.LoginSender }

// Send implements portal.LoginSender.
func (s evenSender) Send(ctx context.Context, r portal.LoginRequest) error {
	even := time.NewTimer(answerTime)
	defer even.Stop()
	if err := s.LoginSender.Send(ctx, r); err != nil {
		return err
	}
	select {
	case <-even.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
