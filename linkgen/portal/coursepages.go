package portal

import (
	"net/http"
	"net/url"
	"strings"

	"latchkey/engine"
	"latchkey/linkgen"
)

// courses returns what is known of a location's courses.
func (p *Portal) courses(r *http.Request, location string) (*engine.Courses, error) {
	if p.Courses == nil {
		return nil, nil
	}
	return p.Courses(r.Context(), location)
}

// A crumb is a step of the way back.
type crumb struct{ Title, To string }

// A coursePage is the page of a product, a category or a lesson.
type coursePage struct {
	insidePage
	Way      []crumb
	Title    string
	Via      string // as in card
	Done     progress
	When     *moment // of a lesson
	Lead     *lead
	Chapters []chapter
	Empty    bool    // nothing is known of its lessons yet
	Steps    []crumb // to the lessons before and after
	Lessons  []lessonLine
}

// under serves /p/{product}, /p/{product}/c/{category} and /p/{product}/s/{lesson}.
func (p *Portal) under(w http.ResponseWriter, r *http.Request) {
	product, kind, part, ok := parsePlace(r.URL)
	p.inside(w, r, func(l *learner) {
		if g := l.person.Products[product]; !ok || g == nil || g.Removed {
			p.missing(w, l)
			return
		}
		courses, err := p.courses(r, l.loc.ID)
		if err != nil {
			p.fail(w, r, err)
			return
		}
		c := l.course(product, courses)
		var page coursePage
		switch kind {
		case "":
			page, ok = c.productPage(), true
		case "c":
			page, ok = c.categoryPage(part)
		case "s":
			page, ok = c.lessonPage(part)
		}
		if !ok {
			p.missing(w, l)
			return
		}
		p.pages.serve(w, l.t, l.loc, http.StatusOK, "course", page.Title+" · "+l.loc.Name, page)
	})
}

// parsePlace reads the path of a product's page or of one under it.
func parsePlace(u *url.URL) (product, kind, part string, ok bool) {
	path := strings.Split(strings.TrimPrefix(u.EscapedPath(), "/p/"), "/")
	for i, s := range path {
		var err error
		if path[i], err = url.PathUnescape(s); err != nil || path[i] == "" {
			return "", "", "", false
		}
	}
	switch {
	case len(path) == 1:
		return path[0], "", "", true
	case len(path) == 3 && (path[1] == "c" || path[1] == "s"):
		return path[0], path[1], path[2], true
	}
	return "", "", "", false
}

// find serves /c/{category} and /s/{lesson}: it leads to the page under the product. What is in no product of the learner's
// leads to their courses.
func (p *Portal) find(w http.ResponseWriter, r *http.Request) {
	kind := r.URL.Path[1:2]
	id, err := url.PathUnescape(strings.TrimPrefix(r.URL.EscapedPath(), "/"+kind+"/"))
	p.inside(w, r, func(l *learner) {
		if err != nil || id == "" {
			p.missing(w, l)
			return
		}
		courses, err := p.courses(r, l.loc.ID)
		if err != nil {
			p.fail(w, r, err)
			return
		}
		p.redirect(w, l.placeOf(courses, kind, id, r.URL.Query().Get("in")))
	})
}

// placeOf returns the page of a category or lesson in the product in, or in another that the learner holds. If none is known to have it, it is that of
// the courses.
func (l *learner) placeOf(courses *engine.Courses, kind, id, in string) string {
	noun := map[string]string{"c": "category", "s": "lesson"}[kind]
	c := l.course(linkgen.PlaceOf(l.person, courses, noun, id, in).Product, courses)
	switch {
	case kind == "c" && c.known.Category(id) != nil:
		return c.categoryPath(id)
	case kind == "s" && c.known.Lesson(id) != nil:
		return c.lessonPath(id)
	}
	return "/"
}

func (c course) way(more ...crumb) []crumb {
	return append([]crumb{{c.l.t.say("your_courses"), "/"}}, more...)
}

func (c course) productPage() coursePage {
	page := coursePage{insidePage: c.l.page(c.path()), Way: c.way(), Title: c.title, Done: c.progress(), Lead: c.lead(), Chapters: c.chapters(),
		Via: c.l.via(c.l.person.Products[c.id])}
	page.Empty = len(page.Chapters) == 0
	return page
}

func (c course) categoryPage(id string) (page coursePage, ok bool) {
	p := c.known.Category(id)
	if p == nil {
		return page, false
	}
	var lessons []engine.Part
	for _, l := range c.known.Lessons {
		if l.Category == id {
			lessons = append(lessons, l)
		}
	}
	ch := c.chapter(*p, lessons)
	page = coursePage{insidePage: c.l.page(ch.Path), Way: c.way(crumb{c.title, c.path()}), Title: ch.Title, Done: ch.Done, Lessons: ch.Lessons,
		Empty: len(lessons) == 0}
	if c.l.set.Apps[coursesApp].URL != "" {
		page.Lead = &lead{c.l.t.say("open_category"), c.goTo("category", id)}
	}
	return page, true
}

func (c course) lessonPage(id string) (page coursePage, ok bool) {
	p := c.known.Lesson(id)
	if p == nil {
		return page, false
	}
	t := c.l.t
	page = coursePage{insidePage: c.l.page(c.lessonPath(id)), Way: c.way(crumb{c.title, c.path()}), Title: named(p.Title, id)}
	if k := c.known.Category(p.Category); k != nil {
		page.Way = append(page.Way, crumb{named(k.Title, k.ID), c.categoryPath(k.ID)})
	}
	switch m := c.lesson(id); {
	case !m.Completed.IsZero():
		page.When = c.l.moment("lesson_completed", m.Completed)
	case !m.Started.IsZero():
		page.When = c.l.moment("lesson_started", m.Started)
	default:
		page.Done.Words = t.say("not_begun")
	}
	if c.l.set.Apps[coursesApp].URL != "" {
		page.Lead = &lead{t.say("open_lesson"), c.goTo("lesson", id)}
	}
	page.Steps = c.steps(id)
	return page, true
}

// steps leads to the lessons before and after one.
func (c course) steps(id string) (out []crumb) {
	all := c.known.Lessons
	for i := range all {
		if all[i].ID != id {
			continue
		}
		if i > 0 {
			out = append(out, crumb{c.l.t.say("before", named(all[i-1].Title, all[i-1].ID)), c.lessonPath(all[i-1].ID)})
		}
		if i+1 < len(all) {
			out = append(out, crumb{c.l.t.say("after", named(all[i+1].Title, all[i+1].ID)), c.lessonPath(all[i+1].ID)})
		}
	}
	return out
}
