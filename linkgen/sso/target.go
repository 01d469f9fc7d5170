package sso

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"latchkey/engine"
	"latchkey/linkgen"
)

var placeholder = regexp.MustCompile(`\{[^{}]*\}`)

// checkPattern reports whether a path of latchkey.yaml can be used.
func checkPattern(text string, names []string) error {
	if text == "" {
		return nil
	}
	if !strings.HasPrefix(text, "/") || strings.HasPrefix(text, "//") || strings.ContainsAny(text, "\\#") ||
		strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return fmt.Errorf("%q is no path of the site; begin it with one /", text)
	}
	for _, p := range placeholder.FindAllString(text, -1) {
		name := p[1 : len(p)-1]
		if slices.Contains(names, name) {
			continue
		}
		if near := engine.Nearest(name, names); near != "" {
			return fmt.Errorf("%s stands for nothing here; did you mean {%s}?", p, near)
		}
		return fmt.Errorf("%s stands for nothing here; there is {%s}", p, strings.Join(names, "}, {"))
	}
	if strings.ContainsAny(placeholder.ReplaceAllString(text, ""), "{}") {
		return fmt.Errorf("%q has a { or } that belongs to nothing", text)
	}
	return nil
}

// target returns where in the app a place is: by the pattern of its noun, else by that of what it is part of, else the
// app's front page. It always begins with the app's URL.
func (a *App) target(noun string, p linkgen.Place) string {
	fields := map[string]string{"product": p.Product, "category": p.Category, "lesson": p.Lesson}
	switch noun {
	case "lesson":
		if to, ok := a.fill(a.Lesson, fields); ok {
			return to
		}
		fallthrough
	case "category":
		if to, ok := a.fill(a.Category, fields); ok && p.Category != "" {
			return to
		}
		fallthrough
	case "product":
		if to, ok := a.fill(a.Product, fields); ok {
			return to
		}
	}
	return a.URL + "/"
}

// fill puts ids into a pattern, each as one segment of the path or one value of the query, and reports whether all are
// known.
func (a *App) fill(pattern string, fields map[string]string) (string, bool) {
	if pattern == "" {
		return "", false
	}
	known := true
	text := placeholder.ReplaceAllStringFunc(pattern, func(p string) string {
		v := fields[p[1:len(p)-1]]
		if v == "" || linkgen.Climbs(v) {
			known = false
		}
		return escape(v)
	})
	return a.URL + text, known
}

// escape writes an id so that it is one segment of a path, and one value of a query.
func escape(v string) string { return strings.ReplaceAll(url.QueryEscape(v), "+", "%20") }

// loginAt returns where signing in to the app begins, for someone who goes to a target of it. Without such a place it is
// the target itself.
func (a *App) loginAt(pattern, target string) string {
	if pattern == "" {
		return target
	}
	return a.URL + placeholder.ReplaceAllStringFunc(pattern, func(p string) string {
		if p == "{path}" {
			return escape(strings.TrimPrefix(target, a.URL))
		}
		return escape(target)
	})
}

// withQuery adds parameters to an address, after those it has.
func withQuery(address string, params ...string) string {
	sep := "?"
	if strings.Contains(address, "?") {
		sep = "&"
	}
	for n := 0; n+1 < len(params); n += 2 {
		address += sep + url.QueryEscape(params[n]) + "=" + url.QueryEscape(params[n+1])
		sep = "&"
	}
	return address
}
