package runner

import (
	"fmt"
	"slices"
	"testing"
)

func TestAddressHolders(t *testing.T) {
	t.Parallel()
	var a address
	for i := range 300 {
		a.add(fmt.Sprintf("c-%0*d", 1+i%200, i)) // lengths of one byte and of two
	}
	before := a
	a.add("last")
	before.add("other") // does not write into what a has
	for i := range 297 {
		if err := a.drop(fmt.Sprintf("c-%0*d", 1+i%200, i)); err != nil {
			t.Fatal(err)
		}
	}
	ids, err := a.first(1000)
	if err != nil || len(ids) != 4 || ids[3] != "last" {
		t.Errorf("%v, %v", ids, err)
	}
	if two, err := a.first(2); err != nil || !slices.Equal(two, ids[:2]) {
		t.Errorf("%v, %v", two, err)
	}
	for _, broken := range []string{"\x05abc", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "\x80"} {
		b := address{ids: []byte(broken)}
		if _, err := b.first(2); err == nil {
			t.Errorf("%q was read", broken)
		}
		if err := b.drop("x"); err == nil {
			t.Errorf("%q was rewritten", broken)
		}
	}
}
