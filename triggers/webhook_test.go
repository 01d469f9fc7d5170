package triggers

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"latchkey/engine"
)

const eventsToken = "open-sesame-0123456789"

// webhook runs a Webhook until the test ends.
func webhook(t testing.TB, b *Bus) *Webhook {
	t.Helper()
	w := NewWebhook(b, "academy", b.log)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return w
}

// httpPost sends a request; header holds names and values in turn.
func httpPost(h http.Handler, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}

func structured(id, trigger, data string) string {
	return fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"/shop","type":%q,"time":"2026-11-21T10:00:00Z","data":%s}`, id, trigger, data)
}

func binary(id, trigger string) []string {
	return []string{"Content-Type", "application/json", "ce-specversion", "1.0", "ce-id", id, "ce-source", "/shop", "ce-type", trigger}
}

func TestWebhookForms(t *testing.T) {
	t.Parallel()
	b := openBus(t, nil)
	h := newMemory()
	consume(t, b, h, nil)
	w := webhook(t, b)
	structuredType := []string{"Content-Type", "application/cloudevents+json; charset=utf-8"}
	posts := []struct {
		name, path, body string
		header           []string
		want             string // the answer; * stands for an id that was made
		ids              []string
	}{
		{"bare", "/v1/events/user_login", login("c-1"), []string{"Nats-Msg-Id", "b 1%20"}, `{"id":"b 1%20","duplicate":false}`, []string{"b 1%20"}},
		{"bare, again", "/v1/events/user_login", login("c-1"), []string{"Idempotency-Key", `"b 1%20"`}, `{"id":"b 1%20","duplicate":true}`, nil},
		{"bare, the id of another trigger", "/v1/events/new_sign_up", login("c-1"), []string{"Idempotency-Key", "b 1%20"}, `{"id":"b 1%20","duplicate":false}`, []string{"b 1%20"}},
		{"bare without id", "/v1/events/user_login", login("c-1"), nil, `{"id":"*","duplicate":false}`, []string{"*"}},
		{"bare as a form", "/v1/events/user_login", login("c-1"), []string{"Content-Type", "application/x-www-form-urlencoded", "Idempotency-Key", "ü"}, `{"id":"ü","duplicate":false}`, []string{"ü"}},
		{"structured", "/v1/events", structured("s-1", "com.acme.user_login", login("c-2")), structuredType, `{"id":"s-1","duplicate":false}`, []string{"s-1"}},
		{"structured, again", "/v1/events", structured("s-1", "user_login", login("c-2")), structuredType, `{"id":"s-1","duplicate":true}`, nil},
		{"structured as plain JSON", "/v1/events", structured("s-2", "user_login", login("c-2")), nil, `{"id":"s-2","duplicate":false}`, []string{"s-2"}},
		{"binary", "/v1/events", login("c-3"), binary("e%2F1", "user_login"), `{"id":"e/1","duplicate":false}`, []string{"e/1"}},
		{"batch", "/v1/events", "[" + structured("k-1", "user_login", login("c-4")) + ",\n" + structured("k-2", "new_sign_up", login("c-4")) + "," + structured("k-1", "user_login", login("c-4")) + "," + structured("s-1", "user_login", login("c-4")) + "]",
			[]string{"Content-Type", "application/cloudevents-batch+json"},
			`[{"id":"k-1","duplicate":false},{"id":"k-2","duplicate":false},{"id":"k-1","duplicate":true},{"id":"s-1","duplicate":true}]`, []string{"k-1", "k-2"}},
		{"empty batch", "/v1/events", " [ ] ", []string{"Content-Type", "application/cloudevents-batch+json"}, `[]`, nil},
	}
	var want []string
	for _, p := range posts {
		rec := httpPost(w, p.path, p.body, p.header...)
		got := strings.TrimSpace(rec.Body.String())
		if strings.Contains(p.want, "*") {
			var a accepted
			_ = json.Unmarshal([]byte(got), &a)
			p.want, p.ids[0] = strings.Replace(p.want, "*", a.ID, 1), a.ID
		}
		if rec.Code != http.StatusAccepted || got != p.want || rec.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %s, want %s", p.name, rec.Code, got, p.want)
		}
		want = append(want, p.ids...)
	}
	h.awaitEvents(t, len(want))
	if got := h.ids(); strings.Join(got, ",") != strings.Join(want, ",") {
		t.Errorf("got %v, want %v", got, want)
	}
	if ev := h.events[0]; ev.Source != "nats:courses.academy" || ev.Location != "academy" || ev.Type != UserLogin || ev.Contact.ID != "c-1" || time.Since(ev.Time) > time.Minute || ev.Warnings != nil {
		t.Errorf("bare: %+v", ev)
	}
	if ev := h.events[4]; ev.Source != "/shop" || !ev.Time.Equal(time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)) || ev.Contact.ID != "c-2" {
		t.Errorf("structured: %+v", ev)
	}
}

func TestWebhookRefuses(t *testing.T) {
	t.Parallel()
	b := openBus(t, nil)
	_, js := rawClient(t, b)
	w := webhook(t, b)
	batch := []string{"Content-Type", "application/cloudevents-batch+json"}
	good, bad := structured("1", "user_login", login("c-1")), structured("2", "offer_access_granted", login("c-1"))
	large := strings.Repeat("x", MaxEvent)
	for _, c := range []struct {
		name, path, body string
		header           []string
		status           int
		want             string
	}{
		{"unknown trigger", "/v1/events/user_logon", login("c"), nil, 404, `unknown trigger \"user_logon\"`},
		{"malformed", "/v1/events/user_login", `{"contact":`, nil, 400, "malformed JSON"},
		{"empty", "/v1/events/user_login", "", nil, 400, "the message is empty"},
		{"no contact", "/v1/events/user_login", "{}", nil, 400, "no contact"},
		{"no noun", "/v1/events/lesson_started", login("c"), nil, 400, "lesson.id is missing"},
		{"long id", "/v1/events/user_login", login("c"), []string{"Idempotency-Key", strings.Repeat("i", 257)}, 400, "longer than 256 bytes"},
		{"CloudEvent at a trigger", "/v1/events/user_login", good, binary("1", "user_login"), 400, "CloudEvents belong to /v1/events"},
		{"bare without trigger", "/v1/events", login("c"), nil, 400, "bare data belongs to /v1/events/{trigger}"},
		{"no id", "/v1/events", structured("", "user_login", login("c")), nil, 400, "CloudEvent id is missing"},
		{"unknown type", "/v1/events", structured("1", "com.acme.login", login("c")), nil, 400, `unknown trigger \"com.acme.login\"`},
		{"other format", "/v1/events", good, []string{"Content-Type", "application/cloudevents+avro"}, 400, "cloudevents+avro"},
		{"a list without its type", "/v1/events", "[" + good + "]", nil, 400, "want a JSON object"},
		{"large", "/v1/events/user_login", large + "x", nil, 413, "at most 1048576 bytes"},
		{"batch with bad ones", "/v1/events", "[" + good + "," + bad + ",7]", batch, 400,
			`"errors":[{"index":1,"detail":"offer.id is missing: offer_access_granted needs it"},{"index":2,"detail":"the data is a number: want a JSON object"}]`},
		{"no array", "/v1/events", good, batch, 400, "JSON array"},
		{"broken array", "/v1/events", "[" + good + ",{]", batch, 400, "malformed JSON in or after event 1"},
		{"open array", "/v1/events", "[" + good, batch, 400, "malformed JSON"},
		{"two arrays", "/v1/events", "[" + good + "][]", batch, 400, "more follows"},
		{"deep", "/v1/events", strings.Repeat("[", 1e6), batch, 400, "nested more than"},
		{"too many", "/v1/events", "[" + strings.Repeat(good+",", 500) + good + "]", batch, 413, "more than 500 events"},
		{"large event of a batch", "/v1/events", "[" + good + "," + structured("2", "user_login", `{"contact":{"id":"c"},"blob":"`+large+`"}`) + "]", batch, 413, `"index":1`},
		{"large batch", "/v1/events", strings.Repeat(" ", MaxBatchBytes+1), batch, 413, "at most 8388608 bytes"},
	} {
		rec := httpPost(w, c.path, c.body, c.header...)
		if rec.Code != c.status || !strings.Contains(rec.Body.String(), c.want) || rec.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %.300s", c.name, rec.Code, rec.Body)
		}
	}
	for method, path := range map[string]string{http.MethodGet: "/v1/events", http.MethodPut: "/v1/events/user_login"} {
		rec := httptest.NewRecorder()
		w.ServeHTTP(rec, httptest.NewRequest(method, path, nil))
		if rec.Code != http.StatusMethodNotAllowed {
			t.Errorf("%s %s: %d", method, path, rec.Code)
		}
	}
	if s, err := js.Stream(t.Context(), StreamCourses); err != nil || s.CachedInfo().State.LastSeq != 0 {
		t.Errorf("something was stored: %+v, %v", s.CachedInfo().State, err)
	}
	if n := w.held.Load(); n != 0 {
		t.Errorf("%d bytes are still held", n)
	}
}

