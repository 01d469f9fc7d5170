package triggers

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"latchkey/engine"
)

// deadForms are the forms of an event that a location which is not configured makes a dead letter of, by the id that it has.
var deadForms = []struct {
	name, id, data string
	header         []string
}{
	{"bare", "m-1", login("c"), []string{"Nats-Msg-Id", "m-1", "X-Trace", "t1"}},
	{"bare without an id", "", login("c"), nil},
	{"structured", "s-1", `{"specversion":"1.0","id":"s-1","source":"/shop","type":"user_login","data":` + login("c") + `}`,
		[]string{"Content-Type", "application/cloudevents+json", "Nats-Msg-Id", "x:s-1"}},
	{"structured with a time", "s-2", `{"specversion":"1.0","id":"s-2","time":"2026-01-02T03:04:05Z","source":"/shop","type":"user_login","data":` + login("c") + `}`, nil},
	{"binary", "b-1", login("c"), []string{"ce-specversion", "1.0", "ce-id", "b-1", "ce-source", "/shop", "ce-type", "user_login", "Nats-Msg-Id", "x:b-1"}},
}

// TestReplayKeepsTheEvent has events of each form become dead letters, and die again, before what was wrong is mended. What then
// arrives is the event as it would have been.
func TestReplayKeepsTheEvent(t *testing.T) {
	t.Parallel()
	b := openBus(t, nil)
	_, js := rawClient(t, b)
	var want []engine.Event
	for _, f := range deadForms {
		seq := put(t, js, "courses.later.user_login", f.data, f.header...)
		m, _, err := b.original(t.Context(), seq)
		if err != nil {
			t.Fatal(err)
		}
		ev, err := (&Decoder{}).Decode(m)
		if err != nil || f.id != "" && ev.ID != f.id {
			t.Fatalf("%s: %+v, %v", f.name, ev, err)
		}
		want = append(want, ev)
	}
	h := newMemory()
	var mended atomic.Bool
	consume(t, b, h, func(c *ConsumerConfig) { c.Known = func(l string) bool { return l == "academy" || mended.Load() } })
	h.await(t, "all of them", func() bool { return h.offset.Seq == uint64(len(want)) })
	for round := range 3 {
		list := lettersOf(t, b, len(want))
		for i, l := range list {
			ev := want[i]
			if l.ID != ev.ID || l.Reason != `unknown location "later"` || l.Subject != "courses.later.user_login" || l.Data != nil {
				t.Fatalf("round %d, letter %d: %+v", round, i, l)
			}
		}
		if got, err := b.Letters(t.Context(), LetterQuery{Event: "s-1", Reason: "Unknown LOCATION"}); err != nil || len(got) != 1 || got[0].ID != "s-1" {
			t.Errorf("by id: %+v, %v", got, err)
		}
		mended.Store(round == 2)
		res, err := b.Replay(t.Context(), numbers(list))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range res {
			if r.Err != nil {
				t.Errorf("letter %d: %v", r.Letter.Number, r.Err)
			}
		}
		h.await(t, "the replay", func() bool { return h.offset.Seq == uint64(len(want)*(round+2)) })
	}
	lettersOf(t, b, 0)
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.events) != len(want) {
		t.Fatalf("%d events", len(h.events))
	}
	for i, got := range h.events {
		if got.Identity() != want[i].Identity() || !got.Time.Equal(want[i].Time) || got.Contact.ID != "c" {
			t.Errorf("%s: got %+v, want %+v", deadForms[i].name, got, want[i])
		}
	}
}

// lettersOf returns the letters once there are n, oldest first.
func lettersOf(t *testing.T, b *Bus, n int) (list []Letter) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		list, err := b.Letters(t.Context(), LetterQuery{})
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == n {
			slices.Reverse(list)
			return list
		}
		if time.Now().After(end) {
			t.Fatalf("%d letters, want %d: %+v", len(list), n, list)
		}
	}
}

func numbers(list []Letter) (out []uint64) {
	for _, l := range list {
		out = append(out, l.Number)
	}
	return out
}

// TestReplayCutOff repeats a replay of which the letter was not removed any more.
func TestReplayCutOff(t *testing.T) {
	t.Parallel()
	b := openBus(t, nil)
	_, js := rawClient(t, b)
	var mended atomic.Bool
	h := newMemory()
	consume(t, b, h, func(c *ConsumerConfig) { c.Known = func(string) bool { return mended.Load() } })
	put(t, js, loginSubject, login("c"), "Nats-Msg-Id", "one")
	l := lettersOf(t, b, 1)[0]
	mended.Store(true)
	s, err := js.Stream(t.Context(), StreamDead)
	if err != nil {
		t.Fatal(err)
	}
	full, err := b.Letter(t.Context(), l.Number)
	if err != nil || string(full.Data) != login("c") {
		t.Fatalf("%+v, %v", full, err)
	}
	m, err := b.revive(t.Context(), full, s.CachedInfo().Created)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.PublishMsg(t.Context(), m); err != nil { // and here it was killed
		t.Fatal(err)
	}
	res, err := b.Replay(t.Context(), []uint64{l.Number})
	if err != nil || res[0].Err != nil {
		t.Fatal(err, res)
	}
	h.awaitEvents(t, 1)
	if res, err = b.Replay(t.Context(), []uint64{l.Number}); err != nil || !errors.Is(res[0].Err, ErrNoLetter) {
		t.Errorf("a third time: %v, %v", err, res)
	}
	if _, err := b.Letter(t.Context(), l.Number); !errors.Is(err, ErrNoLetter) {
		t.Error(err)
	}
	put(t, js, loginSubject, login("d"), "Nats-Msg-Id", "two")
	h.awaitEvents(t, 2)
	if got := h.ids(); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("events: %v", got)
	}
}

