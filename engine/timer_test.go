package engine

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func timersOf(t rapid.TB, tx Tx, location string, from, to TimerPlace) (all []Timer) {
	t.Helper()
	if err := Timers(tx, location, from, to, func(x Timer) bool { all = append(all, x); return true }); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestTimers sets, moves and clears timers of two locations, beside a map that says what must be there.
func TestTimers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		tx := mapTx{}
		type name struct {
			location string
			kind     TimerKind
			id       ID
		}
		want := map[name]time.Time{}
		names := rapid.Custom(func(t *rapid.T) name {
			return name{
				rapid.SampledFrom([]string{"a", "ab"}).Draw(t, "location"),
				rapid.SampledFrom([]TimerKind{TimerRun, TimerPerson}).Draw(t, "kind"),
				NewID(day1, 0, fmt.Sprint(rapid.IntRange(0, 9).Draw(t, "id"))),
			}
		})
		dues := rapid.Custom(func(t *rapid.T) time.Time {
			if rapid.Bool().Draw(t, "clear") {
				return time.Time{}
			}
			return day1.Add(time.Duration(rapid.IntRange(-5, 5).Draw(t, "hours")) * 10000 * time.Hour)
		})
		for range rapid.IntRange(0, 60).Draw(t, "moves") {
			n, due := names.Draw(t, "name"), dues.Draw(t, "due")
			SetTimer(tx, n.location, n.kind, n.id, want[n], due)
			delete(want, n)
			if !due.IsZero() {
				want[n] = due
			}
		}
		got, runs := 0, map[string]int{"a": 0, "ab": 0}
		for _, location := range TimerLocations(tx) {
			last := TimerPlace{}
			for _, x := range timersOf(t, tx, location, TimerPlace{}, TimerPlace{}) {
				n := name{location, x.Kind, x.ID}
				if p := x.Place(); !want[n].Equal(x.Due) || p.Compare(last) <= 0 {
					t.Fatalf("%v: due %s, want %s; after %x", n, x.Due, want[n], last)
				} else {
					last = p
				}
				if got++; x.Kind == TimerRun {
					runs[location]++
				}
			}
		}
		if n, known := WaitingRuns(tx); got != len(want) || n["a"] != runs["a"] || n["ab"] != runs["ab"] || !known {
			t.Fatalf("%d timers, want %d; %v runs are counted, %v are there", got, len(want), n, runs)
		}
	})
}

func TestTimerRanges(t *testing.T) {
	t.Parallel()
	tx := mapTx{}
	at := func(ms int) time.Time { return day1.Add(time.Duration(ms) * time.Millisecond) }
	for ms := range 10 {
		SetTimer(tx, "academy", TimerRun, NewID(day1, 0, fmt.Sprint(ms)), time.Time{}, at(ms))
	}
	// Below a millisecond it is rounded up, so that nothing is early.
	SetTimer(tx, "academy", TimerPerson, NewID(day1, 1), time.Time{}, at(3).Add(time.Microsecond))
	for _, c := range []struct {
		from, to TimerPlace
		want     int
	}{
		{TimerPlace{}, TimerPlace{}, 11},
		{TimerPlaceAt(at(4)), TimerPlace{}, 7},
		{TimerPlace{}, TimerPlaceAt(at(4)), 4},
		{TimerPlaceAt(at(4)), TimerPlaceAt(at(5)), 2},
		{TimerPlaceAt(at(10)), TimerPlace{}, 0},
	} {
		if got := timersOf(t, tx, "academy", c.from, c.to); len(got) != c.want {
			t.Errorf("[%x, %x): %d timers, want %d", c.from, c.to, len(got), c.want)
		}
	}
	if p := TimerPlaceAt(at(4)); p.Due() != at(4) || p.Compare(Timer{Due: at(4)}.Place()) != 0 {
		t.Errorf("%x", p)
	}
	if p := TimerPlaceAt(time.Unix(-5, 0)); p.Due().UnixMilli() != 1 {
		t.Errorf("before 1970: %x", p)
	}
	tx.Put(SpaceTimers, Key("academy", []byte("odd")), nil)
	n := 0
	err := Timers(tx, "academy", TimerPlace{}, TimerPlace{}, func(Timer) bool { n++; return true })
	if !errors.Is(err, ErrRecord) || n != 11 {
		t.Errorf("a bad key: %d timers, %v", n, err)
	}
}

