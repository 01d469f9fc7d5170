package portal

import (
	"net/http"
	"strings"

	"latchkey/engine"
	"latchkey/linkgen"
)

// A visitor is who a browser is signed in as.
type visitor struct {
	live    bool            // whether there is a session
	session linkgen.Session // one that is over may still be known
	person  *engine.Person  // whose it is or was; never nil in a live session
}

// visitor reads the session of a request, and changes nothing.
func (p *Portal) visitor(r *http.Request) (visitor, error) {
	sid := p.presented(r)
	shard, ok := linkgen.ShardOfSID(sid)
	if !ok {
		return visitor{}, nil
	}
	var v visitor
	err := p.Stores.For(shard).View(r.Context(), func(tx engine.Tx) (err error) {
		v.session, v.live, err = p.Links.Session(tx, sid, p.Now())
		return err
	})
	if err != nil || v.session.Contact.IsZero() {
		return visitor{}, err
	}
	v.person, err = p.Links.Holder(r.Context(), p.Stores, v.session)
	if err != nil || v.person == nil || p.Locations(v.session.Location) == nil {
		return visitor{}, err
	}
	if ok, err := p.stillStaff(r, v.session); !ok {
		return visitor{}, err
	}
	return v, nil
}

// stillStaff reports whether a session of staff who view as a learner is brought by somebody who still is them: who signed out, or
// does not work here any more, sees nothing of the learner's from then on. Of a learner's own session it is true.
func (p *Portal) stillStaff(r *http.Request, s linkgen.Session) (bool, error) {
	if s.As == "" {
		return true, nil
	}
	who, err := p.staff(r, s.Location)
	return who == s.As, err
}

// touch notes that a session was seen. That it could not be noted does not keep the learner out.
func (p *Portal) touch(r *http.Request, v visitor) {
	now := p.Now()
	if !v.session.Stale(now) {
		return
	}
	sid := p.presented(r)
	err := p.Stores.For(v.session.Contact.Shard()).Update(r.Context(), func(tx engine.Tx) error {
		return p.Links.Touch(tx, sid, now)
	})
	if err != nil {
		p.Log.Warn().Err(err).Str("session", v.session.ID).Msg("cannot note that a session was seen")
	}
}

// end ends a session of the request's browser, wherever it is kept.
func (p *Portal) end(r *http.Request, sid engine.Secret) error {
	shard, ok := linkgen.ShardOfSID(sid)
	if !ok {
		return nil
	}
	return p.Stores.For(shard).Update(r.Context(), func(tx engine.Tx) error { return p.Links.EndSession(tx, sid) })
}

// endElsewhere ends the session that the browser held before, if the commit that made its new one could not
// reach it.
func (p *Portal) endElsewhere(r *http.Request, sid engine.Secret, shard uint16) {
	old, ok := linkgen.ShardOfSID(sid)
	if !ok || p.Stores.For(old) == p.Stores.For(shard) {
		return
	}
	if err := p.end(r, sid); err != nil {
		p.Log.Warn().Err(err).Msg("cannot end a browser's former session")
	}
}

// https reports whether the portal is reached over https. Only settings say so, never a request.
func (p *Portal) https() bool { return secure(p.location("")) }

func secure(loc *engine.Location) bool { return strings.HasPrefix(loc.BaseURL, "https://") }
