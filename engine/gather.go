package engine

import (
	"fmt"
	"slices"
	"time"
)

// gatherMost is how many events of one gathering have their records told of the run. Of more, the records go on saying
// which event they were gathered with.
const gatherMost = 64

// gatherCustom is how many bytes, roughly, the events of a person's open gatherings say beside their nouns: they are stored again
// with each event of the contact. One may say more, since no event is larger than a stream takes.
const gatherCustom = maxCustom

// gatherLeast is how short a window can become where days are short: events travel as slowly as ever.
const gatherLeast = 300 * time.Millisecond

// A Gathering is the open window of a workflow with coalesce. A person has at most one for each workflow.
type Gathering struct {
	Workflow string    `json:"workflow"`
	Event    Event     `json:"event"`   // the first one; of its contact only the id
	Ordinal  uint64    `json:"ordinal"` // under which the run's links are minted: that of the newest event
	Due      time.Time `json:"due"`
	// Keys are the entries of Person.Starts that the run will have: each event had passed re-entry by one of them.
	Keys     []string   `json:"keys"`
	Offers   []Gathered `json:"offers,omitempty"`
	Products []Gathered `json:"products,omitempty"`
	Records  []ID       `json:"records,omitempty"` // of its events, the first one's first
}

// A Gathered noun was named by an event of a Gathering. Held says that the contact had access to it then.
type Gathered struct {
	Noun
	Held bool `json:"held,omitempty"`
}

// Gathers is how long a gathering of the workflow is open; 0 if it gathers nothing.
func (w *Workflow) Gathers(loc *Location) time.Duration {
	whole := w.Coalesce.Fixed()
	return max(loc.shorten(whole), min(whole, gatherLeast))
}

// shorten brings a length of time down as far as the location's days are short.
func (l *Location) shorten(d time.Duration) time.Duration {
	if l == nil || l.Day <= 0 {
		return d
	}
	return time.Duration(float64(d) * float64(l.Day) / float64(24*time.Hour))
}

// gathers reports whether an event that fits the workflow is gathered: there is a window, or one is still open.
func (pl *planner) gathers(w *Workflow) bool {
	return w.Coalesce != (Duration{}) || pl.p.gathering(w.ID) >= 0
}

// gathering returns where the open gathering of a workflow is, or -1.
func (p *Person) gathering(workflow string) int {
	return slices.IndexFunc(p.Gatherings, func(g Gathering) bool { return g.Workflow == workflow })
}

// gather puts the event into the workflow's open gathering, or opens one.
func (pl *planner) gather(w *Workflow, d *Decision) {
	all := slices.Clone(pl.p.Gatherings)
	i := pl.p.gathering(w.ID)
	if i < 0 {
		i = len(all)
		g := Gathering{Workflow: w.ID, Event: pl.kept(), Due: pl.now.Add(w.Gathers(pl.set.Location))}
		d.Reason = "coalesce: what else comes until " + pl.set.Location.instant(g.Due) + " is gathered into one run"
		if held := gatheredCustom(all); held > 0 && held+g.Event.Custom.Size() > gatherCustom {
			g.Event.Custom = nil
			d.Reason += fmt.Sprintf(", without event.custom: the contact's open windows hold more than %d KiB", gatherCustom>>10)
		}
		all = append(all, g)
	} else {
		d.Reason = "coalesce: " + gatheredWith(&all[i]) + ", whose window ends at " + pl.set.Location.instant(all[i].Due)
	}
	g := &all[i]
	g.Ordinal = max(g.Ordinal, pl.ordinal)
	g.Event.Depth = max(g.Event.Depth, pl.ev.Depth)
	kind, value := ledgerNoun(w, pl.ev)
	if key := ledgerKey(w.ID, kind, value); !slices.Contains(g.Keys, key) {
		g.Keys = append(slices.Clip(g.Keys), key)
	}
	g.Offers = gathered(g.Offers, pl.ev.Offer, pl.p.Offers)
	g.Products = gathered(g.Products, pl.ev.Product, pl.p.Products)
	if len(g.Records) < gatherMost {
		g.Records = append(slices.Clip(g.Records), pl.record())
	}
	pl.p.Gatherings, d.Until = all, g.Due
}

