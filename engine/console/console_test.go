package console_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/engine"
	"latchkey/engine/console"
)

// A house is all that the console asks, with what it was asked for.
type house struct {
	asked []string
	err   error // what everything answers, if set
}

func (h *house) note(format string, args ...any) error {
	h.asked = append(h.asked, fmt.Sprintf(format, args...))
	return h.err
}

func (h *house) Pause(_ context.Context, location, reason string) (console.Pause, error) {
	return console.Pause{Location: location, Paused: true, Reason: reason}, h.note("pause %s %s", location, reason)
}

func (h *house) Resume(_ context.Context, location string) (console.Pause, error) {
	return console.Pause{Location: location}, h.note("resume %s", location)
}

func (h *house) Messages(_ context.Context, q console.Query) ([]console.Message, error) {
	if err := h.note("messages %s", asked(q)); err != nil || q.Contact == "quiet" {
		return nil, err
	}
	return []console.Message{{ID: "m1", Subject: "A & <b>", Links: []string{"lnk_1"}}}, nil
}

// asked shows what a query asks for, without what it leaves open.
func asked(q any) string {
	var out []string
	v := reflect.ValueOf(q)
	for i := range v.NumField() {
		if !v.Field(i).IsZero() {
			out = append(out, fmt.Sprintf("%s:%v", v.Type().Field(i).Name, v.Field(i)))
		}
	}
	return strings.Join(out, " ")
}

func (h *house) Message(_ context.Context, location, id string) (console.Message, error) {
	return console.Message{ID: id, Links: []string{}}, h.note("message %s %s", location, id)
}

func (h *house) Contact(_ context.Context, location, ref string) (*engine.Person, error) {
	return &engine.Person{Location: location, Contact: engine.Contact{ID: ref}}, h.note("contact %s %s", location, ref)
}

func (h *house) Import(_ context.Context, location string, rows []console.Row) (console.ImportResult, error) {
	return console.ImportResult{Added: len(rows)}, h.note("import %s %d", location, len(rows))
}

func (h *house) Forget(_ context.Context, location, ref string, dry bool) (console.Removed, error) {
	return console.Removed{Contact: "k", Runs: 3}, h.note("forget %s %s %v", location, ref, dry)
}

func (h *house) New(_ context.Context, n console.NewLink) (console.Link, error) {
	return console.Link{ID: "lnk_1", URL: "https://learn.acme.test/l/x"}, h.note("new %+v", n)
}

func (h *house) Link(_ context.Context, id string) (console.Link, error) {
	return console.Link{ID: id}, h.note("link %s", id)
}

func (h *house) Revoke(_ context.Context, id string) (console.Link, error) {
	return console.Link{ID: id}, h.note("revoke %s", id)
}

func (h *house) OfContact(_ context.Context, location, ref string) ([]console.Link, error) {
	return nil, h.note("links of %s %s", location, ref)
}

func (h *house) status(context.Context) (map[string]any, error) {
	return map[string]any{"commits": 7}, h.note("status")
}

func (h *house) ask(method, target, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	console.Handler(console.Config{
		Messages: h, Contacts: h, Links: h, History: past{h}, Status: h.status, Dead: grave{h}, Control: hand{h}, Sending: h, Forgetter: h, Open: true,
		Now:      func() time.Time { return time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC) },
		Location: &engine.Location{ID: "academy", BaseURL: "https://learn.acme.test"}, Name: func() string { return `Acme <i>&` },
	}).ServeHTTP(w, httptest.NewRequest(method, target, strings.NewReader(body)))
	return w
}