// TestWebhookLargest takes the largest event and the largest batch.
func TestWebhookLargest(t *testing.T) {
	t.Parallel()
	b := openBus(t, nil)
	w := webhook(t, b)
	fit := func(text string, size int) string { return text + strings.Repeat(" ", size-len(text)) }
	if rec := httpPost(w, "/v1/events/user_login", fit(login("c"), MaxEvent)); rec.Code != http.StatusAccepted {
		t.Errorf("event: %d %s", rec.Code, rec.Body)
	}
	var list []string
	for i := range MaxBatchEvents {
		list = append(list, structured(fmt.Sprint("l-", i), "user_login", `{"contact":{"id":"c"},"blob":"`+strings.Repeat("x", 16<<10)+`"}`))
	}
	body := "[" + strings.Join(list, ",") + "]"
	rec := httpPost(w, "/v1/events", fit(body, MaxBatchBytes), "Content-Type", "application/cloudevents-batch+json")
	if rec.Code != http.StatusAccepted || strings.Count(rec.Body.String(), `"duplicate":false`) != MaxBatchEvents {
		t.Errorf("batch: %d %.300s", rec.Code, rec.Body)
	}
}

func TestWebhookGuard(t *testing.T) {
	t.Parallel()
	w := NewWebhook(openBus(t, nil), "academy", zerolog.Nop())
	guarded := w.Guard(engine.NewSecret(eventsToken))
	unread := &unreadable{t: t}
	for _, header := range []string{"", "Bearer", "Bearer ", "Bearer wrong", "Bearer " + eventsToken + "x", "Bearer " + eventsToken[1:], "Basic " + eventsToken, eventsToken} {
		r := httptest.NewRequest(http.MethodPost, "/v1/events/user_login", unread)
		r.Header.Set("Authorization", header)
		rec := httptest.NewRecorder()
		guarded.ServeHTTP(rec, r)
		if rec.Code != http.StatusUnauthorized || !strings.HasPrefix(rec.Header().Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("%q: %d", header, rec.Code)
		}
	}
	if rec := httpPost(w.Guard(engine.Secret{}), "/v1/events/user_login", login("c"), "Authorization", "Bearer "); rec.Code != http.StatusUnauthorized {
		t.Errorf("the empty token opens: %d", rec.Code)
	}
	for _, scheme := range []string{"Bearer ", "bearer "} {
		if rec := httpPost(guarded, "/v1/events/user_login", "{}", "Authorization", scheme+eventsToken); rec.Code != http.StatusBadRequest {
			t.Errorf("the right token: %d %s", rec.Code, rec.Body)
		}
	}
}

