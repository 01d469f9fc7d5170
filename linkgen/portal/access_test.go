package portal

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"latchkey/engine"
)

// Every page can be used by who does not see it as we drew it: WCAG 2.2 as far as a program can tell.
func TestPagesAreAccessible(t *testing.T) {
	t.Parallel()
	for _, lang := range []string{"en", "de"} {
		s := school(t)
		s.set.Menu = []MenuItem{{Label: "Help", URL: "https://help.acme.test"}}
		s.set.Login.SMS = true
		s.ada.Contact.Locale, s.bob.Contact.Locale, s.loc.Language = lang, lang, lang
		s.bob.Products = nil
		s.save(s.ada)
		s.save(s.bob)
		b, empty, staff := s.signedIn(s.ada, engine.LinkRequest{}), s.signedIn(s.bob, engine.LinkRequest{}), s.viewing(s.ada, "sam@acme.test")
		s.signedIn(s.ada, engine.LinkRequest{})
		old := s.mint(s.ada, engine.LinkRequest{TTL: time.Minute})
		s.pass(2 * time.Minute)
		for name, r := range map[string]reply{
			"link": s.browser().get(s.mint(s.ada, engine.LinkRequest{})), "switch": empty.get(s.mint(s.ada, engine.LinkRequest{})), "expired": s.browser().get(old),
			"unknown": s.browser().get("/l/x"), "login": s.browser().get("/login"), "wrong login": s.browser().post("/login", map[string][]string{"address": {"no"}, "by": {"email"}}),
			"signed out": s.browser().get("/"), "not found": s.browser().get("/none"), "missing": b.get("/p/none"),
			"home": b.get("/"), "product": b.get("/p/p-c-17"), "category": b.get("/p/p-c-17/c/more"), "lesson": b.get("/p/p-c-17/s/l4"), "sessions": b.get("/sessions"),
			"empty": empty.get("/"), "viewed": staff.get("/sessions"),
		} {
			for _, fault := range faultsOf(r.body, lang) {
				t.Errorf("%s in %s: %s", name, lang, fault)
			}
		}
	}
}

// A checker goes through a page.
type checker struct {
	faults   []string
	counts   map[string]int
	ids      map[string]bool
	labelled map[string]bool // ids that a label is for
	level    int             // of the last heading
}

func (c *checker) fault(format string, args ...any) {
	c.faults = append(c.faults, fmt.Sprintf(format, args...))
}

func faultsOf(page, lang string) []string {
	c := &checker{counts: map[string]int{}, ids: map[string]bool{}, labelled: map[string]bool{}}
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		return []string{err.Error()}
	}
	each(root, func(n *html.Node) {
		if n.Data == "label" {
			c.labelled[attr(n, "for")] = true
		}
	})
	each(root, func(n *html.Node) { c.element(n, lang) })
	for what, most := range map[string]int{"h1": 1, "main": 1, "title": 1, "html": 1} {
		if c.counts[what] != most {
			c.fault("%d of %s", c.counts[what], what)
		}
	}
	if c.counts["nav"] > 0 && !strings.Contains(page, `href="#main"`) {
		c.fault("no way past the menu")
	}
	return c.faults
}

func (c *checker) element(n *html.Node, lang string) {
	c.counts[n.Data]++
	if id := attr(n, "id"); id != "" {
		if c.ids[id] {
			c.fault("two elements with the id %q", id)
		}
		c.ids[id] = true
	}
	for _, a := range n.Attr {
		if a.Key == "style" || strings.HasPrefix(a.Key, "on") || a.Key == "tabindex" || a.Key == "autofocus" {
			c.fault("<%s> with %s", n.Data, a.Key)
		}
	}
	switch n.Data {
	case "script", "iframe", "meta refresh":
		c.fault("a <%s>", n.Data)
	case "html":
		if attr(n, "lang") != lang {
			c.fault("the language is %q", attr(n, "lang"))
		}
	case "title", "button", "a", "h1", "h2", "h3", "label", "time":
		if strings.TrimSpace(textOf(n)) == "" && attr(n, "aria-label") == "" {
			c.fault("an empty <%s>", n.Data)
		}
	case "img":
		if !has(n, "alt") {
			c.fault("a picture without alt")
		}
	case "nav":
		if attr(n, "aria-label") == "" {
			c.fault("a <nav> without a name")
		}
	case "input", "progress":
		if attr(n, "type") != "hidden" && !c.labelled[attr(n, "id")] && !inside(n, "label") {
			c.fault("an <%s> without a label", n.Data)
		}
	case "meta":
		if attr(n, "name") == "viewport" && regexp.MustCompile(`user-scalable|maximum-scale`).MatchString(attr(n, "content")) {
			c.fault("zooming is forbidden")
		}
	}
	if len(n.Data) == 2 && n.Data[0] == 'h' && n.Data[1] >= '1' && n.Data[1] <= '6' {
		level := int(n.Data[1] - '0')
		if level > c.level+1 {
			c.fault("<%s> %q follows a heading of level %d", n.Data, textOf(n), c.level)
		}
		c.level = level
	}
	if label := attr(n, "aria-label"); n.Data == "button" && label != "" && !strings.Contains(label, strings.TrimSpace(textOf(n))) {
		c.fault("a button that reads %q is called %q", textOf(n), label)
	}
	for _, to := range []string{"aria-labelledby", "aria-describedby"} {
		if has(n, to) && !c.refers(n, attr(n, to)) {
			c.fault("%s refers to nothing", to)
		}
	}
}

