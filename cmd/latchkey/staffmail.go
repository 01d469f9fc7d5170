package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"latchkey/actions"
	"latchkey/engine"
	"latchkey/engine/console"
	"latchkey/linkgen"
)

// This file makes links that sign staff in, and mails them.

// Limits of sign-in mails to one address.
const (
	askEvery  = 30 * time.Second
	askHourly = 6
	askAlways = 10 * time.Minute // after the last there is always one more: it works for longer, so that whoever else asks for them all day keeps nobody out
	askQueue  = 32               // mails that wait to be sent, of all addresses
)

// A staffPost mails sign-in links to who asked for one. It is drained by mailStaff.
type staffPost struct {
	queue chan string

	mu    sync.Mutex
	asked map[string][]time.Time // by address: of the last hour
}

func newStaffPost() *staffPost {
	return &staffPost{queue: make(chan string, askQueue), asked: map[string][]time.Time{}}
}

// may reports whether an address may be mailed now, and counts it. Only addresses of staff come here, so the table stays small.
func (p *staffPost) may(address string, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	recent := p.asked[address][:0]
	for _, t := range p.asked[address] {
		if now.Sub(t) < time.Hour {
			recent = append(recent, t)
		}
	}
	p.asked[address] = recent
	if n := len(recent); n > 0 && now.Sub(recent[n-1]) < askEvery || n >= askHourly && now.Sub(recent[n-1]) < askAlways {
		return false
	}
	p.asked[address] = append(recent, now)
	return true
}

// Ask implements console.Staff.
func (s adminStaff) Ask(_ context.Context, address string) error {
	address = engine.NormalAddress(address)
	if s.roleOf(address) == "" || !s.post.may(address, s.cfg.Now()) {
		return nil
	}
	select {
	case s.post.queue <- address:
	default: // too many wait: they ask again
	}
	return nil
}

// mailStaff sends the sign-in links that were asked for, until ctx ends.
func (s *site) mailStaff(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case address := <-s.post.queue:
			if err := s.mailSignIn(ctx, address); err != nil && ctx.Err() == nil {
				s.log.Error().Str("error", engine.WithoutTokens(err)).Str("to", actions.MaskAddress(address)).Msg("a sign-in link could not be mailed to a member of staff")
			}
		}
	}
}

// mailSignIn mails one link. It tries a few times: who waits for it looks at the screen.
func (s *site) mailSignIn(ctx context.Context, address string) error {
	id, url, err := s.signInLink(ctx, address, "", 0)
	if err != nil {
		return err
	}
	name := s.inForce().loc.Name
	now := s.cfg.Now()
	mail := actions.Mail{
		From: s.inForce().cfg.Email.From, To: address, Location: s.cfg.Location, Date: now, TaskID: engine.NewID(now, 0, "staff", id),
		MessageID: id + "@" + domainOf(s.inForce().cfg.Email.From), Links: []actions.Link{{ID: id, URL: url}},
		Subject: "Your sign-in link for " + name,
		Text: fmt.Sprintf("Sign in to the console of %s:\n\n%s\n\nThe link works once, for 15 minutes. Did not ask for it? Then ignore this mail:\nnobody is signed in by it.\n",
			name, url.Reveal()),
	}
	for try := time.Second; ; try *= 4 {
		_, err = s.mailer.Send(ctx, mail)
		if err == nil || engine.IsFinal(err) || try > 20*time.Second {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(try):
		}
	}
}

func domainOf(mailbox string) string {
	_, domain, _ := strings.Cut(addressOf(mailbox), "@")
	return domain
}

// signInLink makes a link that signs a member of staff in, once. by is who made it; "" if they asked for it themselves.
func (s *site) signInLink(ctx context.Context, address, by string, ttl time.Duration) (id string, url engine.Secret, err error) {
	err = s.stores.For(0).Update(ctx, func(tx engine.Tx) (err error) {
		id, url, err = s.links.MintStaff(tx, linkgen.StaffRequest{Now: engine.Tick(tx, s.cfg.Now()), Location: s.cfg.Location,
			Email: address, TTL: ttl, By: by, Base: s.adminURL() + "/signin/"})
		return err
	})
	if err == nil && len(s.sites) > 1 {
		url = engine.NewSecret(url.Reveal() + "?location=" + s.cfg.Location)
	}
	return id, url, err
}

// adminURL is where staff reach the pages, as latchkey.yaml says; never as a request does.
func (i *instance) adminURL() string {
	if i.cfg.Admin.URL != "" {
		return i.cfg.Admin.URL
	}
	return "http://" + dialable(i.adminListener.Addr().String())
}

// adminSecure reports whether staff reach the pages by https.
func (i *instance) adminSecure() bool { return strings.HasPrefix(i.adminURL(), "https://") }

// staffCookie is the name of the cookie of who is signed in to the location's console.
func (s *site) staffCookie() string { return console.Cookie(s.cfg.Location, s.adminSecure()) }

// signIn makes a link on demand, for the API.
func (s *site) signIn(ctx context.Context, address string) (console.SignIn, error) {
	who := theOwner
	if address != "" {
		if who = engine.NormalAddress(address); s.roleOf(who) == "" {
			return console.SignIn{}, fmt.Errorf("%w: that address is not one of staff in latchkey.yaml", console.ErrInvalid)
		}
	}
	_, url, err := s.signInLink(ctx, who, console.By(ctx), 0)
	return console.SignIn{For: who, URL: url.Reveal()}, err
}

// greet returns the link that signs the owner in, for the terminal that started the server and nothing else.
func (s *site) greet(ctx context.Context, ttl time.Duration) (string, error) {
	_, url, err := s.signInLink(ctx, theOwner, "", ttl)
	return url.Reveal(), err
}

var errStaffLink = errors.New("a link that signs staff in is made by who asks for it")
