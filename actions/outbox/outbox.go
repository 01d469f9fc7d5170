// Package outbox is the Mailer and Texter of a machine that has no mail server and no Twilio account: it delivers to
// a page. It owns the record of each message it took, the live links of the latest thousand, and the pages that show
// them. It does not know tasks, runs or contacts: whoever wants those beside a message joins by the task's id.
//
// Live links are in memory only. A record holds a placeholder for each, which names the link's id; after a restart the
// page shows the message with that, and offers to mint a new link.
package outbox

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"latchkey/actions"
	"latchkey/engine"
)

// Keep is how many messages have their live links in memory.
const Keep = 1000

// Channels of a message.
const (
	Email = "email"
	SMS   = "sms"
)

// ErrNotFound is returned for a message that is not, or no more, in the outbox.
var ErrNotFound = errors.New("outbox: no such message")

// A Message is what the outbox took. In Text and HTML a placeholder, "login-link:ID", stands for each link; Reveal puts
// the links themselves in.
type Message struct {
	ID          engine.ID // the task's
	At          time.Time // when it was delivered here, the last time if a task was tried twice
	Location    string
	Channel     string // Email or SMS
	MessageID   string // e-mail only, as are ReplyTo, Subject, HTML and Unsubscribe
	From        string
	ReplyTo     string
	To          string
	Subject     string
	HTML, Text  string
	Unsubscribe string
	Links       []Link
}

// A Link is a login link of a message.
type Link struct {
	ID  string       // as the message was sent with it
	Now actions.Link // what opens now: itself, or the one minted in its place; the URL is empty if none is in memory
}

// Live reports whether all links of the message are in memory.
func (m Message) Live() bool {
	return !slices.ContainsFunc(m.Links, func(l Link) bool { return l.Now.URL.IsZero() })
}

// Options are what an Outbox may be given. All may be left out.
type Options struct {
	Now func() time.Time // default time.Now
	// Mint makes a new link for the same person and place as the link of that id, which the message was sent with.
	// Without it the page does not offer that.
	Mint func(ctx context.Context, message engine.ID, link string) (actions.Link, error)
}

// An Outbox keeps messages. Its methods may be called by many goroutines at once.
type Outbox struct {
	stores engine.Stores
	opts   Options

	mu    sync.Mutex
	live  map[engine.ID]map[string]actions.Link // message -> link as sent -> link as it opens now
	order []engine.ID                           // of live, oldest first
	subs  []*func(Message)
}

// New returns an Outbox on engine.SpaceOutbox of the stores.
func New(stores engine.Stores, opts Options) *Outbox {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Outbox{stores: stores, opts: opts, live: map[engine.ID]map[string]actions.Link{}}
}

// Mailer returns the outbox as an actions.Mailer. Its errors are the store's.
func (o *Outbox) Mailer() actions.Mailer { return mailer{o} }

// Texter returns the outbox as an actions.Texter. Its errors are the store's.
func (o *Outbox) Texter() actions.Texter { return texter{o} }

type mailer struct{ *Outbox }

// Send implements actions.Mailer.
func (m mailer) Send(ctx context.Context, in actions.Mail) (actions.Receipt, error) {
	hide := hider(in.Links)
	return m.take(ctx, in.Links, Message{
		ID: in.TaskID, Location: in.Location, Channel: Email, MessageID: in.MessageID, From: in.From, ReplyTo: in.ReplyTo,
		To: in.To, Subject: hide(in.Subject), HTML: hide(in.HTML), Text: hide(in.Text), Unsubscribe: in.Unsubscribe,
	})
}

type texter struct{ *Outbox }

// Send implements actions.Texter.
func (t texter) Send(ctx context.Context, in actions.Text) (actions.Receipt, error) {
	return t.take(ctx, in.Links, Message{
		ID: in.TaskID, Location: in.Location, Channel: SMS, From: in.From, To: in.To, Text: hider(in.Links)(in.Body),
	})
}

// take stores the message and then, if that went well, its live links, and tells who wants to know.
func (o *Outbox) take(ctx context.Context, links []actions.Link, m Message) (actions.Receipt, error) {
	m.At = o.opts.Now().UTC().Truncate(time.Millisecond)
	for _, l := range links {
		m.Links = append(m.Links, Link{ID: l.ID, Now: l})
	}
	value, err := encode(m)
	if err != nil {
		return actions.Receipt{}, engine.Final(fmt.Errorf("outbox: %w", err))
	}
	err = o.stores.For(m.ID.Shard()).Update(ctx, func(tx engine.Tx) error {
		tx.Put(engine.SpaceOutbox, engine.Key(m.Location, m.ID[:]), slices.Clone(value)) // fn may run twice
		return nil
	})
	if err != nil {
		return actions.Receipt{}, fmt.Errorf("outbox: %w", err)
	}
	o.remember(m.ID, links)
	for _, fn := range o.subscribers() {
		fn(m)
	}
	return actions.Receipt{ID: m.ID.String()}, nil
}