func (c *checker) refers(n *html.Node, id string) (found bool) {
	for n.Parent != nil {
		n = n.Parent
	}
	each(n, func(n *html.Node) { found = found || attr(n, "id") == id })
	return found
}

func each(n *html.Node, fn func(*html.Node)) {
	if n.Type == html.ElementNode {
		fn(n)
	}
	for k := n.FirstChild; k != nil; k = k.NextSibling {
		each(k, fn)
	}
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, key string) bool {
	for _, a := range n.Attr {
		if a.Key == key {
			return true
		}
	}
	return false
}

func inside(n *html.Node, name string) bool {
	for p := n.Parent; p != nil; p = p.Parent {
		if p.Data == name {
			return true
		}
	}
	return false
}

func textOf(n *html.Node) string {
	if n.Type == html.TextNode {
		return n.Data
	}
	var s string
	for k := n.FirstChild; k != nil; k = k.NextSibling {
		s += textOf(k)
	}
	return s
}

// What the sheets write in colour can be read, in light and in dark; nothing moves, and focus is seen.
func TestSheetsAreLegible(t *testing.T) {
	t.Parallel()
	sheet := styleSheet(t)
	inside := sheetNamed(t, "inside.css")
	vars := regexp.MustCompile(`:root\{([^}]*)\}`).FindAllStringSubmatch(sheet, -1)
	if len(vars) != 2 {
		t.Fatalf("%d sets of colours", len(vars))
	}
	for i, mode := range []string{"light", "dark"} {
		colour := map[string]string{}
		for _, m := range regexp.MustCompile(`--(\w+):(#\w+)`).FindAllStringSubmatch(vars[i][1], -1) {
			if colour[m[1]] = m[2]; len(m[2]) == 4 {
				colour[m[1]] = "#" + strings.Repeat(m[2][1:2], 2) + strings.Repeat(m[2][2:3], 2) + strings.Repeat(m[2][3:4], 2)
			}
		}
		for _, ink := range []string{"ink", "soft", "bad"} {
			for _, ground := range []string{"bg", "card"} {
				if c := contrast(colour[ink], colour[ground]); c < 4.5 {
					t.Errorf("%s: %s on %s: %.2f", mode, ink, ground, c)
				}
			}
		}
	}
	for _, m := range regexp.MustCompile(`background:(#\w{6});color:(#\w+)`).FindAllStringSubmatch(inside, -1) {
		if c := contrast(m[1], strings.Replace(m[2], "#fff", "#ffffff", 1)); c < 4.5 {
			t.Errorf("%s on %s: %.2f", m[2], m[1], c)
		}
	}
	for _, bad := range []string{"transition", "animation", "outline:0", "outline:none", "@import", "url(", "!important"} {
		if strings.Contains(sheet+inside, bad) {
			t.Errorf("a sheet has %q", bad)
		}
	}
	if !strings.Contains(sheet, ":focus-visible{outline:3px") {
		t.Error("focus is not seen")
	}
	if strings.Contains(sheet+inside, "vw") { // a scroll bar is a part of it, so that what is centred by it stands beside what is not
		t.Error("a sheet measures by the window's width")
	}
	if n := len(squeeze(sheet) + squeeze(inside)); n > 12<<10 {
		t.Errorf("the sheets have %d bytes", n)
	}
}
