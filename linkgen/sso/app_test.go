package sso

import (
	"fmt"
	"strings"
	"testing"

	"latchkey/engine"
)

func TestCheckApp(t *testing.T) {
	t.Parallel()
	secret := func(n int) engine.Secret { return engine.NewSecret(strings.Repeat("s", n)) }
	const site = "https://learn.acme.test"
	for _, c := range []struct {
		want string // key: what it says; "" is right
		app  App
	}{
		{"", App{}},
		{"", App{URL: site, Product: "/c/{product}", Category: "/c/{product}?part={category}", Lesson: "/l/{lesson}"}},
		{"", App{URL: site, SSO: JWT}},
		{"", App{URL: site, SSO: JWT, Secret: secret(32), Param: "jwt", Audience: "x", Login: "/enter?next={path}"}},
		{"", App{URL: "http://127.0.0.1:9000/school", SSO: OIDC, Secret: secret(16), Redirects: []string{"http://localhost/cb", "https://a.test/cb?x=y"}, NoPKCE: true}},
		{"", App{URL: site, SSO: Minted, Secret: secret(16), Mint: "https://api.acme.test/sso"}},
		{"url: needed", App{SSO: JWT}},
		{"url: needed", App{Product: "/c/{product}"}},
		{`url: "learn.acme.test" is no address`, App{URL: "learn.acme.test"}},
		{"url: \"http://learn.acme.test\": http is for this machine only", App{URL: "http://learn.acme.test"}},
		{"url: an address holds no user", App{URL: "https://u:p@learn.acme.test"}},
		{"url: \"https://learn.acme.test?x=y\": leave out", App{URL: site + "?x=y"}},
		{`sso: "disocurse" is none of jwt, thinkific, discourse, oidc, moodle, minted; did you mean discourse?`, App{URL: site, SSO: "disocurse"}},
		{"secret: has 31 characters; HS256 needs at least 32", App{URL: site, SSO: JWT, Secret: secret(31)}},
		{"secret: has 15 characters; at least 16", App{URL: site, SSO: Discourse, Secret: secret(15)}},
		{"secret: sso: thinkific needs the secret", App{URL: site, SSO: Thinkific}},
		{"secret: is for sso: jwt, ", App{URL: site, Secret: secret(20)}},
		{"redirects: sso: oidc needs", App{URL: site, SSO: OIDC, Secret: secret(16)}},
		{`redirects: "http://a.test/cb": http is`, App{URL: site, SSO: OIDC, Secret: secret(16), Redirects: []string{"http://a.test/cb"}}},
		{`redirects: "https://*.a.test/cb": it is compared`, App{URL: site, SSO: OIDC, Secret: secret(16), Redirects: []string{"https://*.a.test/cb"}}},
		{"redirects: is for sso: oidc", App{URL: site, SSO: JWT, Redirects: []string{"https://a.test"}}},
		{"pkce: is for sso: oidc", App{URL: site, SSO: JWT, NoPKCE: true}},
		{"mint: sso: minted needs", App{URL: site, SSO: Minted, Secret: secret(16)}},
		{"mint: is for sso: minted", App{URL: site, SSO: Moodle, Secret: secret(16), Mint: "https://a.test"}},
		{`product: {produkt} stands for nothing here; did you mean {product}?`, App{URL: site, Product: "/c/{produkt}"}},
		{"product: {lesson} stands for nothing here", App{URL: site, Product: "/c/{lesson}"}},
		{`lesson: "//evil.test/{lesson}" is no path`, App{URL: site, Lesson: "//evil.test/{lesson}"}},
		{`lesson: "https://evil.test/" is no path`, App{URL: site, Lesson: "https://evil.test/"}},
		{`lesson: "/l/{lesson" has a { or }`, App{URL: site, Lesson: "/l/{lesson"}},
		{`login: {next} stands for nothing here; there is {to}, {path}`, App{URL: site, SSO: JWT, Login: "/in?n={next}"}},
		{`param: "a b" is no name`, App{URL: site, SSO: JWT, Param: "a b"}},
		{`client_id: "a b" is no client id`, App{URL: site, SSO: OIDC, Secret: secret(16), Redirects: []string{site}, Client: "a b"}},
	} {
		var got []string
		for _, m := range c.app.Check() {
			got = append(got, m.Key+": "+m.Text)
		}
		if all := strings.Join(got, "\n"); c.want == "" && all != "" || !strings.Contains(all, c.want) || len(got) > 1 {
			t.Errorf("%+v: %s\nwant %s", c.app, all, c.want)
		}
		if strings.Contains(fmt.Sprint(got), "sssss") {
			t.Errorf("a mistake tells the secret: %v", got)
		}
	}
}
