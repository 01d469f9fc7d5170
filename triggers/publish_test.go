package triggers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"pgregory.net/rapid"

	"latchkey/engine"
)

func notice(typ string, i int) engine.Notice {
	return engine.Notice{ID: fmt.Sprint("n-", i), Location: "academy", Type: typ, Time: stored, Depth: 1,
		Data: map[string]any{"contact": map[string]any{"id": "c-17"}, "link": "l-1", "via": "latchkey"}}
}

func TestPublishNotices(t *testing.T) {
	t.Parallel()
	b := openBus(t, nil)
	_, js := rawClient(t, b)
	h := newMemory()
	consume(t, b, h, nil)
	var all []engine.Notice
	for i := range 1200 { // more than two batches
		all = append(all, notice([]string{"link.redeemed", "message.sent", "run.finished"}[i%3], i))
	}
	all = append(all, notice(UserLogin, 7), notice(UserLogin, 8))
	for _, part := range [][]engine.Notice{all[:700], all, all, nil} { // some again, as after a crash
		if err := b.Publish(t.Context(), part); err != nil {
			t.Fatal(err)
		}
	}
	s, err := js.Stream(t.Context(), StreamOut)
	if err != nil || s.CachedInfo().State.Msgs != 1200 {
		t.Fatalf("%d messages, %v", s.CachedInfo().State.Msgs, err)
	}
	for _, seq := range []uint64{1, 500, 501, 1200} {
		m, err := s.GetMsg(t.Context(), seq)
		if err != nil {
			t.Fatal(err)
		}
		var ce struct {
			ID, Source, Type, Specversion string
			Data                          map[string]any
		}
		if err := json.Unmarshal(m.Data, &ce); err != nil || ce.ID != fmt.Sprint("n-", seq-1) || m.Subject != "latchkey.academy."+ce.Type ||
			ce.Source != "latchkey" || ce.Specversion != "1.0" || ce.Data["link"] != "l-1" || m.Header.Get("Content-Type") != "application/cloudevents+json" {
			t.Errorf("%d: %s %v, %v", seq, m.Data, m.Header, err)
		}
	}
	h.awaitEvents(t, 2)
	if ev := h.events[0]; ev.Type != UserLogin || ev.ID != "n-7" || ev.Source != "latchkey" || ev.Contact.ID != "c-17" || ev.Custom["via"] != "latchkey" || ev.Depth != 1 {
		t.Errorf("got %+v", ev)
	}
}

func TestPublishEvents(t *testing.T) {
	t.Parallel()
	b := openBus(t, nil)
	h := newMemory()
	consume(t, b, h, nil)
	events := []engine.Event{fullEventWithID("1"), fullEventWithID("2"), fullEventWithID("3")}
	for i, want := range []int{0, 3} {
		if n, err := b.PublishEvents(t.Context(), events); n != want || err != nil {
			t.Errorf("round %d: %d duplicates, %v", i, n, err)
		}
	}
	h.awaitEvents(t, 3)
	bad := fullEventWithID("4")
	bad.Offer = nil
	if _, err := b.PublishEvents(t.Context(), []engine.Event{fullEventWithID("5"), bad}); err == nil || !strings.Contains(err.Error(), `event "4": offer.id is missing`) {
		t.Errorf("got %v", err)
	}
	for _, change := range []func(*engine.Event){
		func(e *engine.Event) { e.ID = "" },
		func(e *engine.Event) { e.Location = "a.b" },
		func(e *engine.Event) { e.Type = "nothing" },
		func(e *engine.Event) { e.Custom = map[string]any{"offer": 1} },
		func(e *engine.Event) { e.Custom = map[string]any{"f": func() {}} },
	} {
		ev := fullEventWithID("6")
		change(&ev)
		if _, err := b.PublishEvents(t.Context(), []engine.Event{ev}); err == nil {
			t.Errorf("published %+v", ev)
		}
	}
	large := fullEventWithID("7") // several of these are more than one atomic batch may hold
	large.Custom = map[string]any{"blob": strings.Repeat("x", 900<<10)}
	var many []engine.Event
	for i := range 6 {
		large.ID = fmt.Sprint("large-", i)
		many = append(many, large)
	}
	if _, err := b.PublishEvents(t.Context(), many); err != nil {
		t.Fatal(err)
	}
	h.awaitEvents(t, 9)
}

