package engine_test

import (
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"latchkey/engine"
	"latchkey/engine/enginetest"
)

var owedAt = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

// owing draws a person as far as runs change them.
func owing(t *rapid.T, name string) engine.Person {
	few := rapid.SampledFrom([]string{"a", "b", "c"})
	p := engine.Person{Key: engine.ID{1}, Location: "academy"}
	p.Tags = slices.Compact(slices.Sorted(slices.Values(rapid.SliceOf(few).Draw(t, name+" tags"))))
	n := rapid.IntRange(0, 3)
	for k, v := range rapid.MapOf(few, n).Draw(t, name+" fields") {
		if p.Contact.Custom == nil {
			p.Contact.Custom = engine.Custom{}
		}
		p.Contact.Custom[k] = int64(v)
	}
	for k, v := range rapid.MapOf(few, n).Draw(t, name+" starts") {
		if p.Starts == nil {
			p.Starts = map[string]engine.Start{}
		}
		p.Starts[k] = engine.Start{At: owedAt.Add(time.Duration(v)), Run: engine.ID{byte(v)}, Ended: v == 2}
	}
	for i, v := range rapid.SliceOfN(n, 0, 4).Draw(t, name+" messages") {
		p.Messages = append(p.Messages, engine.Delivery{Task: engine.ID{byte(i)}, Class: engine.Marketing, At: owedAt.Add(time.Duration(i)), Reserved: v == 1})
	}
	return p
}

// TestCarry does to a person what was done to it elsewhere: the same comes of it, through the store too.
func TestCarry(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		was, is := owing(t, "was"), owing(t, "is")
		for k, s := range was.Starts { // no start is taken back, and none is replaced by an older one
			if now, ok := is.Starts[k]; !ok || now.At.Before(s.At) {
				if is.Starts == nil {
					is.Starts = map[string]engine.Start{}
				}
				is.Starts[k] = s
			}
		}
		before, after, any := engine.Difference(&was, &is)
		if any == reflect.DeepEqual(was, is) {
			t.Fatalf("differs: %v, of %+v and %+v", any, was, is)
		}
		if got := engine.Carry(was, before, after); !samePerson(got, is) {
			t.Errorf("%+v\nbecame %+v\nwant   %+v", was, got, is)
		}
		err := enginetest.NewStores(1).Global().Update(t.Context(), func(tx engine.Tx) error {
			for range 2 {
				if err := engine.SaveOwed(tx, &before, &after, owedAt); err != nil {
					return err
				}
			}
			var all []*engine.Owed
			tx.Scan(engine.SpaceOwed, nil, nil, func(k, v []byte) bool {
				o, err := engine.DecodeOwed(k, v)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, o)
				return true
			})
			if len(all) != 2 || all[0].Identity == all[1].Identity || !samePerson(engine.Carry(was, all[0].Was, all[0].Is), is) {
				t.Errorf("stored: %+v", all)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func samePerson(a, b engine.Person) bool {
	_, _, any := engine.Difference(&a, &b)
	return !any && slices.Equal(a.Messages, b.Messages)
}

// TestCarryMeanwhile leaves alone what else became of the person.
func TestCarryMeanwhile(t *testing.T) {
	t.Parallel()
	was := engine.Person{Tags: []string{"old"}}
	is := engine.Person{Tags: []string{"new"}, Contact: engine.Contact{Custom: engine.Custom{"level": int64(2)}},
		Starts: map[string]engine.Start{"w/contact": {At: owedAt, Run: engine.ID{1}}}}
	now := engine.Person{Tags: []string{"mine", "old"}, Contact: engine.Contact{ID: "c1", Custom: engine.Custom{"town": "Bath"}},
		Starts: map[string]engine.Start{"w/contact": {At: owedAt.Add(1), Run: engine.ID{2}}}}
	got := engine.Carry(now, was, is)
	if !slices.Equal(got.Tags, []string{"mine", "new"}) || got.Contact.ID != "c1" || len(got.Contact.Custom) != 2 || got.Starts["w/contact"].Run != (engine.ID{2}) {
		t.Errorf("%+v", got)
	}
	if len(now.Contact.Custom) != 1 || len(now.Tags) != 2 {
		t.Errorf("changed its argument: %+v", now)
	}
}

func FuzzDecodeOwed(f *testing.F) {
	f.Add([]byte("academy\x0012345678"), []byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1})
	f.Fuzz(func(t *testing.T, key, v []byte) {
		if o, err := engine.DecodeOwed(key, v); err != nil && (o != nil || !errors.Is(err, engine.ErrRecord)) {
			t.Errorf("%v, %v", o, err)
		}
	})
}
