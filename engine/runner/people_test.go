package runner

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"latchkey/engine"
)

// TestPeople finds contacts by parts of what is known of them, the newest first, page by page, in one place alone.
func TestPeople(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, s engine.Stores) {
		w := newWorld(t, s)
		w.start()
		var all []ImportedContact
		for i := range 25 {
			all = append(all, ImportedContact{Contact: engine.Contact{ID: fmt.Sprintf("c-%02d", i), Email: fmt.Sprintf("Learner%02d@Example.com", i),
				Phone: fmt.Sprintf("+14155550%03d", i), FirstName: "Ada", LastName: fmt.Sprintf("Lovelace %d", i)}})
		}
		for i := range all { // one at a time, so that each is newer than the last
			if _, err := w.Import(t.Context(), place1, all[i:i+1]); err != nil {
				t.Fatal(err)
			}
			w.clock.move(time.Second)
		}
		find := func(text string, before engine.ID, limit int) (ids []string, last engine.ID) {
			t.Helper()
			people, err := w.People(t.Context(), place1, text, before, limit)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range people {
				ids, last = append(ids, p.Contact.ID), p.Key
			}
			return ids, last
		}
		for text, want := range map[string][]string{
			"learner07@": {"c-07"}, "LOVELACE ada 13": {"c-13"}, "+14155550021": {"c-21"}, "c-1": nil, "nobody": {}, "ada zz": {},
		} {
			got, _ := find(text, engine.ID{}, 50)
			if want == nil && len(got) != 10 || want != nil && !slices.Equal(got, want) && len(got)+len(want) > 0 {
				t.Errorf("%q finds %v", text, got)
			}
		}
		if got, key := find("c-07", engine.ID{}, 50); len(got) == 1 { // a log names contacts by their keys
			if again, _ := find(" "+key.String(), engine.ID{}, 50); !slices.Equal(again, got) {
				t.Errorf("%s finds %v", key, again)
			}
		}
		var paged []string
		var before engine.ID
		for {
			ids, last := find("", before, 10)
			if len(ids) == 0 {
				break
			}
			paged, before = append(paged, ids...), last
		}
		if len(paged) != 25 || paged[0] != "c-24" || paged[24] != "c-00" {
			t.Errorf("page by page: %v", paged)
		}
		if got, err := w.People(t.Context(), "elsewhere", "", engine.ID{}, 10); err != nil || len(got) != 0 {
			t.Errorf("elsewhere: %d, %v", len(got), err)
		}
	})
}
