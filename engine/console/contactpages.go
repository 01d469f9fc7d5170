package console

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"latchkey/engine"
)

// This file is the pages about learners: finding one, and all that is known of them.

type contactList struct {
	Text   string
	People []personLine
	Older  string
}

type personLine struct {
	*engine.Person
	Title  string
	Access string
}

// personName is what people call a contact.
func personName(c *engine.Contact) string {
	for _, s := range []string{c.Name(), c.Email, c.ID, c.Phone} {
		if s != "" {
			return s
		}
	}
	return "without a name"
}

func (c *Config) contactsPage(r *http.Request) (any, error) {
	q := r.URL.Query()
	v := contactList{Text: strings.TrimSpace(q.Get("q"))}
	people, err := c.People.Search(r.Context(), PeopleQuery{Location: c.Location.ID, Text: v.Text, Before: q.Get("before"), Limit: pageSize})
	for i := range people {
		p := &people[i]
		v.People = append(v.People, personLine{p, personName(&p.Contact), strings.Join(titles(held(p.Offers), held(p.Products)), ", ")})
	}
	if len(people) == pageSize {
		v.Older = people[pageSize-1].Key.String()
	}
	return v, err
}

// A grantLine is an offer or a product that a learner holds, or held.
type grantLine struct {
	Kind, ID, Title string
	*engine.Grant
}

func held(grants map[string]*engine.Grant) map[string]*engine.Grant {
	out := map[string]*engine.Grant{}
	for id, g := range grants {
		if !g.Removed {
			out[id] = g
		}
	}
	return out
}

func titles(all ...map[string]*engine.Grant) (out []string) {
	for _, grants := range all {
		for _, id := range slices.Sorted(maps.Keys(grants)) {
			out = append(out, cmp.Or(grants[id].Title, id))
		}
	}
	return out
}

func grantLines(p *engine.Person) (out []grantLine) {
	for kind, grants := range map[string]map[string]*engine.Grant{"offer": p.Offers, "product": p.Products} {
		for id, g := range grants {
			out = append(out, grantLine{kind, id, cmp.Or(g.Title, id), g})
		}
	}
	slices.SortFunc(out, func(a, b grantLine) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Title, b.Title), cmp.Compare(a.ID, b.ID))
	})
	return out
}

type contactView struct {
	Person   *engine.Person
	Title    string
	Says     string // whether a link would let them in, and why not
	Refuses  string // what they do not want to be sent
	Grants   []grantLine
	Links    []linkLine
	Sessions []LinkSession
	Messages []Message
	Runs     []runLine
	Apps     []App
	View     string // where to see what they see; "" if there is nothing, or no way
}

// A linkLine is a link with its story.
type linkLine struct {
	Link
	Trail []TrailLine
}

// storied is of how many links a contact's page tells the story at once; the others have pages of their own.
const storied = 5

func (c *Config) contactPage(r *http.Request) (any, error) {
	ctx, ref := r.Context(), r.PathValue("ref")
	p, err := c.Contacts.Contact(ctx, c.Location.ID, ref)
	if err != nil {
		return nil, err
	}
	key := p.Key.String()
	v := contactView{Person: p, Title: personName(&p.Contact), Grants: grantLines(p), Apps: c.Apps(), Says: "A link lets them in: they hold access."}
	if p.HasAccess() && c.View != nil {
		v.View = c.View(p.Key)
	}
	if !p.HasAccess() {
		v.Says = "No link lets them in now: they hold no offer and no product."
	}
	var refuses []string
	for _, channel := range p.Contact.Consent.Refused() {
		refuses = append(refuses, "They want no "+channel+".")
	}
	v.Refuses = strings.Join(refuses, " ")
	links, err := c.Links.OfContact(ctx, c.Location.ID, key)
	if err != nil {
		return nil, err
	}
	for i, l := range links {
		line := linkLine{Link: l}
		if i < storied {
			if line.Trail, err = c.Book.Timeline(ctx, l.ID); err != nil {
				return nil, err
			}
		}
		v.Links = append(v.Links, line)
	}
	if v.Sessions, err = c.Book.Sessions(ctx, c.Location.ID, key); err != nil {
		return nil, err
	}
	if v.Messages, err = c.Messages.Messages(ctx, Query{Location: c.Location.ID, Contact: key, Limit: 20}); err != nil {
		return nil, err
	}
	runs, err := c.History.Runs(ctx, Query{Location: c.Location.ID, Contact: key, Limit: 20})
	for i := range runs {
		v.Runs = append(v.Runs, runLine{RunOf(&runs[i]), v.Title})
	}
	return v, err
}

// sendLogin is the button "Send login e-mail" of a contact's page.
func (c *Config) sendLogin(r *http.Request) (any, string, error) {
	ref := r.PathValue("ref")
	f, n := r.PostForm, linkForm(r)
	m, err := c.mail(r, Mailing{Contact: ref, Kind: f.Get("kind"), Channel: f.Get("channel"), App: n.App, To: n.To,
		TTL: n.TTL, Uses: n.Uses, Bind: f.Get("bind")})
	return m, contactPath(ref) + "?done=sent", err
}

// endContact is the button that ends all links of a contact.
func (c *Config) endContact(r *http.Request) (any, string, error) {
	ref := r.PathValue("ref")
	e, err := c.end(r, What{Contact: ref})
	return e, contactPath(ref) + "?done=ended", err
}

func contactPath(ref string) string { return "/contacts/" + url.PathEscape(ref) }
