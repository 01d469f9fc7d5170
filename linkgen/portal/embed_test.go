package portal

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"latchkey/engine"
	"latchkey/linkgen"
)

const crmSecret = "0123456789abcdef0123456789abcdef"

// A vouch is what a host says; a nil claim is left out.
type vouch map[string]any

func (s *site) vouch(change vouch) vouch {
	v := vouch{"iss": "crm", "aud": s.loc.BaseURL + "/" + locID, "sub": "u-1", "email": "sam@acme.test", "jti": "j-" + rand.Text(),
		"iat": s.now().Unix(), "exp": s.now().Add(time.Minute).Unix()}
	maps.Copy(v, change)
	maps.DeleteFunc(v, func(_ string, c any) bool { return c == nil })
	return v
}

func (v vouch) signed(t testing.TB, alg jose.SignatureAlgorithm, key any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	body, _ := json.Marshal(v)
	sig, err := signer.Sign(body)
	if err != nil {
		t.Fatal(err)
	}
	text, err := sig.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (v vouch) hs256(t testing.TB) string { return v.signed(t, jose.HS256, []byte(crmSecret)) }

func publicPEM(t testing.TB, key crypto.PublicKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// userLink sets up an embedding host and makes the user link.
func (s *site) userLink() string {
	s.Helper()
	s.mu.Lock()
	s.set.Embed = Embed{Hosts: []string{"https://crm.acme.test"}, Keys: []EmbedKey{{Issuer: "crm", Secret: engine.NewSecret(crmSecret)}}}
	s.mu.Unlock()
	var path string
	s.updateShard(0, func(tx engine.Tx) error {
		_, u, err := s.links.MintUser(tx, linkgen.UserRequest{Now: s.now(), Location: locID, By: "Sam"})
		path = strings.TrimPrefix(u.Reveal(), s.loc.BaseURL)
		return err
	})
	return path
}

var inFrame = []string{"Sec-Fetch-Dest", "iframe", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"}

func (b *browser) frame(path string) reply { b.Helper(); return b.do("GET", path, nil, inFrame...) }

func (b *browser) enter(page reply) reply {
	b.Helper()
	return b.post("/l/staff", formOf(page, "/l/staff"), "Sec-Fetch-Dest", "iframe")
}

func TestUserLink(t *testing.T) {
	t.Parallel()
	s := newSite(t, 4)
	link := s.userLink()
	s.set.Menu = []MenuItem{{Label: "The library", App: "courses"}, {Label: "Help", URL: "https://help.acme.test"}}
	s.happen(s.ada, "lesson_started", "product=p-c-17/Go 101", "lesson=intro/Introduction")
	s.happen(s.bob, "lesson_started", "product=p-c-18/Rust 201", "lesson=one/One")
	b, at := s.browser(), link+"?assertion="+s.vouch(nil).hs256(t)
	before := s.dump()
	page := b.frame(at)
	b.wants(page, 200, "Sign in as", "sam@acme.test", "Continue")
	if csp := page.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "frame-ancestors https://crm.acme.test;") {
		t.Errorf("policy: %s", csp)
	}
	if s.dump() != before || len(page.Cookies()) > 0 {
		t.Error("a page changed something")
	}
	in := b.enter(page)
	b.wants(in, 303)
	if in.Header.Get("Location") != "/staff" {
		t.Errorf("to %q", in.Header.Get("Location"))
	}
	home := b.frame("/staff")
	b.wants(home, 200, "You see this as staff", "sam@acme.test", "The library", `href="https://learn.acme.test"`, `href="https://help.acme.test"`, "All courses", "Go 101", "Rust 201", "1 lesson known")
	if csp := home.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "frame-ancestors https://crm.acme.test;") {
		t.Errorf("policy: %s", csp)
	}
	if r := b.frame(at); r.StatusCode != 303 || r.Header.Get("Location") != "/staff" { // while they are in
		t.Errorf("again: %d", r.StatusCode)
	}
	b.wants(b.get("/"), 200, "You are not signed in") // staff are no learner
	list, err := linkgen.AuditList(t.Context(), s.stores, locID, 10, "")
	if err != nil || len(list) == 0 || list[0].Did != "signed in" || list[0].Who != "sam@acme.test" {
		t.Errorf("audit: %+v, %v", list, err)
	}
	b.wants(b.post("/staff/logout", url.Values{"location": {locID}}), 303)
	b.wants(b.frame("/staff"), 403, "You are not signed in here any more")
	b.wants(b.enter(page), 403, "You are not signed in here any more")
	b.wants(b.frame(link), 403, "This menu does not say who you are")
	if got := s.story(link); !strings.HasPrefix(got, "minted by hand; ") || !strings.Contains(got, "redeemed") {
		t.Errorf("the timeline is %s", got)
	}
}

func TestUserLinkOpensOnlyInFrames(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	link := s.userLink()
	b, at := s.browser(), link+"?assertion="+s.vouch(nil).hs256(t)
	for _, h := range [][]string{nil, {"Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "none"},
		{"Sec-Fetch-Dest", "empty", "Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Dest", "iframe", "Sec-Fetch-Site", "none"}, {"Sec-Fetch-Dest", "embed"}} {
		r := b.do("GET", at, nil, h...)
		b.wants(r, 403, "This link opens only in the menu that it was made for", "Open it within https://crm.acme.test.")
		if !strings.Contains(r.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("%v: a page that opens nothing may be framed", h)
		}
	}
	page := b.frame(at)
	b.wants(b.post("/l/staff", formOf(page, "/l/staff"), "Sec-Fetch-Dest", "document"), 410) // out of its frame
	b.wants(b.post("/l", url.Values{"t": {link[3:]}}), 410)                                  // it is no learner's
	// A learner's link is no user link.
	b.wants(b.post("/l/staff", url.Values{"t": {s.mint(s.ada, engine.LinkRequest{})[3:]}, "assertion": {s.vouch(nil).hs256(t)}}, "Sec-Fetch-Dest", "iframe"), 410)
	newer := s.userLink()
	b.wants(b.frame(at), 410, "This link no longer works", "A newer one has replaced it, or somebody ended it")
	b.wants(b.enter(page), 410, "This link no longer works")
	b.wants(b.frame(newer+"?assertion="+s.vouch(nil).hs256(t)), 200, "Continue")
	s.set.Embed = Embed{}
	b.wants(b.frame(newer), 403, "This link opens only in the menu")
}

// What a host says counts only if it says all, now, for this location, and has the key. Each line is one way to say it wrong.
//
// Red when verify does not ask tok.Claims(key, …), and when keysOf adds an EmbedKey for each key whose Secret is the text of its PEM, or
// the bytes of its key. Which algorithm is taken is asked three times, by assertionAlgs, by the algorithms of a key and by the library: red
// when the first two take HS512 for a secret, and when they take "none" and leave tok.Claims out.
func TestAssertions(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	link, b := s.userLink(), s.browser()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edPub, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaPEM, edPEM := publicPEM(t, rsaKey.Public()), publicPEM(t, edPub)
	s.set.Embed.Keys = append(s.set.Embed.Keys, EmbedKey{Issuer: "rsa", PEM: rsaPEM}, EmbedKey{Issuer: "ec", PEM: publicPEM(t, ecKey.Public())},
		EmbedKey{Issuer: "ed", PEM: edPEM}, EmbedKey{Issuer: "long", Secret: engine.NewSecret(crmSecret + crmSecret)}, EmbedKey{Issuer: "none"}, EmbedKey{Issuer: "bad", PEM: "x"})
	far := map[string]*Embed{"far": {Keys: []EmbedKey{{Issuer: "far", Secret: engine.NewSecret("f" + crmSecret)}}}} // whom north lets in, and we do not
	s.set.Embed.Locations = map[string]*Embed{"north": {Locations: far, Hosts: []string{"https://north.test"}, Keys: []EmbedKey{{Issuer: "north", Secret: engine.NewSecret("n" + crmSecret)}}}}
	for name, text := range map[string]string{
		"HS256": s.vouch(nil).hs256(t), "HS256 with 64 bytes": s.vouch(vouch{"iss": "long"}).signed(t, jose.HS256, []byte(crmSecret+crmSecret)),
		"RS256": s.vouch(vouch{"iss": "rsa"}).signed(t, jose.RS256, rsaKey), "PS256": s.vouch(vouch{"iss": "rsa"}).signed(t, jose.PS256, rsaKey),
		"ES256": s.vouch(vouch{"iss": "ec"}).signed(t, jose.ES256, ecKey), "EdDSA": s.vouch(vouch{"iss": "ed"}).signed(t, jose.EdDSA, edKey),
		"another location's":          s.vouch(vouch{"iss": "north"}).signed(t, jose.HS256, []byte("n"+crmSecret)),
		"aud is a list":               s.vouch(vouch{"aud": []string{"x", s.loc.BaseURL + "/" + locID}}).hs256(t),
		"a host whose clock is ahead": s.vouch(vouch{"iat": s.now().Unix() + 20, "exp": s.now().Unix() + 80}).hs256(t),
	} {
		b.wants(b.frame(link+"?assertion="+text), 200, "sam@acme.test")
		if t.Failed() {
			t.Fatal(name)
		}
	}
	enc := base64.RawURLEncoding.EncodeToString
	body, _ := json.Marshal(s.vouch(nil))
	good := s.vouch(nil).hs256(t)
	parts := strings.Split(good, ".")
	for name, text := range map[string]string{
		"nothing": "", "no token": "x.y.z", "alg none": enc([]byte(`{"alg":"none"}`)) + "." + enc(body) + ".", "no signature": parts[0] + "." + parts[1] + ".",
		"another body": parts[0] + "." + enc(body) + "." + parts[2], "another key": s.vouch(nil).signed(t, jose.HS256, []byte("x"+crmSecret)), "a longer hash": s.vouch(vouch{"iss": "long"}).signed(t, jose.HS512, []byte(crmSecret+crmSecret)),
		"a public EdDSA key as a secret": s.vouch(vouch{"iss": "ed"}).signed(t, jose.HS256, []byte(edPub)), "its text as a secret": s.vouch(vouch{"iss": "ed"}).signed(t, jose.HS256, []byte(edPEM)),
		"the public key as a secret": s.vouch(vouch{"iss": "rsa"}).signed(t, jose.HS256, []byte(strings.TrimSpace(rsaPEM))), "the public key with its line": s.vouch(vouch{"iss": "rsa"}).signed(t, jose.HS256, []byte(rsaPEM)),
		"another issuer's key": s.vouch(vouch{"iss": "rsa"}).hs256(t), "an issuer without a key": s.vouch(vouch{"iss": "none"}).hs256(t), "a broken key": s.vouch(vouch{"iss": "bad"}).hs256(t),
		"nobody": s.vouch(vouch{"iss": nil}).hs256(t), "whom another location lets in": s.vouch(vouch{"iss": "far"}).signed(t, jose.HS256, []byte("f"+crmSecret)), "of north with its own": s.vouch(vouch{"iss": "north"}).hs256(t),
		"for another location": s.vouch(vouch{"aud": s.loc.BaseURL + "/studio"}).hs256(t), "for the site": s.vouch(vouch{"aud": s.loc.BaseURL}).hs256(t), "for nobody": s.vouch(vouch{"aud": nil}).hs256(t),
		"no sub": s.vouch(vouch{"sub": nil}).hs256(t), "no email": s.vouch(vouch{"email": nil}).hs256(t), "two addresses": s.vouch(vouch{"email": "a@b.test,c@d.test"}).hs256(t), "no jti": s.vouch(vouch{"jti": ""}).hs256(t),
		"no exp": s.vouch(vouch{"exp": nil}).hs256(t), "no iat": s.vouch(vouch{"iat": nil}).hs256(t), "61 seconds": s.vouch(vouch{"exp": s.now().Unix() + 61}).hs256(t), "exp before iat": s.vouch(vouch{"exp": s.now().Unix() - 1}).hs256(t),
		"of later": s.vouch(vouch{"iat": s.now().Unix() + 31, "exp": s.now().Unix() + 40}).hs256(t), "not yet": s.vouch(vouch{"nbf": s.now().Unix() + 60}).hs256(t),
		"over": s.vouch(vouch{"iat": s.now().Unix() - 60, "exp": s.now().Unix()}).hs256(t), "10 KB": s.vouch(vouch{"x": strings.Repeat("x", 10<<10)}).hs256(t), "a long jti": s.vouch(vouch{"jti": strings.Repeat("j", 300)}).hs256(t),
	} {
		if r := b.frame(link + "?assertion=" + url.QueryEscape(text)); r.StatusCode != 403 {
			t.Errorf("%s: %d", name, r.StatusCode)
		}
		if r := b.post("/l/staff", url.Values{"t": {link[3:]}, "assertion": {text}}, "Sec-Fetch-Dest", "iframe"); r.StatusCode != 403 && r.StatusCode != 413 || len(r.Cookies()) > 0 {
			t.Errorf("%s: pressing: %d", name, r.StatusCode)
		}
		if text != "" && strings.Contains(s.logs.String(), text) {
			t.Errorf("%s: it is in the log", name)
		}
	}
	for _, jti := range []string{"once", "twice"} { // the same id of two issuers is two
		for n, text := range []string{s.vouch(vouch{"jti": jti}).hs256(t), s.vouch(vouch{"jti": jti}).hs256(t), s.vouch(vouch{"jti": jti, "iss": "ed"}).signed(t, jose.EdDSA, edKey)} {
			r := s.browser().post("/l/staff", url.Values{"t": {link[3:]}, "assertion": {text}}, "Sec-Fetch-Dest", "iframe")
			if want := []int{303, 403, 303}[n]; r.StatusCode != want {
				t.Errorf("%s, %d: %d, want %d", jti, n, r.StatusCode, want)
			}
		}
	}
}

// In a frame of another site the session is of that frame alone.
func TestFrameCookie(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	s.loc.BaseURL = "https://learn.acme.test"
	link, b := s.userLink(), s.browser()
	in := b.enter(b.frame(link + "?assertion=" + s.vouch(nil).hs256(t)))
	_, flags, _ := strings.Cut(in.Header.Get("Set-Cookie"), "; ")
	if !strings.HasPrefix(in.Header.Get("Set-Cookie"), "__Host-latchkey-frame=") || flags != "Path=/; Max-Age=43200; HttpOnly; Secure; SameSite=None; Partitioned" {
		t.Errorf("cookie flags: %s", flags)
	}
}

func FuzzAssertion(f *testing.F) {
	s := newSite(f, 1)
	e := Embed{Keys: []EmbedKey{{Issuer: "crm", Secret: engine.NewSecret(crmSecret)}}}
	good := s.vouch(nil).hs256(f)
	for _, text := range []string{"", "..", good, good + "A", strings.ToLower(good), good[:len(good)-4], "e30.e30.", `{"payload":"e30","signatures":[]}`, s.vouch(vouch{"iss": "x"}).hs256(f)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		said, err := e.verify(text, s.loc.BaseURL+"/"+locID, t0)
		if err == nil && text != good && said.Email != "sam@acme.test" {
			t.Errorf("%q vouches for %+v", text, said)
		}
		if err == nil && strings.Count(text, ".") != 2 {
			t.Errorf("%q is taken", text)
		}
		if err != nil && (said != assertion{}) {
			t.Errorf("%q: refused, and yet %+v", text, said)
		}
	})
}

// Who opens the menu next in the same browser is not taken for who did before, and nobody is in for ever.
func TestFrameSessionIsOfOnePerson(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	link, b := s.userLink(), s.browser()
	b.wants(b.enter(b.frame(link+"?assertion="+s.vouch(nil).hs256(t))), 303)
	for text, want := range map[string]int{s.vouch(nil).hs256(t): 303, "": 303, "x": 303, s.vouch(vouch{"email": "tom@acme.test"}).hs256(t): 200} {
		if r := b.frame(link + "?assertion=" + text); r.StatusCode != want {
			t.Errorf("%d, want %d\n%s", r.StatusCode, want, r.text())
		}
	}
	b.wants(b.enter(b.frame(link+"?assertion="+s.vouch(vouch{"email": "tom@acme.test"}).hs256(t))), 303)
	b.wants(b.frame("/staff"), 200, "tom@acme.test")
	for range 3 {
		s.pass(4 * time.Hour)
		b.frame("/staff")
	}
	b.wants(b.frame("/staff"), 403, "You are not signed in here any more")
}
