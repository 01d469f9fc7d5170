package portal

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// leadingOut serves the pages of those who are on their way into an app, by name.
func (s *site) leadingOut() http.Handler {
	mux := http.NewServeMux()
	for _, why := range []Trouble{NoApp, AppDown, AppMistake, NoAddress, Viewing, NotStored} {
		mux.HandleFunc("/"+strings.ReplaceAll(string(why), " ", "-"), func(w http.ResponseWriter, r *http.Request) {
			s.portal.Trouble(w, r, locID, why)
		})
	}
	mux.HandleFunc("/onward", func(w http.ResponseWriter, r *http.Request) {
		s.portal.LeadOn(w, r, locID, "/go/courses?to=lesson%3Aintro")
	})
	return mux
}

func TestPagesOnTheWayOut(t *testing.T) {
	t.Parallel()
	for _, lang := range []string{"en", "de"} {
		s := newSite(t, 1)
		s.loc.Language = lang
		for path, want := range map[string]struct {
			status int
			text   string // in English
		}{
			"/no-app":      {404, "There is no such page"},
			"/app-down":    {503, "The course site does not answer"},
			"/app-mistake": {400, "We could not sign you in there"},
			"/no-address":  {403, "Your account has no e-mail address"},
			"/viewing":     {403, "You are viewing as a learner"},
			"/not-stored":  {503, "We cannot do that just now"},
			"/onward":      {200, "You are signed in. One moment…"},
		} {
			rec := httptest.NewRecorder()
			s.leadingOut().ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
			body := rec.Body.String()
			if rec.Code != want.status || lang == "en" && !strings.Contains(body, want.text) || lang == "de" && strings.Contains(body, want.text) {
				t.Errorf("%s in %s: %d\n%s", path, lang, rec.Code, body)
			}
			for _, fault := range faultsOf(body, lang) {
				t.Errorf("%s in %s: %s", path, lang, fault)
			}
			if (rec.Header().Get("Retry-After") != "") != (want.status == 503) || len(body) > 10<<10 {
				t.Errorf("%s: Retry-After %q, %d bytes", path, rec.Header().Get("Retry-After"), len(body))
			}
			if got := rec.Header().Get("Refresh"); (got == "0; url=/go/courses?to=lesson%3Aintro") != (path == "/onward") {
				t.Errorf("%s goes on to %q", path, got)
			}
		}
	}
}

func TestDriveOnTheWayOut(t *testing.T) {
	t.Parallel()
	c := newChrome(t)
	for _, look := range append(slices.Clone(looks), "narrow-light") {
		s := newSite(t, 1)
		out := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.leadingOut().ServeHTTP(staying{w}, r)
		}))
		b := c.tab(look)
		b.opens(out.URL+"/onward", "onward", "You are signed in. One moment…", "Continue")
		b.opens(out.URL+"/app-down", "app-down", "The course site does not answer", "Try again in a minute.")
		b.opens(out.URL+"/viewing", "app-viewing", "You are viewing as a learner")
		out.Close()
	}
}

// staying has a page that goes on by itself stay, to be looked at.
type staying struct{ http.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (s staying) WriteHeader(status int) {
	s.Header().Del("Refresh")
	s.ResponseWriter.WriteHeader(status)
}
