package main

import (
	"context"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
)

const helloWorkflow = `name: Hello
class: transactional
triggers: [offer_access_granted]
steps:
  - email:
      subject: Hello <<contact.first_name | default "you">>
      markdown: "[Come in](<<login_url>>)"
  - sms: 'Come in: <<login_url>>'
`

// press opens a login link as a person does, and returns the text of the page behind the button.
func press(t *testing.T, link string) (string, error) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	door, err := visit(t.Context(), browser, http.MethodGet, link, nil)
	if err != nil {
		return "", err
	}
	inside, err := visit(t.Context(), browser, http.MethodPost, link[:strings.Index(link, "/l/")]+door.form.action, door.form.values)
	return strings.Join(inside.text, "\n"), err
}

// client is NATS as any other program uses it.
func (w *world) connect() *nats.Conn {
	w.t.Helper()
	nc, err := nats.Connect(w.natsURL())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(nc.Close)
	return nc
}

// send publishes one bare event and waits for the stream.
func (w *world) send(nc *nats.Conn, trigger, id, data string) {
	w.t.Helper()
	m := nats.NewMsg("courses.academy." + trigger)
	m.Header.Set("Nats-Msg-Id", trigger+":"+id)
	m.Data = []byte(data)
	if _, err := nc.RequestMsgWithContext(context.Background(), m); err != nil {
		w.t.Fatal(err)
	}
}

func TestEventToOpenDoor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow})
	w.start()
	nc := w.connect()
	w.send(nc, "offer_access_granted", "1", `{"contact": {"id": "c-1", "email": "ada@example.com", "phone": "+14155550123", "first_name": "Ada"}, "offer": {"id": "gold", "title": "Gold"}}`)

	mail := w.waitMails(1)[0]
	if mail.subject != "Hello Ada" || mail.to != "<ada@example.com>" {
		t.Errorf("mail to %s: %q", mail.to, mail.subject)
	}
	text := w.waitTexts(1)[0]
	if text.Get("To") != "+14155550123" || text.Get("From") != "+14155550100" {
		t.Errorf("SMS from %s to %s", text.Get("From"), text.Get("To"))
	}
	inHTML, inText, inSMS := links(mail.html), links(mail.text), links(text.Get("Body"))
	if len(inHTML) != 1 || len(inText) != 1 || inHTML[0] != inText[0] || len(inSMS) != 1 || inSMS[0] == inHTML[0] {
		t.Fatalf("links: html %d, text %d, SMS %d", len(inHTML), len(inText), len(inSMS))
	}
	for _, link := range []string{inHTML[0], inSMS[0], inHTML[0]} {
		page, err := press(t, link)
		if err != nil || !strings.Contains(page, "Gold") {
			t.Errorf("behind the button: %v\n%s", err, page)
		}
	}
}
