package portal

import (
	"cmp"
	"net/url"
	"strconv"
	"time"

	"latchkey/engine"
)

// A course is a product that a learner holds, with what they did in it.
type course struct {
	l     *learner
	id    string
	title string
	known *engine.Course // never nil, but may be empty
	track engine.Track
	loose engine.Track // what events told without naming a product
}

// course returns a product of the learner's.
func (l *learner) course(id string, courses *engine.Courses) course {
	c := course{l: l, id: id, known: courses.Course(id), track: l.person.Progress.Of(id), loose: l.person.Progress.Of("")}
	if c.known == nil {
		c.known = new(engine.Course)
	}
	granted := ""
	if g := l.person.Products[id]; g != nil {
		granted = g.Title
	}
	c.title = named(cmp.Or(c.known.Title, granted), id)
	return c
}

// named is how a thing is called: by its title, else by its id.
func named(title, id string) string { return cmp.Or(shown(title, maxTitle), shown(id, maxTitle)) }

func (c course) path() string { return "/p/" + url.PathEscape(c.id) }

// goTo leads out to a part of the course.
func (c course) goTo(noun, id string) string {
	return goTo(coursesApp, url.Values{"to": {noun + ":" + id}, "in": {c.id}})
}

func (c course) categoryPath(id string) string { return c.path() + "/c/" + url.PathEscape(id) }

func (c course) lessonPath(id string) string { return c.path() + "/s/" + url.PathEscape(id) }

func (c course) lesson(id string) engine.Mark {
	if m, ok := c.track.Lessons[id]; ok {
		return m
	}
	return c.loose.Lessons[id]
}

func (c course) category(id string) engine.Mark {
	if m, ok := c.track.Categories[id]; ok {
		return m
	}
	return c.loose.Categories[id]
}

// progress is how far somebody is. Without Total there is no bar.
type progress struct {
	Words       string
	Done, Total int
}

// progress says how far the learner is. That all lessons that are known are done does not mean that the course is: only
// its own event does.
func (c course) progress() progress {
	if !c.track.Completed.IsZero() {
		n := max(1, len(c.known.Lessons))
		return progress{c.l.t.say("completed"), n, n}
	}
	begun := !c.track.Started.IsZero() || len(c.track.Lessons) > 0 || len(c.track.Categories) > 0
	return c.among(c.known.Lessons, begun)
}

// among says how many of some lessons are done.
func (c course) among(lessons []engine.Part, begun bool) progress {
	done, t := 0, c.l.t
	for i := range lessons {
		m := c.lesson(lessons[i].ID)
		if !m.Completed.IsZero() {
			done++
		}
		begun = begun || m != engine.Mark{}
	}
	switch total := len(lessons); {
	case done > 0 && done == total:
		return progress{Words: t.plural("lessons_done", done)}
	case total > 0:
		return progress{t.plural("lessons_of", total, strconv.Itoa(done)), done, total}
	case begun:
		return progress{Words: t.say("begun")}
	}
	return progress{Words: t.say("not_begun")}
}

// A lead is the main action of a product: it says where it leads.
type lead struct{ Label, To string }

// lead returns the way on, or nil if there is none: out to the course site if an app leads there, else to the lesson's page.
func (c course) lead() *lead {
	t := c.l.t
	next, again := c.next()
	out := c.l.set.Apps[coursesApp].URL != ""
	switch {
	case next == nil && out:
		return &lead{t.say("open_course"), goTo(coursesApp, url.Values{"to": {"product:" + c.id}})}
	case next == nil:
		return nil
	}
	label := t.say("start_at", named(next.Title, next.ID))
	if again {
		label = t.say("continue_at", named(next.Title, next.ID))
	}
	if out {
		return &lead{label, c.goTo("lesson", next.ID)}
	}
	return &lead{label, c.lessonPath(next.ID)}
}

// next returns the lesson to go on with, if one is known, and whether the learner has begun: the one that they began last and
// did not complete, else the one that follows what they completed last.
func (c course) next() (lesson *engine.Part, again bool) {
	if !c.track.Completed.IsZero() {
		return nil, true
	}
	var open *engine.Part
	var opened, completed time.Time
	after := -1
	for i := range c.known.Lessons {
		m := c.lesson(c.known.Lessons[i].ID)
		switch {
		case !m.Completed.IsZero():
			if !m.Completed.Before(completed) {
				completed, after = m.Completed, i
			}
		case !m.Started.IsZero() && !m.Started.Before(opened):
			opened, open = m.Started, &c.known.Lessons[i]
		}
	}
	if open != nil && !opened.Before(completed) {
		return open, true
	}
	for n := range c.known.Lessons {
		p := &c.known.Lessons[(after+1+n)%len(c.known.Lessons)]
		if c.lesson(p.ID).Completed.IsZero() {
			return p, after >= 0
		}
	}
	return nil, after >= 0
}

// A lessonLine is a lesson in a list.
type lessonLine struct {
	Title, Path, State string
	Done               bool
}

// A chapter is a category with its lessons.
type chapter struct {
	Title, Path string // without a Path they are the lessons of no category
	Done        progress
	Lessons     []lessonLine
}

// chapters lists the lessons by category, in the order in which they are known.
func (c course) chapters() []chapter {
	in := map[string][]engine.Part{}
	for _, p := range c.known.Lessons {
		if c.known.Category(p.Category) == nil {
			p.Category = ""
		}
		in[p.Category] = append(in[p.Category], p)
	}
	var out []chapter
	for _, p := range c.known.Categories {
		out = append(out, c.chapter(p, in[p.ID]))
	}
	if loose := in[""]; len(loose) > 0 {
		title := c.l.t.say("lessons")
		if len(out) > 0 {
			title = c.l.t.say("more_lessons")
		}
		out = append(out, chapter{Title: title, Lessons: c.lines(loose)})
	}
	return out
}

func (c course) chapter(p engine.Part, lessons []engine.Part) chapter {
	m := c.category(p.ID)
	ch := chapter{Title: named(p.Title, p.ID), Path: c.categoryPath(p.ID), Lessons: c.lines(lessons), Done: c.among(lessons, m != engine.Mark{})}
	if !m.Completed.IsZero() {
		n := max(1, len(lessons))
		ch.Done = progress{c.l.t.say("completed"), n, n}
	}
	return ch
}

func (c course) lines(lessons []engine.Part) []lessonLine {
	var out []lessonLine
	for _, p := range lessons {
		m := c.lesson(p.ID)
		line := lessonLine{Title: named(p.Title, p.ID), Path: c.lessonPath(p.ID), Done: !m.Completed.IsZero()}
		switch {
		case line.Done:
			line.State = c.l.t.say("lesson_done")
		case !m.Started.IsZero():
			line.State = c.l.t.say("begun")
		}
		out = append(out, line)
	}
	return out
}
