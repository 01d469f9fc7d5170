package sso

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"latchkey/engine"
)

var update = flag.Bool("update", false, "write the golden record if there is none yet")

// What this version writes, later ones read: the file never changes.
func TestGoldenGrant(t *testing.T) {
	t.Parallel()
	path := filepath.Join("testdata", "grant.v1.golden")
	w := engine.FieldWriter{B: []byte{recordVersion}}
	goldenGrant().write(&w)
	if _, err := os.Stat(path); *update && err != nil {
		if err := os.WriteFile(path, w.B, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(w.B, want) {
		t.Errorf("a grant is written as\n%x, was\n%x", w.B, want)
	}
	got := &grant{ID: goldenGrant().ID}
	if err := decode(want, got); err != nil || !reflect.DeepEqual(got, goldenGrant()) {
		t.Errorf("it is read as %+v, %v", got, err)
	}
	if decode([]byte{2}, got) == nil || decode(nil, got) == nil {
		t.Error("a later version is read")
	}
}
