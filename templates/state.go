package templates

import (
	"fmt"
	"html/template"
	"strings"
	"time"
)

// Data is what one message is rendered with.
type Data struct {
	// Values holds the fields as nested maps, as in Values["contact"]["first_name"]. Leaves are strings,
	// numbers, booleans, times; lists are slices of maps or of leaves.
	Values map[string]any
	// Links holds a minted URL for each of the template's Links.
	Links map[LinkField]string
	// Zone is the contact's time zone; nil means UTC.
	Zone *time.Location
	// Unsubscribe is the page that ends marketing mails, for those; "" for the others.
	Unsubscribe string
}

// A MissingError is a field that had no value when a message was rendered, and no default.
type MissingError struct {
	Field string
	Place Error // where the template names it
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s has no value, and the template has no default for it",
		e.Place.File, e.Place.Line, e.Place.Col, e.Field)
}

// A state is one rendering. Its exported methods are what compiled templates call; tags are named by number.
type state struct {
	tags    []*tag
	data    *Data
	items   []any // of each range, the current item
	oneLine bool
	raw     bool        // values are not made harmless: what comes out is encoded, or escaped by path
	path    []escapeURL // of an address, by tag
	theme   theme
	sample  bool // a dry run, to have the template checked in every position
	rounds  int  // of all ranges so far

	subject, preheader, reason string // rendered, for the layout
	words                      *words
}

// Get returns what tag i prints.
func (s *state) Get(i int) (string, error) {
	t := s.tags[i]
	if s.sample {
		return "x", nil
	}
	v, err := s.eval(&t.expr)
	if err != nil {
		return "", t.fail(t.expr.name + ": " + err.Error())
	}
	if isBlank(v) && !t.expr.fallback() && t.expr.lit == nil {
		return "", &MissingError{t.expr.name, t.fail("")}
	}
	text, err := s.text(v)
	if err != nil {
		return "", t.fail(t.expr.name + ": " + err.Error())
	}
	if s.raw {
		if s.path != nil {
			text = s.path[i](text)
		}
		return text, nil
	}
	// html/template's word for a refused address must mean nothing else in its output.
	text = strings.ReplaceAll(text, refused, "")
	if t.expr.field.Kind == KindName {
		return plainName(clean(text, true)), nil
	}
	return clean(text, s.oneLine), nil
}

// Link returns the URL of tag i.
func (s *state) Link(i int) (string, error) {
	if s.sample {
		return "https://example.test/l/x", nil
	}
	if u := s.data.Links[s.tags[i].link]; u != "" {
		return u, nil
	}
	return "", s.tags[i].fail("no link was made for " + s.tags[i].link.String())
}

// Raw returns markup of the author's that html/template would drop.
func (s *state) Raw(i int) template.HTML { return template.HTML(s.tags[i].raw) }

// Is reports whether the condition of tag i holds.
func (s *state) Is(i int) (bool, error) {
	if s.sample {
		return true, nil
	}
	ok, err := s.holds(s.tags[i].cond)
	if err != nil {
		return false, s.tags[i].fail(err.Error())
	}
	return ok, nil
}

// List returns the items of the range of tag i.
func (s *state) List(i int) ([]any, error) {
	t := s.tags[i]
	if s.sample {
		return []any{"x"}, nil
	}
	v, err := s.eval(&t.expr)
	if err != nil {
		return nil, t.fail(t.expr.name + ": " + err.Error())
	}
	list, ok := items(v)
	if !ok && !isBlank(v) {
		return nil, t.fail(t.expr.name + ": it is not a list")
	}
	if s.rounds += len(list); s.rounds > maxRounds {
		return nil, t.fail(fmt.Sprintf("%s: the ranges of this message have more than %d items in all", t.expr.name, maxRounds))
	}
	return list, nil
}

// Enter makes item the current one of the range of tag i.
func (s *state) Enter(i int, item any) string {
	s.items[s.tags[i].loop] = item
	return ""
}

// Accent is the brand's colour.
func (s *state) Accent() template.CSS { return s.theme.accent }

// AccentText is the colour of text on it.
func (s *state) AccentText() template.CSS { return s.theme.accentText }

// Ink is the colour of links on white.
func (s *state) Ink() template.CSS { return s.theme.link }

// DarkInk is the colour of links on a dark ground.
func (s *state) DarkInk() template.CSS { return s.theme.darkLink }

// eval returns an expression's value after its filters; nil where there is none.
func (s *state) eval(e *expr) (any, error) {
	v := e.lit
	if e.lit == nil {
		switch {
		case e.loop >= 0:
			v = lookup(s.items[e.loop], e.path)
		case e.field.Path == unsubscribeField:
			v = s.data.Unsubscribe
		default:
			v = lookup(s.data.Values, e.path)
		}
	}
	for _, c := range e.filters {
		if isBlank(v) && !c.filter.blank {
			continue
		}
		var err error
		if v, err = c.filter.apply(s, v, c.args); err != nil {
			return nil, fmt.Errorf("%s: %w", c.filter.Name, err)
		}
	}
	return v, nil
}

func (s *state) holds(c *cond) (bool, error) {
	switch c.op {
	case condNot:
		ok, err := s.holds(c.a)
		return !ok, err
	case condAnd, condOr:
		ok, err := s.holds(c.a)
		if err != nil || ok == (c.op == condOr) {
			return ok, err
		}
		return s.holds(c.b)
	}
	v, err := s.eval(&c.expr)
	if err != nil {
		return false, fmt.Errorf("%s: %w", c.expr.name, err)
	}
	switch c.op {
	case condIs:
		return s.equal(v, c.want), nil
	case condHas:
		return s.has(v, c.want), nil
	}
	return isTrue(v), nil
}
