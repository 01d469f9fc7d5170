package linkgen

import (
	"crypto/rand"
	"fmt"
	"io"
	"strings"
	"time"

	"latchkey/engine"
)

// A Supersede says when the links of a newer message make older ones dead.
type Supersede string

// The ways to supersede.
const (
	OnHandoff Supersede = "on_handoff" // when the message was accepted, or its outcome is unknown
	OnMint    Supersede = "on_mint"    // when the link is minted
)

const (
	// KeepAll as Settings.Keep lets every family live until it expires.
	KeepAll = -1
	// Unlimited as LinkRequest.Uses asks for a link without a limit of uses where the location has one.
	Unlimited = -1

	defaultTTL    = 24 * time.Hour
	defaultMaxTTL = 30 * 24 * time.Hour
)

// Settings are what a location says of its links. The zero value of each field but BaseURL is its default.
type Settings struct {
	BaseURL   string        // what every link begins with, without a slash at the end
	TTL       time.Duration // default 24 h
	MaxTTL    time.Duration // default 30 days; a longer request is cut to it
	Uses      int           // default unlimited
	Keep      int           // how many families live, or KeepAll; default 1
	Supersede Supersede     // default OnHandoff
	Idle      time.Duration // of a learner's session; default SessionIdle
	Life      time.Duration // likewise, in all; default SessionLife
}

func (s Settings) withDefaults() Settings {
	if s.MaxTTL <= 0 {
		s.MaxTTL = defaultMaxTTL
	}
	if s.TTL <= 0 {
		s.TTL = defaultTTL
	}
	if s.Keep == 0 {
		s.Keep = 1
	}
	if s.Supersede == "" {
		s.Supersede = OnHandoff
	}
	return s
}

// Links mints, checks and ends links. Its methods work on the partition that holds the contact's shard. It keeps no
// state of its own and may be used from many goroutines.
type Links struct {
	keys     *Keys
	settings func(location string) (Settings, bool)
	random   io.Reader
}

// New returns Links that hash with keys. settings returns what a location says, and whether it exists; it is asked
// at each call, so that changed settings take effect at once.
func New(keys *Keys, settings func(location string) (Settings, bool)) *Links {
	return &Links{keys: keys, settings: settings, random: rand.Reader}
}

func (l *Links) of(location string) (Settings, error) {
	s, ok := l.settings(location)
	if !ok {
		return s, engine.Final(fmt.Errorf("location %q is not configured", location))
	}
	return s.withDefaults(), nil
}

// Mint makes a link and returns its id, which is safe to store and show, and its URL, which is neither. It runs inside
// the commit that starts the attempt to send it. A link for an older or the same ordinal joins the contact's current
// family; one for a newer ordinal begins a family, which supersedes older ones when Settle is called, or at once.
// Mint never looks at access. Its errors are Final.
func (l *Links) Mint(tx engine.Tx, req engine.LinkRequest) (id string, url engine.Secret, err error) {
	set, err := l.of(req.Location)
	if err != nil {
		return "", url, fmt.Errorf("mint link: %w", err)
	}
	if set.BaseURL == "" || req.Contact.IsZero() {
		return "", url, engine.Final(fmt.Errorf("mint link: no base URL or no contact"))
	}
	key := headKey(req.Location, req.Contact, req.App)
	var h head
	if _, err := load(tx, engine.SpaceHeads, key, &h); err != nil {
		return "", url, fmt.Errorf("mint link: %w", engine.Final(err))
	}
	var acc account
	if _, err := load(tx, engine.SpaceHeads, accountKey(req.Location, req.Contact), &acc); err != nil {
		return "", url, fmt.Errorf("mint link: %w", engine.Final(err))
	}
	rec := linkRecord{Link: newLink(req, set), Family: h.join(req, set), Epoch: acc.Epoch}
	tok, err := l.store(tx, &rec, req.Contact.Shard(), req.Address)
	if err != nil {
		return "", url, fmt.Errorf("mint link: %w", err)
	}
	h.list(tx, req.Location, req.Contact, tok.selector)
	if err := save(tx, engine.SpaceHeads, key, h); err != nil {
		return "", url, fmt.Errorf("mint link: %w", err)
	}
	return rec.ID, tok.url(set.BaseURL), nil
}

