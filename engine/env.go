package engine

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Env is what expressions and templates see at one moment: one set of names for both. Get one from NewEnv. It is not
// safe for use by several goroutines at once.
type Env struct{ *roots }

// roots are the names that an expression may begin with. The tags are what authors type.
type roots struct {
	Contact  contactView         `expr:"contact"`
	Event    eventView           `expr:"event"`
	Offer    *nounView           `expr:"offer"` // nil if the event names none; so with the next three
	Product  *nounView           `expr:"product"`
	Category *nounView           `expr:"category"`
	Lesson   *nounView           `expr:"lesson"`
	Offers   map[string]nounView `expr:"offers"` // of all events that made the run (see Workflow.Coalesce), by id
	Products map[string]nounView `expr:"products"`
	Access   accessView          `expr:"access"`
	Run      runView             `expr:"run"`
	Location locationView        `expr:"location"`
	Custom   map[string]string   `expr:"custom"`
	Now      time.Time           `expr:"now"`
	Round    func() bool         `expr:"count round"` // no author can write this name: see watch

	person *Person
	run    *Run
	have   needs
}

type contactView struct {
	ID        string      `expr:"id"`
	Email     string      `expr:"email"`
	Phone     string      `expr:"phone"`
	FirstName string      `expr:"first_name"`
	LastName  string      `expr:"last_name"`
	Name      string      `expr:"name"`
	Timezone  string      `expr:"timezone"`
	Locale    string      `expr:"locale"`
	Consent   consentView `expr:"consent"`
	Custom    Custom      `expr:"custom"`
	Tags      []string    `expr:"tags"`
}

// A consentView says whether the contact may be reached: not known allows.
type consentView struct {
	Email bool `expr:"email"`
	SMS   bool `expr:"sms"`
}

type eventView struct {
	ID     string    `expr:"id"`
	Type   string    `expr:"type"`
	Time   time.Time `expr:"time"`
	Custom Custom    `expr:"custom"`
}

type nounView struct {
	ID    string `expr:"id"`
	Title string `expr:"title"`
}

// An accessView is what the contact holds now, by id.
type accessView struct {
	Offers   map[string]nounView `expr:"offers"`
	Products map[string]nounView `expr:"products"`
}

type runView struct {
	ID           string              `expr:"id"`
	Workflow     string              `expr:"workflow"`
	LinkRedeemed bool                `expr:"link_redeemed"`
	Steps        map[string]stepView `expr:"steps"` // by the step's id
}

type stepView struct {
	Outcome  string    `expr:"outcome"`
	At       time.Time `expr:"at"`
	Error    string    `expr:"error"`
	Response Custom    `expr:"response"`
}

type locationView struct {
	ID      string `expr:"id"`
	Name    string `expr:"name"`
	Email   string `expr:"email"`
	Support string `expr:"support"`
	BaseURL string `expr:"base_url"`
}

// NewEnv gathers the roots for a run, or for an event before there is one (r is nil). What it is given must not change
// while the Env is used.
func NewEnv(loc *Location, p *Person, ev *Event, r *Run, now time.Time) Env {
	c := &p.Contact
	v := &roots{
		Contact: contactView{ID: c.ID, Email: c.Email, Phone: c.Phone, FirstName: c.FirstName, LastName: c.LastName, Name: c.Name(),
			Timezone: c.Timezone, Locale: c.Locale, Custom: c.Custom, Tags: p.Tags,
			Consent: consentView{Email: allowed(c.Consent.Email), SMS: allowed(c.Consent.SMS)}},
		Event:    eventView{ID: ev.ID, Type: ev.Type, Time: ev.Time, Custom: ev.Custom},
		Offer:    viewOf(ev.Offer),
		Product:  viewOf(ev.Product),
		Category: viewOf(ev.Category),
		Lesson:   viewOf(ev.Lesson),
		Now:      now,
		person:   p,
		run:      r,
	}
	if loc != nil {
		v.Location = locationView{ID: loc.ID, Name: loc.Name, Email: loc.Email, Support: loc.Support, BaseURL: loc.BaseURL}
		v.Custom = loc.Custom
	}
	return Env{v}
}

func allowed(consent *bool) bool { return consent == nil || *consent }

func viewOf(n *Noun) *nounView {
	if n == nil {
		return nil
	}
	return &nounView{ID: n.ID, Title: n.Title}
}

// fill builds those of the costly roots that are needed and not there yet.
func (v *roots) fill(n needs) {
	if n.lists && !v.have.lists {
		v.Offers, v.Products = byID(v.Offer), byID(v.Product)
		if v.run != nil {
			v.gather(v.Offers, v.run.Offers)
			v.gather(v.Products, v.run.Products)
		}
	}
	if n.access && !v.have.access {
		v.Access = accessView{Offers: held(v.person.Offers), Products: held(v.person.Products)}
	}
	if n.run && !v.have.run && v.run != nil {
		v.Run = viewOfRun(v.run)
	}
	v.have.add(n)
}

func (v *roots) gather(to map[string]nounView, list []Noun) {
	for i := range list {
		to[list[i].ID] = *viewOf(&list[i])
	}
}

func byID(n *nounView) map[string]nounView {
	if n == nil {
		return map[string]nounView{}
	}
	return map[string]nounView{n.ID: *n}
}

func held(grants map[string]*Grant) map[string]nounView {
	m := make(map[string]nounView, len(grants))
	for id, g := range grants {
		if !g.Removed {
			m[id] = nounView{ID: id, Title: g.Title}
		}
	}
	return m
}

