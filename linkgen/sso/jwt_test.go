package sso_test

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"latchkey/engine"
	"latchkey/linkgen/sso"
)

var (
	jwtApp = sso.App{Name: "courses", URL: "https://learn.acme.test", SSO: sso.JWT,
		Product: "/courses/{product}", Lesson: "/courses/{product}/lessons/{lesson}"}
	hmacApp = sso.App{Name: "forum", URL: "https://forum.acme.test", SSO: sso.JWT, Param: "jwt", Audience: "forum",
		Login: "/enter?next={path}", Product: "/p/{product}", Secret: engine.NewSecret("0123456789abcdef0123456789abcdef")}
	thinkificApp = sso.App{Name: "school", URL: "https://acme.thinkific.com", SSO: sso.Thinkific, Product: "/courses/{product}",
		Secret: engine.NewSecret("0123456789abcdef0123456789abcdef")}
)

// jwks reads the public keys as a site does.
func (s *site) jwks() (set jose.JSONWebKeySet) {
	s.Helper()
	r := s.browser().get("/.well-known/jwks.json")
	if err := json.Unmarshal([]byte(r.body), &set); err != nil {
		s.Fatal(err, r.body)
	}
	for _, k := range set.Keys {
		if !k.IsPublic() {
			s.Fatal("a private key is told")
		}
	}
	return set
}

// read verifies a token with a key and returns what it says.
func (s *site) read(token string, alg jose.SignatureAlgorithm, key any) map[string]any {
	s.Helper()
	t, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{alg})
	if err != nil {
		s.Fatalf("parse: %v", err)
	}
	claims := map[string]any{}
	if err := t.Claims(key, &claims); err != nil {
		s.Fatalf("verify: %v", err)
	}
	return claims
}

func TestEnterByJWT(t *testing.T) {
	t.Parallel()
	s := newSite(t, jwtApp, hmacApp, thinkificApp)
	b := s.signIn(s.ada, "ada@example.com")

	r := b.get("/go/courses?to=lesson:intro")
	page, token, _ := strings.Cut(r.to(), "?token=")
	if page != "https://learn.acme.test/courses/go-101/lessons/intro" {
		t.Errorf("leads to %s", page)
	}
	got := s.read(token, jose.EdDSA, s.jwks())
	for key, want := range map[string]any{
		"iss": s.URL, "aud": "https://learn.acme.test", "sub": s.ada.Key.String(), "contact_id": "c-17", "email": "ada@example.com",
		"email_verified": true, "name": "Ada Lovelace", "to": page,
	} {
		if got[key] != want {
			t.Errorf("%s is %v, want %v", key, got[key], want)
		}
	}

	r = b.get("/go/forum?to=product:go-101")
	page, token, _ = strings.Cut(r.to(), "&jwt=")
	if page != "https://forum.acme.test/enter?next=%2Fp%2Fgo-101" {
		t.Errorf("leads to %s", page)
	}
	got = s.read(token, jose.HS256, []byte(hmacApp.Secret.Reveal()))
	if got["aud"] != "forum" || got["to"] != "https://forum.acme.test/p/go-101" {
		t.Errorf("says %v", got)
	}

	r = b.get("/go/school?to=product:go-101")
	u, _ := url.Parse(r.to())
	if u.Host != "acme.thinkific.com" || u.Path != "/api/sso/v2/sso/jwt" || u.Query().Get("return_to") != "https://acme.thinkific.com/courses/go-101" || u.Query().Get("error_url") != s.URL+"/" {
		t.Errorf("leads to %s", r.to())
	}
	got = s.read(u.Query().Get("jwt"), jose.HS256, []byte(thinkificApp.Secret.Reveal()))
	if got["email"] != "ada@example.com" || got["first_name"] != "Ada" || got["last_name"] != "Lovelace" || got["external_id"] != s.ada.Key.String() {
		t.Errorf("says %v", got)
	}
	for _, key := range []string{"iss", "aud", "sub"} {
		if _, ok := got[key]; ok {
			t.Errorf("Thinkific does not know %s", key)
		}
	}
}

// An address counts as proven only if the session's link was sent to it.
func TestEmailVerified(t *testing.T) {
	t.Parallel()
	s := newSite(t, jwtApp)
	for address, want := range map[string]bool{"ada@example.com": true, "ADA@Example.com": true, "+14155550123": false, "": false} {
		b := s.signIn(s.ada, address)
		if got := s.read(b.get("/go/courses").query("token"), jose.EdDSA, s.jwks())["email_verified"]; got != want {
			t.Errorf("a link sent to %q: email_verified %v, want %v", address, got, want)
		}
	}
	b := s.signIn(s.ada, "ada@example.com")
	s.ada.Contact.Email = "ada@new.example.com"
	s.save(s.ada)
	if got := b.get("/go/courses").query("token"); got != "" {
		t.Error("who came in by a link to the old address is handed on under the new one")
	}
}

