package triggers

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

// TestErase has messages of two contacts in each stream and form, and erases those of one: they are gone from the files, too.
func TestErase(t *testing.T) {
	t.Parallel()
	b := openBus(t, nil)
	_, js := rawClient(t, b)
	const zeb = `"contact": {"id": "zeb", "email": "zebediah@example.com"}`
	ce := []string{"ce-specversion", "1.0", "ce-id", "b-1", "ce-source", "/shop", "ce-type", "user_login"}
	for _, m := range []struct {
		subject, data string
		header        []string
	}{
		{loginSubject, `{` + zeb + `}`, nil}, // 1
		{loginSubject, `{"specversion":"1.0","id":"1","source":"s","type":"user_login","data":{` + zeb + `}}`, nil},
		{loginSubject, `{` + zeb + `}`, ce},
		{loginSubject, `{"contact": {"email": "Zebediah@Example.com"}}`, nil},
		{loginSubject, `{"contact": {"email": "zebediah@example.com", broken`, nil}, // 5
		{loginSubject, `{"contact": {"email": "zeb.old@example.com"}}`, nil},        // known by its sequence
		{loginSubject, `{"contact": {"id": "bob", "email": "zebediah@example.com"}}`, nil},
		{loginSubject, `{"contact": {"id": "bob"}, "zeb": "zeb"}`, nil},
		{loginSubject, `[]`, nil},
		{"courses.elsewhere.user_login", `{` + zeb + `}`, nil}, // 10
		{loginSubject, `{` + zeb + `, "last": 1}`, nil},        // came later
	} {
		put(t, js, m.subject, m.data, m.header...)
	}
	put(t, js, "courses_dead.academy.user_login", `{"contact": {"email": "zebediah@example.com"}`)
	put(t, js, "courses_dead.academy.user_login", "", headerID, "login:zebediah@example.com", headerCut, "true")
	put(t, js, "courses_dead.academy.user_login", `{"contact": {"id": "bob"}}`)
	put(t, js, "courses_dead.elsewhere.user_login", `{"contact": {"id": "zeb"}}`, headerSubject, "courses.elsewhere.user_login")
	put(t, js, "latchkey.academy.message.sent", `{"specversion":"1.0","data":{"contact":"zeb","run":"r9"}}`)
	put(t, js, "latchkey.academy.message.sent", `{"specversion":"1.0","data":{"contact":"","run":"r1"}}`)
	put(t, js, "latchkey.academy.message.sent", `{"specversion":"1.0","data":{"contact":"bob","run":"r2"}}`)
	put(t, js, "latchkey.elsewhere.message.sent", `{"specversion":"1.0","data":{"contact":"zeb","run":"r1"}}`)

	put(t, js, "latchkey.academy.custom.lead", `{"specversion":"1.0","id":"custom.lead:r2/5","data":{}}`)
	put(t, js, "latchkey.academy.custom.lead", `{"specversion":"1.0","id":"custom.lead:r1/then/5","data":{"reach":"zebediah@example.com"}}`)

	e := Erasing{
		Location: "academy", UpTo: 10, Events: map[uint64]bool{6: true, 7: true}, Dry: true,
		Contact: func(id, email string) bool {
			return id == "zeb" || id == "" && strings.EqualFold(email, "zebediah@example.com")
		},
		Ref:     func(id string) bool { return id == "r1" },
		Foreign: func(location string) bool { return location == "elsewhere" },
	}
	want := Erased{Courses: 6, Dead: 2, Out: 3, Next: Marks{11, 5, 7}}
	for _, dry := range []bool{true, false} {
		e.Dry = dry
		if got, err := b.Erase(t.Context(), e); err != nil || got != want {
			t.Fatalf("dry %v: %+v, %v", dry, got, err)
		}
	}
	for stream, left := range map[string][]uint64{StreamCourses: {7, 8, 9, 10, 11}, StreamDead: {3, 4}, StreamOut: {3, 4, 5}} {
		s, err := js.Stream(t.Context(), stream)
		if err != nil {
			t.Fatal(err)
		}
		var got []uint64
		for seq := uint64(1); seq <= s.CachedInfo().State.LastSeq; seq++ {
			if _, err := s.GetMsg(t.Context(), seq); !errors.Is(err, jetstream.ErrMsgNotFound) {
				got = append(got, seq)
			}
		}
		if !slices.Equal(got, left) {
			t.Errorf("%s has %v, want %v", stream, got, left)
		}
	}
	e.From, e.UpTo = want.Next, 11
	if got, err := b.Erase(t.Context(), e); err != nil || got.Courses != 1 || got.Dead+got.Out != 0 {
		t.Errorf("what came later: %+v, %v", got, err)
	}
	for _, name := range []string{StreamCourses, StreamDead} {
		blocks, err := filepath.Glob(filepath.Join(b.cfg.Dir, "jetstream", "*", "streams", name, "msgs", "*.blk"))
		if err != nil || len(blocks) == 0 {
			t.Fatalf("no files of %s: %v", name, err)
		}
		for _, file := range blocks {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want := 0
			if name == StreamCourses {
				want = 2 // bob's, and elsewhere
			}
			if n := strings.Count(strings.ToLower(string(text)), "zebediah@"); n != want {
				t.Errorf("%s holds the address %d times", file, n)
			}
		}
	}
}
