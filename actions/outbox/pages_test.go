package outbox

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"latchkey/actions"
	"latchkey/engine"
	"latchkey/engine/enginetest"
)

func serve(t *testing.T, o *Outbox) string {
	t.Helper()
	srv := httptest.NewServer(o.Handler())
	t.Cleanup(srv.Close)
	return srv.URL
}

func get(t *testing.T, url string) (int, http.Header, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, string(b)
}

func want(t *testing.T, page string, texts ...string) {
	t.Helper()
	for _, s := range texts {
		if !strings.Contains(page, s) {
			t.Errorf("the page lacks %q", s)
		}
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	o := New(enginetest.NewStores(4), Options{Now: func() time.Time { return day }})
	root := serve(t, o)
	_, _, page := get(t, root+"/outbox")
	want(t, page, "Nothing was sent yet")

	in := mail(1)
	in.Subject, in.HTML = `<script>alert("s")</script>`, `<html><HEAD lang=en></head><script>alert(1)</script><a href="`+base+token+`">x</a></html>`
	in.To = `a"<b>@example.com`
	send(t, o, in)
	id := in.TaskID.String()
	for _, path := range []string{"/outbox", "/outbox/", "/outbox/" + id, "/outbox/" + id + "?show=text", "/outbox/" + id + "?show=source&width=phone"} {
		status, h, page := get(t, root+path)
		if status != 200 || !strings.HasPrefix(h.Get("Content-Type"), "text/html") || h.Get("Cache-Control") != "no-store" ||
			h.Get("Content-Security-Policy") != pagePolicy || h.Get("Referrer-Policy") != "no-referrer, strict-origin" {
			t.Errorf("%s: %d %v", path, status, h)
		}
		if strings.Contains(page, "<script") || strings.Contains(page, "style=") {
			t.Errorf("%s: markup of a message got into the page", path)
		}
		want(t, page, `href="`+base+token+`" target="_blank" rel="noopener noreferrer"`, "Link ready")
	}
	status, h, body := get(t, root+"/outbox/"+id+"/html")
	if status != 200 || !strings.HasPrefix(h.Get("Content-Security-Policy"), "sandbox allow-popups ") || strings.Contains(h.Get("Content-Security-Policy"), "script") {
		t.Errorf("frame: %d %v", status, h)
	}
	want(t, body, `<HEAD lang=en><base target="_blank">`, `<a href="`+base+token+`">`)
	css := regexp.MustCompile(`/outbox/style-[0-9a-f]+\.css`).FindString(page)
	if status, h, body := get(t, root+css); status != 200 || h.Get("Content-Type") != "text/css; charset=utf-8" || len(body) > 12<<10 {
		t.Errorf("stylesheet %q: %d, %d bytes", css, status, len(body))
	}
	for _, path := range []string{"/outbox/nonsense", "/outbox/" + taskID(7).String(), "/outbox/" + taskID(7).String() + "/html"} {
		if status, _, page := get(t, root+path); status != 404 || !strings.Contains(page, "not in the outbox") {
			t.Errorf("%s: %d", path, status)
		}
	}
}

func TestSMSPage(t *testing.T) {
	t.Parallel()
	o := New(enginetest.NewStores(1), Options{Now: func() time.Time { return day }})
	_, err := o.Texter().Send(t.Context(), actions.Text{TaskID: taskID(1), Location: "academy", From: "+14155550100", To: "+14155550123",
		Body: "Hi <Ada>: " + base + token + " now", Links: []actions.Link{{ID: "l1", URL: engine.NewSecret(base + token)}}})
	if err != nil {
		t.Fatal(err)
	}
	_, _, page := get(t, serve(t, o)+"/outbox/"+taskID(1).String())
	want(t, page, `<p class="bubble">Hi &lt;Ada&gt;: <a href="`+base+token+`"`, "</a> now</p>", "76 characters", "Hi &lt;Ada&gt;: (login link) now")
}

func TestMintPage(t *testing.T) {
	t.Parallel()
	stores := enginetest.NewStores(1)
	send(t, New(stores, Options{}), mail(1))
	var fail error
	o := New(stores, Options{Mint: func(context.Context, engine.ID, string) (actions.Link, error) {
		return actions.Link{ID: "fresh", URL: engine.NewSecret(base + other)}, fail
	}})
	at := serve(t, o) + "/outbox/" + taskID(1).String()
	_, _, page := get(t, at)
	want(t, page, "Mint a new one", "Link not kept", `name="link" value="link1"`)

	post := func(link string) (int, string) {
		resp, err := http.PostForm(at+"/mint?show=text", url.Values{"link": {link}})
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(b)
	}
	fail = errors.New("ada has no course yet")
	if status, page := post("link1"); status != 409 || !strings.Contains(page, "No new link could be made: ada has no course yet.") {
		t.Errorf("refused: %d", status)
	}
	if status, _ := post("else"); status != 404 {
		t.Errorf("unknown link: %d", status)
	}
	fail = nil
	status, page := post("link1") // follows the redirect
	if status != 200 || strings.Contains(page, "Mint a new one") {
		t.Errorf("minted: %d", status)
	}
	want(t, page, base+other, "Link ready", "<code>fresh</code>")
	if status, _, _ := get(t, at+"/mint"); status != 405 {
		t.Errorf("GET mint: %d", status)
	}
}

func TestOlder(t *testing.T) {
	t.Parallel()
	o := New(enginetest.NewStores(4), Options{Now: func() time.Time { return day.Add(3 * time.Hour) }})
	for i := range pageSize + 5 {
		send(t, o, mail(i))
	}
	root := serve(t, o)
	_, _, page := get(t, root+"/outbox?channel=email&width=phone")
	if n := strings.Count(page, "<li><a"); n != pageSize {
		t.Errorf("%d entries on the first page", n)
	}
	next := regexp.MustCompile(`/outbox\?[^"]*before=[0-9a-z]{26}`).FindString(page)
	_, _, page = get(t, root+strings.ReplaceAll(next, "&amp;", "&"))
	if n := strings.Count(page, "<li><a"); n != 5 || !strings.Contains(next, "width=phone") || !strings.Contains(next, "channel=email") {
		t.Errorf("%d entries on the second page, at %s", n, next)
	}
}

func TestNear(t *testing.T) {
	t.Parallel()
	for ago, want := range map[time.Duration]string{0: "just now", -time.Hour: "just now", time.Minute: "1 min ago", 59*time.Minute + 50*time.Second: "60 min ago",
		5 * time.Hour: "5 h ago", 49 * time.Hour: "22 Nov, 09:30"} {
		if got := near(ago, day); got != want {
			t.Errorf("%v: %q, want %q", ago, got, want)
		}
	}
}