// TestAnswers has requests that are right, what the house is asked for them, and a part of the answer.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ method, target, body, asks, says string }{
		{"GET", "/v1/status", "", "status", `"commits": 7`},
		{"POST", "/v1/pause", "", "pause academy ", `"paused": true`},
		{"POST", "/v1/pause", `{"reason": " the relay burns "}`, "pause academy the relay burns", `"reason": "the relay burns"`},
		{"POST", "/v1/resume", "", "resume academy", `"paused": false`},
		{"GET", "/v1/messages", "", "messages Location:academy Limit:100", `"subject": "A & <b>"`},
		{"GET", "/v1/messages?contact=quiet", "", "messages Location:academy Limit:100 Contact:quiet", "[]"},
		{"GET", "/v1/messages?limit=1000&before=b&contact=a%40b.c&run=r&state=expired&workflow=w", "", "messages Location:academy Limit:1000 Before:b Contact:a@b.c Run:r State:expired Workflow:w", `"links": [`},
		{"GET", "/v1/messages?limit=1", "", "messages Location:academy Limit:1", `"id": "m1"`},
		{"GET", "/v1/messages?since=2026-11-02&until=2h", "", "messages Location:academy Limit:100 Since:2026-11-02 00:00:00 +0000 UTC Until:2026-11-22 06:00:00 +0000 UTC", `"id": "m1"`},
		{"GET", "/v1/messages/m1", "", "message academy m1", `"id": "m1"`},
		{"POST", "/v1/messages/m1/retry", "", "retry academy m1", `"done"`},
		{"POST", "/v1/messages/m1/resend", "", "resend academy m1", `"done"`},
		{"POST", "/v1/runs/r1/cancel", "", "cancel academy r1", `"done"`},
		{"POST", "/v1/runs/r1/retry", "", "go on academy r1", `"done"`},
		{"GET", "/v1/contacts/ada@example.com", "", "contact academy ada@example.com", `"id": "ada@example.com"`},
		{"GET", "/v1/contacts/a%2Fb", "", "contact academy a/b", `"id": "a/b"`},
		{"GET", "/v1/contacts/ada/links", "", "links of academy ada", "[]"},
		{"POST", "/v1/contacts", `[{"contact": {"id": "a"}}, {"contact": {"email": "b@c.d"}, "offers": [{"id": "gold"}]}]`, "import academy 2", `"added": 2`},
		{"POST", "/v1/contacts/ada@example.com/forget?dry_run=true", "", "forget academy ada@example.com true", `"runs": 3`},
		{"POST", "/v1/contacts/a%2Fb/forget", "", "forget academy a/b false", `"contact": "k"`},
		{"POST", "/v1/contacts", `[]`, "import academy 0", `"added": 0`},
		{"POST", "/v1/links", `{"contact": "ada", "to": "product:x", "ttl": "2h", "uses": 3, "app": "courses"}`, "new {Location:academy Kind:learner Contact:ada App:courses To:product:x TTL:2h Uses:3 Bind:}", `"url": "https://learn.acme.test/l/x"`},
		{"POST", "/v1/links", `{"contact": "ada", "location": "academy"}`, "new {Location:academy Kind:learner Contact:ada App: To: TTL: Uses:0 Bind:}", `"id": "lnk_1"`},
		{"GET", "/v1/links/lnk_1", "", "link lnk_1", `"id": "lnk_1"`},
		{"POST", "/v1/links/lnk_1/revoke", "", "link lnk_1; revoke lnk_1", `"id": "lnk_1"`},
		{"GET", "/v1/dead?limit=3&before=9&since=3d&reason=x&event=o%2F1", "", "letters Limit:3 Before:9 Since:2026-11-19 08:00:00 +0000 UTC Reason:x Event:o/1", `"id": "sign-up:a***@example.com"`},
		{"GET", "/v1/dead/17", "", "letter 17", `"data": "{\"email\": \"a***@example.com\", \"token\": \"[hidden]\"}"`},
		{"GET", "/v1/dead/17", "", "letter 17", `"[hidden]"`},
		{"POST", "/v1/dead/replay", `{"letters": [4, 2]}`, "replay [4 2]", `"error": "no"`},
	} {
		h := new(house)
		w := h.ask(c.method, c.target, c.body)
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), c.says) || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s %s: %d %s", c.method, c.target, w.Code, w.Body)
		}
		if diff := cmp.Diff(c.asks, strings.Join(h.asked, "; ")); diff != "" {
			t.Errorf("%s %s asks for (-want +got)\n%s", c.method, c.target, diff)
		}
		if got := w.Header(); got.Get("Content-Type") != "application/json" || got.Get("Cache-Control") != "no-store" {
			t.Errorf("%s %s: headers %v", c.method, c.target, got)
		}
	}
}

