package linkgen

import (
	"fmt"
	"time"

	"latchkey/engine"
)

// A StaffView is a member of staff who views as a learner and comes from the console, with no link of theirs.
type StaffView struct {
	Location  string
	Contact   engine.ID     // of the contact as it is today: one that another absorbed is nobody
	As        string        // the member of staff
	Presented engine.Secret // what the browser holds already; it is void afterwards if it is of this partition
	Fresh     engine.Secret // what it will hold: from NewSID with the contact's shard
	Now       time.Time
	Device    string // for people, as Device gives it
	Address   string // coarse, as CoarseAddress gives it
}

// View makes the session of staff who view as a learner, as Redeem does for staff who hold a link: marked, over after ViewLife, and in
// the audit list. It runs on the contact's partition. Returns a *Refusal if the contact holds nothing, as there is nothing to view then.
func (l *Links) View(tx engine.Tx, v StaffView) error {
	p, err := engine.LoadPerson(tx, v.Location, v.Contact)
	if err != nil {
		return fmt.Errorf("view as contact %s: %w", v.Contact, err)
	}
	if p == nil || !p.Absorbed.IsZero() || !p.HasAccess() {
		return &Refusal{Reason: NoAccess}
	}
	if v.As == "" || v.Fresh.IsZero() {
		return engine.Final(fmt.Errorf("view as contact %s: nobody views, or no session", v.Contact))
	}
	if err := endSession(tx, sessionKey(v.Presented), "the browser signed in anew"); err != nil {
		return fmt.Errorf("view as contact %s: %w", v.Contact, err)
	}
	rec := linkRecord{Link: Link{Location: v.Location, Contact: v.Contact}}
	if _, err := l.begin(tx, rec, Visit{Fresh: v.Fresh, Now: v.Now, Device: v.Device, Address: v.Address, As: v.As}); err != nil {
		return fmt.Errorf("view as contact %s: %w", v.Contact, err)
	}
	return Audit(tx, AuditEntry{At: v.Now, Location: v.Location, Who: v.As, Did: viewedAs, Detail: contactDetail(v.Contact)})
}
