package linkgen

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"latchkey/engine"
)

// A Refusal is the error of a redemption that lets nobody in.
type Refusal struct {
	Link   Link // zero if Reason is Unknown
	Reason Reason
}

// Error names the reason and the link's id.
func (r *Refusal) Error() string { return fmt.Sprintf("link refused: %s", r.Reason) }

// ErrSignedIn is returned by Redeem when the browser already holds a living session of this link: nothing is to be
// changed, and it is no use of the link.
var ErrSignedIn = errors.New("already signed in by this link")

// A Visit is someone who presses the button of a link page.
type Visit struct {
	Token     Token
	Door      Door          // from Look; counts only for what is kept in another partition
	Presented engine.Secret // what the browser holds already; it is void afterwards if it is of this partition
	Fresh     engine.Secret // what it will hold: from NewSID with the link's shard
	Now       time.Time
	Device    string // for people, as Device gives it
	Address   string // coarse, as CoarseAddress gives it
	// Browser is what a browser proves by that it is the one which a link is bound to: the secret of a cookie of its own, which the
	// caller makes (see NewSID) and sets if it has none.
	Browser engine.Secret
	// As is the member of staff who views as the learner. That is no use of the link and has no effects: the Redemption
	// has no contact. The session is marked, ends after ViewLife, and is in the audit list.
	As string
}

// Redeem counts a use of a link and makes the session, all in tx. Returns a *Refusal if the link lets nobody in and
// ErrSignedIn if there is nothing to do; then nothing was written. Links of other kinds than Learner are Unknown to it.
func (l *Links) Redeem(tx engine.Tx, v Visit) (engine.Redemption, error) {
	rec, reason, err := l.decide(tx, v)
	if err == nil && reason != OK {
		return engine.Redemption{}, &Refusal{rec.Link, reason}
	}
	var red engine.Redemption
	if err == nil {
		red, err = l.letIn(tx, rec, v)
	}
	if err != nil && !errors.Is(err, ErrSignedIn) {
		err = fmt.Errorf("redeem link: %w", err)
	}
	return red, err
}

// decide says what a link is to the browser that presents it.
func (l *Links) decide(tx engine.Tx, v Visit) (linkRecord, Reason, error) {
	rec, is, err := l.check(tx, v.Token, v.Now)
	if err != nil || is.Reason == Unknown || rec.Kind != Learner {
		return linkRecord{}, Unknown, err
	}
	reason, err := l.recheck(tx, rec, is.Reason, v.Door)
	if err != nil || reason != OK && reason != UsedUp {
		return rec, reason, err
	}
	s, ok, err := l.Session(tx, v.Presented, v.Now)
	if err != nil {
		return rec, reason, err
	}
	if ok && s.Link == rec.ID && s.As == v.As {
		return rec, reason, ErrSignedIn
	}
	if rec.Bind && v.As == "" && (v.Browser.IsZero() || boundElsewhere(is.use.Bound, v.Browser)) {
		return rec, OtherBrowser, nil
	}
	return rec, reason, nil
}

// viewedAs is what staff did who viewed as a learner.
const viewedAs = "viewed as learner"

func (l *Links) letIn(tx engine.Tx, rec linkRecord, v Visit) (red engine.Redemption, err error) {
	if err := endSession(tx, sessionKey(v.Presented), "the browser signed in anew"); err != nil {
		return red, err
	}
	first := false
	if v.As == "" {
		if first, err = countUse(tx, rec, v); err != nil {
			return red, err
		}
	}
	id, err := l.begin(tx, rec, v)
	if err != nil {
		return red, err
	}
	if v.As != "" {
		return red, Audit(tx, AuditEntry{At: v.Now, Location: rec.Location, Who: v.As, Did: viewedAs,
			On: rec.ID, Detail: contactDetail(rec.Contact)})
	}
	return engine.Redemption{Location: rec.Location, Contact: rec.Contact, Run: rec.Run, Link: rec.ID,
		Session: id, At: v.Now, First: first}, nil
}

// bindHash hashes what a browser proves itself by; it has as many random bits as a session's.
func bindHash(browser engine.Secret) []byte {
	h := sha256.Sum256([]byte("bnd\x00v1\x00" + browser.Reveal()))
	return h[:]
}

func boundElsewhere(bound []byte, browser engine.Secret) bool {
	return len(bound) > 0 && subtle.ConstantTimeCompare(bound, bindHash(browser)) != 1
}

func countUse(tx engine.Tx, rec linkRecord, v Visit) (first bool, err error) {
	s := v.Token.selector
	var use usage
	if _, err := load(tx, engine.SpaceUses, s[:], &use); err != nil {
		return false, err
	}
	use.Count++
	use.Last = v.Now
	if use.Count == 1 {
		use.First = v.Now
	}
	if rec.Bind && len(use.Bound) == 0 {
		use.Bound = bindHash(v.Browser)
	}
	return use.Count == 1, save(tx, engine.SpaceUses, s[:], use)
}

// begin stores a new session. If the contact has too many, the one unseen for longest ends.
func (l *Links) begin(tx engine.Tx, rec linkRecord, v Visit) (id string, err error) {
	var acc account
	ak := accountKey(rec.Location, rec.Contact)
	if _, err := load(tx, engine.SpaceHeads, ak, &acc); err != nil {
		return "", err
	}
	room, views := SessionsMax-1, viewsMax
	if v.As != "" {
		room, views = SessionsMax, viewsMax-1
	}
	live, err := l.living(tx, acc, room, views, v.Now)
	if err != nil {
		return "", err
	}
	key := sessionKey(v.Fresh)
	acc.Sessions = append(live, key)
	s := Session{Location: rec.Location, Contact: rec.Contact, Link: rec.ID, Created: v.Now, Seen: v.Now, Epoch: acc.Epoch,
		Device: cut(v.Device), Address: cut(v.Address), As: v.As, Workflow: rec.Workflow, Run: rec.Run, App: rec.App}
	if rec.ID == "" {
		s.mark = lastMark(tx)
	}
	if err := save(tx, engine.SpaceSessions, key, s); err != nil {
		return "", err
	}
	if err := save(tx, engine.SpaceHeads, ak, acc); err != nil || rec.ID == "" {
		return sessionID(key), err
	}
	e := TrailEntry{At: v.Now, What: Redeemed, Device: v.Device, Address: v.Address, By: v.As}
	if v.As != "" {
		e.Why = viewedAs
	}
	return sessionID(key), noteTx(tx, v.Token.selector, e)
}
