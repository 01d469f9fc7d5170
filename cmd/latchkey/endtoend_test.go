package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
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

const adaGold = `{"contact": {"id": "c-1", "email": "ada@example.com", "phone": "+14155550123", "first_name": "Ada"}, "offer": {"id": "gold", "title": "Gold"}}`

func TestEventToOpenDoor(t *testing.T) {
	t.Parallel()
	for _, partitions := range []string{"1", "4"} {
		t.Run(partitions, func(t *testing.T) {
			t.Parallel()
			testEventToOpenDoor(t, "partitions: "+partitions)
		})
	}
}

func testEventToOpenDoor(t *testing.T, extra string) {
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow, "extra": extra})
	w.start()
	w.send(w.connect(), "offer_access_granted", "1", adaGold)

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
	letsIn(t, "link of the mail", inHTML[0], "Gold")
	letsIn(t, "link of the SMS", inSMS[0], "Gold")
	letsIn(t, "link of the mail, again", inHTML[0], "Gold")
}

// TestReplyTo has the project's reply_to on its mails, and a step's own instead.
func TestReplyTo(t *testing.T) {
	t.Parallel()
	own := strings.Replace(helloWorkflow, "      subject:", "      reply_to: ada.mentor@acme.test\n      subject:", 1)
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow, "workflows/mentor.yaml": own})
	file := filepath.Join(w.dir, "latchkey.yaml")
	config, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	with := strings.Replace(string(config), "email: {", "email: {reply_to: help@acme.test, ", 1)
	if err := os.WriteFile(file, []byte(with), 0o600); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.send(w.connect(), "offer_access_granted", "1", adaGold)
	got := map[string]bool{}
	for _, m := range w.waitMails(2) {
		got[m.replyTo] = true
	}
	if len(got) != 2 || !got["<help@acme.test>"] || !got["<ada.mentor@acme.test>"] {
		t.Errorf("answers go to %v", got)
	}
}