// remember keeps a message's live links, and forgets those of the oldest beyond Keep.
func (o *Outbox) remember(id engine.ID, links []actions.Link) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, again := o.live[id]; !again {
		o.order = append(o.order, id)
	}
	byID := make(map[string]actions.Link, len(links))
	for _, l := range links {
		byID[l.ID] = l
	}
	o.live[id] = byID
	for len(o.order) > Keep {
		delete(o.live, o.order[0])
		o.order = o.order[1:]
	}
}

// fill puts into m the links that are in memory.
func (o *Outbox) fill(m *Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, l := range m.Links {
		m.Links[i].Now = o.live[m.ID][l.ID]
	}
}

// Subscribe has fn called with each message once it is stored, by the goroutine that sends it: fn must be quick.
// The message's links are live; Reveal gives its text with them. stop ends that.
func (o *Outbox) Subscribe(fn func(Message)) (stop func()) {
	p := &fn
	o.mu.Lock()
	defer o.mu.Unlock()
	o.subs = append(slices.Clone(o.subs), p)
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.subs = slices.DeleteFunc(slices.Clone(o.subs), func(q *func(Message)) bool { return q == p })
	}
}

func (o *Outbox) subscribers() []func(Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	fns := make([]func(Message), len(o.subs))
	for i, p := range o.subs {
		fns[i] = *p
	}
	return fns
}

// Renew mints a new link in place of one that the message was sent with. Errors are ErrNotFound and those of Options.Mint.
func (o *Outbox) Renew(ctx context.Context, id engine.ID, link string) (actions.Link, error) {
	m, err := o.Get(ctx, id)
	if err != nil {
		return actions.Link{}, err
	}
	if o.opts.Mint == nil || !slices.ContainsFunc(m.Links, func(l Link) bool { return l.ID == link }) {
		return actions.Link{}, ErrNotFound
	}
	fresh, err := o.opts.Mint(ctx, id, link)
	if err != nil {
		return actions.Link{}, fmt.Errorf("outbox: minting a link: %w", err)
	}
	kept := []actions.Link{}
	for _, l := range m.Links {
		if l.ID == link {
			l.Now = fresh
		}
		kept = append(kept, l.Now)
	}
	o.replace(id, m.Links, kept)
	return fresh, nil
}

func (o *Outbox) replace(id engine.ID, sent []Link, now []actions.Link) {
	o.remember(id, nil)
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, l := range sent {
		if !now[i].URL.IsZero() {
			o.live[id][l.ID] = now[i]
		}
	}
}

// pruneAtOnce bounds a transaction of Prune.
const pruneAtOnce = 500

// Prune removes the messages of tasks that are older than before, and returns how many. Errors are the store's.
func (o *Outbox) Prune(ctx context.Context, before time.Time) (int, error) {
	var oldest engine.ID // of those that stay
	binary.BigEndian.PutUint64(oldest[:], uint64(before.UnixMilli())<<16)
	removed := 0
	for _, store := range o.stores.All() {
		for more := true; more; {
			var keys [][]byte
			err := store.Update(ctx, func(tx engine.Tx) error {
				keys = keys[:0]
				for _, location := range locations(tx, "") {
					tx.Scan(engine.SpaceOutbox, engine.Key(location), engine.Key(location, oldest[:]), func(key, _ []byte) bool {
						keys = append(keys, slices.Clone(key))
						return len(keys) < pruneAtOnce
					})
				}
				for _, k := range keys {
					tx.Delete(engine.SpaceOutbox, k)
				}
				return nil
			})
			if err != nil {
				return removed, fmt.Errorf("outbox: %w", err)
			}
			removed += len(keys)
			more = len(keys) >= pruneAtOnce
		}
	}
	return removed, nil
}

// A Query selects messages. Its zero value selects the newest 50.
type Query struct {
	Limit    int       // at most; 0: 50
	Before   engine.ID // only messages of older tasks
	Location string    // only of this one
	Channel  string    // only Email or SMS
}

// Messages returns messages, newest first by their tasks' ids.
func (o *Outbox) Messages(ctx context.Context, q Query) ([]Message, error) {
	if q.Limit <= 0 {
		q.Limit = 50
	}
	var all []Message
	for _, store := range o.stores.All() {
		err := store.View(ctx, func(tx engine.Tx) error {
			for _, location := range locations(tx, q.Location) {
				all = append(all, newest(tx, location, q, o.opts.Now())...)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("outbox: %w", err)
		}
	}
	slices.SortFunc(all, func(a, b Message) int { return cmp.Compare(string(b.ID[:]), string(a.ID[:])) })
	all = all[:min(len(all), q.Limit)]
	for i := range all {
		o.fill(&all[i])
	}
	return all, nil
}

// Get returns one message. Errors are ErrNotFound and the store's.
func (o *Outbox) Get(ctx context.Context, id engine.ID) (Message, error) {
	var m Message
	found := false
	err := o.stores.For(id.Shard()).View(ctx, func(tx engine.Tx) error {
		for _, location := range locations(tx, "") {
			if b := tx.Get(engine.SpaceOutbox, engine.Key(location, id[:])); b != nil {
				var err error
				m, err = decode(location, id, b)
				found = err == nil
				return err
			}
		}
		return nil
	})
	if err != nil {
		return m, fmt.Errorf("outbox: %w", err)
	}
	if !found {
		return m, ErrNotFound
	}
	o.fill(&m)
	return m, nil
}
