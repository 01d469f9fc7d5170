package engine

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestLimitRoom(t *testing.T) {
	t.Parallel()
	now := day1
	id := func(n int) ID { return NewID(day1, 0, "task", fmt.Sprint(n)) }
	got := func(n int, c Class, ago time.Duration) Delivery {
		return Delivery{Task: id(n), Class: c, At: now.Add(-ago)}
	}
	going := func(n int, ago time.Duration) Delivery {
		return Delivery{Task: id(n), Class: Marketing, At: now.Add(-ago), Reserved: true}
	}
	l := &Limit{Messages: 2, In: 24 * time.Hour}
	for _, c := range []struct {
		name string
		had  []Delivery
		want time.Duration
	}{
		{"none", nil, 0},
		{"one", []Delivery{got(1, Marketing, time.Hour)}, 0},
		{"two", []Delivery{got(1, Marketing, time.Hour), got(2, Marketing, 2*time.Hour)}, 22 * time.Hour},
		{"three, as the limit was wider", []Delivery{got(1, Marketing, time.Hour), got(2, Marketing, 2*time.Hour), got(3, Marketing, 3*time.Hour)}, 22 * time.Hour},
		{"one is long ago", []Delivery{got(1, Marketing, 24*time.Hour), got(2, Marketing, 2*time.Hour)}, 0},
		{"of another class", []Delivery{got(1, Transactional, time.Hour), got(2, Marketing, 2*time.Hour)}, 0},
		{"itself", []Delivery{got(0, Marketing, time.Hour), got(2, Marketing, 2*time.Hour)}, 0},
		{"one goes on", []Delivery{going(1, time.Hour), got(2, Marketing, 2*time.Hour)}, 22 * time.Hour},
		{"two go on", []Delivery{going(1, time.Hour), going(2, 2*time.Hour)}, 24 * time.Hour},
		{"one went on when the process was lost", []Delivery{going(1, 25*time.Hour), got(2, Marketing, time.Hour)}, 0},
	} {
		if at := l.room(&Task{ID: id(0), Class: Marketing}, &Person{Messages: c.had}, now); at.Sub(now) != c.want {
			t.Errorf("%s: in %s, want %s", c.name, at.Sub(now), c.want)
		}
	}
}

func TestGateLimit(t *testing.T) {
	t.Parallel()
	monday := time.Date(2026, 11, 23, 17, 0, 0, 0, time.UTC)
	had := []Delivery{{Task: NewID(day1, 0, "other"), Class: Marketing, At: monday.Add(-20 * time.Hour)}}
	loc := &Location{Zone: time.UTC}
	w := &Workflow{Limit: &Limit{1, 24 * time.Hour}}
	p := &Person{Messages: had}
	task := &Task{ID: NewID(day1, 0, "task"), Class: Marketing, NotBefore: monday}
	if v := Gate(w, loc, task, p, monday); !v.Until.Equal(monday.Add(4*time.Hour)) || v.By != "the limit of 1 message in 1d" {
		t.Errorf("%+v", v)
	}
	w.Window = window(t, "mon,tue 09:00 18:00")
	if v := Gate(w, loc, task, p, monday); !v.Until.Equal(monday.Add(16*time.Hour)) || v.By != "the limit of 1 message in 1d and the window" {
		t.Errorf("%+v", v)
	}
	if v := Gate(w, loc, task, p, monday.Add(16*time.Hour)); !v.Go {
		t.Errorf("%+v", v)
	}
	if v := Gate(w, &Location{Day: 24 * time.Second}, task, p, monday); !v.Go {
		t.Errorf("where a day is short: %+v", v)
	}
	task.Class = Transactional
	if v := Gate(w, loc, task, p, monday); !v.Go {
		t.Errorf("another class: %+v", v)
	}
}

func TestSetCounts(t *testing.T) {
	t.Parallel()
	mail := func(c Class) Step { return Step{ID: "a", Kind: "email", Settings: said(c)} }
	set := NewSet(nil, []*Workflow{
		{ID: "a", Limit: &Limit{3, time.Hour}, Steps: []Step{{ID: "i", Kind: StepIf, Else: []Step{mail(Marketing)}}}},
		{ID: "b", Limit: &Limit{1, 24 * time.Hour}, Class: Marketing},
		{ID: "c", Steps: []Step{mail(Transactional)}},
	})
	if l, ok := set.Counts(Marketing); !ok || l != (Limit{3, 24 * time.Hour}) {
		t.Errorf("%+v, %v", l, ok)
	}
	if _, ok := set.Counts(Transactional); ok {
		t.Error("transactional messages are counted, and nobody asks")
	}
}

// TestLedger sends messages of two classes at random, of which some fail and some hang, and checks after each that no more than
// the limit were handed over in any time of its length, that those that were are what they were, and that the ledger stays small.
func TestLedger(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limit := Limit{rapid.IntRange(1, 4).Draw(t, "messages"), time.Duration(rapid.IntRange(1, 90).Draw(t, "minutes")) * time.Minute}
		p, now := Person{}, day1
		handed := map[Class][]time.Time{}
		going := map[ID]*Task{}
		n := 0
		t.Repeat(map[string]func(*rapid.T){
			"time": func(t *rapid.T) { now = now.Add(time.Duration(rapid.IntRange(1, 20).Draw(t, "pass")) * time.Minute) },
			"begin": func(t *rapid.T) {
				n++
				task := &Task{ID: NewID(day1, 0, fmt.Sprint(n)), Class: rapid.SampledFrom([]Class{Marketing, Transactional}).Draw(t, "class")}
				room := limit.room(task, &p, now)
				if room.After(now) {
					if len(going) == 0 && !limit.room(task, &p, room).Equal(room) {
						t.Fatalf("no room at %s, when there was to be some", room)
					}
					return
				}
				before := slices.Clone(p.Messages)
				next := p.Reserve(task, limit, now)
				if diff := cmp.Diff(before, p.Messages); diff != "" {
					t.Fatal("the person was changed", diff)
				}
				p, going[task.ID] = next, task
			},
			"end": func(t *rapid.T) {
				for id, task := range going {
					ok := rapid.Bool().Draw(t, "handed over")
					next, changed := p.Settle(task, ok, now)
					if !changed {
						t.Fatalf("nothing is known of %s", id)
					}
					p = next
					delete(going, id)
					if ok {
						handed[task.Class] = append(handed[task.Class], now)
					}
					return
				}
			},
			"": func(t *rapid.T) {
				for c, at := range handed {
					for i := limit.Messages; i < len(at); i++ {
						if at[i].Sub(at[i-limit.Messages]) < limit.In {
							t.Fatalf("%s: more than %d in %s: %v", c, limit.Messages, limit.In, at)
						}
					}
				}
				if len(p.Messages) > 2*2*limit.Messages {
					t.Fatalf("%d entries for a limit of %d", len(p.Messages), limit.Messages)
				}
			},
		})
	})
}
