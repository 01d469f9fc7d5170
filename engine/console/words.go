package console

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// This file is the words of pages: times, states, sentences with ids in them, what was done.

// A when is a moment: in words near, and exact.
type when struct{ ISO, Near, Exact string }

// When says a moment as people do.
func (p *page) When(t time.Time) when {
	if t.IsZero() {
		return when{}
	}
	return when{t.UTC().Format(time.RFC3339), nearly(p.now, t, p.zone), t.In(p.zone).Format("Mon 2 Jan 2006 15:04:05 MST")}
}

// Exact is a moment alone, for where the words near would mislead.
func (p *page) Exact(t time.Time) string { return t.In(p.zone).Format("2 Jan 2006 15:04:05 MST") }

// nearly says how far a moment is from now.
func nearly(now, t time.Time, zone *time.Location) string {
	ago, form := now.Sub(t), "%s ago"
	if ago < 0 {
		ago, form = -ago, "in %s"
	}
	switch {
	case ago < 45*time.Second && now.Before(t):
		return "in a moment"
	case ago < 45*time.Second:
		return "just now"
	case ago < 90*time.Minute:
		return fmt.Sprintf(form, plural(int(ago.Round(time.Minute)/time.Minute), "minute"))
	case ago < 36*time.Hour:
		return fmt.Sprintf(form, plural(int(ago.Round(time.Hour)/time.Hour), "hour"))
	case ago < 14*24*time.Hour:
		return fmt.Sprintf(form, plural(int(ago.Round(24*time.Hour)/(24*time.Hour)), "day"))
	}
	return t.In(zone).Format("2 Jan 2006")
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// doneSays are the sentences that a page may begin with after something was done. An address can choose one, and no other words.
var doneSays = map[string]string{
	"revoked":  "The link is revoked. It lets nobody in any more, and the sessions that it opened have ended.",
	"ended":    "All of these links and sessions have ended.",
	"sent":     "The login message is on its way.",
	"invited":  "The invitation is on its way.",
	"retried":  "It is tried again.",
	"resent":   "A copy is on its way.",
	"canceled": "The run has ended.",
	"replayed": "The event is back among the events.",
	"paused":   "Sending is paused.",
	"resumed":  "Sending goes on.",
	"out":      "They are signed out.",
}

// rows are lines of a table that several pages have, with their page.
type rows struct {
	Page *page
	Of   any
}

// Rows is for tables that several pages have.
func (p *page) Rows(of any) rows { return rows{p, of} }

// Short is the end of an id, for where the whole one would only fill the line.
func (p *page) Short(id string) string { return "…" + id[max(0, len(id)-6):] }

// LinkKinds are the kinds that lists of links can be asked for, with their words.
func (p *page) LinkKinds() map[string]string {
	return map[string]string{KindLearner: "for learners", KindApp: "to apps", KindUser: "for staff, in a sidebar", kindStaff: "sign-in links"}
}

// KindWord says for whom a link without a contact is.
func (p *page) KindWord(kind string) string {
	return cmp.Or(map[string]string{KindApp: "an app", KindUser: "the staff, in a sidebar", kindStaff: "a sign-in here"}[kind], kind)
}

// OnPath is the page of what something was done to; "" if it has none.
func (p *page) OnPath(e AuditEntry) string {
	for _, kind := range []string{"contact", "run", "workflow", "message"} {
		if id, ok := strings.CutPrefix(e.On, kind+" "); ok {
			return p.To("/"+kind+"s", id)
		}
	}
	switch {
	case strings.HasPrefix(e.On, "lnk_"):
		return p.To("/links", e.On)
	case e.On == "" || strings.ContainsAny(e.On, " /"):
		return ""
	case strings.Contains(e.Did, "contact"):
		return p.To("/contacts", e.On)
	case strings.Contains(e.Did, "run"), strings.Contains(e.Did, "login message"), strings.Contains(e.Did, "invited"):
		return p.To("/runs", e.On)
	case strings.Contains(e.Did, "message"):
		return p.To("/messages", e.On)
	}
	return ""
}

// Count says how many of something there are.
func (p *page) Count(n int, what string) string { return plural(n, what) }

// A state is what colour and word a state has.
type state struct{ Class, Word string }

// State words a state: those of links are linkgen's reasons.
func (p *page) State(s any) state {
	word := fmt.Sprint(s)
	class := strings.ReplaceAll(word, " ", "-")
	if word == "ok" {
		word = "works"
	}
	return state{class, word}
}

// A piece is a stretch of a sentence, perhaps an id that has a page.
type piece struct{ Text, Path string }

var idInText = regexp.MustCompile(`lnk_[A-Za-z0-9_-]{12}\b|\b(message|run|contact) [0-9a-hjkmnp-tv-z]{26}\b`)

// Pieces cuts a sentence at the ids in it, each of which becomes a link.
func (p *page) Pieces(says string) (out []piece) {
	for {
		at := idInText.FindStringIndex(says)
		if at == nil {
			return append(out, piece{Text: says})
		}
		found := says[at[0]:at[1]]
		before, path := says[:at[0]], p.To("/links", found)
		if kind, id, ok := strings.Cut(found, " "); ok {
			before, found, path = before+kind+" ", id, p.To("/"+kind+"s", id)
		}
		out, says = append(out, piece{Text: before}, piece{found, path}), says[at[1]:]
	}
}
