package actions_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/actions"
	"latchkey/engine"
	"latchkey/engine/flowfile"
)

// A taken is one request as a server saw it.
type taken struct {
	method, uri, body string
	header            http.Header
}

// A receiver is a server that keeps what it was sent.
type receiver struct {
	*httptest.Server
	mu   sync.Mutex
	seen []taken
}

func newReceiver(t *testing.T, answer http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		r.seen = append(r.seen, taken{req.Method, req.RequestURI, string(body), req.Header.Clone()})
		r.mu.Unlock()
		if answer != nil {
			answer(w, req)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) requests() []taken {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]taken(nil), r.seen...)
}

// hooks is a bench that calls servers.
func hooks(t *testing.T) *bench {
	t.Helper()
	b := newBench(t, nil)
	b.deps.HTTP = actions.NewHTTPClient()
	b.deps.HTTP.Timeout = time.Second
	t.Cleanup(b.deps.HTTP.CloseIdleConnections)
	b.deps.Secrets = map[string]engine.Secret{
		"crm": engine.NewSecret("sesame-open-up"), "signed": engine.NewSecret("whsec_" + base64.StdEncoding.EncodeToString([]byte("twenty-four bytes of key"))),
		"broken": engine.NewSecret("whsec_%%%"),
	}
	return b
}

// hook performs one webhook of the settings, in which SERVER stands for the server's address.
func (b *bench) hook(t *testing.T, r *receiver, settings string) (engine.Receipt, error) {
	t.Helper()
	a, call := b.call(t, "- webhook: "+strings.ReplaceAll(settings, "SERVER", r.URL))
	_, rec, err := attempt(t, a, call)
	return rec, err
}

func TestWebhookSendsTheEvent(t *testing.T) {
	t.Parallel()
	b, r := hooks(t), newReceiver(t, nil)
	if _, err := b.hook(t, r, "SERVER/hook"); err != nil {
		t.Fatal(err)
	}
	got := r.requests()[0]
	var body map[string]map[string]any
	if err := json.Unmarshal([]byte(got.body), &body); err != nil {
		t.Fatal(err)
	}
	if got.method != "POST" || got.uri != "/hook" || got.header.Get("Content-Type") != "application/json" || got.header.Get("Webhook-Signature") != "" ||
		body["contact"]["id"] != "c-17" || body["event"]["type"] != "lesson_completed" || body["lesson"]["id"] != "intro" ||
		body["run"]["workflow"] != "w" || body["location"]["id"] != "academy" {
		t.Errorf("%+v", got)
	}
	if key := got.header.Get("Idempotency-Key"); len(key) != 26 {
		t.Errorf("Idempotency-Key %q", key)
	}
}

// verify is what a receiver does, apart from the code under test.
func verify(key []byte, h http.Header, body string) bool {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(h.Get("Webhook-Id") + "." + h.Get("Webhook-Timestamp") + "." + body))
	return h.Get("Webhook-Signature") == "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func TestWebhookIsSigned(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]string{"crm": "sesame-open-up", "signed": "twenty-four bytes of key"} {
		b, r := hooks(t), newReceiver(t, nil)
		if _, err := b.hook(t, r, "{url: SERVER, secret: "+name+", body: {a: 1}}"); err != nil {
			t.Fatal(err)
		}
		got := r.requests()[0]
		if !verify([]byte(key), got.header, got.body) || got.body != `{"a":1}` || got.header.Get("Webhook-Id") != got.header.Get("Idempotency-Key") ||
			got.header.Get("Webhook-Timestamp") != fmt.Sprint(at.Add(time.Minute).Unix()) {
			t.Errorf("%s: %+v", name, got)
		}
		if verify([]byte(key), got.header, got.body+" ") {
			t.Error("the test's own check takes another body")
		}
	}
}

