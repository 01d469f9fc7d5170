package templates

import (
	"slices"
	"strings"
)

// A Kind says what a field holds.
type Kind uint8

// The kinds of fields.
const (
	KindText   Kind = iota // a string that the site wrote
	KindName               // a string that the contact wrote: web addresses in it are taken apart
	KindNumber             // a number
	KindFlag               // true or false
	KindTime               // a moment
	KindList               // a list of nouns with the fields in Items, or of plain values if there are none
	KindOpen               // a group with any fields in it
	kindLink               // login_url itself
	kindNoun               // a group of fields
)

// A Field is one thing that a template may name.
type Field struct {
	Path  string // as the author writes it: contact.first_name
	Kind  Kind
	Items []string // the fields of a list's items
	Sure  bool     // it is there whatever starts the workflow
	Doc   string   // one line for help
}

// Fields is the table of all fields that a template may name.
type Fields []Field

// unsubscribeField is Data.Unsubscribe.
const unsubscribeField = "unsubscribe_url"

// DefaultFields returns the fields that every workflow's templates may name, in the order in which help
// prints them. The caller may add to the copy, for instance the project's own custom keys.
func DefaultFields() Fields {
	things := []string{"id", "title"}
	return Fields{
		{Path: "login_url", Kind: kindLink, Sure: true, Doc: `a fresh login link; takes to, ttl, uses and app`},
		{Path: "contact.first_name", Kind: KindName, Doc: "the learner's first name"},
		{Path: "contact.last_name", Kind: KindName, Doc: "the learner's last name"},
		{Path: "contact.name", Kind: KindName, Doc: "the learner's whole name"},
		{Path: "contact.email", Doc: "the learner's e-mail address"},
		{Path: "contact.phone", Doc: "the learner's phone number"},
		{Path: "contact.id", Doc: "the learner's id on the course site"},
		{Path: "contact.timezone", Doc: "the learner's time zone, as in Europe/London"},
		{Path: "contact.locale", Doc: "the learner's language, as in en-GB"},
		{Path: "contact.consent.email", Kind: KindFlag, Sure: true, Doc: "whether marketing mails are welcome"},
		{Path: "contact.consent.sms", Kind: KindFlag, Sure: true, Doc: "whether marketing SMS are welcome"},
		{Path: "contact.custom", Kind: KindOpen, Doc: "anything else the course site says of the learner"},
		{Path: "contact.tags", Kind: KindList, Sure: true, Doc: "the tags that workflows gave the learner"},
		{Path: "offer.title", Doc: "the offer that the event is about"},
		{Path: "offer.id", Doc: "that offer's id"},
		{Path: "product.title", Doc: "the product that the event is about"},
		{Path: "product.id", Doc: "that product's id"},
		{Path: "category.title", Doc: "the category that the event is about"},
		{Path: "category.id", Doc: "that category's id"},
		{Path: "lesson.title", Doc: "the lesson that the event is about"},
		{Path: "lesson.id", Doc: "that lesson's id"},
		{Path: "offers", Kind: KindList, Items: things, Doc: "all offers of the events that started the run"},
		{Path: "products", Kind: KindList, Items: things, Doc: "all products of the events that started the run"},
		{Path: "access.offers", Kind: KindList, Items: things, Doc: "the offers the learner has now"},
		{Path: "access.products", Kind: KindList, Items: things, Doc: "the products the learner has now"},
		{Path: "event.type", Sure: true, Doc: "the trigger's name"},
		{Path: "event.time", Kind: KindTime, Sure: true, Doc: "when it happened"},
		{Path: "event.id", Sure: true, Doc: "the event's id"},
		{Path: "event.custom", Kind: KindOpen, Doc: "anything else in the event"},
		{Path: "run.id", Sure: true, Doc: "the run's id"},
		{Path: "run.workflow", Sure: true, Doc: "the workflow's id"},
		{Path: "run.link_redeemed", Kind: KindFlag, Sure: true, Doc: "whether a link of this run was opened"},
		{Path: "run.steps", Kind: KindOpen, Doc: "what came of the run's steps, as in run.steps.welcome.outcome"},
		{Path: "location.name", Sure: true, Doc: "the course site's name"},
		{Path: "location.email", Doc: "the address that mails come from"},
		{Path: "location.address", Doc: "the postal address in the footer"},
		{Path: "location.brand", Doc: "the colour of buttons and links, as in #2457d6"},
		{Path: "location.logo", Doc: "the address of the logo that heads the default layout"},
		{Path: "location.base_url", Doc: "what every login link begins with"},
		{Path: "location.id", Sure: true, Doc: "the location's id"},
		{Path: "support.email", Doc: "where learners get help"},
		{Path: unsubscribeField, Doc: "the link that ends marketing mails; the default layout has it already"},
		{Path: "custom", Kind: KindOpen, Doc: "the project's own values from latchkey.yaml"},
		{Path: "now", Kind: KindTime, Sure: true, Doc: "the time of sending"},
	}
}

// find returns the field at a path: an exact one, one inside an open group, or a group of fields.
func (f Fields) find(path string) (Field, bool) {
	group := false
	for _, x := range f {
		switch {
		case x.Path == path:
			return x, true
		case x.Kind == KindOpen && strings.HasPrefix(path, x.Path+"."):
			return Field{Path: path, Kind: KindText, Sure: x.Sure, Doc: x.Doc}, true
		case strings.HasPrefix(x.Path, path+"."):
			group = true
		}
	}
	return Field{Path: path, Kind: kindNoun}, group
}

// hasRoot reports whether any field's path begins with the word.
func (f Fields) hasRoot(word string) bool {
	root, _, _ := strings.Cut(word, ".")
	return slices.ContainsFunc(f, func(x Field) bool {
		return x.Path == root || strings.HasPrefix(x.Path, root+".")
	})
}

// paths returns what an author may write, for the nearest right spelling.
func (f Fields) paths() []string {
	var out []string
	for _, x := range f {
		out = append(out, x.Path)
		if root, _, ok := strings.Cut(x.Path, "."); ok && !slices.Contains(out, root) {
			out = append(out, root)
		}
	}
	return out
}

// unknown is the message for a field that is not in the table.
func (f Fields) unknown(path string) string {
	msg := "unknown field " + path
	if near := didYouMean(path, f.paths()); near != "" {
		return msg + near
	}
	root, rest, dotted := strings.Cut(path, ".")
	if root == "custom" && dotted {
		return msg + "; set it in latchkey.yaml, under custom"
	}
	if dotted {
		// A right leaf under a wrong root, or the other way round, is too far off letter by letter.
		for _, x := range f {
			if r, leaf, _ := strings.Cut(x.Path, "."); leaf == rest && nearest(root, []string{r}) != "" ||
				r == root && nearest(rest, []string{leaf}) != "" {
				return msg + `; did you mean "` + x.Path + `"?`
			}
		}
		if f.hasRoot(root) {
			return msg + "; " + root + " has " + strings.Join(f.leaves(root), ", ")
		}
	}
	for _, x := range f {
		if i := strings.LastIndexByte(x.Path, '.'); i >= 0 && x.Path[i+1:] == path {
			return msg + `; did you mean "` + x.Path + `"?`
		}
	}
	return msg + `; for the characters themselves write <<"<<">>`
}

// leaves returns the names under a root.
func (f Fields) leaves(root string) []string {
	var out []string
	for _, x := range f {
		if leaf, ok := strings.CutPrefix(x.Path, root+"."); ok {
			out = append(out, leaf)
		}
	}
	return out
}
