package actions

import (
	"slices"
	"time"

	"latchkey/engine"
	"latchkey/templates"
)

// A LoginPolicy is what login links are like that a learner, or whoever says to be one, asked for. Zero fields are as the
// location's links are.
type LoginPolicy struct {
	TTL  time.Duration
	Uses int // engine.LinkRequest's; 0 is unlimited here
}

// asked returns a link field as the run's event wants it, if it is one that asks for a link: where it leads, and for how long
// and how often it works if no operator sent it. What the field says itself counts first.
func (d *Deps) asked(f templates.LinkField, ev *engine.Event) templates.LinkField {
	if !isAsked(ev) {
		return f
	}
	if f.App == "" && f.To == "" {
		f.To, _ = ev.Custom["to"].(string)
		if app, _ := ev.Custom["app"].(string); slices.Contains(d.Options.Apps, app) { // it may have gone since
			f.App = app
		}
	}
	if byStaff(ev) {
		return chosen(f, ev.Custom)
	}
	if f.TTL == 0 {
		f.TTL = d.Login.TTL
	}
	if f.Uses == 0 {
		if f.Uses = d.Login.Uses; f.Uses == 0 {
			f.Uses = templates.Unlimited
		}
	}
	return f
}

// isAsked reports whether an event is that somebody asked for a link.
func isAsked(ev *engine.Event) bool {
	return ev.Type == engine.EventLogin || ev.Type == engine.EventInvite
}

// byStaff reports whether an operator sends the link.
func byStaff(ev *engine.Event) bool {
	staff, _ := ev.Custom["staff"].(bool)
	return ev.Type == engine.EventInvite || ev.Type == engine.EventLogin && staff
}

// byHand reports whether a message's links end the older ones at once: if an operator sends it, and it is the first of its run. Those of
// further attempts, copies and messages join them. What anybody may ask for ends none.
func byHand(call engine.Call) bool {
	return byStaff(&call.Run.Event) && len(call.Task.Links) == 0 &&
		!slices.ContainsFunc(call.Run.Steps, func(s engine.StepResult) bool { return !s.Task.IsZero() })
}

// chosen returns a link field as the member of staff who sends the link wants it.
func chosen(f templates.LinkField, wants engine.Custom) templates.LinkField {
	if text, _ := wants["ttl"].(string); text != "" && f.TTL == 0 {
		if d, err := engine.ParseDuration(text); err == nil { // it was checked when it was asked for
			f.TTL = d.Fixed()
		}
	}
	if n, _ := wants["uses"].(int64); n > 0 && f.Uses == 0 {
		f.Uses = int(n)
	}
	if bind, _ := wants["bind"].(string); bind == "browser" {
		f.Bind = true
	}
	return f
}
