package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// The table of the triggers as a course site's developer reads it: what each is about, and its filters.
var courseTriggers = []struct {
	name    string
	filters []string
	access  string // what the learner holds after it: "yes", "no", or "" if it has no link
}{
	{"category_started", []string{"product", "category"}, "yes"},
	{"category_completed", []string{"product", "category"}, "yes"},
	{"lesson_started", []string{"product", "category", "lesson"}, "yes"},
	{"lesson_completed", []string{"product", "category", "lesson"}, "yes"},
	{"new_sign_up", []string{"offer", "product"}, "yes"},
	{"offer_access_granted", []string{"offer"}, "yes"},
	{"offer_access_removed", []string{"offer"}, "no"},
	{"product_access_granted", []string{"product"}, "yes"},
	{"product_access_removed", []string{"product"}, "no"},
	{"product_started", []string{"product"}, "yes"},
	{"product_completed", []string{"product"}, "yes"},
	{"user_login", nil, ""},
}

// eventData is the data of an event: a contact of that id, and nouns of these ids.
func eventData(contact string, nouns map[string]string) []byte {
	data := map[string]any{"contact": map[string]any{
		"id": contact, "email": contact + "@example.com", "phone": phoneOf(contact), "first_name": "Ada",
	}}
	for kind, id := range nouns {
		data[kind] = map[string]any{"id": id, "title": "Title of " + id}
	}
	b, err := json.Marshal(data)
	if err != nil {
		panic(err)
	}
	return b
}

// phoneOf makes a number of a contact's id, the same each time.
func phoneOf(contact string) string {
	n := 0
	for _, c := range contact {
		n = (n*131 + int(c)) % 1_000_000_007
	}
	return fmt.Sprintf("+1415%07d", n%10_000_000)
}

var allNouns = map[string]string{"offer": "gold", "product": "go-101", "category": "basics", "lesson": "intro"}

// nounsOf are the nouns that an event of a trigger names.
func nounsOf(filters []string) map[string]string {
	nouns := map[string]string{}
	for _, f := range filters {
		nouns[f] = allNouns[f]
	}
	return nouns
}

// forms are the ways to put an event on NATS, as other programs do it.
var forms = map[string]func(trigger, id string, data []byte) *nats.Msg{
	"bare": func(trigger, id string, data []byte) *nats.Msg {
		m := nats.NewMsg("courses.academy." + trigger)
		m.Header.Set("Nats-Msg-Id", trigger+":"+id)
		m.Data = data
		return m
	},
	"structured": func(trigger, id string, data []byte) *nats.Msg {
		m := nats.NewMsg("courses.academy." + trigger)
		m.Header.Set("Content-Type", "application/cloudevents+json; charset=utf-8")
		m.Data = fmt.Appendf(nil, `{"specversion": "1.0", "id": %q, "source": "https://shop.example.com", "type": "com.example.%s",
			"time": "2026-11-22T08:00:00Z", "datacontenttype": "application/json", "data": %s}`, id, trigger, data)
		return m
	},
	"binary": func(trigger, id string, data []byte) *nats.Msg {
		m := nats.NewMsg("courses.academy." + trigger)
		m.Header = nats.Header{"ce-specversion": {"1.0"}, "ce-id": {id}, "ce-source": {"https://shop.example.com"},
			"ce-type": {trigger}, "Content-Type": {"application/json"}}
		m.Data = data
		return m
	},
}

