package portal

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"latchkey/engine"
)

// Settings are what a location says of its pages. They are asked for at each request, so that changed ones take effect at
// once. The zero value is a portal without a menu, an app, an embedding host or a login form.
type Settings struct {
	Legacy bool           // learners are sent to the app "courses"; the portal's own pages are not there
	Menu   []MenuItem     // what the client portal shows beside what is granted, in this order
	Apps   map[string]App // by name
	Embed  Embed
	Login  Login
}

// A MenuItem leads to an app, or to a URL.
type MenuItem struct {
	Label string
	App   string // "" if URL is set
	URL   string
}

// An App is a site that learners are sent on to.
type App struct {
	URL      string // where it begins
	Product  string // path of a product's page, with {product} in it; may be empty
	Category string // as Product, with {category} too
	Lesson   string // as Product, with {lesson} and {category} too
}

// Embed says where a location's user link may be opened, and by whom.
type Embed struct {
	Hosts     []string          // origins whose pages may embed it, for instance https://crm.example.com
	Keys      []EmbedKey        // of those who vouch for staff
	Locations map[string]*Embed // further locations whose staff may open it, as their own settings say
}

// An EmbedKey checks what one issuer says of a member of staff.
type EmbedKey struct {
	Issuer string        // the assertion's iss
	Secret engine.Secret // for HS256; or
	PEM    string        // a public key
}

// Login says how a learner without a link may ask for one.
type Login struct {
	Email bool
	SMS   bool // whether phone numbers are taken too
}

// hosts are the origins that may embed the location's user link.
func (e Embed) hosts() []string {
	all := slices.Clone(e.Hosts)
	for _, o := range e.Locations {
		all = append(all, o.Hosts...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// settings returns what a location says.
func (p *Portal) settings(location string) Settings {
	if p.Settings == nil {
		return Settings{}
	}
	return p.Settings(location)
}

// client returns whom a request comes from, as far as it can be known. The zero Addr is nobody in particular.
func (p *Portal) client(r *http.Request) netip.Addr {
	if p.Client != nil {
		return p.Client(r)
	}
	return directClient(r)
}

// directClient returns the address that the connection of a request comes from.
func directClient(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

// ClientBehind returns a function that tells whom a request comes from where proxies of these networks stand in front: the
// last address in X-Forwarded-For that is not one of theirs. What stands before it was written by a stranger and is never
// read, nor is the header of a request that does not come from a proxy.
func ClientBehind(proxies []netip.Prefix) func(*http.Request) netip.Addr {
	trusted := func(a netip.Addr) bool {
		return slices.ContainsFunc(proxies, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	return func(r *http.Request) netip.Addr {
		client := directClient(r)
		hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		for i := len(hops) - 1; i >= 0 && trusted(client); i-- {
			hop, ok := parseHop(strings.TrimSpace(hops[i]))
			if !ok {
				break
			}
			client = hop
		}
		return client
	}
}

// parseHop reads an address as proxies write it, some with a port.
func parseHop(s string) (netip.Addr, bool) {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	return a.Unmap().WithZone(""), err == nil
}