// TestPublishWithoutBatches publishes to streams that know no atomic batches, and to none at all.
func TestPublishWithoutBatches(t *testing.T) {
	t.Parallel()
	b := openBus(t, nil)
	_, js := rawClient(t, b)
	if err := js.DeleteStream(t.Context(), StreamOut); err != nil {
		t.Fatal(err)
	}
	if err := b.Publish(t.Context(), []engine.Notice{notice("run.finished", 1)}); err == nil {
		t.Error("published to no stream")
	}
	s, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: StreamOut, Subjects: []string{"latchkey.>"}})
	if err != nil {
		t.Fatal(err)
	}
	var all []engine.Notice
	for i := range 300 {
		all = append(all, notice("run.finished", i))
	}
	for range 2 {
		if err := b.Publish(t.Context(), all); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := s.Info(t.Context()); err != nil || info.State.Msgs != 300 {
		t.Errorf("%+v, %v", info.State, err)
	}
}

// TestRoundTrip publishes any event and reads the same.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	id := rapid.StringMatching(`[A-Za-z0-9_:/ .%ü-]{0,20}[A-Za-z0-9]`).Filter(func(s string) bool { return strings.TrimSpace(s) == s })
	title := rapid.StringMatching(`[A-Za-z<>"'&\\ é日]{0,20}`).Filter(func(s string) bool { return strings.TrimSpace(s) == s })
	noun := rapid.Custom(func(t *rapid.T) *engine.Noun {
		return &engine.Noun{ID: id.Draw(t, "id"), Title: title.Draw(t, "title")}
	})
	value := rapid.OneOf(
		rapid.String().Filter(utf8.ValidString).AsAny(), rapid.Int64().AsAny(), rapid.Bool().AsAny(),
		rapid.Custom(func(t *rapid.T) float64 { return float64(rapid.Int32().Draw(t, "f")) + 0.5 }).AsAny(),
	)
	custom := rapid.Custom(func(t *rapid.T) map[string]any {
		if m := rapid.MapOfN(rapid.StringMatching(`[a-z]{3}[0-9]`), value, 0, 4).Draw(t, "members"); len(m) > 0 {
			return m
		}
		return nil
	})
	maybe := rapid.Custom(func(t *rapid.T) *bool { b := rapid.Bool().Draw(t, "b"); return &b })
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(Kinds()).Draw(t, "kind")
		want := engine.Event{
			ID: id.Draw(t, "event"), Source: id.Draw(t, "source"), Type: kind.Name, Location: rapid.StringMatching(`[a-z0-9][a-z0-9-]{0,9}`).Draw(t, "location"),
			Time: time.UnixMicro(rapid.Int64Range(0, 4e15).Draw(t, "time")).UTC(), Ordinal: 5, Depth: rapid.IntRange(0, MaxDepth-1).Draw(t, "depth"),
			Contact: engine.Contact{ID: id.Draw(t, "contact"), Email: rapid.SampledFrom([]string{"", "ada@example.com", "ü@exämple.de"}).Draw(t, "email"),
				Phone: rapid.SampledFrom([]string{"", "+14155550123"}).Draw(t, "phone"), FirstName: title.Draw(t, "first"), LastName: title.Draw(t, "last"),
				Timezone: rapid.SampledFrom([]string{"", "UTC", "America/Argentina/Buenos_Aires"}).Draw(t, "zone"), Locale: rapid.SampledFrom([]string{"", "de-CH"}).Draw(t, "locale"),
				Consent: engine.Consent{Email: rapid.OneOf(maybe, rapid.Just[*bool](nil)).Draw(t, "c1"), SMS: rapid.OneOf(maybe, rapid.Just[*bool](nil)).Draw(t, "c2")},
				Custom:  custom.Draw(t, "contact custom")},
			Custom: custom.Draw(t, "custom"),
		}
		for _, n := range []struct {
			kind string
			into **engine.Noun
		}{{"offer", &want.Offer}, {"product", &want.Product}, {"category", &want.Category}, {"lesson", &want.Lesson}} {
			if n.kind == kind.Noun || rapid.Bool().Draw(t, n.kind) {
				*n.into = noun.Draw(t, n.kind)
			}
		}
		m, err := eventMessage(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := (&Decoder{}).Decode(Message{Subject: m.Subject, Header: m.Header, Data: m.Data, Seq: 5, Time: want.Time})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
	})
}