// TestWebhookFillsIn has values go into each place of a request, hostile ones too.
func TestWebhookFillsIn(t *testing.T) {
	t.Parallel()
	b, r := hooks(t), newReceiver(t, nil)
	b.person.Contact.FirstName = "A\"},\"admin\":true,{\"\r\nX-Evil: 1"
	b.person.Contact.Email = "a+b&c=d@x/../y?z#w.test"
	b.event.Custom = engine.Custom{"score": int64(7), "list": []any{"a", "b"}}
	_, err := b.hook(t, r, `
      url: SERVER/p/<<contact.email>>/q?e=<<contact.email>>&f=1
      method: PUT
      headers: {X-Name: "n <<contact.first_name>>", Authorization: {secret: crm, prefix: "Bearer "}, X-Count: 5}
      body:
        name: <<contact.first_name>>
        text: "Hi <<contact.first_name>>!"
        score: <<event.custom.score>>
        list: <<event.custom.list>>
        offers: <<offers>>
        fixed: [1, "1", true, null, 2026-11, {deep: <<lesson.title>>}]
        nobody: <<contact.last_name | default "">>`)
	if err != nil {
		t.Fatal(err)
	}
	got := r.requests()[0]
	var body map[string]any
	if err := json.Unmarshal([]byte(got.body), &body); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"name": b.person.Contact.FirstName, "text": "Hi " + b.person.Contact.FirstName + "!", "score": 7.0,
		"list": []any{"a", "b"}, "offers": []any{}, "fixed": []any{1.0, "1", true, nil, "2026-11", map[string]any{"deep": "Introduction"}}, "nobody": ""}
	if diff := cmp.Diff(want, body); diff != "" {
		t.Error(diff)
	}
	if want := "/p/a+b&c=d@x%2F..%2Fy%3Fz%23w.test/q?e=a%2Bb%26c%3Dd%40x%2F..%2Fy%3Fz%23w.test&f=1"; got.uri != want {
		t.Errorf("asked for %s, want %s", got.uri, want)
	}
	if got.method != "PUT" || got.header.Get("Authorization") != "Bearer sesame-open-up" || got.header.Get("X-Evil") != "" ||
		!strings.HasPrefix(got.header.Get("X-Name"), `n A"}`) || got.header.Get("X-Count") != "5" {
		t.Errorf("%s %v", got.method, got.header)
	}
	b.person.Contact.Email = ".."
	if _, err := b.hook(t, r, "SERVER/p/<<contact.email>>/q"); !engine.IsFinal(err) || !strings.Contains(err.Error(), "would change the address") {
		t.Errorf("a step up in the path: %v", err)
	}
	b.person.Contact.Email = ""
	if _, err := b.hook(t, r, "{url: SERVER, body: [{e: <<contact.email>>}]}"); !engine.IsFinal(err) || !strings.Contains(err.Error(), "workflows/w.yaml:4:") {
		t.Errorf("a field without a value: %v", err)
	}
	if n := len(r.requests()); n != 1 {
		t.Errorf("%d requests", n)
	}
}

func TestWebhookText(t *testing.T) {
	t.Parallel()
	b, r := hooks(t), newReceiver(t, nil)
	for _, s := range []string{"{url: SERVER, body: 'mail=<<contact.email | query>>', headers: {content-type: application/x-www-form-urlencoded}}", "{url: SERVER, method: GET}"} {
		if _, err := b.hook(t, r, s); err != nil {
			t.Fatal(err)
		}
	}
	got := r.requests()
	if got[0].body != "mail=ada%40example.com" || got[0].header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		t.Errorf("%+v", got[0])
	}
	if got[1].method != "GET" || got[1].body != "" || got[1].header.Get("Content-Type") != "" {
		t.Errorf("%+v", got[1])
	}
}

