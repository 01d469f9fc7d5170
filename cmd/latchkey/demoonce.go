package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/html"

	"latchkey/actions/outbox"
	"latchkey/engine"
)

// comeIn does what a learner does: it opens a link of a mail, presses the button, and looks at the page behind it.
func (d *demo) comeIn(ctx context.Context) error {
	m, link := d.firstLink(ctx, "")
	if link == "" {
		return errors.New("demo: no message with a login link went out")
	}
	inside, err := goThrough(ctx, link)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.app.out, "\n%s opens the link and presses the button. The page behind it says:\n\n", m.To)
	for _, line := range inside.text {
		fmt.Fprintln(d.app.out, "    "+line)
	}
	granted, all := d.titles(m.To)
	for _, title := range all {
		switch shown := slices.Contains(inside.text, title); {
		case shown && !granted[title]:
			return fmt.Errorf("demo: the page shows %q, which was not granted", title)
		case !shown && granted[title]:
			return fmt.Errorf("demo: the page does not show %q, which was granted", title)
		}
	}
	fmt.Fprintln(d.app.out, "\nThat is all that was granted, and nothing else.")
	m, link = d.firstLink(ctx, "courses")
	if link == "" {
		return errors.New("demo: no message with a link into the course site went out")
	}
	if inside, err = goThrough(ctx, link); err != nil {
		return err
	}
	fmt.Fprintf(d.app.out, "\nThe link in %q leads on into the course site, whose page says:\n\n", m.Subject)
	for _, line := range inside.text {
		fmt.Fprintln(d.app.out, "    "+line)
	}
	return nil
}

// goThrough opens a link in a new browser, presses its button, and returns the page where that leads.
func goThrough(ctx context.Context, link string) (page, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return page{}, err
	}
	browser := &http.Client{Jar: jar}
	door, err := visit(ctx, browser, http.MethodGet, link, nil)
	if err != nil {
		return page{}, fmt.Errorf("demo: open the link: %w", err)
	}
	if door.form.action == "" {
		return page{}, errors.New("demo: the link's page has no button")
	}
	at, err := url.Parse(link)
	if err != nil {
		return page{}, errors.New("demo: the link is no URL")
	}
	inside, err := visit(ctx, browser, http.MethodPost, at.ResolveReference(&url.URL{Path: door.form.action}).String(), door.form.values)
	if err == nil && inside.next != "" { // it goes on by itself
		next, bad := url.Parse(inside.next)
		if bad != nil {
			return page{}, errors.New("demo: what the button leads to is no URL")
		}
		inside, err = visit(ctx, browser, http.MethodGet, at.ResolveReference(next).String(), nil)
	}
	if err != nil {
		return page{}, fmt.Errorf("demo: press the button: %w", err)
	}
	return inside, nil
}

// firstLink returns a message with a link that works and leads to an app, or to the portal if that is "": the last one to the contact of the first event,
// since whose mail is first is left to chance.
func (d *demo) firstLink(ctx context.Context, app string) (outbox.Message, string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for n := len(d.shown) - 1; n >= 0; n-- {
		m := d.shown[n]
		if len(m.Links) == 0 || m.To != d.events[0].Contact.Email {
			continue
		}
		if l, err := d.links.Show(ctx, d.stores, m.Links[0].Now.ID, d.cfg.Now()); err == nil && l.Link.App == app {
			return m, m.Links[0].Now.URL.Reveal()
		}
	}
	return outbox.Message{}, ""
}

// titles lists the titles of all offers and products that the events name, and says which of them the contact with that
// address was granted.
func (d *demo) titles(address string) (granted map[string]bool, all []string) {
	id := ""
	for _, ev := range d.events {
		if ev.Contact.Email == address {
			id = ev.Contact.ID
		}
	}
	granted = map[string]bool{}
	for _, ev := range d.events {
		for _, n := range []*engine.Noun{ev.Offer, ev.Product} {
			if n == nil {
				continue
			}
			all = append(all, n.Title)
			if ev.Contact.ID == id && strings.HasSuffix(ev.Type, "_granted") {
				granted[n.Title] = true
			}
		}
	}
	return granted, all
}

// A page is what a browser without pictures would show.
type page struct {
	text []string
	form pageForm // the first one
	next string   // where it goes on to by itself
}

type pageForm struct {
	action string
	values url.Values
}

func visit(ctx context.Context, browser *http.Client, method, target string, form url.Values) (page, error) {
	req, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(form.Encode()))
	if err != nil {
		return page{}, errors.New("the address is no URL")
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := browser.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // without the URL, which lets in
		}
		return page{}, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return page{}, fmt.Errorf("answered %s", res.Status)
	}
	p, err := readPage(res.Body)
	_, p.next, _ = strings.Cut(res.Header.Get("Refresh"), "url=")
	return p, err
}

func readPage(r io.Reader) (page, error) {
	doc, err := html.Parse(r)
	if err != nil {
		return page{}, err
	}
	var p page
	for n := range doc.Descendants() {
		switch {
		case n.Type == html.TextNode && !hidden(n):
			if s := strings.Join(strings.Fields(n.Data), " "); s != "" {
				p.text = append(p.text, s)
			}
		case n.Type == html.ElementNode && n.Data == "form" && p.form.action == "":
			p.form = readForm(n)
		}
	}
	return p, nil
}

// hidden reports whether a text is not one to be read: it is a style, decoration, or a way around the header for keyboards.
func hidden(n *html.Node) bool {
	for p := range n.Ancestors() {
		if p.Type != html.ElementNode {
			continue
		}
		if p.Data == "style" || p.Data == "title" || p.Data == "head" || attr(p, "aria-hidden") == "true" || attr(p, "class") == "skip" {
			return true
		}
	}
	return false
}

func readForm(n *html.Node) pageForm {
	f := pageForm{action: attr(n, "action"), values: url.Values{}}
	for in := range n.Descendants() {
		if in.Type == html.ElementNode && in.Data == "input" {
			f.values.Set(attr(in, "name"), attr(in, "value"))
		}
	}
	return f
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
