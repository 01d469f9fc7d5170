package portal

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"latchkey/engine"
	"latchkey/linkgen"
)

// Staff who come from the console see what a learner sees, once they said so; to everybody else there is no such page.
//
// Red when viewedBy asks p.staff, for whom a site around a sidebar vouches, and when view does not look at whom the form names.
func TestViewFromConsole(t *testing.T) {
	t.Parallel()
	for _, parts := range []int{1, 4} {
		s := newSite(t, parts)
		b, path := s.browser(), ViewPath(locID, s.ada.Key)
		form := url.Values{"contact": {s.ada.Key.String()}, "location": {locID}, "as": {"sam@acme.test"}}
		nobody := b.get("/none")
		for _, r := range []reply{b.get(path), b.post("/view", form), b.get("/view/" + s.ada.Key.String()), b.get("/view/x?location=" + locID)} {
			if r.StatusCode != 404 || r.body != nobody.body {
				t.Errorf("to nobody: %d\n%s", r.StatusCode, r.body)
			}
		}
		s.boss = "sam@acme.test"
		for _, other := range []string{"/view/" + s.ada.Key.String() + "?location=studio", "/view/" + engine.NewID(t0, 0, "nobody").String() + "?location=" + locID} {
			b.wants(b.get(other), 404, "There is no such page")
		}
		s.boss = ""
		b.press(s.mint(s.bob, engine.LinkRequest{}))
		s.boss = "sam@acme.test"
		before := b.cookie()
		page := b.get(path)
		b.wants(page, 200, "You are signed in as sam@acme.test (staff)", "Ada Lovelace", "signs Bob Lovelace out", "View as this learner", `href="`)
		b.wants(b.post("/view", form, "Sec-Fetch-Site", "cross-site"), 403)
		form.Set("as", "kim@acme.test")
		b.wants(b.post("/view", form), 200, "(staff)") // from before they signed in
		form.Set("as", "sam@acme.test")
		b.wants(b.post("/view", form), 200, "signs Bob Lovelace out") // nobody is signed out unasked
		if b.cookie() != before {
			t.Fatal("a view began unasked")
		}
		b.wants(b.post("/view", formOf(page, "/view")), 303)
		b.wants(b.get("/"), 200, "Go 101", `class="banner"`, "sam@acme.test")
		list, err := linkgen.AuditList(t.Context(), s.stores, locID, 10, "")
		if err != nil || len(list) != 1 || list[0].Who != "sam@acme.test" || list[0].Did != "viewed as learner" || !strings.Contains(list[0].Detail, s.ada.Key.String()) {
			t.Errorf("audit: %+v, %v", list, err)
		}
		if len(s.redemptions()) != 1 { // Bob's
			t.Errorf("redemptions: %+v", s.redemptions())
		}
		if next := b.get(ViewPath(locID, s.bob.Key)); strings.Contains(next.body, "out in this browser") {
			t.Errorf("going on to another learner signs somebody out:\n%s", next.body)
		}
		s.boss = ""
		b.wants(b.get("/"), 200, "You are not signed in")
		s.boss = "sam@acme.test"
		b.wants(b.get("/"), 200, "Go 101")
		s.pass(time.Hour)
		b.wants(b.get("/"), 200, "You are not signed in")
		s.ada.Products, s.ada.Offers = nil, nil
		s.save(s.ada)
		b.wants(b.get(path), 403, "There is nothing to view")
		b.wants(b.post("/view", form), 403, "There is nothing to view")
		s.set.Legacy = true
		b.wants(b.get(ViewPath(locID, s.bob.Key)), 404, "There is no such page")
	}
}

// Whom another site vouches for is no one of the console: a host says who somebody is, not what they may do.
func TestViewNotForHosts(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	sid := linkgen.NewSID(0)
	s.updateShard(0, func(tx engine.Tx) error {
		_, err := s.links.BeginStaff(tx, linkgen.StaffEntry{Now: s.now(), Location: locID, Email: "kim@crm.test", Via: linkgen.ViaHost, Fresh: sid})
		return err
	})
	b := s.browser()
	u, _ := url.Parse(s.URL)
	b.Jar.SetCookies(u, []*http.Cookie{{Name: frameCookie, Value: sid.Reveal(), Path: "/"}})
	b.wants(b.get(s.mint(s.ada, engine.LinkRequest{})), 200, "kim@crm.test (staff)") // with a link of theirs they may
	b.wants(b.get(ViewPath(locID, s.ada.Key)), 404, "There is no such page")
	form := url.Values{"contact": {s.ada.Key.String()}, "location": {locID}, "as": {"kim@crm.test"}}
	b.wants(b.post("/view", form), 404, "There is no such page")
}