// TestForeignReplayHeaders: what a publisher writes into Latchkey's own headers removes nobody's letter.
func TestForeignReplayHeaders(t *testing.T) {
	t.Parallel()
	b := openBus(t, nil)
	_, js := rawClient(t, b)
	h := newMemory()
	consume(t, b, h, nil)
	put(t, js, loginSubject, "{", "Nats-Msg-Id", "one")
	lettersOf(t, b, 1)
	put(t, js, loginSubject, "{", "Nats-Msg-Id", "two", headerReplay, "1", headerID, "two")
	put(t, js, loginSubject, "{", "Nats-Msg-Id", "three", headerReplay, "no number")
	if list := lettersOf(t, b, 3); list[0].ID != "one" || list[1].ID != "two" {
		t.Errorf("%+v", list)
	}
}

// TestReplayOfTheLargest has a letter without data: the original is taken from COURSES, as long as that has it.
func TestReplayOfTheLargest(t *testing.T) {
	t.Parallel()
	b := openBus(t, nil)
	_, js := rawClient(t, b)
	h := newMemory()
	consume(t, b, h, nil)
	put(t, js, loginSubject, strings.Repeat("x", maxPayload-1000), "Nats-Msg-Id", "one")
	l := lettersOf(t, b, 1)[0]
	if !l.Truncated {
		t.Fatalf("%+v", l)
	}
	if res, err := b.Replay(t.Context(), numbers([]Letter{l})); err != nil || res[0].Err != nil {
		t.Fatal(err, res)
	}
	h.await(t, "the replay", func() bool { return h.offset.Seq == 2 })
	again := lettersOf(t, b, 1)[0]
	if again.Number == l.Number || again.ID != "one" || !again.Stored.Equal(l.Stored) {
		t.Errorf("%+v", again)
	}
	s, err := js.Stream(t.Context(), StreamCourses)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	res, err := b.Replay(t.Context(), []uint64{again.Number})
	if err != nil || res[0].Err == nil || !strings.Contains(res[0].Err.Error(), "does not hold it any more") {
		t.Errorf("%v, %v", err, res)
	}
	lettersOf(t, b, 1)
}

// TestLettersByPages reads more letters than one look at the stream takes, with gaps between them.
func TestLettersByPages(t *testing.T) {
	t.Parallel()
	b := openBus(t, nil)
	_, js := rawClient(t, b)
	for i := range 700 {
		m := Message{Subject: loginSubject, Header: map[string][]string{"Nats-Msg-Id": {fmt.Sprint(i)}}, Data: []byte("{"), Seq: uint64(i + 1), Time: time.Now()}
		out, err := js.PublishMsgAsync(&nats.Msg{Subject: deadSubject(m.Subject), Header: deadHeader(m, fmt.Sprintf("reason %d", i%7)), Data: m.Data})
		if err != nil || out == nil {
			t.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
	s, err := js.Stream(t.Context(), StreamDead)
	if err != nil {
		t.Fatal(err)
	}
	for seq := uint64(200); seq < 500; seq++ {
		if err := s.DeleteMsg(t.Context(), seq); err != nil {
			t.Fatal(err)
		}
	}
	if err := remove(t.Context(), s, 200); err != nil {
		t.Errorf("removed twice: %v", err)
	}
	var got []uint64
	for before := uint64(0); ; {
		page, err := b.Letters(t.Context(), LetterQuery{Limit: 60, Before: before, Reason: "reason 3"})
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		got, before = append(got, numbers(page)...), page[len(page)-1].Number
	}
	var want []uint64
	for seq := uint64(700); seq > 0; seq-- {
		if (seq-1)%7 == 3 && (seq < 200 || seq >= 500) {
			want = append(want, seq)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if list, err := b.Letters(t.Context(), LetterQuery{Since: time.Now().Add(time.Hour)}); err != nil || len(list) != 0 {
		t.Errorf("since: %v, %v", list, err)
	}
	if _, err := b.Replay(t.Context(), make([]uint64, MaxReplay+1)); err == nil {
		t.Error("too many are taken")
	}
}