// store gives a link its token and stores the link, with the hash of its token and of the address that it is sent to.
func (l *Links) store(tx engine.Tx, rec *linkRecord, shard uint16, address string) (Token, error) {
	tok, err := l.newToken(nextSelector(tx, shard, rec.Created))
	if err != nil {
		return tok, err
	}
	key := l.keys.mint()
	rec.ID, rec.KeyID, rec.MAC = tok.selector.ID(), key.id, key.linkMAC(rec.Kind, rec.Location, tok)
	if address != "" {
		rec.Address = key.addressMAC(rec.Location, address)
	}
	return tok, save(tx, engine.SpaceLinks, tok.selector[:], *rec)
}

// url returns what a token opens at.
func (t Token) url(base string) engine.Secret {
	return engine.NewSecret(strings.TrimRight(base, "/") + "/l/" + t.reveal())
}

func newLink(req engine.LinkRequest, set Settings) Link {
	ttl := req.TTL
	if ttl <= 0 {
		ttl = set.TTL
	}
	uses := req.Uses
	if uses == 0 {
		uses = set.Uses
	}
	now := req.Now.UTC().Truncate(time.Millisecond)
	return Link{
		Location: req.Location, Kind: Learner, Contact: req.Contact, App: req.App, To: cleanTo(req.To), In: CleanIn(req.To, req.In), Ordinal: req.Ordinal,
		Run: req.Run, Workflow: req.Workflow, Step: req.Step, Channel: req.Channel,
		Created: now, Expires: now.Add(min(ttl, set.MaxTTL)), MaxUses: max(uses, 0), Bind: req.Bind, By: req.By,
	}
}

// join returns the family that a new link belongs to, and notes it.
func (h *head) join(req engine.LinkRequest, set Settings) family {
	next := family{Ordinal: req.Ordinal}
	if req.ByHand {
		next = family{Ordinal: h.Newest.Ordinal, Hand: h.Newest.Hand + 1}
	}
	if !h.Newest.less(next) {
		return h.Newest
	}
	h.Newest = next
	if req.ByHand || set.Supersede == OnMint {
		h.accept(next, set.Keep)
	}
	return next
}

// newToken adds a secret to a selector. Some phones take a dash or underscore at the end for punctuation and leave
// it out of the link, so no token ends in one.
func (l *Links) newToken(s Selector) (Token, error) {
	for {
		var secret [secretSize]byte
		if _, err := io.ReadFull(l.random, secret[:]); err != nil {
			return Token{}, fmt.Errorf("read random bytes: %w", err)
		}
		tok := Token{s, engine.NewSecret(string(secret[:]))}
		if text := tok.reveal(); !strings.ContainsAny(text[tokenLen-1:], "-_") {
			return tok, nil
		}
	}
}

// Settle notes that a message with a link minted for that ordinal and app was handed over, or may have been: under
// OnHandoff the contact's older families die now. It may be called again, and in any order. Do not call it for a
// message that held no link.
func (l *Links) Settle(tx engine.Tx, location string, contact engine.ID, app string, ordinal uint64) error {
	set, err := l.of(location)
	if err != nil {
		return fmt.Errorf("settle links: %w", err)
	}
	key := headKey(location, contact, app)
	var h head
	ok, err := load(tx, engine.SpaceHeads, key, &h)
	if err != nil {
		return fmt.Errorf("settle links: %w", err)
	}
	if !ok || set.Supersede == OnMint || ordinal > h.Newest.Ordinal {
		return nil
	}
	if !h.accept(family{Ordinal: ordinal}, set.Keep) {
		return nil
	}
	if err := save(tx, engine.SpaceHeads, key, h); err != nil {
		return fmt.Errorf("settle links: %w", err)
	}
	return nil
}

// Sent notes in the timelines of links that a message with them was accepted, or may have been. It runs on their partition.
func (l *Links) Sent(tx engine.Tx, links []string, now time.Time, unknown bool) error {
	e := TrailEntry{At: now, What: Sent}
	if unknown {
		e.Why = "its outcome is unknown"
	}
	for _, id := range links {
		if err := NoteTx(tx, id, e); err != nil {
			return err
		}
	}
	return nil
}