// TestAttack33JWTHandOff: a token lives 60 s at most, is its own, is for one app, and its key is no key of links.
//
// Red when jwtLife is 61 s, when the jti is a constant, when audience returns a constant, or when sealKeys derives with the
// purpose "latchkey link v1".
func TestAttack33JWTHandOff(t *testing.T) {
	t.Parallel()
	other := hmacApp
	other.Secret, other.Audience, other.Login = engine.Secret{}, "", ""
	s := newSite(t, jwtApp, other, thinkificApp)
	b := s.signIn(s.ada, "ada@example.com")
	seen := map[string]bool{}
	for range 20 {
		for app, param := range map[string]string{"courses": "token", "forum": "jwt", "school": "jwt"} {
			alg, key := jose.EdDSA, any(s.jwks())
			if app == "school" {
				alg, key = jose.HS256, []byte(thinkificApp.Secret.Reveal())
			}
			token := b.get("/go/" + app).query(param)
			got := s.read(token, alg, key)
			iat, exp := got["iat"].(float64), got["exp"].(float64)
			if life := exp - iat; life > 60 || life <= 0 {
				t.Fatalf("%s: lives %v s", app, life)
			}
			if ahead := time.Unix(int64(iat), 0).Sub(s.now()); ahead > 0 || ahead < -5*time.Second {
				t.Errorf("%s: issued %v from now", app, ahead)
			}
			jti := got["jti"].(string)
			if len(jti) < 20 || seen[jti] {
				t.Fatalf("jti %q", jti)
			}
			seen[jti] = true
			if app != "school" && got["aud"] != map[string]string{"courses": jwtApp.URL, "forum": other.URL}[app] {
				t.Errorf("%s: aud %v", app, got["aud"])
			}
		}
	}
	checkKeysApart(t, s)
}

// checkKeysApart wants that nothing in one key file, nor what is derived from it, is a key of another purpose.
func checkKeysApart(t *testing.T, s *site) {
	t.Helper()
	link, err1 := os.ReadFile(filepath.Join(s.keys, "link.key"))
	token, err2 := os.ReadFile(filepath.Join(s.keys, "sso.key"))
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	field := func(b []byte) []byte {
		lines := strings.Split(strings.TrimSpace(string(b)), "\n")
		raw, err := base64.StdEncoding.DecodeString(strings.Fields(lines[len(lines)-1])[1])
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	parsed, err := x509.ParsePKCS8PrivateKey(field(token))
	if err != nil {
		t.Fatal(err)
	}
	seed := parsed.(ed25519.PrivateKey).Seed()
	secrets := map[string]string{"link key": string(field(link)), "seed": string(seed)}
	for name, purpose := range map[string]string{"link": "latchkey link v1", "address": "latchkey address v1"} {
		for from, secret := range map[string][]byte{"link key": field(link), "seed": seed} {
			k, _ := hkdf.Key(sha256.New, secret, nil, purpose, 32)
			secrets[name+" of "+from] = string(k)
		}
	}
	seals, err := s.handler().SealKeys()
	if err != nil || len(seals) != 1 {
		t.Fatal(len(seals), err)
	}
	secrets["seal"] = string(seals[0])
	seen := map[string]string{}
	for name, k := range secrets {
		if other, ok := seen[k]; ok {
			t.Errorf("%s is %s", name, other)
		}
		seen[k] = name
	}
	for _, f := range []string{"link.key", "sso.key"} {
		if info, err := os.Stat(filepath.Join(s.keys, f)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", f, info.Mode(), err)
		}
	}
	for _, k := range s.jwks().Keys {
		if _, ok := k.Key.(ed25519.PublicKey); !ok || k.Algorithm != "EdDSA" || k.Use != "sig" {
			t.Errorf("JWKS has %T %s %s", k.Key, k.Algorithm, k.Use)
		}
	}
	if strings.Contains(s.logs.String(), "eyJ") {
		t.Error("a token is in the log")
	}
}

func TestHandOffIsNoted(t *testing.T) {
	t.Parallel()
	s := newSite(t, jwtApp)
	b := s.signIn(s.ada, "ada@example.com")
	b.wants(b.get("/go/courses"), http.StatusSeeOther)
	got := s.handOffs()
	if len(got) != 1 || got[0].App != "courses" || got[0].Way != "jwt" || got[0].Session.Link == "" {
		t.Errorf("%+v", got)
	}
}