// An unreadable body fails the test when it is read.
type unreadable struct{ t *testing.T }

func (u *unreadable) Read([]byte) (int, error) {
	u.t.Error("a body was read before its token")
	return 0, io.EOF
}

func TestWebhookWithoutNATS(t *testing.T) {
	t.Parallel()
	b := openBus(t, nil)
	_, js := rawClient(t, b)
	w := webhook(t, b)
	if err := js.DeleteStream(t.Context(), StreamCourses); err != nil {
		t.Fatal(err)
	}
	wantUnavailable(t, "without a stream", httpPost(w, "/v1/events/user_login", login("c"), "Nats-Msg-Id", "1"), "1")
	if err := b.EnsureStreams(t.Context()); err != nil {
		t.Fatal(err)
	}
	if rec := httpPost(w, "/v1/events/user_login", login("c"), "Nats-Msg-Id", "1"); rec.Code != http.StatusAccepted {
		t.Errorf("with a stream again: %d %s", rec.Code, rec.Body)
	}
	b.srv.Shutdown()
	b.srv.WaitForShutdown()
	began := time.Now()
	batch := "[" + structured("2", "user_login", login("c")) + "," + structured("3", "user_login", login("c")) + "]"
	wantUnavailable(t, "without a server", httpPost(w, "/v1/events", batch, "Content-Type", "application/cloudevents-batch+json"), "2", "3")
	if took := time.Since(began); took > turnWait+sendWait {
		t.Errorf("took %s", took)
	}
}