// TestWebhookOutcomes holds what each answer means.
func TestWebhookOutcomes(t *testing.T) {
	t.Parallel()
	const ok, final, again, unknown = "ok", "final", "again", "unknown"
	status := func(code int, headers ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(headers); i += 2 {
				w.Header().Set(headers[i], headers[i+1])
			}
			w.WriteHeader(code)
			fmt.Fprint(w, `{"error": "no, sesame-open-up is wrong"}`)
		}
	}
	hijack := func(fn func(io.Writer)) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			if fn != nil {
				fn(c)
			}
		}
	}
	tests := []struct {
		name   string
		answer http.HandlerFunc
		want   string
		later  time.Duration
		says   string
	}{
		{"200", status(200), ok, 0, ""},
		{"201", status(201), ok, 0, ""},
		{"204", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, ok, 0, ""},
		{"400", status(400), final, 0, `answered 400 Bad Request: {"error": "no, [redacted] is wrong"}`},
		{"401", status(401), final, 0, "answered 401"},
		{"404", status(404), final, 0, "answered 404"},
		{"409", status(409), final, 0, "answered 409"},
		{"410", status(410), final, 0, "answered 410"},
		{"422", status(422), final, 0, "answered 422"},
		{"408", status(408), again, 0, "answered 408"},
		{"425", status(425), again, 0, "answered 425"},
		{"429", status(429, "Retry-After", "120"), again, 2 * time.Minute, "answered 429"},
		{"429 for ever", status(429, "Retry-After", "99999999"), again, 6 * time.Hour, "answered 429"},
		{"429 with nonsense", status(429, "Retry-After", "soon"), again, 0, "answered 429"},
		{"500", status(500), again, 0, "answered 500"},
		{"503 with a date", status(503, "Date", "Thu, 05 Nov 2026 09:00:00 GMT", "Retry-After", "Thu, 05 Nov 2026 09:00:30 GMT"), again, 30 * time.Second, "answered 503"},
		{"503 with a date that is past", status(503, "Date", "Thu, 05 Nov 2026 09:00:00 GMT", "Retry-After", "Wed, 04 Nov 2026 09:00:30 GMT"), again, 0, "answered 503"},
		{"302 to elsewhere", status(302, "Location", "http://127.0.0.1:1/"), final, 0, "redirects to another host"},
		{"307 to elsewhere", status(307, "Location", "http://localhost:1/"), final, 0, "redirects to another host"},
		{"308 without a place", status(308), final, 0, "answered 308"},
		{"303 here, which would be a GET", status(303, "Location", "/else"), final, 0, "write the address"},
		{"closed at once", hijack(nil), unknown, 0, ""},
		{"garbage", hijack(func(w io.Writer) { fmt.Fprint(w, "garbage\r\n\r\n") }), unknown, 0, ""},
		{"endless headers", hijack(func(w io.Writer) {
			fmt.Fprint(w, "HTTP/1.1 200 OK\r\n")
			for range 100_000 {
				if _, err := fmt.Fprint(w, "X-More: and more\r\n"); err != nil {
					return
				}
			}
		}), unknown, 0, ""},
		{"slow", func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-time.After(10 * time.Second):
			}
		}, unknown, 0, ""},
		{"taken, then broken", hijack(func(w io.Writer) { fmt.Fprint(w, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{") }), ok, 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b, r := hooks(t), newReceiver(t, tt.answer)
			_, err := b.hook(t, r, "{url: SERVER/in, headers: {Authorization: {secret: crm}}}")
			got := again
			switch {
			case err == nil:
				got = ok
			case engine.IsFinal(err):
				got = final
			case engine.IsUnknown(err):
				got = unknown
			}
			later, _ := engine.LaterBy(err)
			if got != tt.want || later != tt.later || engine.IsDown(err) || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%s, %s: %v", got, later, err)
			}
			if err != nil && (strings.Contains(err.Error(), "sesame") || strings.Contains(err.Error(), "/in")) {
				t.Errorf("the error tells too much: %v", err)
			}
		})
	}
}

