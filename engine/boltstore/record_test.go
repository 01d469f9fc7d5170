package boltstore

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey/engine"
)

// TestRecordGolden pins version 1: journals hold it for long, and nodes of several versions read it.
func TestRecordGolden(t *testing.T) {
	t.Parallel()
	ops := []op{
		{opDrop, engine.SpaceDue, nil, nil},
		{opPut, engine.SpaceRuns, []byte("a\x00k"), []byte("value")},
		{opDelete, engine.SpaceRuns, []byte{0xff}, nil},
		{opPut, engine.SpaceMeta, []byte("k"), []byte{}},
	}
	const want = "01" + "0303647565" + "010472756e7303" + "61006b" + "0576616c7565" + "020472756e7301ff" + "01046d657461016b00"
	rec := []byte{recordVersion}
	for _, o := range ops {
		rec = appendOp(rec, o)
	}
	if got := hex.EncodeToString(rec); got != want {
		t.Errorf("written as %s, want %s", got, want)
	}
	var back []op
	if err := decodeRecord(rec, func(o op) { back = append(back, o) }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ops, back, cmp.AllowUnexported(op{})); diff != "" {
		t.Errorf("read back (-written +read):\n%s", diff)
	}
}

func TestPositionGolden(t *testing.T) {
	t.Parallel()
	p := engine.Position{Seq: 258, N: 3, ID: "node/1/3"}
	b := encodePosition(p)
	if got, want := hex.EncodeToString(b), "01"+"0000000000000102"+"0000000000000003"+hex.EncodeToString([]byte(p.ID)); got != want {
		t.Errorf("written as %s, want %s", got, want)
	}
	if got, err := decodePosition(b); err != nil || got != p {
		t.Errorf("read back as %v, %v", got, err)
	}
	for _, bad := range [][]byte{{}, {1}, append([]byte{2}, b[1:]...)} {
		if _, err := decodePosition(bad); !errors.Is(err, engine.ErrBadRecord) {
			t.Errorf("%x: %v", bad, err)
		}
	}
}

// FuzzDecodeRecord checks that whatever is accepted is written back as the same bytes.
func FuzzDecodeRecord(f *testing.F) {
	rec := appendOp([]byte{recordVersion}, op{opPut, engine.SpaceRuns, []byte("k"), bytes.Repeat([]byte("v"), 200)})
	f.Add(rec)
	f.Add(appendOp(slices.Clone(rec), op{kind: opDrop, space: engine.SpaceDue}))
	f.Add([]byte{recordVersion, opDelete, 0x81, 0x00, 'a', 1, 'k'}) // a length that is not in its shortest form
	f.Add([]byte{recordVersion, opPut, 1, 'a', 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Fuzz(func(t *testing.T, rec []byte) {
		again := []byte{recordVersion}
		err := decodeRecord(rec, func(o op) { again = appendOp(again, o) })
		if err == nil && !bytes.Equal(rec, again) {
			t.Errorf("%x is written back as %x", rec, again)
		}
		if err != nil && !errors.Is(err, engine.ErrBadRecord) {
			t.Errorf("%v", err)
		}
	})
}
