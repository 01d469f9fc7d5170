package flowfile

import (
	"slices"
	"strconv"

	"go.yaml.in/yaml/v4"

	"latchkey/engine"
)

// The keys of a workflow that say when its messages may begin.

var windowKeys = []string{"days", "from", "to", "zone", "also"}

// rules reads window, limit and hold_limit.
func (r *reader) rules(keys map[string]*yaml.Node) {
	if n := keys["window"]; n != nil {
		r.window(n)
	}
	if n := keys["limit"]; n != nil {
		r.limit(n)
	}
	if n := keys["hold_limit"]; n != nil {
		if d, ok := r.duration(n, "hold_limit"); ok {
			r.flow.HoldLimit = d.Fixed()
		}
	}
}

// window reads {days, from, to, zone, also}.
func (r *reader) window(n *yaml.Node) {
	const example = "`{days: [mon, tue], from: \"09:00\", to: \"18:00\"}`"
	entries, ok := r.mapping(n, "window", example)
	if !ok {
		return
	}
	before := len(r.problems)
	w := &engine.Window{Days: [7]bool{true, true, true, true, true, true, true}}
	parts := map[string]*yaml.Node{}
	for _, e := range entries {
		parts[e.name] = e.value
		switch e.name {
		case "days":
			w.Days = r.days(e.value)
		case "from":
			w.From = r.clock(e.value, "from")
		case "to":
			w.To = r.clock(e.value, "to")
		case "zone":
			word, _ := r.word(e.value, "zone", "contact", "location")
			w.Location = word == "location"
		case "also":
			_, w.Transactional = r.word(e.value, "also", string(engine.Transactional))
		default:
			r.unknownKey(e.key, "window", windowKeys)
		}
	}
	switch {
	case len(r.problems) > before:
		return
	case parts["days"] == nil && parts["from"] == nil && parts["to"] == nil:
		r.fail(n, "the window is always open; give it days, or from and to, such as %s", example)
		return
	case (parts["from"] != nil || parts["to"] != nil) && w.From == w.To:
		at := parts["to"]
		if at == nil {
			at = parts["from"]
		}
		r.fail(at, "the window ends when it begins; leave from and to out if it is to be open all day")
		return
	}
	r.flow.Window = w
}

// limit reads {messages, in}.
func (r *reader) limit(n *yaml.Node) {
	entries, ok := r.mapping(n, "limit", "`{messages: 3, in: 1d}`")
	if !ok {
		return
	}
	before := len(r.problems)
	l := &engine.Limit{}
	for _, e := range entries {
		switch e.name {
		case "messages":
			l.Messages = r.count(e.value)
		case "in":
			d, _ := r.duration(e.value, "in")
			l.In = d.Fixed()
		default:
			r.unknownKey(e.key, "limit", []string{"messages", "in"})
		}
	}
	if len(r.problems) > before {
		return
	}
	if l.Messages == 0 || l.In == 0 {
		r.fail(n, "limit says how many messages in which time, such as `{messages: 3, in: 1d}`")
		return
	}
	r.flow.Limit = l
}

func (r *reader) count(n *yaml.Node) int {
	text, ok := r.text(n, "messages")
	if !ok {
		return 0
	}
	count, err := strconv.Atoi(text)
	if err != nil || count < 1 || count > engine.MaxLimitMessages {
		r.fail(n, "messages must be a whole number from 1 to %d, not %q", engine.MaxLimitMessages, text)
	}
	return count
}

// clock reads a time of day; 24:00 is the end of it.
func (r *reader) clock(n *yaml.Node, what string) int {
	s, ok := r.text(n, what)
	if !ok || s == "24:00" && what == "to" {
		return engine.DayMinutes
	}
	minutes, err := engine.ParseClock(s)
	if err != nil {
		r.fail(n, "%v", err)
	}
	return minutes
}

// days reads a day, or a list of them.
func (r *reader) days(n *yaml.Node) (on [7]bool) {
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		var ok bool
		if items, ok = r.list(n, "days", "`[mon, tue]`"); ok && len(items) == 0 {
			r.fail(n, "days is an empty list; leave it out to mean every day")
		}
	}
	for _, item := range items {
		s, ok := r.text(item, "a day")
		if !ok {
			continue
		}
		day, err := engine.ParseWeekday(s)
		switch {
		case err != nil:
			r.fail(item, "%v", err)
		case on[day]:
			r.fail(item, "the day %q is here twice", s)
		default:
			on[day] = true
		}
	}
	return on
}

// idleRules warns of a window that holds none of the messages.
func (r *reader) idleRules(keys map[string]*yaml.Node) {
	w := r.flow.Window
	wrong := func(p engine.Problem) bool { return !p.Warning }
	if w == nil || w.Transactional || slices.ContainsFunc(r.problems, wrong) {
		return
	}
	classes := engine.MessageClasses(r.flow.Steps)
	if len(classes) == 0 || slices.Contains(classes, engine.Marketing) {
		return
	}
	n := keys["window"]
	r.add(engine.Problem{Pos: r.at(n), Warning: true,
		Msg: "the window holds marketing messages only, and this workflow sends none; write `also: transactional` in it if it is to hold these"})
}
