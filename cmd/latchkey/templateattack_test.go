package main

import (
	"strings"
	"testing"
)

// step is a workflow of one step under a trigger.
func oneStep(trigger, step string) string {
	return "class: transactional\ntriggers: [" + trigger + "]\nsteps:\n  - " + step + "\n"
}

const mailStep = "email: {template: m}"

// TestAttack20MisplacedLinks puts a login link wherever whoever sees it is not the learner, or where nobody asked for one: each is a
// mistake when the files are read, in its place, so that nothing of the project runs.
//
// Red, case by case, when a check is left out: that of header() in templates/mail.go (subject, preheader, reason), of checkPlaces (scripts,
// styles, comments, attributes), of NewPiece (webhook, publish, notify), of checkAddress (from, reply_to), of the settings in
// templates/link.go and of Use.NoLogin in templates/uses.go.
func TestAttack20MisplacedLinks(t *testing.T) {
	t.Parallel()
	front := func(line string) string { return "---\nsubject: Hi\n" + line + "\n---\nHello\n" }
	page := func(body string) string { return "---\nsubject: Hi\n---\n" + body + "\n" }
	for name, c := range map[string]struct{ trigger, step, md, html, txt, want string }{
		"subject of a template":   {md: "---\nsubject: In by <<login_url>>\n---\nHello\n", want: "m.md:2:16: login_url may not stand in the subject"},
		"subject of a step":       {step: "email: {subject: \"<<login_url>>\", text: Hello}", want: "login_url may not stand in the subject"},
		"preheader":               {md: front("preheader: <<login_url>>"), want: "m.md:3:12: login_url may not stand in the preheader"},
		"reason":                  {md: front("reason: <<login_url>>"), want: "m.md:3:9: login_url may not stand in the reason"},
		"from":                    {step: "email: {subject: Hi, text: Hello, from: '<<login_url>>'}", want: "from takes no fields"},
		"reply_to":                {step: "email: {subject: Hi, text: Hello, reply_to: '\"<<login_url>>\" <a@b.test>'}", want: "reply_to takes no fields"},
		"a script":                {html: page("<p>Hi</p><script>location = \"<<login_url>>\"</script>"), want: "m.html:4:"},
		"an event's attribute":    {html: page("<p onclick=\"open('<<login_url>>')\">Hi</p>"), want: "m.html:4:"},
		"a style":                 {html: page("<style>p{background:url(<<login_url>>)}</style>"), want: "m.html:4:"},
		"a style's attribute":     {html: page("<p style=\"background:url('<<login_url>>')\">Hi</p>"), want: "m.html:4:"},
		"a comment":               {html: page("<p>Hi</p><!-- <<login_url>> -->"), want: "m.html:4:"},
		"an unquoted attribute":   {html: page("<a href=<<login_url>>>In</a>"), want: "m.html:4:"},
		"a picture":               {html: page("<img src=\"<<login_url>>\" alt=\"\">"), want: "m.html:4:"},
		"a form":                  {html: page("<form action=\"<<login_url>>\"></form>"), want: "m.html:4:"},
		"a changed link":          {md: page("<<login_url | upper>>"), want: "login_url takes no filters"},
		"Markdown of a picture":   {md: page("![](<<login_url>>)"), want: "m.md:4:"},
		"a webhook's address":     {step: "webhook: {url: \"https://a.test/<<login_url>>\"}", want: "login_url may not stand in a webhook"},
		"a webhook's body":        {step: "webhook: {url: \"https://a.test\", body: {u: \"<<login_url>>\"}}", want: "login_url may not stand in a webhook"},
		"a webhook's header":      {step: "webhook: {url: \"https://a.test\", headers: {X: \"<<login_url>>\"}}", want: "login_url may not stand in a webhook"},
		"what is published":       {step: "publish: {type: seen, data: {u: \"<<login_url>>\"}}", want: "login_url may not stand in what is published"},
		"a mail to staff":         {step: "notify: \"In by <<login_url>>\"", want: "login_url may not stand in a mail to staff"},
		"no course trigger, mail": {trigger: "user_login", md: page("<<login_url>>"), want: "workflow m may be started by user_login, which is no course trigger"},
		"no course trigger, SMS":  {trigger: "user_login", step: "sms: 'In: <<login_url>>'", want: "workflow m may be started by user_login, which is no course trigger"},
		"one of two triggers":     {trigger: "new_sign_up, user_login", step: "sms: 'In: <<login_url>>'", want: "workflow m may be started by user_login"},
		"a trigger of ours":       {trigger: "login.requested", step: "sms: 'In: <<login_url>>'", want: `no trigger "login.requested"`},
		"an app of nobody's":      {md: page("<<login_url app=\"shop\">>"), want: `no app "shop" in latchkey.yaml`},
		"another site":            {md: page("<<login_url to=\"https://evil.test\">>"), want: "to is lesson, product or category"},
		"for ever":                {md: page("<<login_url ttl=\"400d\">>"), want: "longer than the longest allowed"},
		"a user link by name":     {md: page("<<user_url>>"), want: "m.md:4:"},
		"a user link by kind":     {md: page("<<login_url kind=\"user\">>"), want: `login_url has no setting "kind"`},
		"a password":              {md: page("{{membership_contact.password}}"), want: "m.md:4:"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.trigger == "" {
				c.trigger = "new_sign_up"
			}
			if c.step == "" {
				c.step = mailStep
			}
			files := map[string]string{"workflows/m.yaml": oneStep(c.trigger, c.step)}
			for ending, text := range map[string]string{"md": c.md, "html": c.html, "txt": c.txt} {
				if text != "" {
					files["templates/m."+ending] = text
				}
			}
			w := newWorld(t, files)
			cfg := w.config()
			found := readProject(cfg, checkDeps(cfg)).problems
			if got := lines(found); !mistakes(found) || !strings.Contains(got, c.want) {
				t.Errorf("want %q, got\n%s", c.want, got)
			}
			if i, err := w.open(); err == nil {
				i.close()
				t.Error("the project runs all the same")
			}
		})
	}
}

// TestAttack20PlacesThatMay has links where they belong, so that the mistakes above are not told of everything.
//
// Red when checkStartTag refuses links in href, and when useIn takes a course trigger for none.
func TestAttack20PlacesThatMay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{
		"workflows/m.yaml":  oneStep("new_sign_up", mailStep),
		"workflows/h.yaml":  oneStep("offer_access_removed", "email: {template: h}"),
		"workflows/s.yaml":  oneStep("product_started", "sms: 'In: <<login_url ttl=\"1h\">>'"),
		"templates/m.md":    "---\nsubject: Hi\n---\n[In](<<login_url to=\"lesson:intro\">>)\n\nOr <<login_url>>\n",
		"templates/h.html":  "---\nsubject: Hi\n---\n<a href=\"<<login_url>>\">In</a> or <<login_url>>\n",
		"templates/rest.md": "---\nsubject: Hi\n---\nHello\n",
	})
	cfg := w.config()
	if found := readProject(cfg, checkDeps(cfg)).problems; len(found) > 0 {
		t.Error(lines(found))
	}
}