// TestWebhookQuotesLittle has a server answer with what it was sent, with text for terminals, and endlessly.
func TestWebhookQuotesLittle(t *testing.T) {
	t.Parallel()
	const secret = "sesame-open-up"
	long := strings.Repeat("S", 30_000)
	for name, answer := range map[string]string{
		"id":            "HTTP/1.1 200 OK\r\nX-Request-Id: Bearer " + secret + "\r\nContent-Length: 0\r\n\r\n",
		"no HTTP":       secret + "\x1b[31m" + long + "\r\n\r\n",
		"a bad place":   "HTTP/1.1 307 Here\r\nLocation: http://[" + secret + long + "\r\nContent-Length: 0\r\n\r\n",
		"right to left": "HTTP/1.1 400 No\r\nContent-Length: 20\r\n\r\n" + secret + "\u202e\u009bx",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, r := hooks(t), newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
				c, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				_, _ = io.WriteString(c, answer)
			})
			rec, err := b.hook(t, r, "{url: SERVER/in, headers: {Authorization: {secret: crm}}}")
			told := rec.ID + " " + fmt.Sprint(err)
			if strings.Contains(told, secret) || strings.ContainsAny(told, "\x1b\u009b\u202e") || len(told) > 600 || (err == nil) != (rec.ID != "") {
				t.Errorf("%d bytes: %.300q", len(told), told)
			}
		})
	}
}

func TestWebhookUnreachable(t *testing.T) {
	t.Parallel()
	b, r := hooks(t), newReceiver(t, nil)
	r.Close()
	_, err := b.hook(t, r, "SERVER/in?who=<<contact.email>>")
	if err == nil || engine.IsFinal(err) || engine.IsUnknown(err) || engine.IsDown(err) || strings.Contains(err.Error(), "ada") {
		t.Errorf("a server that is not there: %v", err)
	}
}

// TestWebhookRedirects follows within one host, and sends body and key again.
func TestWebhookRedirects(t *testing.T) {
	t.Parallel()
	b := hooks(t)
	r := newReceiver(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/old" {
			http.Redirect(w, req, "/new", http.StatusPermanentRedirect)
		}
		if strings.HasPrefix(req.URL.Path, "/loop") {
			http.Redirect(w, req, req.URL.Path+"x", http.StatusTemporaryRedirect)
		}
	})
	if _, err := b.hook(t, r, "{url: SERVER/old, secret: crm}"); err != nil {
		t.Fatal(err)
	}
	got := r.requests()
	if len(got) != 2 || got[1].uri != "/new" || got[1].body != got[0].body || got[1].header.Get("Idempotency-Key") != got[0].header.Get("Idempotency-Key") {
		t.Errorf("%+v", got)
	}
	if _, err := b.hook(t, r, "SERVER/loop"); !engine.IsFinal(err) {
		t.Errorf("a loop: %v", err)
	}
	if n := len(r.requests()); n > 8 {
		t.Errorf("%d requests", n)
	}
}

// TestWebhookSaves takes what it was told to out of an answer, and no more.
func TestWebhookSaves(t *testing.T) {
	t.Parallel()
	const save = "{url: SERVER, save: {id: data.id, first: items.0.name, deep: data, all: items, yes: ok, none: gone.away, nil: nothing, long: text}}"
	long := strings.Repeat("x", 2000)
	for _, tt := range []struct{ name, answer, fields, fault string }{
		{"json", `{"data":{"id":9007199254740993},"items":[{"name":"a"}],"ok":true,"nothing":null,"text":"` + long + `"}`,
			`{"first":"a","id":9007199254740993,"nil":null,"yes":true}`,
			"not saved: all: items is a list; name an item of it, as in items.0; deep: data is an object; name a field in it; " +
				"long: text is longer than 1000 bytes; none: gone.away is not in the answer"},
		{"not JSON", "<html>", "null", "nothing was saved: the answer is not JSON"},
		{"two documents", `1},"x":{"y":1`, "null", "nothing was saved: the answer is not JSON"},
		{"empty", "", "null", "nothing was saved: the answer is not JSON"},
		{"huge", `{"data":"` + strings.Repeat("y", 300<<10) + `"}`, "null", "nothing was saved: the answer is longer than 256 KiB, or broke off"},
		{"deep", strings.Repeat(`[`, 50_000), "null", "nothing was saved: the answer is not JSON"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b, r := hooks(t), newReceiver(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, tt.answer) })
			rec, err := b.hook(t, r, save)
			if err != nil || rec.Answer == nil {
				t.Fatal(rec, err)
			}
			fields, err := json.Marshal(rec.Answer.Fields)
			if err != nil || string(fields) != tt.fields || rec.Answer.Fault != tt.fault {
				t.Errorf("%s\n%s %v", fields, rec.Answer.Fault, err)
			}
		})
	}
}