// gatheredCustom is how much of gatherCustom is used.
func gatheredCustom(open []Gathering) (size int) {
	for i := range open {
		if c := open[i].Event.Custom; len(c) > 0 {
			size += c.Size()
		}
	}
	return size
}

func gatheredWith(g *Gathering) string { return "gathered with " + named(&g.Event) }

// named names an event as decisions do: `new_sign_up "e1"`.
func named(ev *Event) string { return fmt.Sprintf("%s %q", ev.Type, ev.ID) }

// instant writes a time as decisions do, by the location's clock.
func (l *Location) instant(t time.Time) string {
	return t.In(l.zone()).Format("2 Jan 2006 15:04:05 MST")
}

// gathered returns the list with n, in a copy, if it names something.
func gathered(list []Gathered, n *Noun, grants map[string]*Grant) []Gathered {
	if n == nil {
		return list
	}
	list = slices.Clone(list)
	i := slices.IndexFunc(list, func(g Gathered) bool { return g.ID == n.ID })
	if i < 0 {
		i, list = len(list), append(list, Gathered{Noun: *n})
	}
	if list[i].Title == "" {
		list[i].Title = n.Title
	}
	list[i].Held = list[i].Held || holds(grants, n.ID)
	return list
}

// lost reports whether all access that the gathering came with is gone. One that came with none has lost nothing.
func (g *Gathering) lost(p *Person) bool {
	had := false
	for _, part := range []struct {
		list   []Gathered
		grants map[string]*Grant
	}{{g.Offers, p.Offers}, {g.Products, p.Products}} {
		for _, n := range part.list {
			if n.Held && holds(part.grants, n.ID) {
				return false
			}
			had = had || n.Held
		}
	}
	return had
}

func holds(grants map[string]*Grant, id string) bool {
	g := grants[id]
	return g != nil && !g.Removed
}

// close ends a gathering: its run starts, or the decisions of its events say why none does.
func (pl *planner) close(g *Gathering) {
	w := pl.set.Lookup(g.Workflow)
	d := Decision{Workflow: g.Workflow, Reason: gone(w)}
	if d.Reason == "" && g.lost(&pl.p) {
		d.Reason = "access to all that was gathered is removed"
	}
	if d.Reason == "" {
		d.Reason = pl.reentry(w, g.Keys[0])
	}
	if d.Reason != "" {
		d.Reason = "coalesce: at the end of the window " + d.Reason
	} else {
		d.Run = pl.start(seed{w: w, ordinal: g.Ordinal, keys: g.Keys, offers: nouns(g.Offers), products: nouns(g.Products), record: g.Records[0]})
	}
	pl.decisions = append(pl.decisions, d)
	for i, record := range g.Records {
		if i == 1 && d.Reason == "" {
			d.Reason = gatheredWith(g)
		}
		pl.settle(record, g.Due, d)
	}
}

func nouns(list []Gathered) []Noun {
	var out []Noun
	for _, g := range list {
		out = append(out, g.Noun)
	}
	return out
}

// joinGatherings adds the gatherings of a contact that was absorbed. Of two of one workflow, one is made, which ends when
// the earlier would.
func joinGatherings(mine, from []Gathering) []Gathering {
	mine = slices.Clone(mine)
	for _, g := range from {
		i := slices.IndexFunc(mine, func(m Gathering) bool { return m.Workflow == g.Workflow })
		if i < 0 {
			mine = append(mine, g)
			continue
		}
		a, b := mine[i], g
		if b.Due.Before(a.Due) {
			a, b = b, a
		}
		a.Ordinal = max(a.Ordinal, b.Ordinal)
		for _, k := range b.Keys {
			if !slices.Contains(a.Keys, k) {
				a.Keys = append(slices.Clip(a.Keys), k)
			}
		}
		a.Offers, a.Products = joinGathered(a.Offers, b.Offers), joinGathered(a.Products, b.Products)
		a.Records = append(slices.Clip(a.Records), b.Records...)
		mine[i] = a
	}
	return mine
}

func joinGathered(a, b []Gathered) []Gathered {
	a = slices.Clone(a)
	for _, n := range b {
		if i := slices.IndexFunc(a, func(m Gathered) bool { return m.ID == n.ID }); i >= 0 {
			a[i].Held = a[i].Held || n.Held
		} else {
			a = append(a, n)
		}
	}
	return a
}