// TestRefusals has requests that are wrong: none reaches the house, and each answer is problem+json that says why.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method, target, body string
		status               int
		says                 string
	}{
		{"GET", "/v1/messages?limit=0", "", 400, "limit is a number from 1 to 1000"},
		{"GET", "/v1/messages?limit=1001", "", 400, "limit is"},
		{"GET", "/v1/messages?limit=-1", "", 400, "limit is"},
		{"GET", "/v1/messages?limit=ten", "", 400, "limit is"},
		{"GET", "/v1/messages?state=lost", "", 400, `no state "lost"; there are due`},
		{"GET", "/v1/messages?sate=sent", "", 400, `no parameter "sate"; there are limit`},
		{"GET", "/v1/messages?since=yesterday", "", 400, `since: "yesterday" is no time; write how long ago (3d)`},
		{"GET", "/v1/dead?before=x", "", 400, `"x" is no dead letter's number`},
		{"GET", "/v1/dead?state=x", "", 400, `no parameter "state"`},
		{"GET", "/v1/dead/x", "", 400, "no dead letter's number"},
		{"POST", "/v1/dead/0/replay", "", 400, "no dead letter's number"},
		{"POST", "/v1/dead/replay", `{}`, 400, "letters: 1 to 500 numbers"},
		{"POST", "/v1/pause", `{"reason": "a\nb"}`, 400, "reason is one line of at most 200 characters"},
		{"POST", "/v1/pause", `{"reason": "` + strings.Repeat("é", 201) + `"}`, 400, "reason is one line"},
		{"POST", "/v1/pause", `{"why": "x"}`, 400, `"why"`},
		{"GET", "/v1/pause", "", 404, "there is no GET /v1/pause"},
		{"POST", "/v1/contacts/a/forget?dry=true", "", 400, "there is only the parameter dry_run"},
		{"POST", "/v1/contacts/a/forget?dry_run=yes", "", 400, "which is true or false"},
		{"POST", "/v1/contacts", ``, 400, "body"},
		{"POST", "/v1/contacts", `[`, 400, "body"},
		{"POST", "/v1/contacts", `{}`, 400, "body"},
		{"POST", "/v1/contacts", `[] []`, 400, "more than one JSON value"},
		{"POST", "/v1/contacts", `[{"contact": {"id": "a"}}, {"contact": {"phone": "+14155550123"}}]`, 400, "row 2: needs contact.id or contact.email"},
		{"POST", "/v1/contacts", `[{"contact": {"id": "a"}, "ofers": []}]`, 400, `"ofers"`},
		{"POST", "/v1/contacts", "[" + strings.Repeat(" ", 16<<20), 413, "too large"},
		{"POST", "/v1/links", `{}`, 400, "contact is missing"},
		{"POST", "/v1/links", `{"contact": 7}`, 400, "body"},
		{"POST", "/v1/links", `{"contact": "ada", "tll": "2h"}`, 400, `"tll"`},
		{"POST", "/v1/links", `{"contact": "ada", "location": "elsewhere"}`, 404, `"elsewhere"`},
		{"GET", "/v1/links?kind=lerner", "", 400, `no kind "lerner" of links; there are learner`},
		{"GET", "/v1/links?type=app", "", 400, `no parameter "type"; there are limit, before and kind`},
		{"GET", "/v1/audit?limit=0", "", 400, "limit is a number from 1 to 1000"},
		{"GET", "/v1/audit?when=2d", "", 400, `no parameter "when"; there are limit, before, who`},
		{"GET", "/v1/", "", 404, "there is no GET /v1/"},
		{"GET", "/v1/nothing", "", 404, "there is no GET /v1/nothing"},
		{"DELETE", "/v1/messages", "", 404, "there is no DELETE /v1/messages"},
		{"GET", "/v1/links/lnk_1/revoke", "", 404, "there is no GET"},
		{"GET", "/v1/contacts/a/b", "", 404, "there is no GET"},
	} {
		h := new(house)
		checkProblem(t, c.method+" "+c.target, h.ask(c.method, c.target, c.body), c.status, c.says)
		if len(h.asked) > 0 {
			t.Errorf("%s %s asks for %v", c.method, c.target, h.asked)
		}
	}
}

// TestErrors has what the house's errors become.
func TestErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err    error
		status int
		says   string
	}{
		{fmt.Errorf("contact %q: %w", "bob", console.ErrNotFound), 404, `contact "bob": not found`},
		{fmt.Errorf("%w: ttl: too long", console.ErrInvalid), 400, "ttl: too long"},
		{fmt.Errorf("%w: message m: it is sent: resend", console.ErrConflict), 409, "message m: it is sent: resend"},
		{errors.New("store is closed"), 500, "store is closed"},
	} {
		for _, target := range []string{"/v1/status", "/v1/messages", "/v1/messages/m", "/v1/runs", "/v1/runs/r", "/v1/events", "/v1/events/e", "/v1/contacts/bob", "/v1/contacts/bob/links", "/v1/links/lnk_1"} {
			checkProblem(t, target, (&house{err: c.err}).ask("GET", target, ""), c.status, c.says)
		}
		for target, body := range map[string]string{"/v1/contacts": "[]", "/v1/links": `{"contact": "bob"}`, "/v1/links/lnk_1/revoke": "", "/v1/messages/m/retry": "", "/v1/runs/r/cancel": "", "/v1/pause": "", "/v1/resume": ""} {
			checkProblem(t, target, (&house{err: c.err}).ask("POST", target, body), c.status, c.says)
		}
	}
}

// checkProblem wants problem+json (RFC 9457) whose detail says something.
func checkProblem(t *testing.T, what string, w *httptest.ResponseRecorder, status int, says string) {
	t.Helper()
	var p struct {
		Title, Detail string
		Status        int
	}
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Errorf("%s: %v: %s", what, err, w.Body)
		return
	}
	if w.Code != status || p.Status != status || p.Title != http.StatusText(status) || !strings.Contains(p.Detail, says) ||
		strings.HasPrefix(p.Detail, "invalid") || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("%s: %d, want %d and %q: %s", what, w.Code, status, says, w.Body)
	}
}