func wantUnavailable(t *testing.T, when string, rec *httptest.ResponseRecorder, ids ...string) {
	t.Helper()
	var p struct{ IDs []string }
	err := json.Unmarshal(rec.Body.Bytes(), &p)
	if err != nil || rec.Code != http.StatusServiceUnavailable || rec.Header().Get("Retry-After") == "" || strings.Join(p.IDs, " ") != strings.Join(ids, " ") {
		t.Errorf("%s: %d %v %s", when, rec.Code, rec.Header(), rec.Body)
	}
}

// TestWebhookEnds: what comes after the end is told to come again.
func TestWebhookEnds(t *testing.T) {
	t.Parallel()
	w := NewWebhook(openBus(t, nil), "academy", zerolog.Nop())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Run(ctx); err != nil {
		t.Fatal(err)
	}
	wantUnavailable(t, "after the end", httpPost(w, "/v1/events/user_login", login("c"), "Nats-Msg-Id", "1"), "1")
}

// TestWebhookSlowBody: a body that comes slowly holds nobody up, and one that breaks off stores nothing.
func TestWebhookSlowBody(t *testing.T) {
	t.Parallel()
	b := openBus(t, nil)
	_, js := rawClient(t, b)
	w := webhook(t, b)
	body, slow := io.Pipe()
	answer := make(chan *httptest.ResponseRecorder, 1)
	go func() {
		rec := httptest.NewRecorder()
		w.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/v1/events/user_login", body))
		answer <- rec
	}()
	if _, err := slow.Write([]byte(`{"contact":`)); err != nil {
		t.Fatal(err)
	}
	if rec := httpPost(w, "/v1/events/user_login", login("c")); rec.Code != http.StatusAccepted {
		t.Errorf("meanwhile: %d %s", rec.Code, rec.Body)
	}
	slow.CloseWithError(io.ErrUnexpectedEOF)
	if rec := <-answer; rec.Code != http.StatusBadRequest || !strings.Contains(rec.Body.String(), "broke off") {
		t.Errorf("broken off: %d %s", rec.Code, rec.Body)
	}
	if s, err := js.Stream(t.Context(), StreamCourses); err != nil || s.CachedInfo().State.Msgs != 1 {
		t.Errorf("%+v, %v", s.CachedInfo().State, err)
	}
}

