package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

const testToken = "a-token-of-the-tests"

// portalDo posts to the learners' listener.
func (w *world) portalDo(path, body string, edit func(http.Header)) (status int, answer string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, fmt.Sprintf("http://127.0.0.1:%d%s", w.ports[0], path), strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	edit(req.Header)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return res.StatusCode, strings.TrimSpace(string(b))
}

// TestEventOverHTTP has an event that comes over HTTP, to either listener, become a mail whose link lets in. The same one
// twice is one.
func TestEventOverHTTP(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow, "extra": "events: {token: " + testToken + "}"})
	i, _ := w.start()
	with := func(token string) func(http.Header) {
		return func(h http.Header) {
			h.Set("Authorization", "Bearer "+token)
			h.Set("Origin", "https://shop.example") // some programs send one
			h.Set("Idempotency-Key", "1")
		}
	}
	const path = "/v1/events/offer_access_granted"
	for _, token := range []string{"", "wrong"} {
		if status, answer := w.portalDo(path, adaGold, with(token)); status != http.StatusUnauthorized {
			t.Errorf("token %q: %d %s", token, status, answer)
		}
	}
	for _, duplicate := range []string{"false", "true"} {
		if status, answer := w.portalDo(path, adaGold, with(testToken)); status != http.StatusAccepted || answer != `{"id":"1","duplicate":`+duplicate+`}` {
			t.Errorf("portal: %d %s", status, answer)
		}
	}
	ce := `{"specversion": "1.0", "id": "2", "source": "/shop", "type": "com.acme.offer_access_granted", "data": ` + strings.Replace(strings.ReplaceAll(adaGold, "ada", "bob"), "c-1", "c-2", 1) + `}`
	status, answer := w.do(http.MethodPost, "/v1/events", ce, func(r *http.Request) { r.Header.Set("Content-Type", "application/cloudevents+json") })
	if status != http.StatusAccepted || !strings.Contains(answer, `{"id":"2","duplicate":false}`) {
		t.Errorf("admin: %d %s", status, answer)
	}
	to := map[string]bool{}
	for _, m := range w.waitMails(2) {
		to[m.to] = true
		letsIn(t, "link of the mail to "+m.to, links(m.html)[0], "Gold")
	}
	if !to["<ada@example.com>"] || !to["<bob@example.com>"] {
		t.Errorf("mails went to %v", to)
	}
	w.quiet(i, w.connect())
	if got := len(w.waitMails(2)); got != 2 {
		t.Errorf("%d mails", got)
	}
	log := w.logTail()
	if !strings.Contains(w.wholeLog(), `"route":"POST /v1/events/{trigger}","status":202`) {
		t.Errorf("not in the access log:\n%s", log)
	}
	if strings.Contains(w.wholeLog(), testToken) || strings.Contains(w.wholeLog(), "ada@example.com") {
		t.Error("the log holds a token or an address")
	}
}

// TestNoEventsWithoutToken: without events.token only the admin listener takes events, and not from another site's page.
func TestNoEventsWithoutToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"workflows/hello.yaml": helloWorkflow})
	w.start()
	for _, path := range []string{"/v1/events", "/v1/events/offer_access_granted"} {
		if status, answer := w.portalDo(path, adaGold, func(http.Header) {}); status != http.StatusNotFound {
			t.Errorf("%s: %d %.200s", path, status, answer)
		}
	}
	status, answer := w.do(http.MethodPost, "/v1/events/offer_access_granted", adaGold, func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") })
	if status != http.StatusForbidden {
		t.Errorf("another site's page: %d %s", status, answer)
	}
	if status, answer := w.do(http.MethodPost, "/v1/events/offer_access_granted", adaGold); status != http.StatusAccepted {
		t.Errorf("admin: %d %s", status, answer)
	}
	w.waitMails(1)
}

func (w *world) wholeLog() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}
