package triggers

import (
	"fmt"
	"strings"
	"testing"
)

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	b := openBus(t, nil)
	_, js := rawClient(t, b)
	h := newMemory()
	seq := put(t, js, "courses.academy.offer_access_granted", `{"contact":{"id":"c"}}`, "Nats-Msg-Id", "one", "X-Trace", "t1", "Nats-Expected-Stream", StreamCourses)
	put(t, js, "courses.elsewhere.user_login", login("c"))
	put(t, js, "courses.ACA.what", login("c"), "Nats-Msg-Id", "two")
	put(t, js, "courses.academy.user_login", `{"contact":{"id":"c"},"x":"`+strings.Repeat("x", MaxEvent)+`"}`)
	put(t, js, loginSubject, login("ok"))
	consume(t, b, h, nil)
	h.awaitEvents(t, 1)
	tests := []struct{ subject, reason, data string }{
		{"courses_dead.academy.offer_access_granted", "offer.id is missing: offer_access_granted needs it", `{"contact":{"id":"c"}}`},
		{"courses_dead.elsewhere.user_login", `unknown location "elsewhere"`, login("c")},
		{"courses_dead.unknown.unknown", `unknown trigger "what" in the subject`, login("c")},
		{"courses_dead.academy.user_login", "the event has 1048605 bytes: at most 1048576 are taken", ""},
	}
	dead, err := js.Stream(t.Context(), StreamDead)
	if err != nil {
		t.Fatal(err)
	}
	for i, tt := range tests {
		m, err := dead.GetMsg(t.Context(), uint64(i+1))
		if err != nil {
			t.Fatal(err)
		}
		if m.Subject != tt.subject || m.Header.Get(headerReason) != tt.reason || (tt.data != "" && string(m.Data) != tt.data) || m.Header.Get(headerTime) == "" {
			t.Errorf("got %s %v", m.Subject, m.Header)
		}
		if i == 0 && (m.Header.Get("X-Trace") != "t1" || m.Header.Get(headerMsgID) != "one" || m.Header.Get(headerSeq) != fmt.Sprint(seq) || m.Header.Get(headerSubject) != "courses.academy.offer_access_granted") {
			t.Errorf("headers: %v", m.Header)
		}
	}
}

func TestDeadFromTheEngine(t *testing.T) {
	t.Parallel()
	b := openBus(t, nil)
	_, js := rawClient(t, b)
	h := newMemory()
	consume(t, b, h, nil)
	put(t, js, loginSubject, login("c"), "Nats-Msg-Id", "one")
	h.awaitEvents(t, 1)
	ev := h.events[0]
	ev.Ordinal |= 3 << 48 // as the runner makes it
	for range 2 {
		if err := b.Dead(t.Context(), ev, "ambiguous\naddress"); err != nil {
			t.Fatal(err)
		}
	}
	ev.ID = "other" // the stream holds something else at its place
	if err := b.Dead(t.Context(), ev, "gone"); err != nil {
		t.Fatal(err)
	}
	dead, err := js.Stream(t.Context(), StreamDead)
	if err != nil || dead.CachedInfo().State.Msgs != 2 {
		t.Fatalf("%d dead letters, %v", dead.CachedInfo().State.Msgs, err)
	}
	first, err := dead.GetMsg(t.Context(), 1)
	if err != nil || string(first.Data) != login("c") || first.Header.Get(headerReason) != "ambiguous address" {
		t.Errorf("first: %+v, %v", first, err)
	}
	second, err := dead.GetMsg(t.Context(), 2)
	if err != nil || !strings.Contains(string(second.Data), `"id":"other"`) {
		t.Errorf("second: %+v, %v", second, err)
	}
}

// TestDeadLetterOfTheLargestMessage: what the server just took has no room for the headers of a dead letter.
func TestDeadLetterOfTheLargestMessage(t *testing.T) {
	t.Parallel()
	b := openBus(t, nil)
	_, js := rawClient(t, b)
	h := newMemory()
	consume(t, b, h, nil)
	put(t, js, loginSubject, strings.Repeat("x", maxPayload-100))
	put(t, js, loginSubject, login("1"), "Nats-Msg-Id", "1")
	h.awaitEvents(t, 1)
	dead, err := js.Stream(t.Context(), StreamDead)
	if err != nil {
		t.Fatal(err)
	}
	m, err := dead.GetMsg(t.Context(), 1)
	if err != nil || len(m.Data) != 0 || m.Header.Get(headerCut) != "true" || m.Header.Get(headerSeq) != "1" {
		t.Errorf("got %v, %v", m, err)
	}
}

// TestDeadLettersWithoutTheirStream: it is made again, and nothing waits for an operator.
func TestDeadLettersWithoutTheirStream(t *testing.T) {
	t.Parallel()
	b := openBus(t, nil)
	_, js := rawClient(t, b)
	if err := js.DeleteStream(t.Context(), StreamDead); err != nil {
		t.Fatal(err)
	}
	h := newMemory()
	consume(t, b, h, nil)
	put(t, js, loginSubject, "no JSON")
	put(t, js, loginSubject, login("1"))
	h.awaitEvents(t, 1)
	if s, err := js.Stream(t.Context(), StreamDead); err != nil || s.CachedInfo().State.Msgs != 1 {
		t.Errorf("dead letters: %v", err)
	}
}

// TestDeadLetterThatIsRefused: a stream of dead letters that somebody spoilt while running holds no event up.
func TestDeadLetterThatIsRefused(t *testing.T) {
	t.Parallel()
	b := openBus(t, nil)
	_, js := rawClient(t, b)
	s, err := js.Stream(t.Context(), StreamDead)
	if err != nil {
		t.Fatal(err)
	}
	cfg := s.CachedInfo().Config
	cfg.MaxMsgSize = 10
	if _, err := js.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	h := newMemory()
	consume(t, b, h, nil)
	put(t, js, loginSubject, "no JSON")
	put(t, js, loginSubject, login("1"))
	h.awaitEvents(t, 1)
}
