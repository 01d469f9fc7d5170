// Package coursesite is a course site in one file. It shows what a site does so that learners come in from Latchkey signed in, by a
// token on any of its pages (sso: jwt). In openid.go it does the same as a client of OpenID (sso: oidc), if it has a secret.
package coursesite

import (
	"crypto/rand"
	"html/template"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// A learner is what the site remembers of somebody who is signed in.
type learner struct {
	Name, Email string
	TokenID     string `json:"jti"`
	To          string // one of our pages, as Latchkey signed it
	until       time.Time
}

// A Site is the course site. It keeps its sessions in memory.
type Site struct {
	Latchkey string // base_url there: the issuer of tokens
	URL      string // apps.courses.url there: ours
	Secret   string // apps.courses.secret there, of the OpenID client academy.courses; "" takes tokens

	mu       sync.Mutex
	sessions map[string]learner
	used     map[string]time.Time // tokens, until they have expired
}

// New returns a site.
func New(latchkey, self, secret string) *Site {
	return &Site{Latchkey: latchkey, URL: self, Secret: secret, sessions: map[string]learner{}, used: map[string]time.Time{}}
}

// ServeHTTP implements http.Handler. Every page is a lesson, or says how to come in.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Referrer-Policy", "no-referrer") // addresses may hold a token
	l, in := s.who(r)
	switch token := r.URL.Query().Get("token"); {
	case s.Secret == "" && token != "":
		s.takeToken(w, r, token)
	case s.Secret != "" && r.URL.Path == "/callback":
		s.takeCode(w, r)
	case s.Secret != "" && !in:
		s.askOpenID(w, r)
	default:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		steps := append(strings.Split(r.URL.Path, "/"), make([]string, 5)...) // /courses/{product}/lessons/{lesson}
		_ = page.Execute(w, map[string]any{"In": in, "Who": l, "Product": steps[2], "Lesson": steps[4], "Latchkey": s.Latchkey})
	}
}

// takeToken lets in who brings a token: signed by Latchkey, for us, not expired, not used before.
func (s *Site) takeToken(w http.ResponseWriter, r *http.Request, token string) {
	keys := oidc.NewRemoteKeySet(r.Context(), s.Latchkey+"/.well-known/jwks.json") // a busy site keeps it
	var l learner
	t, err := oidc.NewVerifier(s.Latchkey, keys, &oidc.Config{ClientID: s.URL, SupportedSigningAlgs: []string{oidc.EdDSA}}).Verify(r.Context(), token)
	if err == nil {
		err = t.Claims(&l)
	}
	if err != nil || !s.firstUse(l.TokenID, t.Expiry) {
		http.Error(w, "This way in has expired. Open the link in your mail again.", http.StatusForbidden)
		return
	}
	s.letIn(w, r, l, l.To)
}

func (s *Site) firstUse(id string, expires time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for old, t := range s.used {
		if time.Now().After(t.Add(time.Minute)) {
			delete(s.used, old)
		}
	}
	_, again := s.used[id]
	s.used[id] = expires
	return !again
}

// letIn makes a session of our own and goes on to a page of ours.
func (s *Site) letIn(w http.ResponseWriter, r *http.Request, l learner, to string) {
	id := rand.Text()
	l.until = time.Now().Add(12 * time.Hour)
	s.mu.Lock()
	s.sessions[id] = l
	s.mu.Unlock()
	s.keep(w, "coursesite", id)
	http.Redirect(w, r, to, http.StatusSeeOther)
}

func (s *Site) keep(w http.ResponseWriter, name, value string) {
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: strings.HasPrefix(s.URL, "https:")})
}

func (s *Site) who(r *http.Request) (learner, bool) {
	c, err := r.Cookie("coursesite")
	if err != nil {
		return learner{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.sessions[c.Value]
	return l, ok && time.Now().Before(l.until)
}

var page = template.Must(template.New("").Parse(`<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Acme Courses</title><style>body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:0 auto;padding:24px}header{display:flex;gap:16px;flex-wrap:wrap;
justify-content:space-between;border-bottom:1px solid #8884;padding-bottom:8px}h1{font-size:28px}:root{color-scheme:light dark}</style>
<header><b>Acme Courses</b>{{if .In}}<span>Signed in as {{.Who.Name}} ({{.Who.Email}})</span>{{end}}</header>
{{if and .In .Lesson}}<p>Course {{.Product}}</p><h1>Lesson {{.Lesson}}</h1><p>Here the lesson would be.</p>
{{else if .In}}<h1>{{with .Product}}Course {{.}}{{else}}Your courses{{end}}</h1><p>Here its lessons would be.</p>
{{else}}<h1>You are not signed in</h1><p><a href="{{.Latchkey}}/go/courses">Sign in by a link in your mail</a></p>{{end}}</html>`))
