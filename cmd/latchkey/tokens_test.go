package main

import (
	"encoding/base64"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey/actions/outbox"
	"latchkey/actions/smtp/sink"
	"latchkey/engine"
	"latchkey/engine/console"
)

// A needle is something that must not be found.
type needle struct{ what, text string }

// needlesOf returns a login link's token, whole and its secret half alone, as text and as the bytes that it stands for.
func needlesOf(t *testing.T, link string) []needle {
	t.Helper()
	token := link[strings.LastIndexByte(link, '/')+1:]
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) != 27 {
		t.Fatalf("token of %d bytes: %v", len(raw), err)
	}
	return []needle{{"the token", token}, {"its secret half", token[12:]}, {"its secret half in bytes", string(raw[9:])}}
}

// leaks fails the test for each needle in text.
func leaks(t *testing.T, where, text string, needles []needle) {
	t.Helper()
	for _, n := range needles {
		if strings.Contains(text, n.text) {
			t.Errorf("%s holds %s", where, n.what)
		}
	}
}

// searchEverything looks for tokens in each file under data/, the log, the streams and what the admin listener answers,
// on further pages too.
func (w *world) searchEverything(needles []needle, further ...string) {
	t := w.t
	t.Helper()
	var links []string
	for _, m := range w.messages("?limit=1000") {
		links = append(links, m.Links...)
	}
	pages := append([]string{"/", "/v1/status", "/v1/messages?limit=1000", "/v1/contacts/ada", "/v1/contacts/ada/links", "/v1/contacts/ada@example.com"}, further...)
	for _, id := range links {
		pages = append(pages, "/v1/links/"+id)
	}
	for _, path := range pages {
		status, body := w.get(path)
		if status != http.StatusOK {
			t.Errorf("%s: %d", path, status)
		}
		leaks(t, path, body, needles)
	}
	w.leaksElsewhere(t, needles)
	files := 0
	err := filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		leaks(t, strings.TrimPrefix(path, w.dir), string(b), needles)
		return nil
	})
	if err != nil || files < 5 {
		t.Errorf("%d files searched: %v", files, err)
	}
}

func (w *world) logText() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

// exercise makes links by all ways there are, opens them, and returns what must not be found of them.
func (w *world) exercise(i *instance, urls func() []string) []needle {
	t := w.t
	t.Helper()
	nc := w.connect()
	w.grant(nc, "ada", "gold")
	w.quiet(i, nc)
	w.put(nc, forms["bare"]("lesson_completed", "1", eventData("ada", map[string]string{"lesson": "intro"})))
	w.quiet(i, nc)
	var byHand console.Link
	found := urls()
	for _, link := range found {
		newPerson(t).press(link) // some let in, some are replaced
	}
	w.ask(http.MethodPost, "/v1/links", `{"contact": "ada"}`, &byHand)
	letsIn(t, "by hand", byHand.URL, "Title of gold")
	w.quiet(i, nc)
	var needles []needle
	for _, link := range append(found, byHand.URL) {
		needles = append(needles, needlesOf(t, link)...)
		_, wrong := newPerson(t).open(http.MethodGet, link[:len(link)-1]+"A", nil) // a wrong secret is nearly the right one
		if len(wrong.text) == 0 {
			t.Error("a wrong token's page is empty")
		}
	}
	if len(needles) < 4*3 {
		t.Fatalf("%d tokens seen", len(needles)/3)
	}
	return needles
}

// TestNoTokenIsKept sends over SMTP and Twilio, through failures, retries and a restart.
func TestNoTokenIsKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow, "workflows/lesson.yaml": mailWorkflow("lesson_completed")})
	w.answerAt(sink.Dot, func(n int64, _ sink.Mail) sink.Answer { return sink.Answer{Cut: n == 1} })
	i, stop := w.start()
	over, enough := make(chan struct{}), make(chan struct{})
	go func() { // the first mail is sent again
		defer close(enough)
		for {
			select {
			case <-over:
				return
			case <-time.After(20 * time.Millisecond):
				w.pass(time.Second)
			}
		}
	}()
	needles := w.exercise(i, func() []string {
		w.waitTexts(1)
		w.waitMails(3)
		return w.linksTo("ada")
	})
	close(over)
	<-enough
	w.searchEverything(needles)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.searchEverything(needles, "/outbox")
}

// TestNoTokenIsKeptByTheOutbox sends to the outbox, which shows messages with working links, from memory alone.
func TestNoTokenIsKeptByTheOutbox(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow, "workflows/lesson.yaml": mailWorkflow("lesson_completed")})
	byOutbox := func(c *Config) {
		c.Email.SMTP.Host, c.SMS.Twilio.AccountSID, c.SMS.Twilio.AuthToken = "", "", engine.Secret{}
	}
	i, stop := w.start(byOutbox)
	var mu sync.Mutex
	var urls []string
	unsubscribe := i.outbox.Subscribe(func(m outbox.Message) {
		mu.Lock()
		defer mu.Unlock()
		for _, l := range m.Links {
			urls = append(urls, l.Now.URL.Reveal())
		}
	})
	defer unsubscribe()
	needles := w.exercise(i, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return urls
	})
	if ms := w.messages(""); len(ms) != 3 || ms[0].Text == "" {
		t.Errorf("messages: %+v", ms)
	}
	w.searchEverything(needles)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	w.start(byOutbox)
	w.searchEverything(needles, "/outbox")
}

// leaksElsewhere looks for what must not be there in the streams and in the log.
func (w *world) leaksElsewhere(t *testing.T, needles []needle) {
	t.Helper()
	for _, name := range []string{"COURSES", "COURSES_DEAD", "LATCHKEY"} {
		for _, m := range w.stream(w.connect(), name) {
			leaks(t, name+" "+m.subject, string(m.data), needles)
		}
	}
	leaks(t, "the log", w.logText(), needles)
}
