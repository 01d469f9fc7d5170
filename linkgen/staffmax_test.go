package linkgen

import (
	"fmt"
	"testing"
	"time"

	"latchkey/engine"
)

// TestHostPushesNobodyOutOfTheConsole: the site around a sidebar vouches for any address that it likes, also for those of our own
// staff. However many sessions it begins, none of the console's ends by it.
//
// Red when same is true of all.
func TestHostPushesNobodyOutOfTheConsole(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	begin := func(n int, via string, email func(n int) string) (last engine.Secret) {
		t.Helper()
		for i := range n {
			b.now = b.now.Add(time.Second)
			last = NewSID(0)
			if err := b.stores.For(0).Update(t.Context(), func(tx engine.Tx) error {
				_, err := b.links.BeginStaff(tx, StaffEntry{Now: b.now, Location: loc, Email: email(i), Via: via, Fresh: last})
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		return last
	}
	olga := func(int) string { return "olga@acme.test" }
	owner := begin(1, "link", olga)
	framed := begin(1, ViaHost, olga)
	last := begin(StaffMax, ViaHost, olga)
	if !b.liveStaff(owner) {
		t.Error("a host that vouches for her often ended her session of the console")
	}
	if b.liveStaff(framed) || !b.liveStaff(last) {
		t.Error("of one address in a sidebar the session that was unseen for longest ends")
	}
	// As many as there may be, but for those that there are.
	if err := b.stores.For(0).Update(t.Context(), func(tx engine.Tx) error {
		var acc account
		ak := accountKey(loc, staffAccount)
		if _, err := load(tx, engine.SpaceHeads, ak, &acc); err != nil {
			return err
		}
		for i := range staffInAll {
			key := staffKey(NewSID(0))
			s := StaffSession{Location: loc, Email: fmt.Sprint("made-up-", i, "@crm.test"), Via: ViaHost, Created: b.now, Seen: b.now, mark: lastMark(tx)}
			if err := save(tx, engine.SpaceSessions, key, s); err != nil {
				return err
			}
			acc.Sessions = append(acc.Sessions, key)
		}
		return save(tx, engine.SpaceHeads, ak, acc)
	}); err != nil {
		t.Fatal(err)
	}
	last = begin(3, ViaHost, func(n int) string { return fmt.Sprint("more-", n, "@crm.test") })
	if !b.liveStaff(owner) || !b.liveStaff(last) {
		t.Error("a host that vouches for many ended a session of the console")
	}
	if again := begin(1, "key ABCDEFGH", func(int) string { return "key helpdesk" }); !b.liveStaff(again) || !b.liveStaff(owner) {
		t.Error("there is no room left in the console")
	}
}
