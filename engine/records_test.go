package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write golden records that are not there yet")

var day1 = time.Date(2026, 11, 2, 9, 30, 0, 123e6, time.UTC)

func goldenPerson() *Person {
	yes, no := true, false
	return &Person{
		Key: NewID(day1, 0x1234, "person"), Location: "academy",
		Contact: Contact{ID: "c-17", Email: "ada@example.com", Phone: "+14155550123", FirstName: "Ada", LastName: "Lovelace",
			Timezone: "Europe/London", Locale: "en", Consent: Consent{Email: &yes, SMS: &no},
			Custom: Custom{"cohort": "2026-11", "score": int64(9007199254740993), "ratio": 0.5, "tags": []any{"a", int64(1)}, "nest": map[string]any{"n": int64(2)}}},
		Since:    day1,
		Offers:   map[string]*Grant{"gold": {Title: "Gold", At: day1}, "old": {At: day1, Removed: true}},
		Products: map[string]*Grant{"go-101": {Title: "Go 101", At: day1, Via: []string{"gold"}, Direct: true}},
		Starts:   map[string]Start{"welcome/offer:gold": {At: day1, Run: NewID(day1, 0x1234, "run"), Ended: true}},
		Issue:    Issue{Ordinal: 1<<48 + 7, At: day1}, SignedUp: true, Absorbed: NewID(day1, 0x1234, "other"),
	}
}

func goldenRun() *Run {
	return &Run{
		ID: NewID(day1, 0x1234, "run"), Location: "academy", Workflow: "welcome", Version: "0123456789abcdef", Contact: NewID(day1, 0x1234, "person"),
		Event: Event{ID: "e1", Source: "nats:COURSES", Type: "lesson_completed", Location: "academy", Time: day1, Ordinal: 1<<48 + 7,
			Contact: Contact{ID: "c-17"}, Offer: &Noun{ID: "gold", Title: "Gold"}, Product: &Noun{ID: "go-101"},
			Category: &Noun{ID: "basics"}, Lesson: &Noun{ID: "intro"}, Custom: Custom{"n": int64(1)}, Depth: 2},
		Ordinal: 1<<48 + 7, State: RunWaiting, At: []string{"if-1", "else", "wait-2"},
		Wait: &Wait{Kind: "time", Since: day1, Due: day1.Add(24 * time.Hour)}, Task: NewID(day1, 0x1234, "task"),
		Steps:   []StepResult{{Path: []string{"hello"}, Kind: "email", At: day1, Outcome: "failed", Task: NewID(day1, 0x1234, "task"), Fault: "550 no such user"}},
		Started: day1, Ended: day1, End: "came in", Redeemed: day1,
	}
}

func goldenTask() *Task {
	return &Task{
		ID: NewID(day1, 0x1234, "task"), Location: "academy", Run: NewID(day1, 0x1234, "run"), Workflow: "welcome", Version: "0123456789abcdef",
		Step: []string{"if-1", "else", "hello"}, Kind: "email", Contact: NewID(day1, 0x1234, "person"), Created: day1, NotBefore: day1.Add(5 * time.Second),
		State: TaskDue, Attempts: 2, Changed: day1, Class: Transactional, To: "a…@example.com", Subject: "Welcome", Depth: 2,
		Links: []string{"AbCdEfGhIjKl"}, Error: "451 later", Receipt: "queued as 7",
	}
}

func goldenNotice() *Notice {
	return &Notice{ID: "message.sent:1", Location: "academy", Type: "message.sent", Time: day1, Data: map[string]any{"n": 1, "to": "<b>"}, Depth: 2}
}

func goldenEvent() *EventRecord {
	return &EventRecord{
		Location: "academy", Ordinal: 1<<48 + 7, ID: "e1", Type: "lesson_completed", Source: "nats:COURSES", Contact: NewID(day1, 0x1234, "person"),
		Time: day1, At: day1.Add(time.Second), Warnings: []string{"contact.phone: not a number"},
		Decisions: []Decision{{Workflow: "welcome", Run: NewID(day1, 0x1234, "run")}, {Workflow: "x", Reason: "the workflow is a draft", Fault: "no field"}},
	}
}

