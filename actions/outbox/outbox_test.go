package outbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"latchkey/actions"
	"latchkey/engine"
	"latchkey/engine/enginetest"
)

const (
	token = "AbCdEfGhIjKlMnOpQrStUvWxYz0123-_6789"
	other = "ZyXwVuTsRqPoNmLkJiHgFeDcBa9876-_4321"
	base  = "https://learn.acme.test/l/"
)

var day = time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)

// partitions runs a test on one partition and on four.
func partitions(t *testing.T, fn func(t *testing.T, stores engine.Stores)) {
	for _, n := range []int{1, 4} {
		t.Run(fmt.Sprintf("%d partitions", n), func(t *testing.T) {
			t.Parallel()
			fn(t, enginetest.NewStores(n))
		})
	}
}

func taskID(i int) engine.ID {
	return engine.NewID(day.Add(time.Duration(i)*time.Minute), uint16(i*21841), fmt.Sprint("task", i))
}

func mail(i int) actions.Mail {
	url := base + token
	return actions.Mail{
		MessageID: "m@acme.test", From: "Acme Academy <hello@acme.test>", To: "ada@example.com", Subject: fmt.Sprint("Welcome ", i),
		HTML: `<p>Ada &amp; co</p><a href="` + url + `">in</a> <small>` + url + `</small>`, Text: "Come in: " + url + "\nBye",
		Date: day, TaskID: taskID(i), Location: "academy", Links: []actions.Link{{ID: "link1", URL: engine.NewSecret(url)}},
	}
}

