package linkgen

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"latchkey/engine"
)

var update = flag.Bool("update", false, "write the golden records that there are not yet")

// What this version writes, later ones read: the files never change.
func TestGoldenRecords(t *testing.T) {
	t.Parallel()
	id := engine.NewID(t0, 7, "golden")
	type record interface {
		write(*engine.FieldWriter)
		read(*engine.FieldReader)
	}
	for name, c := range map[string]struct{ have, into record }{
		"link": {&linkRecord{Link: Link{Location: loc, Kind: Learner, Contact: id, App: "courses", To: "lesson:intro", Ordinal: 1<<48 | 9,
			Run: id, Workflow: "welcome", Step: "if1/then/email1", Channel: "email", Created: t0, Expires: t0.Add(defaultTTL), MaxUses: 3},
			Family: family{Ordinal: 1<<48 | 9, Hand: 2}, Epoch: 4, KeyID: "00c0ffee", MAC: bytes.Repeat([]byte{1}, 32), Address: bytes.Repeat([]byte{2}, 16)}, new(linkRecord)},
		"use":     {&usage{Count: 2, First: t0, Last: t0.Add(defaultTTL), Revoked: t0, By: "Sam"}, new(usage)},
		"head":    {&head{Newest: family{9, 1}, Floor: family{8, 0}, Accepted: []family{{9, 1}, {8, 0}, {}}}, new(head)},
		"listed":  {&head{Newest: family{9, 1}, Listed: []Selector{{0: 1, 8: 9}, {0: 2, 8: 8}}}, new(head)},
		"account": {&account{Epoch: 3, Revoked: t0, Sessions: [][]byte{bytes.Repeat([]byte{3}, 32)}}, new(account)},
		"boundlink": {&linkRecord{Link: Link{Location: loc, Kind: Learner, Contact: id, Created: t0, Expires: t0.Add(defaultTTL), MaxUses: 1,
			Bind: true, By: "sam"}, KeyID: "00c0ffee", MAC: bytes.Repeat([]byte{1}, 32)}, new(linkRecord)},
		"linkin": {&linkRecord{Link: Link{Location: loc, Kind: Learner, Contact: id, To: "lesson:intro", In: "go-101", Created: t0, Expires: t0.Add(defaultTTL)},
			KeyID: "00c0ffee", MAC: bytes.Repeat([]byte{1}, 32)}, new(linkRecord)},
		"stafflink": {&linkRecord{Link: Link{Location: loc, Kind: Staff, Created: t0, Expires: t0.Add(StaffTTL), MaxUses: 1, Email: "sam@acme.test"},
			KeyID: "00c0ffee", MAC: bytes.Repeat([]byte{1}, 32)}, new(linkRecord)},
		"bounduse":   {&usage{Count: 1, First: t0, Last: t0, Bound: bytes.Repeat([]byte{4}, 32)}, new(usage)},
		"ends":       {&account{Epoch: 2, Revoked: t0, Ends: []ending{{1, t0, ""}, {2, t0, "sam"}}}, new(account)},
		"revocation": {&revocation{Ends: []ending{{1 << 40, t0, "sam"}, {1<<40 + 1, t0, "kim"}}}, new(revocation)},
		"visit": {&Session{Location: loc, Contact: id, Link: "lnk_AAAAAAAAAAAA", Created: t0, Seen: t0, Epoch: 3, Device: "Firefox on Windows",
			Address: "192.0.2.0/24", As: "sam@acme.test", Workflow: "welcome", Run: id, App: "courses"}, new(Session)},
		"staff": {&StaffSession{Location: loc, Email: "sam@acme.test", Via: "link", Link: "lnk_AAAAAAAAAAAA", Created: t0, Seen: t0.Add(time.Minute),
			Device: "Safari on a Mac", Address: "2001:db8::/48", mark: 1<<40 + 7}, new(StaffSession)},
		"trail": {&trail{Entries: []TrailEntry{{At: t0, What: Fetched, Why: "it calls itself curl", Device: "curl", Address: "192.0.2.0/24", Times: 3, Last: t0},
			{At: t0, What: Ended, By: "sam"}}, Left: 9}, new(trail)},
		"audit":   {&AuditEntry{At: t0, Who: "sam@acme.test", Did: "made a link", On: "lnk_AAAAAAAAAAAA", Detail: "contact " + id.String()}, new(AuditEntry)},
		"nonce":   {&nonce{Until: t0}, new(nonce)},
		"session": {&Session{Location: loc, Contact: id, Link: "lnk_AAAAAAAAAAAA", Created: t0, Seen: t0, Epoch: 3}, new(Session)},
	} {
		b := newBench(t, 1)
		path := filepath.Join("testdata", name+".v1.golden")
		b.update(b.ada, func(tx engine.Tx) error {
			if err := save(tx, engine.SpaceUses, []byte("k"), c.have); err != nil {
				return err
			}
			got := bytes.Clone(tx.Get(engine.SpaceUses, []byte("k")))
			if _, err := os.Stat(path); *update && err != nil {
				return os.WriteFile(path, got, 0o644)
			}
			want, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s is written as\n%q, not as\n%q", name, got, want)
			}
			tx.Put(engine.SpaceUses, []byte("k"), bytes.Clone(want))
			if ok, err := load(tx, engine.SpaceUses, []byte("k"), c.into); !ok || err != nil {
				t.Errorf("%s cannot be read: %v", name, err)
			}
			return save(tx, engine.SpaceUses, []byte("again"), c.into)
		})
		b.update(b.ada, func(tx engine.Tx) error {
			if !*update && !bytes.Equal(tx.Get(engine.SpaceUses, []byte("k")), tx.Get(engine.SpaceUses, []byte("again"))) {
				t.Errorf("%s loses something when it is read", name)
			}
			return nil
		})
	}
}

func TestRecordsOfLaterVersionsAreRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	tok := b.mint(engine.LinkRequest{})
	for _, rec := range []string{"\x02{}", "", "\x01{", "\x01"} {
		b.update(b.ada, func(tx engine.Tx) error {
			tx.Put(engine.SpaceLinks, bytes.Clone(tok.selector[:]), []byte(rec))
			return nil
		})
		if _, err := b.links.Look(t.Context(), b.stores, tok, b.now); err == nil || !strings.Contains(err.Error(), tok.selector.ID()) {
			t.Errorf("%q: %v", rec, err)
		}
	}
}
