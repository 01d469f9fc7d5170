package portal

import (
	"strings"
	"testing"
	"time"

	"latchkey/engine"
)

// A learner is spoken to in their own language; who is not known, in their browser's, else in the location's.
func TestPagesInGerman(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	s.bob.Contact.Locale = "de-AT"
	s.save(s.bob)
	link, b := s.mint(s.bob, engine.LinkRequest{TTL: time.Hour}), s.browser()
	b.wants(b.do("GET", link, nil, "Accept-Language", "en"), 200, `<html lang="de" dir="ltr">`, "Anmelden als", "Weiter")
	b.press(link)
	b.wants(b.get("/"), 200, "Hallo, Bob", "Ihre Kurse", "Ihres seit 22. November 2026", "Abmelden")
	s.pass(3 * time.Hour)
	b.wants(s.browser().get(link), 410, "Dieser Link ist abgelaufen", "vor 2 Stunden", "Sonntag, 22. November 2026, 10:00 UTC")
	b.wants(s.browser().get(s.mint(s.ada, engine.LinkRequest{})), 200, `<html lang="en" dir="ltr">`)
	b.wants(s.browser().do("GET", "/l/x", nil, "Accept-Language", "de"), 410, "Dieser Link ist keiner von uns")
	s.loc.Language = "de"
	b.wants(s.browser().get("/"), 200, "Sie sind nicht angemeldet")
	b.wants(s.browser().get(s.mint(s.ada, engine.LinkRequest{})), 200, "Anmelden als")
	if r := s.browser().do("GET", "/nowhere", nil, "Accept-Language", "en"); !strings.Contains(r.body, "There is no such page") {
		t.Error(r.body)
	}
}