func send(t *testing.T, o *Outbox, m actions.Mail) {
	t.Helper()
	if _, err := o.Mailer().Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

func TestMessageIsShownAsItWasSent(t *testing.T) {
	t.Parallel()
	partitions(t, func(t *testing.T, stores engine.Stores) {
		o := New(stores, Options{})
		var told Message
		defer o.Subscribe(func(m Message) { told = m })()
		in := mail(1)
		send(t, o, in)
		got, err := o.Get(t.Context(), in.TaskID)
		if err != nil {
			t.Fatal(err)
		}
		for name, m := range map[string]Message{"get": got, "subscriber": told} {
			if !m.Live() || m.Reveal().HTML != in.HTML || m.Reveal().Text != in.Text || m.Subject != in.Subject || m.To != in.To {
				t.Errorf("%s: %+v", name, m)
			}
		}
		_, err = o.Texter().Send(t.Context(), actions.Text{TaskID: taskID(2), Location: "academy", From: "+14155550100", To: "+14155550123",
			Body: "In: " + base + other, Links: []actions.Link{{ID: "link2", URL: engine.NewSecret(base + other)}}})
		if err != nil {
			t.Fatal(err)
		}
		if told.Channel != SMS || told.Reveal().Text != "In: "+base+other || told.Text != "In: login-link:link2" {
			t.Errorf("sms: %+v", told)
		}
	})
}

// A link of which we were not told must not be stored either, nor one in a form that we do not replace.
func TestStoreHoldsNoToken(t *testing.T) {
	t.Parallel()
	partitions(t, func(t *testing.T, stores engine.Stores) {
		o := New(stores, Options{})
		in := mail(1)
		in.HTML += `<a href="/l/` + token + `">relative</a><p>/l/` + other + `</p><p>bare ` + token + `</p>`
		in.Subject += " " + token
		url := "https://learn.acme.test/x?a=1&t=" + other // escaped in HTML
		in.Links = append(in.Links, actions.Link{ID: "link2", URL: engine.NewSecret(url)})
		in.HTML += `<a href="https://learn.acme.test/x?a=1&amp;t=` + other + `">again</a>`
		in.Text += url
		send(t, o, in)
		for _, s := range stores.All() {
			for space, pairs := range enginetest.Dump(t, s) {
				for k, v := range pairs {
					if strings.Contains(v, token) || strings.Contains(v, other) || strings.Contains(v, "learn.acme.test/l/") {
						t.Errorf("%s %q holds a token: %s", space, k, v)
					}
				}
			}
		}
	})
}

func TestRestartForgetsLinksAndMintsNewOnes(t *testing.T) {
	t.Parallel()
	stores := enginetest.NewStores(4)
	in := mail(1)
	send(t, New(stores, Options{}), in)
	boom := errors.New("the contact has no course")
	var fail error
	o := New(stores, Options{Mint: func(_ context.Context, id engine.ID, link string) (actions.Link, error) {
		if id != in.TaskID || link != "link1" {
			t.Errorf("minting for %s %s", id, link)
		}
		return actions.Link{ID: "link9", URL: engine.NewSecret(base + other)}, fail
	}})
	m, err := o.Get(t.Context(), in.TaskID)
	if err != nil || m.Live() || strings.Contains(m.Reveal().HTML, token) || !strings.Contains(m.Text, "login-link:link1") {
		t.Fatalf("after a restart: %+v, %v", m, err)
	}
	fail = boom
	if _, err := o.Renew(t.Context(), in.TaskID, "link1"); !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
	fail = nil
	if _, err := o.Renew(t.Context(), in.TaskID, "nope"); !errors.Is(err, ErrNotFound) {
		t.Errorf("an unknown link: %v", err)
	}
	if _, err := o.Renew(t.Context(), in.TaskID, "link1"); err != nil {
		t.Fatal(err)
	}
	m, _ = o.Get(t.Context(), in.TaskID)
	if !m.Live() || m.Reveal().Text != "Come in: "+base+other+"\nBye" {
		t.Errorf("after minting: %+v", m.Reveal())
	}
}

func TestMessagesNewestFirst(t *testing.T) {
	t.Parallel()
	partitions(t, func(t *testing.T, stores engine.Stores) {
		o := New(stores, Options{Now: func() time.Time { return day.Add(time.Hour) }})
		var want []string
		for i := range 200 {
			m := mail(i * 97 % 200) // out of order
			if i%2 == 0 {
				m.Location = "second"
			}
			send(t, o, m)
			want = append(want, fmt.Sprint("Welcome ", 199-i))
		}
		var got []string
		q := Query{Limit: 30}
		for {
			page, err := o.Messages(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			for _, m := range page {
				got = append(got, m.Subject)
			}
			q.Before = page[len(page)-1].ID
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		one, err := o.Messages(t.Context(), Query{Limit: 1000, Location: "second", Channel: Email})
		if err != nil || len(one) != 100 {
			t.Errorf("%d in one location, %v", len(one), err)
		}
		if none, err := o.Messages(t.Context(), Query{Channel: SMS}); err != nil || len(none) != 0 {
			t.Errorf("%d SMS, %v", len(none), err)
		}
	})
}

func TestSecondAttemptReplacesTheFirst(t *testing.T) {
	t.Parallel()
	o := New(enginetest.NewStores(1), Options{})
	first, second := mail(1), mail(1)
	second.Text = base + other
	second.Links = []actions.Link{{ID: "link2", URL: engine.NewSecret(base + other)}}
	send(t, o, first)
	send(t, o, second)
	all, err := o.Messages(t.Context(), Query{})
	if err != nil || len(all) != 1 || all[0].Reveal().Text != base+other {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestOnlyTheLatestThousandAreLive(t *testing.T) {
	t.Parallel()
	o := New(enginetest.NewStores(1), Options{})
	for i := range Keep + 10 {
		send(t, o, mail(i))
	}
	for i, want := range map[int]bool{0: false, 9: false, 10: true, Keep + 9: true} {
		if m, err := o.Get(t.Context(), taskID(i)); err != nil || m.Live() != want {
			t.Errorf("message %d: live %v, %v", i, m.Live(), err)
		}
	}
	if len(o.live) != Keep || len(o.order) != Keep {
		t.Errorf("%d and %d kept", len(o.live), len(o.order))
	}
}

func TestPrune(t *testing.T) {
	t.Parallel()
	partitions(t, func(t *testing.T, stores engine.Stores) {
		o := New(stores, Options{Now: func() time.Time { return day }})
		for i := range 3*pruneAtOnce/2 + 10 {
			m := mail(i)
			m.Location = []string{"academy", "second"}[i%2]
			send(t, o, m)
		}
		n, err := o.Prune(t.Context(), taskID(3*pruneAtOnce/2).Time())
		left, _ := o.Messages(t.Context(), Query{Limit: 1000})
		if err != nil || n != 3*pruneAtOnce/2 || len(left) != 10 {
			t.Errorf("%d removed, %d left, %v", n, len(left), err)
		}
	})
}

type broken struct{ engine.Stores }

func (b broken) For(uint16) engine.Store { return brokenStore{} }

type brokenStore struct{ engine.Store }

func (brokenStore) Update(context.Context, func(engine.Tx) error) error { return engine.ErrFull }

func TestNothingIsToldThatWasNotStored(t *testing.T) {
	t.Parallel()
	o := New(broken{enginetest.NewStores(1)}, Options{})
	defer o.Subscribe(func(Message) { t.Error("told") })()
	if _, err := o.Mailer().Send(t.Context(), mail(1)); !errors.Is(err, engine.ErrFull) || engine.IsFinal(err) || len(o.live) != 0 {
		t.Errorf("got %v, %d live", err, len(o.live))
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	o := New(enginetest.NewStores(4), Options{})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			stop := o.Subscribe(func(Message) {})
			defer stop()
			for j := range 20 {
				send(t, o, mail(i*20+j))
				if _, err := o.Messages(t.Context(), Query{Limit: 5}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	all, err := o.Messages(t.Context(), Query{Limit: 1000})
	if err != nil || len(all) != 160 {
		t.Errorf("%d messages, %v", len(all), err)
	}
}

func TestRecordRoundTrip(t *testing.T) {
	t.Parallel()
	in := Message{ID: taskID(1), At: day, Location: "academy", Channel: Email, MessageID: "m@x", From: "a@b.c", ReplyTo: "r@b.c", To: "t@b.c",
		Subject: "S", HTML: "<p>", Text: "T", Unsubscribe: "https://u", Links: []Link{{ID: "one"}, {ID: "two"}}}
	b, err := encode(in)
	if err != nil {
		t.Fatal(err)
	}
	out, err := decode("academy", in.ID, b)
	if diff := cmp.Diff(in, out, cmpopts.EquateEmpty()); err != nil || diff != "" {
		t.Error(err, diff)
	}
	for _, bad := range [][]byte{nil, {2, '{', '}'}, {1, '{'}} {
		if _, err := decode("academy", in.ID, bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}