// malformed are messages of which nothing can be made, with the reason that their dead letter gives.
var malformed = []struct{ name, subject, contentType, data, reason string }{
	{"bad JSON", "academy.new_sign_up", "", `{"contact": {"id": "x"`, "JSON"},
	{"no object", "academy.new_sign_up", "", `[1, 2]`, "object"},
	{"nothing", "academy.new_sign_up", "", ``, "JSON"},
	{"unknown trigger", "academy.offer_granted", "", `{"contact": {"id": "x"}}`, `unknown trigger "offer_granted"`},
	{"unknown location", "elsewhere.new_sign_up", "", `{"contact": {"id": "x"}}`, `unknown location "elsewhere"`},
	{"no contact", "academy.offer_access_granted", "", `{"offer": {"id": "gold"}}`, "contact.id or contact.email is needed"},
	{"contact of nothing", "academy.offer_access_granted", "", `{"contact": {"first_name": "Ada"}, "offer": {"id": "gold"}}`, "contact.id or contact.email is needed"},
	{"type and subject disagree", "academy.offer_access_granted", "application/cloudevents+json",
		`{"specversion": "1.0", "id": "1", "source": "s", "type": "lesson_started", "data": {"contact": {"id": "x"}, "offer": {"id": "gold"}}}`,
		`type "lesson_started" and the subject's trigger "offer_access_granted" differ`},
	{"no offer id", "academy.offer_access_granted", "", `{"contact": {"id": "x"}, "offer": {"title": "Gold"}}`, "offer.id is missing"},
	{"no lesson", "academy.lesson_completed", "", `{"contact": {"id": "x"}, "product": {"id": "go-101"}}`, "lesson.id is missing: lesson_completed needs it"},
	{"no product", "academy.product_started", "", `{"contact": {"id": "x"}}`, "product.id is missing"},
	{"no category", "academy.category_started", "", `{"contact": {"id": "x"}}`, "category.id is missing"},
}

func triggerWorkflow(trigger, access string) string {
	link := "<<login_url>>"
	if access == "" {
		link = "no link"
	}
	return fmt.Sprintf(`name: %[1]s
class: transactional
triggers: [%[1]s]
steps:
  - email: {subject: 'mail of %[1]s', text: 'Dear <<contact.first_name | default "you">>: %[2]s'}
  - sms: 'SMS of %[1]s: %[2]s'
`, trigger, link)
}

// TestTwelveEventsInThreeForms publishes each trigger in each form with a client that shares no code with Latchkey, and
// something malformed before each.
func TestTwelveEventsInThreeForms(t *testing.T) {
	t.Parallel()
	files := map[string]string{}
	for _, tr := range courseTriggers {
		files["workflows/"+tr.name+".yaml"] = triggerWorkflow(tr.name, tr.access)
	}
	w := newWorld(t, files)
	i, _ := w.start()
	nc := w.connect()
	sent := 0
	for form, make := range forms {
		for _, tr := range courseTriggers {
			bad := malformed[sent%len(malformed)]
			m := nats.NewMsg("courses." + bad.subject)
			m.Header.Set("Nats-Msg-Id", fmt.Sprintf("bad:%d", sent))
			if bad.contentType != "" {
				m.Header.Set("Content-Type", bad.contentType)
			}
			m.Data = []byte(bad.data)
			w.put(nc, m)
			contact := strings.ReplaceAll(tr.name, "_", "-") + "-" + form
			w.put(nc, make(tr.name, "id-"+contact, eventData(contact, nounsOf(tr.filters))))
			sent++
		}
	}
	w.quiet(i, nc)
	mails, texts := w.waitMails(sent), w.waitTexts(sent)
	if len(mails) != sent || len(texts) != sent {
		t.Errorf("%d events: %d mails and %d SMS", sent, len(mails), len(texts))
	}
	byAddress := map[string]mailParts{}
	for _, m := range mails {
		byAddress[m.to] = m
	}
	byNumber := map[string]string{}
	for _, s := range texts {
		byNumber[s.Get("To")] = s.Get("Body")
	}
	for form := range forms {
		for _, tr := range courseTriggers {
			contact := strings.ReplaceAll(tr.name, "_", "-") + "-" + form
			mail, sms := byAddress["<"+contact+"@example.com>"], byNumber[phoneOf(contact)]
			if mail.subject != "mail of "+tr.name || !strings.HasPrefix(sms, "SMS of "+tr.name+": ") {
				t.Errorf("%s, %s: mail %q, SMS %q", tr.name, form, mail.subject, sms)
				continue
			}
			if tr.access != "" && form == "bare" {
				checkAccess(t, tr.name, tr.access, tr.filters, append(links(mail.text), links(sms)...))
			}
		}
	}
	checkDeadLetters(t, w.stream(nc, "COURSES_DEAD"), sent)
}