// FuzzDecode: whatever comes, decoding ends in an error or in an event that keeps what Decode promises.
func FuzzDecode(f *testing.F) {
	f.Add("courses.academy.offer_access_granted", "", "", "", []byte(bareData))
	f.Add("courses.academy.user_login", "application/cloudevents+json", "", "", []byte(`{"specversion":"1.0","id":"1","source":"s","type":"user_login","time":"2026-11-22T08:00:00Z","latchkeydepth":"7","data":{"contact":{"id":1}}}`))
	f.Add("courses.academy.lesson_started", "", "a%20b", "x.lesson_started", []byte(bareData))
	f.Add("courses..", "application/cloudevents-batch+json", "\xff", "", []byte(`[[[[{"a":"\ud800\u0000"}]]]]`))
	f.Fuzz(func(t *testing.T, subject, content, ceID, ceType string, data []byte) {
		m := Message{Subject: subject, Data: data, Seq: 3, Time: stored, Header: map[string][]string{"Nats-Msg-Id": {ceID}, "Empty": nil}}
		if content != "" {
			m.Header["Content-Type"] = []string{content}
		}
		if ceType != "" {
			m.Header["ce-id"], m.Header["ce-type"], m.Header["ce-source"], m.Header["ce-specversion"] = []string{ceID}, []string{ceType}, []string{"s"}, []string{"1.0"}
		}
		ev, err := (&Decoder{}).Decode(m)
		if err != nil {
			if err.Error() == "" {
				t.Error("no reason")
			}
			return
		}
		kind, ok := lookup(ev.Type)
		switch {
		case !ok, ev.ID == "", ev.Source == "", ev.Location == "", ev.Ordinal != 3, ev.Depth < 0 || ev.Depth >= MaxDepth, len(ev.Warnings) > maxWarnings:
			t.Errorf("%+v", ev)
		case ev.Contact.ID == "" && ev.Contact.Email == "", kind.Noun != "" && ev.Noun(kind.Noun) == nil:
			t.Errorf("%+v", ev)
		case hasControl(ev.ID + ev.Source + ev.Contact.ID + ev.Contact.Email + ev.Contact.FirstName + ev.Contact.LastName + ev.Contact.Phone):
			t.Errorf("control characters: %+v", ev)
		}
		for _, kind := range []string{"offer", "product", "category", "lesson"} {
			if n := ev.Noun(kind); n != nil && (n.ID == "" || hasControl(n.ID+n.Title)) {
				t.Errorf("%s: %+v", kind, n)
			}
		}
		if _, err := json.Marshal(ev); err != nil {
			t.Error(err)
		}
	})
}

// Close leaves no goroutine of the client behind, even right after a publish that nobody waited for: TestMain sees those that stay.
// A CleanupPublisher before the connection is closed turns it red (nats.go 1.55).
func TestCloseRightAfterPublish(t *testing.T) {
	t.Parallel()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 {
		b := openBus(t, nil)
		m := &nats.Msg{Subject: "courses.academy.new_sign_up", Data: []byte("{}")}
		if err := b.sendPart(gone, StreamCourses, []*nats.Msg{m}, make([]receipt, 1)); !errors.Is(err, context.Canceled) {
			t.Errorf("published: %v", err)
		}
		b.Close()
	}
}