// golden compares today's encoding with a record written when the version was new.
func golden(t *testing.T, name string, today []byte) []byte {
	t.Helper()
	file := filepath.Join("testdata", "records", name)
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) && *update {
		if err := os.WriteFile(file, today, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(today, want) {
		t.Errorf("%s: today's encoding differs: what is stored already must be read for ever, so add a new golden record beside it\n got %q\nwant %q", name, today, want)
	}
	return want
}

func TestGoldenRecords(t *testing.T) {
	t.Parallel()
	p, r, k := goldenPerson(), goldenRun(), goldenTask()
	tx := mapTx{}
	if err := errors.Join(SavePerson(tx, p), SaveRun(tx, r), SaveTask(tx, k)); err != nil {
		t.Fatal(err)
	}
	gotP, err := DecodePerson(golden(t, "person.v1", tx.Get(SpacePeople, personKey("academy", p.Key))))
	if err != nil || !cmp.Equal(gotP, p) {
		t.Errorf("person: %v\n%s", err, cmp.Diff(p, gotP))
	}
	gotR, err := DecodeRun(golden(t, "run.v1", tx.Get(SpaceActive, Key("academy", r.ID[:]))))
	if err != nil || !cmp.Equal(gotR, r) {
		t.Errorf("run: %v\n%s", err, cmp.Diff(r, gotR))
	}
	gotK, err := DecodeTask(golden(t, "task.v1", tx.Get(SpaceDue, Key("academy", k.ID[:]))))
	if err != nil || !cmp.Equal(gotK, k) {
		t.Errorf("task: %v\n%s", err, cmp.Diff(k, gotK))
	}
	p.Tags = []string{"gold member", "vip"}
	if err := SavePerson(tx, p); err != nil {
		t.Fatal(err)
	}
	gotP, err = DecodePerson(golden(t, "person-tags.v1", tx.Get(SpacePeople, personKey("academy", p.Key))))
	if err != nil || !cmp.Equal(gotP, p) {
		t.Errorf("person with tags: %v\n%s", err, cmp.Diff(p, gotP))
	}
	k.Held = &Hold{Since: day1, Until: day1.Add(time.Hour), By: "the window"}
	if err := SaveTask(tx, k); err != nil {
		t.Fatal(err)
	}
	gotK, err = DecodeTask(golden(t, "task-held.v1", tx.Get(SpaceDue, Key("academy", k.ID[:]))))
	if err != nil || !cmp.Equal(gotK, k) {
		t.Errorf("held task: %v\n%s", err, cmp.Diff(k, gotK))
	}
	p.Messages = []Delivery{{Task: k.ID, Class: Marketing, At: day1}, {Task: r.ID, Class: Transactional, At: day1.Add(time.Hour), Reserved: true}}
	if err := SavePerson(tx, p); err != nil {
		t.Fatal(err)
	}
	gotP, err = DecodePerson(golden(t, "person-messages.v1", tx.Get(SpacePeople, personKey("academy", p.Key))))
	if err != nil || !cmp.Equal(gotP, p) {
		t.Errorf("person with messages: %v\n%s", err, cmp.Diff(p, gotP))
	}
	p.Progress = Progress("").withTrack("go-101", Track{Mark: Mark{Started: day1}, Categories: map[string]Mark{"basics": {Started: day1}},
		Lessons: map[string]Mark{"intro": {day1, day1.Add(time.Hour)}}})
	if err := SavePerson(tx, p); err != nil {
		t.Fatal(err)
	}
	gotP, err = DecodePerson(golden(t, "person-progress.v1", tx.Get(SpacePeople, personKey("academy", p.Key))))
	if err != nil || !cmp.Equal(gotP, p) || gotP.Progress.Of("go-101").Lessons["intro"].Completed != day1.Add(time.Hour).Truncate(time.Second) {
		t.Errorf("person with progress: %v\n%s", err, cmp.Diff(p, gotP))
	}
	e, n := goldenEvent(), goldenNotice()
	gotE, err := DecodeEvent(golden(t, "event.v1", encodeEvent(e)))
	if err != nil || !cmp.Equal(gotE, e) {
		t.Errorf("event: %v\n%s", err, cmp.Diff(e, gotE))
	}
	today, err := encodeNotice(n)
	if err != nil {
		t.Fatal(err)
	}
	n.Data = json.RawMessage(`{"n":1,"to":"\u003cb\u003e"}`)
	gotN, err := DecodeNotice(golden(t, "notice.v1", today))
	if err != nil || !cmp.Equal(gotN, n) {
		t.Errorf("notice: %v\n%s", err, cmp.Diff(n, gotN))
	}
	SeenEvent(tx, "academy", p.Key, [16]byte{1, 2, 3}, day1)
	tx.Scan(SpacePeople, seenPrefix("academy", p.Key), nil, func(_, v []byte) bool {
		golden(t, "seen.v1", v)
		return false
	})
}

// Every field of the nouns is stored: one that is added without a tag makes this fail.
func TestEveryFieldIsStored(t *testing.T) {
	t.Parallel()
	var p Person
	var r Run
	var k Task
	var e EventRecord
	n := 0
	for _, v := range []any{&p, &r, &k, &e} {
		fillIn(t, reflect.ValueOf(v).Elem(), &n)
	}
	r.State, k.State = RunSending, TaskSending
	tx := mapTx{}
	if err := errors.Join(SavePerson(tx, &p), SaveRun(tx, &r), SaveTask(tx, &k)); err != nil {
		t.Fatal(err)
	}
	if got, err := DecodeEvent(encodeEvent(&e)); err != nil || !cmp.Equal(got, &e) {
		t.Errorf("%v %s", err, cmp.Diff(&e, got))
	}
	if got, err := LoadPerson(tx, p.Location, p.Key); err != nil || !cmp.Equal(got, &p) {
		t.Errorf("%v %s", err, cmp.Diff(&p, got))
	}
	if got, err := LoadRun(tx, r.Location, r.ID); err != nil || !cmp.Equal(got, &r) {
		t.Errorf("%v %s", err, cmp.Diff(&r, got))
	}
	if got, err := LoadTask(tx, k.Location, k.ID); err != nil || !cmp.Equal(got, &k) {
		t.Errorf("%v %s", err, cmp.Diff(&k, got))
	}
}

// fillIn gives every part of v a value of its own.
func fillIn(t *testing.T, v reflect.Value, n *int) {
	*n++
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		*x = day1.Add(time.Duration(*n))
		return
	case *Custom:
		*x = Custom{"n": int64(*n)}
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprint("text ", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int:
		v.SetInt(int64(*n))
	case reflect.Uint64:
		v.SetUint(uint64(*n))
	case reflect.Array:
		v.Index(0).SetUint(uint64(*n % 255))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillIn(t, v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fillIn(t, v.Index(0), n)
		fillIn(t, v.Index(1), n)
	case reflect.Map:
		e := reflect.New(v.Type().Elem()).Elem()
		fillIn(t, e, n)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf(fmt.Sprint("key ", *n)), e)
	case reflect.Struct:
		for i := range v.NumField() {
			fillIn(t, v.Field(i), n)
		}
	default:
		t.Fatalf("a field of kind %v: say how to fill it in", v.Kind())
	}
}

// A later version's fields are passed over, at the top and in groups.
func TestUnknownFields(t *testing.T) {
	t.Parallel()
	w := FieldWriter{B: []byte{recordVersion}}
	w.Text(200, "from the future")
	w.Group(3, func() {
		w.Text(1, "c-17")
		w.Group(201, func() { w.Text(1, strings.Repeat("x", 300)) })
		w.Text(2, "ada@example.com")
	})
	p, err := DecodePerson(w.B)
	if err != nil || p.Contact.ID != "c-17" || p.Contact.Email != "ada@example.com" {
		t.Errorf("got %+v, %v", p, err)
	}
}

func TestHeads(t *testing.T) {
	t.Parallel()
	r, k := goldenRun(), goldenTask()
	rb, err1 := encodeRun(r)
	kb, err2 := encodeTask(k)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	rh, err := ReadRunHead(Key("academy", r.ID[:]), rb)
	if want := (RunHead{"academy", r.ID, RunWaiting, r.Wait.Due, r.Contact}); err != nil || rh != want {
		t.Errorf("got %v, %v; want %v", rh, err, want)
	}
	kh, err := ReadTaskHead(Key("academy", k.ID[:]), kb)
	if want := (TaskHead{"academy", k.ID, TaskDue, k.NotBefore, k.Contact, k.Run, "email"}); err != nil || kh != want {
		t.Errorf("got %v, %v; want %v", kh, err, want)
	}
	r.Wait.Due = day1.Add(time.Nanosecond)
	rb, _ = encodeRun(r)
	if rh, _ := ReadRunHead(Key("academy", r.ID[:]), rb); rh.Due.Before(r.Wait.Due) {
		t.Errorf("the head's due %v is before %v", rh.Due, r.Wait.Due)
	}
	r.Wait = nil
	rb, _ = encodeRun(r)
	if rh, _ := ReadRunHead(Key("academy", r.ID[:]), rb); !rh.Due.IsZero() {
		t.Errorf("no wait, yet due %v", rh.Due)
	}
}

func TestUnreadableRecords(t *testing.T) {
	t.Parallel()
	rb, _ := encodeRun(goldenRun())
	kb, _ := encodeTask(goldenTask())
	id := NewID(day1, 1, "x")
	key := Key("academy", id[:])
	for name, c := range map[string]struct {
		value []byte
		want  string
	}{
		"empty":         {[]byte{}, "empty"},
		"later version": {append([]byte{2}, rb[1:]...), "version 2 is not known to this version"},
		"cut short":     {rb[:10], "cut short"},
		"cut in fields": {rb[:len(rb)-1], "cut short"},
	} {
		tx := mapTx{SpaceRuns: {string(key): c.value}, SpaceDue: {string(key): c.value}, SpacePeople: {string(personKey("academy", id)): c.value}}
		_, err := LoadRun(tx, "academy", id)
		if !errors.Is(err, ErrRecord) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), id.String()) {
			t.Errorf("%s: run: got %v", name, err)
		}
		if _, err := LoadTask(tx, "academy", id); !errors.Is(err, ErrRecord) {
			t.Errorf("%s: task: got %v", name, err)
		}
		if _, err := LoadPerson(tx, "academy", id); !errors.Is(err, ErrRecord) {
			t.Errorf("%s: person: got %v", name, err)
		}
	}
	for _, b := range [][]byte{nil, {1}, append([]byte{2}, kb[1:]...), kb[:44], append([]byte{1, 99}, kb[2:]...)} {
		if h, err := ReadTaskHead(key, b); !errors.Is(err, ErrRecord) {
			t.Errorf("task head of %q: %v, %v", b, h, err)
		}
		if h, err := ReadRunHead([]byte("short"), b); !errors.Is(err, ErrRecord) {
			t.Errorf("run head of %q: %v, %v", b, h, err)
		}
	}
	if SaveRun(mapTx{}, &Run{}) == nil || SaveTask(mapTx{}, &Task{State: "odd"}) == nil {
		t.Error("a state without a byte was stored")
	}
}