// checkAccess opens the links of one event's two messages.
func checkAccess(t *testing.T, trigger, access string, nouns, found []string) {
	t.Helper()
	if len(found) != 2 {
		t.Errorf("%s: %d links", trigger, len(found))
		return
	}
	for _, link := range found {
		if access == "no" {
			refuses(t, trigger, link, "You have no course here yet")
			continue
		}
		title := "Title of " + allNouns["product"]
		if nouns[0] == "offer" {
			title = "Title of " + allNouns["offer"]
		}
		letsIn(t, trigger, link, title)
	}
}

// checkDeadLetters compares dead letters with the malformed messages, which come again and again in their order.
func checkDeadLetters(t *testing.T, letters []stored, n int) {
	t.Helper()
	if len(letters) != n {
		t.Errorf("%d dead letters, want %d", len(letters), n)
	}
	for k, l := range letters {
		bad := malformed[k%len(malformed)]
		if got := l.header.Get("Latchkey-Reason"); !strings.Contains(got, bad.reason) {
			t.Errorf("%s: reason %q, want one with %q", bad.name, got, bad.reason)
		}
		if l.header.Get("Latchkey-Subject") != "courses."+bad.subject || string(l.data) != bad.data || l.header.Get("Latchkey-Msg-Id") != fmt.Sprintf("bad:%d", k) {
			t.Errorf("%s: the dead letter does not hold the original: %q %v %s", bad.name, l.subject, l.header, l.data)
		}
		if _, err := time.Parse(time.RFC3339Nano, l.header.Get("Latchkey-Time")); err != nil || l.header.Get("Latchkey-Sequence") != fmt.Sprint(2*k+1) {
			t.Errorf("%s: when and where it stood: %v", bad.name, l.header)
		}
	}
}

// A filterCase is a workflow with one filter on one noun.
type filterCase struct{ trigger, noun, mode string }

func (c filterCase) id() string {
	return strings.ReplaceAll(c.trigger, "_", "-") + "-" + c.noun + "-" + c.mode
}

func (c filterCase) workflow() string {
	filter := map[string]string{"bare": "in", "list": "[other, in]", "any": "{any_of: [in]}", "none": "{none_of: [in]}"}[c.mode]
	return fmt.Sprintf("class: transactional\ntriggers:\n  - %s: {%s: %s}\nsteps:\n  - email: {subject: %s, text: hello}\n", c.trigger, c.noun, filter, c.id())
}

// takes is what the mission says of a filter: none_of takes all but those listed, the rest only those listed.
func (c filterCase) takes(id string) bool { return (id == "in") != (c.mode == "none") }

