package portal

import (
	"net/url"
	"strings"
	"unicode"
)

// A destination is where a login leads. It names things that the location knows, never a URL, so it cannot lead anywhere else.
type destination struct {
	App string // "" is the client portal
	To  string // "product:go-101", "category:…" or "lesson:…"; may be empty
}

const maxTo = 200 // bytes

// destinationOf returns the destination that a request names, as far as the location knows it.
func destinationOf(set Settings, app, to string) destination {
	if _, ok := set.Apps[app]; app != "" && !ok {
		return destination{}
	}
	if !knownTo(to) {
		to = ""
	}
	return destination{app, to}
}

// knownTo reports whether to names a product, a category or a lesson.
func knownTo(to string) bool {
	noun, id, ok := strings.Cut(to, ":")
	switch {
	case !ok, id == "", len(to) > maxTo, strings.ContainsFunc(id, func(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar }):
		return false
	}
	return noun == "product" || noun == "category" || noun == "lesson"
}

// query writes a destination for a URL of ours.
func (d destination) query() url.Values {
	q := url.Values{}
	if d.App != "" {
		q.Set("app", d.App)
	}
	if d.To != "" {
		q.Set("to", d.To)
	}
	return q
}

// withQuery adds a query to a path, if there is one.
func withQuery(path string, q url.Values) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// path returns where a destination is on our own site.
func (d destination) path() string {
	if d.App == "" {
		return "/"
	}
	q := url.Values{}
	if d.To != "" {
		q.Set("to", d.To)
	}
	return withQuery("/go/"+url.PathEscape(d.App), q)
}