func TestSavingMovesBetweenSpaces(t *testing.T) {
	t.Parallel()
	tx, r, k := mapTx{}, goldenRun(), goldenTask()
	for _, over := range []bool{false, true, false, true} {
		r.State, k.State = RunSending, TaskSending
		if over {
			r.State, k.State = RunFinished, TaskSent
		}
		if err := errors.Join(SaveRun(tx, r), SaveTask(tx, k)); err != nil {
			t.Fatal(err)
		}
		live, done := 1, 0
		if over {
			live, done = 0, 1
		}
		if len(tx[SpaceActive]) != live || len(tx[SpaceDue]) != live || len(tx[SpaceRuns]) != done || len(tx[SpaceTasks]) != done {
			t.Errorf("over %v: %v", over, tx)
		}
		if got, err := LoadRun(tx, "academy", r.ID); err != nil || got.State != r.State {
			t.Errorf("run: %v, %v", got, err)
		}
		if got, err := LoadTask(tx, "academy", k.ID); err != nil || got.State != k.State {
			t.Errorf("task: %v, %v", got, err)
		}
	}
	if got, err := LoadRun(tx, "elsewhere", r.ID); got != nil || err != nil {
		t.Errorf("another location's run: %v, %v", got, err)
	}
}

func TestRecordsRoundTrip(t *testing.T) {
	t.Parallel()
	value := rapid.Custom(func(t *rapid.T) any {
		switch rapid.IntRange(0, 4).Draw(t, "kind") {
		case 0:
			return rapid.String().Draw(t, "s")
		case 1:
			return rapid.Int64().Draw(t, "i")
		case 2:
			return rapid.Bool().Draw(t, "b")
		case 3:
			return rapid.Float64Range(0.001, 0.999).Draw(t, "f")
		}
		return []any{rapid.Int64().Draw(t, "i"), map[string]any{"x": rapid.String().Draw(t, "s")}}
	})
	rapid.Check(t, func(t *rapid.T) {
		r := goldenRun()
		r.Event.Custom = rapid.MapOfN(rapid.StringN(1, 8, -1), value, 1, 5).Draw(t, "custom")
		r.State = rapid.SampledFrom(runStates[1:]).Draw(t, "state")
		r.Wait.Due = time.UnixMilli(rapid.Int64Range(1, 4e12).Draw(t, "due")).UTC()
		b, err := encodeRun(r)
		if err != nil {
			t.Fatal(err)
		}
		back, err := DecodeRun(b)
		if err != nil || !cmp.Equal(r, back) {
			t.Fatalf("%v\n%s", err, cmp.Diff(r, back))
		}
		if h, err := ReadRunHead(Key("l", r.ID[:]), b); err != nil || h.State != r.State || !h.Due.Equal(r.Wait.Due) {
			t.Fatalf("head %v, %v", h, err)
		}
	})
}

