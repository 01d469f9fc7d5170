package sso

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
	"time"

	"latchkey/engine"
	"latchkey/linkgen"
)

// Whatever a request says, a browser is sent to the app's own site, and an id stays one segment or value of its pattern.
func FuzzTo(f *testing.F) {
	for _, to := range []string{"product:go-101", "category:basics", "lesson:intro", "lesson:a/b?c#d", "lesson:..", "product:%2e%2e", "lesson:\\evil",
		"//evil.test", "product://evil.test", "lesson:@evil.test", "lesson:a\r\nb", "product:\u202e", "lesson:\xff", "lesson: x", "product:a&b=c+d"} {
		f.Add(to)
	}
	app := App{URL: "https://learn.acme.test/school", Product: "/c/{product}", Category: "/c/{product}?part={category}&x=y",
		Lesson: "/c/{product}/l/{lesson}", Login: "/in?next={path}&all={to}"}
	f.Fuzz(func(t *testing.T, to string) {
		noun, id, ok := linkgen.ParseTo(to)
		if !ok {
			noun, id = "", ""
		}
		at := linkgen.Place{Product: "go-101", Category: id, Lesson: id}
		if noun == "product" {
			at.Product = id
		}
		target := app.target(noun, at)
		u, err := url.Parse(target)
		if err != nil || u.Scheme != "https" || u.Host != "learn.acme.test" || u.User != nil || u.Fragment != "" || !strings.HasPrefix(u.EscapedPath(), "/school/") {
			t.Fatalf("%q leads to %q", to, target)
		}
		if !within(app.URL, target) && target != app.URL+"/" {
			t.Fatalf("%q leads to %q, which is not within the site", to, target)
		}
		segments := strings.Split(strings.TrimPrefix(u.EscapedPath(), "/school/"), "/")
		if noun != "" && len(segments) != map[string]int{"product": 2, "category": 2, "lesson": 4}[noun] {
			t.Fatalf("%q leads to %q", to, target)
		}
		if noun == "category" && u.Query().Get("part") != id || noun == "category" && u.Query().Get("x") != "y" {
			t.Fatalf("%q leads to %q", to, target)
		}
		login, err := url.Parse(app.loginAt(app.Login, target))
		if err != nil || login.Host != u.Host || login.Query().Get("all") != target || app.URL+login.Query().Get("next") != target {
			t.Fatalf("%q begins at %q", to, login)
		}
	})
}

// Whatever a forum's request says, an answer goes to the forum alone, and nothing is answered without its signature.
func FuzzDiscourse(f *testing.F) {
	app := App{URL: "https://forum.acme.test/talk", SSO: Discourse, Secret: engine.NewSecret("much secret, very wow")}
	for _, q := range []string{"nonce=n1&return_sso_url=https%3A%2F%2Fforum.acme.test%2Ftalk%2Fsession%2Fsso_login", "nonce=&return_sso_url=x", "%zz",
		"nonce=a&nonce=b&return_sso_url=https://forum.acme.test/talk/", "nonce=a&return_sso_url=https://forum.acme.test%5c@evil.test/talk/",
		"nonce=a&return_sso_url=https://forum.acme.test/talk/%2e%2e%2f&prompt=none", "nonce=a;b&return_sso_url=https://forum.acme.test/talk/?a=b"} {
		f.Add(q, "00")
		f.Add(base64.StdEncoding.EncodeToString([]byte(q)), "6648376284f212b08cc66f18fc8a8f188bcf16072944add79be71939a3c8b218")
	}
	f.Fuzz(func(t *testing.T, text, sig string) {
		if _, err := readForum(&app, text, sig); err == nil {
			t.Fatalf("%q is signed by %q", text, sig)
		}
		payload := base64.StdEncoding.EncodeToString([]byte(text))
		r, err := readForum(&app, payload, signForum(app.Secret, payload))
		if err != nil {
			return
		}
		if r.Nonce == "" || len(r.Nonce) > maxNonce {
			t.Fatalf("nonce %q", r.Nonce)
		}
		answer := answerForum(&app, r, "external_id", "x", "email", "a&b=c@example.com")
		u, err := url.Parse(answer)
		if err != nil || u.Scheme != "https" || u.Host != "forum.acme.test" || u.User != nil || !strings.HasPrefix(u.Path, "/talk/") || strings.ContainsAny(answer, "\r\n\\ ") {
			t.Fatalf("%q is answered to %q", text, answer)
		}
		sso := u.Query()["sso"]
		back, err := base64.StdEncoding.DecodeString(sso[len(sso)-1])
		if err != nil {
			t.Fatal(err)
		}
		if q, err := url.ParseQuery(string(back)); err != nil || q.Get("nonce") != r.Nonce || q.Get("email") != "a&b=c@example.com" {
			t.Fatalf("told %q", back)
		}
	})
}

// Codes and tokens of strangers are no grants, and records that were cut are errors.
func FuzzGrant(f *testing.F) {
	g := goldenGrant()
	w := engine.FieldWriter{B: []byte{recordVersion}}
	g.write(&w)
	f.Add(g.ID.String(), w.B)
	f.Add("academy.", []byte{1})
	f.Add("", []byte{})
	f.Fuzz(func(t *testing.T, id string, record []byte) {
		if got, err := parseGrantID(id); err == nil {
			if again, err := parseGrantID(got.String()); err != nil || again != got {
				t.Fatalf("%q is %v", id, got)
			}
		}
		_ = decode(record, &grant{})
	})
}

func goldenGrant() *grant {
	at := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	return &grant{
		ID:      grantID{"academy", [20]byte{0: 1, 19: 2}},
		Contact: engine.ID{15: 7}, Subject: "0000000000000000000000000e", Session: "ses_0102030405060708", Link: "lnk_AZqn5m4AAQAB",
		Client: "academy.moodle", Redirect: "https://moodle.acme.test/cb", Nonce: "n", Challenge: "c", Scopes: []string{"openid", "email"},
		Signed: at, Expires: at.Add(codeLife), Used: at.Add(time.Second), Revoked: true,
	}
}