func TestWebhookMistakes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, step string
		want       []string
	}{
		{"well", `{url: 'https://crm.test/<<contact.id | default "x">>?a=<<lesson.id>>', secret: signed, save: {id: data.id}, body: {x: [<<lesson.id>>]}}`, nil},
		{"nothing", "{}", []string{"w.yaml:3:12: the webhook has no url; write `webhook: {url: https://example.com/hook}`"}},
		{"no address", "crm", []string{"w.yaml:3:12: this is no web address; write it as https://example.com/hook"}},
		{"ftp", "ftp://crm.test/", []string{"w.yaml:3:12: this is no web address; write it as https://example.com/hook"}},
		{"user", "https://me:pass@crm.test/", []string{"w.yaml:3:12: a user and password in the address would be shown in lists: put them into latchkey.yaml, under secrets"}},
		{"fragment", "'https://crm.test/#a'", []string{"w.yaml:3:13: what stands behind the # of an address is not sent: leave it out"}},
		{"host", "https://<<contact.id>>.crm.test/", []string{"w.yaml:3:20: the host must be written out, with a / behind it: a field may only stand in the path or behind the ?"}},
		{"host's end", "https://crm.test<<contact.id>>/", []string{"w.yaml:3:28: the host must be written out, with a / behind it: a field may only stand in the path or behind the ?"}},
		{"all a field", "<<event.custom.url>>", []string{"w.yaml:3:12: the host must be written out, with a / behind it: a field may only stand in the path or behind the ?"}},
		{"block", "'https://crm.test/<<if offer>>a<<end>>'", []string{"w.yaml:3:30: an address takes fields, and no if or range"}},
		{"in the clear", "http://crm.test/", []string{"w.yaml:3:12: warning: http sends everything in the clear; use https outside this machine"}},
		{"here", "http://localhost:99/", nil},
		{"login link", `{url: 'https://crm.test/<<login_url>>', headers: {X-L: 'a <<login_url>>'}, body: {l: ['<<login_url ttl="1h">>']}}`, []string{
			"w.yaml:3:36: login_url may not stand in a webhook: whoever sees it could log in as the learner",
			"w.yaml:3:70: login_url may not stand in a webhook: whoever sees it could log in as the learner",
			"w.yaml:3:99: login_url may not stand in a webhook: whoever sees it could log in as the learner"}},
		{"login link in text", "{url: https://crm.test, body: 'at <<login_url>>'}", []string{
			"w.yaml:3:46: login_url may not stand in a webhook: whoever sees it could log in as the learner"}},
		{"secrets", "{url: https://crm.test, secret: crmm, headers: {Authorization: {secret: zzz}, X-Key: {secrets: crm}}}", []string{
			`w.yaml:3:44: latchkey.yaml has no secret "crmm"; did you mean crm?`,
			"w.yaml:3:75: latchkey.yaml has no secret \"zzz\"; write it there as `secrets: {zzz: \"${VARIABLE}\"}`",
			`w.yaml:3:97: a header is a text, or {secret: NAME, prefix: "Bearer "}`}},
		{"broken secret", "{url: https://crm.test, secret: broken}", []string{`w.yaml:3:44: the secret "broken": behind whsec_ stands no base64`}},
		{"secret in the file", "{url: https://crm.test, headers: {authorization: Bearer abc}}", []string{
			"w.yaml:3:61: a secret does not stand in a workflow, whose text is kept with its runs: put it into latchkey.yaml, under secrets, and write `authorization: {secret: NAME, prefix: \"Bearer \"}`"}},
		{"secret address", "{url: {secret: crm}}", []string{`w.yaml:3:18: the secret "crm" is no web address`}},
		{"headers", "{url: https://crm.test, headers: {webhook-id: x, 'a b': x, host: x, X-List: [a]}}", []string{
			"w.yaml:3:58: this header is set by Latchkey itself",
			`w.yaml:3:68: "a b" is no name of a header`,
			"w.yaml:3:77: this header is set by Latchkey itself",
			"w.yaml:3:88: a header is one text, not a list"}},
		{"method", "{url: https://crm.test, method: SEND}", []string{`w.yaml:3:44: method cannot be "SEND"; it is POST, PUT, PATCH, DELETE, GET`}},
		{"body of a GET", "{url: https://crm.test, method: GET, body: {a: 1}}", []string{"w.yaml:3:55: a GET has no body"}},
		{"JSON by hand", `{url: https://crm.test, body: '{"a": "<<contact.id>>"}'}`, []string{
			"w.yaml:3:42: write the body as keys and values, not as one text: they are sent as JSON, and no value can break it"}},
		{"field", "{url: https://crm.test, body: {a: <<contact.nmae>>}}", []string{`w.yaml:3:48: unknown field contact.nmae; did you mean "contact.name"?`}},
		{"save", "{url: https://crm.test, save: {a-b: x, c: $.d.e, e: f..g}}", []string{
			`w.yaml:3:48: the field "a-b" must be letters, digits and _, and begin with no digit`,
			"w.yaml:3:54: write the path without the $, as d.e",
			`w.yaml:3:64: the path "f..g" has an empty part; write it as data.items.0.id`}},
		{"keys", "{urll: https://crm.test}", []string{`w.yaml:3:13: the step webhook has no key "urll"; did you mean url? (its keys: url, method, headers, body, secret, save)`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := hooks(t)
			_, problems := flowfile.Load("w.yaml", "w", []byte("triggers: [lesson_completed]\nsteps:\n- webhook: "+tt.step+"\n"), b.catalog(), &engine.Location{ID: "academy"})
			var got []string
			for _, p := range problems {
				text, _, _ := strings.Cut(p.String(), ", and then this message")
				got = append(got, text)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWebhookSecretsOfTheDay(t *testing.T) {
	t.Parallel()
	b, r := hooks(t), newReceiver(t, nil)
	b.deps.Secrets["hook"] = engine.NewSecret(r.URL + "/hidden-path")
	a, call := b.call(t, "- webhook: {url: {secret: hook}}")
	at, rec, err := attempt(t, a, call)
	if err != nil || r.requests()[0].uri != "/hidden-path" || strings.Contains(at.To+rec.Subject, "hidden") || at.To == "" {
		t.Errorf("%v %+v %+v", err, at, rec)
	}
	delete(b.deps.Secrets, "hook")
	if _, _, err := attempt(t, a, call); !engine.IsFinal(err) || !strings.Contains(err.Error(), `no secret "hook"`) {
		t.Errorf("without its secret: %v", err)
	}
}

// FuzzAnswer has a stranger answer what it likes.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{`{"a":{"b":[1,"x",null]}}`, "[[[", `{"a":1e999}`, "\xff", `{"a":{"b":"` + strings.Repeat("é", 600) + `"}}`, `"a"`, "7"} {
		f.Add(200, []byte(s), "5")
	}
	f.Fuzz(func(t *testing.T, status int, body []byte, retryAfter string) {
		if status < 200 || status > 999 {
			return
		}
		c := &http.Client{Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Header: http.Header{"Retry-After": {retryAfter}}, Body: io.NopCloser(bytes.NewReader(body)), Request: req}, nil
		})}
		b := newBench(t, nil)
		b.deps.HTTP = c
		a, call := b.call(t, "- webhook: {url: https://crm.test/, save: {x: a.b, y: a.b.0, z: 0}}")
		_, rec, err := attempt(t, a, call)
		switch {
		case err != nil && len(err.Error()) > 600:
			t.Errorf("an error of %d bytes", len(err.Error()))
		case err == nil:
			if j, err := json.Marshal(rec.Answer); err != nil || len(j) > 20_000 {
				t.Errorf("%d bytes are kept: %v", len(j), err)
			}
		}
		if later, ok := engine.LaterBy(err); ok && (later < 0 || later > 6*time.Hour) {
			t.Errorf("again after %s", later)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (r roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return r(req) }
