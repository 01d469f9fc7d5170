package sso

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"latchkey/engine"
)

// A record is one version byte and fields. What version 1 means never changes, nor does what a tag means; testdata holds
// examples.
const recordVersion = 1

// How long what OpenID gives out is good.
const (
	codeLife  = 60 * time.Second
	tokenLife = 5 * time.Minute
)

// A grant is one sign-in of OpenID: the code that the browser carries to the site, and the token that the site gets for it,
// once. SpaceSSO, in the contact's partition, by location and a random id.
type grant struct {
	ID        grantID
	Contact   engine.ID // of the session
	Subject   string
	Session   string // its id
	Link      string // that began it
	Client    string
	Redirect  string
	Nonce     string
	Challenge string
	Scopes    []string
	Signed    time.Time // when the session began
	Expires   time.Time // the code
	Used      time.Time // when the code was exchanged
	Revoked   bool      // because it was exchanged again
}

func (g *grant) write(w *engine.FieldWriter) {
	w.ID(1, g.Contact)
	w.Text(2, g.Subject)
	w.Text(3, g.Session)
	w.Text(4, g.Link)
	w.Text(5, g.Client)
	w.Text(6, g.Redirect)
	w.Text(7, g.Nonce)
	w.Text(8, g.Challenge)
	w.Texts(9, g.Scopes)
	w.Time(10, g.Signed)
	w.Time(11, g.Expires)
	w.Time(12, g.Used)
	w.Flag(13, g.Revoked)
}

func (g *grant) read(r *engine.FieldReader) {
	switch r.Tag {
	case 1:
		g.Contact = r.ID()
	case 2:
		g.Subject = r.Text()
	case 3:
		g.Session = r.Text()
	case 4:
		g.Link = r.Text()
	case 5:
		g.Client = r.Text()
	case 6:
		g.Redirect = r.Text()
	case 7:
		g.Nonce = r.Text()
	case 8:
		g.Challenge = r.Text()
	case 9:
		g.Scopes = append(g.Scopes, r.Text())
	case 10:
		g.Signed = r.Time()
	case 11:
		g.Expires = r.Time()
	case 12:
		g.Used = r.Time()
	case 13:
		g.Revoked = r.Flag()
	}
}

func save(tx engine.Tx, key []byte, g *grant) {
	w := engine.FieldWriter{B: []byte{recordVersion}}
	g.write(&w)
	tx.Put(engine.SpaceSSO, key, w.B)
}

func decode(b []byte, g *grant) error {
	if len(b) == 0 || b[0] != recordVersion {
		return fmt.Errorf("record in %s has a version that this program does not know", engine.SpaceSSO)
	}
	r := engine.FieldReader{Rest: b[1:]}
	for r.Next() {
		g.read(&r)
	}
	if r.Err != nil {
		return fmt.Errorf("record in %s: %w", engine.SpaceSSO, r.Err)
	}
	return nil
}

// A grantID names a grant, and leads to it: location and shard, and 144 random bits.
type grantID struct {
	location string
	id       [20]byte
}

var errGrant = errors.New("no such grant")

func newGrantID(location string, shard uint16) grantID {
	g := grantID{location: location}
	binary.BigEndian.PutUint16(g.id[:], shard)
	rand.Read(g.id[2:]) // never fails
	return g
}

func (g grantID) shard() uint16 { return binary.BigEndian.Uint16(g.id[:]) }

// String is without a colon, which the library sets between it and the subject.
func (g grantID) String() string { return g.location + "." + sealText.EncodeToString(g.id[:]) }

func parseGrantID(text string) (g grantID, err error) {
	location, id, ok := strings.Cut(text, ".")
	b, err := sealText.DecodeString(id)
	if !ok || err != nil || len(b) != len(g.id) {
		return g, errGrant
	}
	return grantID{location, [20]byte(b)}, nil
}

func (g grantID) key() []byte { return engine.Key(g.location, []byte("grant\x00"), g.id[:]) }

func loadGrant(tx engine.Tx, id grantID) (*grant, error) {
	b := tx.Get(engine.SpaceSSO, id.key())
	if b == nil {
		return nil, errGrant
	}
	g := &grant{ID: id}
	return g, decode(b, g)
}

// sweepMost is how many records one commit of Sweep removes.
const sweepMost = 500

// Sweep removes what is over: codes and tokens. Call it now and then; it may be interrupted at any point.
func (h *Handler) Sweep(ctx context.Context, now time.Time) error {
	for _, s := range h.Stores.All() {
		for {
			old, err := over(ctx, s, now)
			if err != nil {
				return fmt.Errorf("sweep sign-ins: %w", err)
			}
			if len(old) == 0 {
				break
			}
			err = s.Update(ctx, func(tx engine.Tx) error {
				for _, k := range old {
					tx.Delete(engine.SpaceSSO, bytes.Clone(k))
				}
				return nil
			})
			if err != nil {
				return fmt.Errorf("sweep sign-ins: %w", err)
			}
		}
	}
	return nil
}

// over returns keys of records that are over.
func over(ctx context.Context, s engine.Store, now time.Time) (old [][]byte, err error) {
	err = s.View(ctx, func(tx engine.Tx) error {
		old = nil
		var bad error
		tx.Scan(engine.SpaceSSO, nil, nil, func(k, v []byte) bool {
			var g grant
			bad = decode(v, &g)
			until := g.Expires.Add(2 * tokenLife) // a code that comes again is still known
			if bad == nil && now.After(until) {
				old = append(old, bytes.Clone(k))
			}
			return bad == nil && len(old) < sweepMost
		})
		return bad
	})
	return old, err
}