// TestRunTimer takes a run through its states: the index follows.
func TestRunTimer(t *testing.T) {
	t.Parallel()
	tx := mapTx{}
	due := day1.Add(time.Hour)
	waits := func(due time.Time) Run {
		r := *goldenRun()
		r.State, r.Wait, r.Task = RunWaiting, &Wait{Kind: "time", Since: day1, Due: due}, ID{}
		return r
	}
	sends := *goldenRun()
	sends.State, sends.Wait = RunSending, nil
	over := sends
	over.State, over.Task = RunFinished, ID{}
	for i, c := range []struct {
		run  Run
		want time.Time
	}{
		{sends, time.Time{}}, {waits(due), due}, {waits(due), due}, {waits(due.Add(time.Hour)), due.Add(time.Hour)},
		{waits(time.Time{}), time.Time{}}, {waits(due), due}, {sends, time.Time{}}, {waits(due), due}, {over, time.Time{}},
	} {
		if err := SaveRun(tx, &c.run); err != nil {
			t.Fatal(err)
		}
		var want []Timer
		if !c.want.IsZero() {
			want = []Timer{{c.run.Location, c.want, TimerRun, c.run.ID}}
		}
		if got := timersOf(t, tx, c.run.Location, TimerPlace{}, TimerPlace{}); !slices.Equal(got, want) {
			t.Errorf("%d: timers %v, want %v", i, got, want)
		}
		if n, known := WaitingRuns(tx); n[c.run.Location] != len(want) || !known {
			t.Errorf("%d: %v runs are counted, %v", i, n, known)
		}
	}
}

// TestIndexTimers makes the index of stores that have none: from the start, and after what an interrupted try left.
func TestIndexTimers(t *testing.T) {
	t.Parallel()
	tx := mapTx{}
	for i := range 20 {
		r := *goldenRun()
		r.ID = NewID(day1, 0, fmt.Sprint(i))
		r.Location = []string{"academy", "other"}[i%2]
		if r.State, r.Wait = RunWaiting, (&Wait{Kind: "time", Due: day1.Add(time.Duration(i) * time.Hour)}); i%5 == 0 {
			r.State, r.Wait = RunSending, nil
		}
		if err := SaveRun(tx, &r); err != nil {
			t.Fatal(err)
		}
	}
	want := maps.Clone(tx[SpaceTimers])
	tx.Put(SpaceActive, Key("academy", bytes.Repeat([]byte{0xee}, 16)), []byte{99})
	for _, left := range []int{0, 3, 16} {
		delete(tx, SpaceTimers)
		for k, v := range want {
			if left--; left >= 0 {
				tx.Put(SpaceTimers, []byte(k), v)
			}
		}
		bad := 0
		tx.Put(SpaceMeta, waitingKey, append([]byte{1}, make([]byte, 8)...)) // as before locations were counted
		for from, first := []byte(nil), true; from != nil || first; first = false {
			if _, known := WaitingRuns(tx); known {
				t.Fatal("known before it is whole")
			}
			from = IndexTimers(tx, from, 7, func([]byte, error) { bad++ })
		}
		if n, known := WaitingRuns(tx); n["academy"] != 8 || n["other"] != 8 || len(n) != 2 || !known || bad != 1 {
			t.Errorf("%v runs counted, %v; %d bad", n, known, bad)
		}
		if !maps.EqualFunc(tx[SpaceTimers], want, bytes.Equal) {
			t.Errorf("%d timers, want %d", len(tx[SpaceTimers]), len(want))
		}
	}
}
