package engine

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestGoldenOwed keeps what is owed readable: an instance may end before it is carried over.
func TestGoldenOwed(t *testing.T) {
	t.Parallel()
	was := Person{Key: ID{1}, Location: "academy", Tags: []string{"new here"}, Contact: Contact{Custom: Custom{"level": int64(1)}}}
	is := Person{Key: ID{1}, Location: "academy", Tags: []string{"keen"}, Contact: Contact{Custom: Custom{"level": int64(2)}},
		Starts:   map[string]Start{"extra/contact": {At: day1, Run: ID{2}}},
		Messages: []Delivery{{Task: ID{3}, Class: Marketing, At: day1, Reserved: true}}}
	tx := mapTx{}
	if err := SaveOwed(tx, &was, &is, day1); err != nil {
		t.Fatal(err)
	}
	key := Key("academy", []byte{0, 0, 0, 0, 0, 0, 0, 1})
	got, err := DecodeOwed(key, golden(t, "owed.v1", tx.Get(SpaceOwed, key)))
	if err != nil || !cmp.Equal(got.Was, was) || !cmp.Equal(got.Is, is) {
		t.Errorf("%v\n%s%s", err, cmp.Diff(was, got.Was), cmp.Diff(is, got.Is))
	}
}