// TestWebhookBound refuses bodies beyond what may be held at a time, also of a length that nobody told.
func TestWebhookBound(t *testing.T) {
	t.Parallel()
	w := webhook(t, openBus(t, nil))
	w.held.Store(maxHeld - MaxEvent + 1)
	r := httptest.NewRequest(http.MethodPost, "/v1/events/user_login", strings.NewReader(login("c")))
	r.ContentLength = -1
	rec := httptest.NewRecorder()
	w.ServeHTTP(rec, r)
	if rec.Code != http.StatusServiceUnavailable || rec.Header().Get("Retry-After") == "" {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if rec := httpPost(w, "/v1/events/user_login", login("c")); rec.Code != http.StatusAccepted {
		t.Errorf("a small one: %d %s", rec.Code, rec.Body)
	}
	if n := w.held.Load(); n != maxHeld-MaxEvent+1 {
		t.Errorf("%d bytes held", n)
	}
}

// A readFunc is a body.
type readFunc func([]byte) (int, error)

func (f readFunc) Read(b []byte) (int, error) { return f(b) }

// TestWebhookEndlessLength: whoever says that their body is endless, and sends it slowly, keeps nobody else out meanwhile.
func TestWebhookEndlessLength(t *testing.T) {
	t.Parallel()
	w := webhook(t, openBus(t, nil))
	meanwhile := func([]byte) (int, error) {
		if rec := httpPost(w, "/v1/events/user_login", login("c")); rec.Code != http.StatusAccepted {
			t.Errorf("meanwhile: %d %s", rec.Code, rec.Body)
		}
		return 0, io.ErrUnexpectedEOF
	}
	r := httptest.NewRequest(http.MethodPost, "/v1/events/user_login", readFunc(meanwhile))
	r.ContentLength = 1 << 40
	rec := httptest.NewRecorder()
	w.ServeHTTP(rec, r)
	if rec.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if rec := httpPost(w, "/v1/events/user_login", login("c")); rec.Code != http.StatusAccepted {
		t.Errorf("afterwards: %d %s", rec.Code, rec.Body)
	}
}

// TestWebhookForeignIDs: a stream drops a repeated Nats-Msg-Id whatever its subject. Whoever may publish for another location cannot
// have our events dropped by sending their ids first. It is red when the id is made of the event's identity alone.
func TestWebhookForeignIDs(t *testing.T) {
	t.Parallel()
	b := openBus(t, nil)
	_, js := rawClient(t, b)
	w := webhook(t, b)
	put(t, js, "courses.studio.user_login", login("x"), jetstream.MsgIDHeader, `academy.user_login:"nats:courses.academy":17`)
	for _, want := range []string{`"duplicate":false`, `"duplicate":true`} {
		rec := httpPost(w, "/v1/events/user_login", login("c"), jetstream.MsgIDHeader, "17")
		if rec.Code != http.StatusAccepted || !strings.Contains(rec.Body.String(), want) {
			t.Errorf("%d %s, want %s", rec.Code, rec.Body, want)
		}
	}
	if s, err := js.Stream(t.Context(), StreamCourses); err != nil || s.CachedInfo().State.Msgs != 2 {
		t.Errorf("%+v, %v", s.CachedInfo().State, err)
	}
}

// FuzzWebhook: what HTTP takes is what the consumer reads from the stream's message, and nothing else.
func FuzzWebhook(f *testing.F) {
	f.Add("user_login", "", "id-1", "", []byte(login("c")))
	f.Add("", "application/cloudevents+json", "", "", []byte(structured("1", "user_login", login("c"))))
	f.Add("", "application/cloudevents-batch+json", "", "", []byte("["+structured("1", "user_login", login("c"))+","+structured("1", "x", "{}")+"]"))
	f.Add("", "application/json", "a%20b", "com.acme.user_login", []byte(login("c")))
	f.Fuzz(func(t *testing.T, trigger, content, id, typ string, body []byte) {
		w := NewWebhook(nil, "academy", zerolog.Nop())
		header := http.Header{"Content-Type": {content}}
		if typ != "" {
			header["Ce-Id"], header["Ce-Type"], header["Ce-Source"], header["Ce-Specversion"] = []string{id}, []string{typ}, []string{"/s"}, []string{"1.0"}
		} else {
			header.Set(jetstream.MsgIDHeader, id)
		}
		var in []incoming
		var refused *refusal
		switch {
		case trigger != "":
			in, refused = w.readData(trigger, header, body)
		case isBatch(header):
			in, refused = w.readBatch(body)
		default:
			in, refused = w.readEvent(header, body)
		}
		if refused != nil {
			if len(in) > 0 || refused.detail == "" || refused.status < 400 {
				t.Errorf("%d events and %+v", len(in), refused)
			}
			return
		}
		for _, e := range in {
			m := Message{Subject: e.msg.Subject, Header: e.msg.Header, Data: e.msg.Data, Seq: 9, Time: time.Now()}
			got, err := (&Decoder{}).Decode(m)
			if err != nil || got.ID != e.event.ID || got.Source != e.event.Source || got.Type != e.event.Type || got.Contact.ID != e.event.Contact.ID {
				t.Errorf("taken as %+v, read as %+v, %v", e.event, got, err)
			}
		}
	})
}