// TestFilters has a workflow for each filter of each trigger in each way to write it, and for each trigger an event that
// all of them take or refuse alike, and others that differ in one noun.
func TestFilters(t *testing.T) {
	t.Parallel()
	files, want := map[string]string{}, map[string]bool{}
	var cases []filterCase
	for _, tr := range courseTriggers {
		for _, noun := range tr.filters {
			for _, mode := range []string{"bare", "list", "any", "none"} {
				c := filterCase{tr.name, noun, mode}
				cases = append(cases, c)
				files["workflows/"+c.id()+".yaml"] = c.workflow()
			}
		}
	}
	w := newWorld(t, files)
	i, _ := w.start()
	nc := w.connect()
	for _, tr := range courseTriggers {
		for _, differs := range append([]string{"nothing"}, tr.filters...) {
			contact := strings.ReplaceAll(tr.name, "_", "-") + "." + differs
			nouns := map[string]string{}
			for _, noun := range tr.filters {
				nouns[noun] = "in"
			}
			if differs != "nothing" {
				nouns[differs] = "out"
			}
			w.put(nc, forms["bare"](tr.name, contact, eventData(contact, nouns)))
			for _, c := range cases {
				if c.trigger == tr.name && c.takes(nouns[c.noun]) {
					want[c.id()+" to <"+contact+"@example.com>"] = true
				}
			}
		}
	}
	w.quiet(i, nc)
	got := map[string]bool{}
	for _, m := range w.waitMails(len(want)) {
		got[m.subject+" to "+m.to] = true
	}
	for _, k := range slices.Sorted(maps.Keys(want)) {
		if !got[k] {
			t.Errorf("no mail %s", k)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(got)) {
		if !want[k] {
			t.Errorf("mail %s", k)
		}
	}
}

func TestAnyOfSeveralTriggersStarts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/many.yaml": `class: transactional
triggers:
  - new_sign_up
  - offer_access_granted: {offer: [gold, silver]}
  - lesson_completed: {product: go-101, lesson: {none_of: [intro]}}
reentry: always
steps:
  - email: {subject: 'by <<event.type>>', text: hello}
`})
	i, _ := w.start()
	nc := w.connect()
	for k, ev := range []struct{ trigger, data string }{
		{"new_sign_up", `{"contact": {"email": "a@example.com"}}`},
		{"offer_access_granted", `{"contact": {"email": "b@example.com"}, "offer": {"id": "bronze"}}`},
		{"offer_access_granted", `{"contact": {"email": "c@example.com"}, "offer": {"id": "silver"}}`},
		{"lesson_completed", `{"contact": {"email": "d@example.com"}, "product": {"id": "go-101"}, "lesson": {"id": "intro"}}`},
		{"lesson_completed", `{"contact": {"email": "e@example.com"}, "product": {"id": "go-102"}, "lesson": {"id": "two"}}`},
		{"lesson_completed", `{"contact": {"email": "f@example.com"}, "product": {"id": "go-101"}, "lesson": {"id": 2}}`},
	} {
		w.send(nc, ev.trigger, fmt.Sprint(k), ev.data)
	}
	w.quiet(i, nc)
	got := map[string]string{}
	for _, m := range w.waitMails(3) {
		got[m.to] = m.subject
	}
	want := map[string]string{"<a@example.com>": "by new_sign_up", "<c@example.com>": "by offer_access_granted", "<f@example.com>": "by lesson_completed"}
	if !maps.Equal(got, want) {
		t.Errorf("mails %v, want %v", got, want)
	}
}

// TestLoginPublishesUserLogin lets a learner in, which must start the workflow of the twelfth trigger.
func TestLoginPublishesUserLogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{
		"workflows/hello.yaml": "class: transactional\ntriggers: [offer_access_granted]\nsteps:\n  - email: {subject: hello, text: 'Come in: <<login_url>>'}\n",
		"workflows/login.yaml": "class: transactional\ntriggers: [user_login]\nsteps:\n  - email: {subject: 'You came in via <<event.custom.via>>', text: hello}\n",
	})
	i, _ := w.start()
	nc := w.connect()
	w.send(nc, "offer_access_granted", "1", adaGold)
	link := links(w.waitMails(1)[0].text)[0]
	if status, _ := newPerson(t).open(http.MethodGet, link, nil); status != http.StatusOK {
		t.Errorf("GET: %d", status)
	}
	w.quiet(i, nc)
	if n := len(w.waitMails(1)); n != 1 {
		t.Errorf("%d mails after a mere GET", n)
	}
	letsIn(t, "link", link, "Gold")
	mails := w.waitMails(2)
	w.quiet(i, nc)
	if got := mails[1]; got.subject != "You came in via latchkey" || got.to != "<ada@example.com>" || len(mails) != 2 {
		t.Errorf("%d mails, the last %q to %s", len(mails), got.subject, got.to)
	}
	redeemed := 0
	for _, m := range w.stream(nc, "LATCHKEY") {
		if m.subject == "latchkey.academy.link.redeemed" {
			redeemed++
		}
	}
	if redeemed != 1 {
		t.Errorf("%d link.redeemed in LATCHKEY", redeemed)
	}
}
