package portal

import (
	"net/url"

	"latchkey/linkgen"
)

// A destination is where a login leads. It names things that the location knows, never a URL, so it cannot lead anywhere else.
type destination struct {
	App string // "" is the client portal
	To  string // "product:go-101", "category:…" or "lesson:…"; may be empty
	In  string // the product that the category or lesson is in; may be empty
}

// destinationOf returns the destination that a request names, as far as the location knows it.
func destinationOf(set Settings, app, to, in string) destination {
	if _, ok := set.Apps[app]; app != "" && !ok {
		return destination{}
	}
	if _, _, ok := linkgen.ParseTo(to); !ok {
		to = ""
	}
	return destination{app, to, linkgen.CleanIn(to, in)}
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
	if d.In != "" {
		q.Set("in", d.In)
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

// path returns the page of ours that leads to a destination: into its app, or the client portal if that has no address.
func (d destination) path(set Settings) string {
	if set.Apps[d.App].URL == "" {
		return "/"
	}
	q := d.query()
	q.Del("app")
	return goTo(d.App, q)
}

// coursesApp is the app that lessons are in.
const coursesApp = "courses"

// goTo returns the path that leads out to an app, and there to what the query says: to a noun and its id, in a product.
func goTo(app string, q url.Values) string { return withQuery("/go/"+url.PathEscape(app), q) }