func FuzzRecordHeads(f *testing.F) {
	b, _ := encodeTask(goldenTask())
	r, _ := encodeRun(goldenRun())
	f.Add([]byte("academy\x000123456789abcdef"), b)
	f.Add([]byte("academy\x000123456789abcdef"), r)
	f.Fuzz(func(t *testing.T, k, v []byte) { // must not panic
		ReadTaskHead(k, v)
		ReadRunHead(k, v)
		DecodeTask(v)
		DecodeRun(v)
		DecodePerson(v)
	})
}

func BenchmarkRecords(b *testing.B) {
	p, r, k := goldenPerson(), goldenRun(), goldenTask()
	b.Run("encode person, run and task", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			tx := mapTx{}
			if err := errors.Join(SavePerson(tx, p), SaveRun(tx, r), SaveTask(tx, k)); err != nil {
				b.Fatal(err)
			}
		}
	})
	pb, _ := encodePerson(p)
	rb, _ := encodeRun(r)
	kb, _ := encodeTask(k)
	b.Run("decode person, run and task", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, err1 := DecodePerson(pb)
			_, err2 := DecodeRun(rb)
			if _, err3 := DecodeTask(kb); err1 != nil || err2 != nil || err3 != nil {
				b.Fatal(err1, err2, err3)
			}
		}
	})
	key := Key("academy", r.ID[:])
	b.Run("run head", func(b *testing.B) {
		for b.Loop() {
			if _, err := ReadRunHead(key, rb); err != nil {
				b.Fatal(err)
			}
		}
	})
}
