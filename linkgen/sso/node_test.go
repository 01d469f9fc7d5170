package sso_test

import (
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// node runs a script of .ci/node, which speaks with other people's implementations, and reads what it says. Its packages are
// installed by .ci/run.
func (s *site) node(script string, said any, env ...string) {
	s.Helper()
	dir := filepath.Join("..", "..", ".ci", "node")
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		if os.Getenv("LATCHKEY_NEED_NODE") != "" {
			s.Fatal("no packages in .ci/node, and LATCHKEY_NEED_NODE is set: npm ci there")
		}
		s.Skip("no packages in .ci/node: npm ci there")
	}
	c := exec.CommandContext(s.Context(), "node", script)
	c.Dir, c.Env = dir, append(os.Environ(), env...)
	out, err := c.Output()
	if err != nil {
		if e, ok := err.(*exec.ExitError); ok {
			s.Fatalf("%s: %v\n%s", script, err, e.Stderr)
		}
		s.Fatal(err)
	}
	if err := json.Unmarshal(out, said); err != nil {
		s.Fatalf("%s says %s: %v", script, out, err)
	}
}

// session returns the cookie of a browser that is signed in.
func (b *browser) session() string {
	u, _ := url.Parse(b.URL)
	for _, c := range b.Jar.Cookies(u) {
		if c.Name == "latchkey" {
			return c.Name + "=" + c.Value
		}
	}
	b.Fatal("nobody is signed in")
	return ""
}

func TestNodeOpenIDClient(t *testing.T) {
	t.Parallel()
	s := newSite(t, moodleApp)
	b := s.signIn(s.ada, "ada@example.com")
	var said struct {
		Claims, Userinfo map[string]any
		Replay, Bye      string
	}
	s.node("oidc.mjs", &said, "ISSUER="+s.URL, "CLIENT=academy.moodle", "SECRET="+moodleApp.Secret.Reveal(), "REDIRECT="+callback,
		"COOKIE="+b.session(), "AFTER=https://moodle.acme.test/bye")
	for _, m := range []map[string]any{said.Claims, said.Userinfo} {
		if m["sub"] != s.ada.Key.String() || m["email"] != "ada@example.com" || m["email_verified"] != true || m["name"] != "Ada Lovelace" {
			t.Errorf("openid-client reads %v", m)
		}
	}
	if said.Replay != "invalid_grant" {
		t.Errorf("a second exchange ends with %q", said.Replay)
	}
	if said.Bye != "https://moodle.acme.test/bye" || b.get("/go/moodle").to() != "/login?app=moodle" {
		t.Errorf("signing out leads to %q", said.Bye)
	}
}

func TestNodeJose(t *testing.T) {
	t.Parallel()
	s := newSite(t, jwtApp, hmacApp)
	b := s.signIn(s.ada, "ada@example.com")
	for app, env := range map[string][]string{
		"/go/courses?to=lesson:intro": {"AUD=" + jwtApp.URL},
		"/go/forum?to=product:go-101": {"AUD=forum", "SECRET=" + hmacApp.Secret.Reveal()},
	} {
		r := b.get(app)
		token := r.query("token") + r.query("jwt")
		var said struct {
			Payload   map[string]any
			Elsewhere string
		}
		s.node("jwt.mjs", &said, append(env, "ISSUER="+s.URL, "TOKEN="+token)...)
		if said.Payload["sub"] != s.ada.Key.String() || said.Payload["email"] != "ada@example.com" {
			t.Errorf("%s: jose reads %v", app, said.Payload)
		}
		if said.Elsewhere != "ERR_JWT_CLAIM_VALIDATION_FAILED" {
			t.Errorf("%s: elsewhere it is %s", app, said.Elsewhere)
		}
	}
}

func TestNodeDiscourse(t *testing.T) {
	t.Parallel()
	s := newSite(t, forumApp)
	b := s.signIn(s.ada, "ada@example.com")
	r := b.get(asks("nonce", "n1", "return_sso_url", forumReturn))
	want := told(t, r)
	var said struct {
		Valid, Flipped bool
		Nonce, Theirs  string
	}
	s.node("discourse.mjs", &said, "SECRET="+forumApp.Secret.Reveal(), "SSO="+r.query("sso"), "SIG="+r.query("sig"))
	if !said.Valid || said.Flipped || said.Nonce != "n1" {
		t.Errorf("discourse-sso says %+v", said)
	}
	theirs := r
	theirs.Header.Set("Location", forumReturn+"?"+said.Theirs)
	if got := told(t, theirs); got.Encode() != want.Encode() { // told checks their signature
		t.Errorf("they tell %v, we %v", got, want)
	}
}
