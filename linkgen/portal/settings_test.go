package portal

import (
	"net/http"
	"net/netip"
	"testing"
)

// An address that a stranger writes into X-Forwarded-For is never the client's.
func TestClientBehindProxies(t *testing.T) {
	t.Parallel()
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, c := range []struct {
		remote string
		xff    []string
		want   string
	}{
		{"203.0.113.9:4711", nil, "203.0.113.9"},
		{"203.0.113.9:4711", []string{"198.51.100.1"}, "203.0.113.9"}, // not from a proxy
		{"10.0.0.1:4711", []string{"198.51.100.1"}, "198.51.100.1"},
		{"10.0.0.1:4711", []string{"1.2.3.4, 198.51.100.1"}, "198.51.100.1"}, // the left one is the stranger's
		{"10.0.0.1:4711", []string{"1.2.3.4", "198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
		{"10.0.0.1:4711", []string{"10.9.9.9, 198.51.100.1"}, "198.51.100.1"}, // he may not pose as a proxy either
		{"10.0.0.1:4711", []string{"198.51.100.1, nonsense"}, "10.0.0.1"},
		{"10.0.0.1:4711", []string{""}, "10.0.0.1"},
		{"10.0.0.1:4711", nil, "10.0.0.1"},
		{"10.0.0.1:4711", []string{"198.51.100.1:5000"}, "198.51.100.1"},
		{"10.0.0.1:4711", []string{"[2001:db8::1]:5000"}, "2001:db8::1"},
		{"[fd00::1]:4711", []string{"2001:db8::1"}, "2001:db8::1"},
		{"[::ffff:10.0.0.1]:4711", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		{"@", []string{"198.51.100.1"}, "invalid IP"},
	} {
		r := &http.Request{RemoteAddr: c.remote, Header: http.Header{"X-Forwarded-For": c.xff, "Forwarded": {"for=1.2.3.4"}, "X-Real-Ip": {"1.2.3.4"}}}
		if got := ClientBehind(proxies)(r).String(); got != c.want {
			t.Errorf("%s, %q: %s, want %s", c.remote, c.xff, got, c.want)
		}
	}
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }
