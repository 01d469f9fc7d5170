package main

import (
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
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow})
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
