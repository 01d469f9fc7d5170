package main

import (
	"net/http"
	"testing"
)

// behindOpen are requests that nobody else may make: some give a stranger everything.
var behindOpen = []struct{ method, path, body string }{
	{http.MethodPost, "/v1/signin", ""},
	{http.MethodGet, "/v1/status", ""},
	{http.MethodGet, "/v1/backup", ""},
	{http.MethodGet, "/v1/audit", ""},
	{http.MethodGet, "/outbox", ""},
	{http.MethodGet, "/metrics", ""},
	{http.MethodPost, "/v1/events/offer_access_granted", adaGold},
	{http.MethodPost, "/v1/links", `{"contact":"c-ada"}`},
	{http.MethodPost, "/v1/revoke", `{"everything":true}`},
}

// TestProxiedAdminNeedsKey: the proxy that ends TLS in front of the console is on the same machine, so that what it passes on comes
// from loopback. That must not make its visitors this machine, with a link that signs the owner in for the asking.
func TestProxiedAdminNeedsKey(t *testing.T) {
	t.Parallel()
	as := func(host string) func(*http.Request) { return func(r *http.Request) { r.Host = host } }
	for name, c := range map[string]struct {
		set  func(*Config)
		ways map[string]func(*http.Request) // that a request comes in by
		open bool
	}{
		"nothing in front": {open: true, ways: map[string]func(*http.Request){"itself": func(*http.Request) {}}},
		"a name for this machine": {set: func(c *Config) {
			c.Admin.URL, c.Admin.Hosts = "http://localhost:9999", []string{"ops.localhost", "[::1]:9999"}
		},
			open: true, ways: map[string]func(*http.Request){"itself": as("ops.localhost")}},
		"admin.url": {set: func(c *Config) { c.Admin.URL = "https://ops.acme.test" },
			ways: map[string]func(*http.Request){"its Host": as("ops.acme.test"), "the Host that proxies send by default": func(*http.Request) {}}},
		"admin.hosts": {set: func(c *Config) { c.Admin.Hosts = []string{"ops.acme.test"} },
			ways: map[string]func(*http.Request){"its Host": as("ops.acme.test")}},
		"a proxy that latchkey.yaml does not know": {ways: map[string]func(*http.Request){
			"X-Forwarded-For": header("X-Forwarded-For", "203.0.113.9"), "RFC 7239": header("Forwarded", "for=203.0.113.9"),
			"this machine, it says": header("X-Forwarded-For", "127.0.0.1"), "nobody, it says": header("X-Forwarded-For", ""),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow})
			i, _ := w.start(func(cfg *Config) {
				if c.set != nil {
					c.set(cfg)
				}
			})
			key := header("Authorization", "Bearer "+i.apiKey.Reveal())
			for way, edit := range c.ways {
				for _, q := range behindOpen {
					status, answer := w.do(q.method, q.path, q.body, edit)
					if (status == http.StatusUnauthorized) == c.open || status == http.StatusMisdirectedRequest {
						t.Errorf("%s: %s %s: %d %.200s", way, q.method, q.path, status, answer)
					}
				}
				if status, answer := w.do(http.MethodGet, "/v1/status", "", edit, key); status != http.StatusOK {
					t.Errorf("%s, with the key: %d %.200s", way, status, answer)
				}
				if status, answer := w.do(http.MethodGet, "/healthz", "", edit); status != http.StatusOK {
					t.Errorf("%s: /healthz: %d %.200s", way, status, answer)
				}
			}
		})
	}
}
