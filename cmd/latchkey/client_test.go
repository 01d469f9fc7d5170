package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"latchkey/engine"
	"latchkey/engine/console"
	"latchkey/engine/runner"
)

// This file is the world's outside: a NATS client, a browser and the admin API.

func (w *world) natsURL() string { return fmt.Sprintf("nats://127.0.0.1:%d", w.ports[2]) }

// connect is NATS as any other program uses it.
func (w *world) connect() *nats.Conn {
	w.t.Helper()
	nc, err := nats.Connect(w.natsURL(), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(nc.Close)
	return nc
}

// put publishes a message and waits for the stream.
func (w *world) put(nc *nats.Conn, m *nats.Msg) {
	w.t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := js.PublishMsg(w.t.Context(), m); err != nil {
		w.t.Fatalf("publish %s: %v", m.Subject, err)
	}
}

// send publishes one bare event.
func (w *world) send(nc *nats.Conn, trigger, id, data string) {
	w.t.Helper()
	m := nats.NewMsg("courses.academy." + trigger)
	m.Header.Set("Nats-Msg-Id", trigger+":"+id)
	m.Data = []byte(data)
	w.put(nc, m)
}

// A stored message of a stream.
type stored struct {
	subject string
	header  nats.Header
	data    []byte
}

// stream reads all of a stream's messages.
func (w *world) stream(nc *nats.Conn, name string) []stored {
	w.t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := js.Stream(w.t.Context(), name)
	if err != nil {
		w.t.Fatal(err)
	}
	var out []stored
	for seq := s.CachedInfo().State.FirstSeq; seq <= s.CachedInfo().State.LastSeq && seq > 0; seq++ {
		m, err := s.GetMsg(w.t.Context(), seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			w.t.Fatalf("%s %d: %v", name, seq, err)
		}
		out = append(out, stored{m.Subject, m.Header, m.Data})
	}
	return out
}

// quiet returns when every event is taken and nothing that they caused is due now.
func (w *world) quiet(i *instance, nc *nats.Conn) {
	w.t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		w.t.Fatal(err)
	}
	if !comes(func() bool {
		s, err := js.Stream(w.t.Context(), "COURSES")
		return err == nil && w.taken(i, s) && i.runner.Idle(w.t.Context()) == nil
	}) {
		w.t.Fatalf("never quiet\n%s", w.logTail())
	}
}

// taken reports whether every event of the stream is.
func (w *world) taken(i *instance, s jetstream.Stream) bool {
	last := s.CachedInfo().State.LastSeq
	if i.cfg.Partitions > 1 { // one that has no events stores its offset late
		c, err := s.Consumer(w.t.Context(), "latchkey")
		return err == nil && c.CachedInfo().AckFloor.Stream >= last
	}
	off, err := i.runner.Offsets(w.t.Context(), "COURSES")
	return err == nil && (last == 0 || off.Seq >= last && off.Created.Equal(s.CachedInfo().Created))
}

func (w *world) admin(path string) string {
	return fmt.Sprintf("http://127.0.0.1:%d%s", w.ports[1], path)
}

// do sends one request to the admin listener.
func (w *world) do(method, path, body string, edit ...func(*http.Request)) (status int, answer string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.admin(path), strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range edit {
		f(req)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// get reads a page of the admin listener.
func (w *world) get(path string) (status int, body string) {
	w.t.Helper()
	return w.do(http.MethodGet, path, "")
}

// ask reads an answer of the admin API.
func (w *world) ask(method, path, body string, into any) {
	w.t.Helper()
	status, answer := w.do(method, path, body)
	if status != http.StatusOK {
		w.t.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
	if err := json.Unmarshal([]byte(answer), into); err != nil {
		w.t.Fatal(err)
	}
}

// messages reads GET /v1/messages, the newest first.
func (w *world) messages(query string) []console.Message {
	w.t.Helper()
	var ms []console.Message
	w.ask(http.MethodGet, "/v1/messages"+query, "", &ms)
	return ms
}

// message waits for the one message of a channel to come into a state.
func (w *world) message(channel, state string) console.Message {
	w.t.Helper()
	return w.theMessage(channel+" that is "+state, func(m console.Message) bool { return m.Channel == channel && m.State == state })
}

// theMessage waits for a message that is so, and returns it as it then stood.
func (w *world) theMessage(what string, is func(console.Message) bool) (found console.Message) {
	w.t.Helper()
	var all []console.Message
	if !comes(func() bool {
		all = w.messages("")
		n := slices.IndexFunc(all, is)
		if n >= 0 {
			found = all[n]
		}
		return n >= 0
	}) {
		w.t.Fatalf("no %s came: %+v\n%s", what, all, w.logTail())
	}
	return found
}

// A person is a browser with its own cookies.
type person struct {
	*http.Client
	t *testing.T
}

func newPerson(t *testing.T) person {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return person{&http.Client{Jar: jar}, t}
}

// open looks at a page and returns its status, its text and its first form.
func (p person) open(method, target string, form url.Values) (int, page) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, target, strings.NewReader(form.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := p.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	pg, err := readPage(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return res.StatusCode, pg
}

// press opens a login link, presses its button, and returns the last page's status and text.
func (p person) press(link string) (int, string) {
	p.t.Helper()
	status, door := p.open(http.MethodGet, link, nil)
	if status == http.StatusOK {
		status, door = p.open(http.MethodPost, link[:strings.Index(link, "/l/")]+door.form.action, door.form.values)
	}
	return status, strings.Join(door.text, "\n")
}

// letsIn fails the test unless a link lets a new browser in and shows the title.
func letsIn(t *testing.T, what, link, title string) {
	t.Helper()
	if status, text := newPerson(t).press(link); status != http.StatusOK || !strings.Contains(text, title) {
		t.Errorf("%s: %d\n%s", what, status, text)
	}
}

// refuses fails the test unless a link answers 410 with these words.
func refuses(t *testing.T, what, link, words string) {
	t.Helper()
	if status, text := newPerson(t).press(link); status != http.StatusGone || !strings.Contains(text, words) {
		t.Errorf("%s: want a dead link that says %q, got %d\n%s", what, words, status, text)
	}
}

// tasks returns the tasks of a channel as the store has them, the newest first.
func (w *world) tasks(i *instance, channel string) []engine.Task {
	w.t.Helper()
	all, err := i.runner.Tasks(w.t.Context(), runner.Filter{})
	if err != nil {
		w.t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(t engine.Task) bool { return t.Kind != channel })
}