func viewOfRun(r *Run) runView {
	v := runView{ID: r.ID.String(), Workflow: r.Workflow, LinkRedeemed: !r.Redeemed.IsZero(), Steps: make(map[string]stepView, len(r.Steps))}
	for _, s := range r.Steps {
		if len(s.Path) > 0 && !s.goalFaulted() {
			v.Steps[s.Path[len(s.Path)-1]] = stepView{Outcome: s.Outcome, At: s.At, Error: s.Fault, Response: s.Response}
		}
	}
	return v
}

// Values returns the roots of those names, or all, as templates take them: a root or field is under the name that authors
// type, and an absent noun is nil. Where expressions see nouns by id (offers, products, access), templates get a list in
// the order of ids.
func (e Env) Values(names ...string) map[string]any {
	if len(names) == 0 {
		names = append(fieldNames(reflect.TypeFor[roots]()), "support")
	}
	out := make(map[string]any, len(names))
	for _, name := range names {
		out[name] = e.value(name)
	}
	return out
}

func (v *roots) value(name string) any {
	c := &v.Contact
	switch name {
	case "contact":
		return map[string]any{"id": c.ID, "email": c.Email, "phone": c.Phone, "first_name": c.FirstName, "last_name": c.LastName,
			"name": c.Name, "timezone": c.Timezone, "locale": c.Locale, "custom": values(c.Custom), "tags": c.Tags,
			"consent": map[string]any{"email": c.Consent.Email, "sms": c.Consent.SMS}}
	case "event":
		return map[string]any{"id": v.Event.ID, "type": v.Event.Type, "time": v.Event.Time, "custom": values(v.Event.Custom)}
	case "offer":
		return v.Offer.value()
	case "product":
		return v.Product.value()
	case "category":
		return v.Category.value()
	case "lesson":
		return v.Lesson.value()
	case "offers":
		v.fill(needs{lists: true})
		return nounValues(v.Offers)
	case "products":
		v.fill(needs{lists: true})
		return nounValues(v.Products)
	case "access":
		v.fill(needs{access: true})
		return map[string]any{"offers": nounValues(v.Access.Offers), "products": nounValues(v.Access.Products)}
	case "run":
		v.fill(needs{run: true})
		return v.Run.values()
	case "location":
		return map[string]any{"id": v.Location.ID, "name": v.Location.Name, "email": v.Location.Email,
			"support": v.Location.Support, "base_url": v.Location.BaseURL}
	case "support":
		return map[string]any{"email": v.Location.Support}
	case "custom":
		custom := make(map[string]any, len(v.Custom))
		for k, s := range v.Custom {
			custom[k] = s
		}
		return custom
	case "now":
		return v.Now
	}
	return nil
}

func (r *runView) values() map[string]any {
	steps := make(map[string]any, len(r.Steps))
	for id, s := range r.Steps {
		steps[id] = map[string]any{"outcome": s.Outcome, "at": s.At, "error": s.Error, "response": values(s.Response)}
	}
	return map[string]any{"id": r.ID, "workflow": r.Workflow, "link_redeemed": r.LinkRedeemed, "steps": steps}
}

// values drops the name of the type, which templates would not know.
func values(c Custom) map[string]any { return c }

func (n *nounView) value() any {
	if n == nil {
		return nil
	}
	return map[string]any{"id": n.ID, "title": n.Title}
}

// nounValues returns the nouns in the order of their ids.
func nounValues(m map[string]nounView) []any {
	out := make([]any, 0, len(m))
	for _, id := range sortedKeys(m) {
		n := m[id]
		out = append(out, n.value())
	}
	return out
}

// fieldNames returns the names that authors may type after a value of that type.
func fieldNames(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		if tag := t.Field(i).Tag.Get("expr"); tag != "" && !strings.Contains(tag, " ") {
			names = append(names, tag)
		}
	}
	return names
}

// views names the types of roots in an author's words.
func views() map[string]reflect.Type {
	return map[string]reflect.Type{
		"contact": reflect.TypeFor[contactView](), "contact.consent": reflect.TypeFor[consentView](), "event": reflect.TypeFor[eventView](),
		"an offer, product, category or lesson": reflect.TypeFor[nounView](), "access": reflect.TypeFor[accessView](),
		"run": reflect.TypeFor[runView](), "a step": reflect.TypeFor[stepView](), "location": reflect.TypeFor[locationView](),
	}
}

// viewNamed returns the words and the type for how the compiler writes a type.
func viewNamed(written string) (string, reflect.Type) {
	for words, t := range views() {
		if strings.TrimPrefix(written, "*") == t.String() {
			return words, t
		}
	}
	return "", nil
}

// userTypes replaces the names of our types in a compiler's message by words.
func userTypes(msg string) string {
	words := views()
	for _, w := range slices.Sorted(maps.Keys(words)) {
		t := words[w].String()
		msg = strings.ReplaceAll(strings.ReplaceAll(msg, "map[string]"+t, "several by id"), "*"+t, t)
		msg = strings.ReplaceAll(msg, t, w)
	}
	return strings.NewReplacer("engine.Custom", "custom fields", "map[string]interface {}", "fields", "map[string]any", "fields",
		"interface {}", "anything", "time.Time", "time", "time.Duration", "duration", "unknown", "anything").Replace(msg)
}
