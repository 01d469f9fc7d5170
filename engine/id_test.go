package engine_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"latchkey/engine"
)

func TestIDKeepsItsParts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ms := rapid.Int64Range(0, 1<<48-1).Draw(t, "ms")
		shard := rapid.Uint16().Draw(t, "shard")
		id := engine.NewID(time.UnixMilli(ms), shard, rapid.String().Draw(t, "part"))
		if got := id.Time(); got.UnixMilli() != ms || got.Location() != time.UTC {
			t.Fatalf("time %v, want %d ms", got, ms)
		}
		if id.Shard() != shard {
			t.Fatalf("shard %d, want %d", id.Shard(), shard)
		}
		text := id.String()
		if got, err := engine.ParseID(text); err != nil || got != id || len(text) != 26 {
			t.Fatalf("%q reads as %v, %v", text, got, err)
		}
		b, err := json.Marshal(map[string]engine.ID{"id": id})
		if err != nil {
			t.Fatal(err)
		}
		var back map[string]engine.ID
		if err := json.Unmarshal(b, &back); err != nil || back["id"] != id {
			t.Fatalf("%s reads as %v, %v", b, back, err)
		}
	})
}

// TestIDOrder checks that ids, as bytes and as text, are in order of time, then shard.
func TestIDOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) (int64, engine.ID) {
			ms := rapid.Int64Range(1_700_000_000_000, 1_700_000_000_003).Draw(t, name+" ms")
			shard := rapid.Uint16Range(0, 3).Draw(t, name+" shard")
			return ms<<16 | int64(shard), engine.NewID(time.UnixMilli(ms), shard, rapid.String().Draw(t, name))
		}
		at, a := draw("a")
		bt, b := draw("b")
		order := bytes.Compare(a[:], b[:])
		if at < bt && order >= 0 || at > bt && order <= 0 {
			t.Fatalf("%v and %v are not in order of time and shard", a, b)
		}
		if order != strings.Compare(a.String(), b.String()) {
			t.Fatalf("%v and %v have another order as text", a, b)
		}
	})
}

func TestIDUnique(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_800_000_000_000)
	a := engine.NewID(now, 7, "ab", "c")
	if b := engine.NewID(now.Add(time.Microsecond), 7, "ab", "c"); a != b {
		t.Errorf("the same parts give %v and %v", a, b)
	}
	for _, parts := range [][]string{{"a", "bc"}, {"abc"}, {"ab", "c", ""}, {"ab"}, {}} {
		if b := engine.NewID(now, 7, parts...); a == b {
			t.Errorf("parts %q give the same id as ab, c", parts)
		}
	}
	// It is stored and mailed: it must be the same for ever.
	if got, want := a.String(), goldenID; got != want {
		t.Errorf("id %s, want %s as always", got, want)
	}
}

func TestIDTimeOutOfRange(t *testing.T) {
	t.Parallel()
	if got := engine.NewID(time.UnixMilli(-5), 9).Time(); got.UnixMilli() != 0 {
		t.Errorf("a time before 1970 gives %v, want 1970", got)
	}
	if got := engine.NewID(time.Time{}, 9); got.Shard() != 9 || got.Time().UnixMilli() != 0 {
		t.Errorf("the zero time gives %v, shard %d", got.Time(), got.Shard())
	}
	if got := engine.NewID(time.UnixMilli(1<<50), 9).Time().UnixMilli(); got != 1<<48-1 {
		t.Errorf("a time beyond 48 bits gives %d", got)
	}
}

func TestParseIDRefuses(t *testing.T) {
	t.Parallel()
	good := engine.NewID(time.UnixMilli(1_800_000_000_000), 1, "x").String()
	for name, s := range map[string]string{
		"empty":            "",
		"short":            good[:25],
		"long":             good + "0",
		"upper case":       strings.ToUpper(good),
		"letter i":         "i" + good[1:],
		"line break":       good[:13] + "\n" + good[14:],
		"bits beyond 128":  strings.Repeat("z", 26),
		"space in the end": good[:25] + " ",
	} {
		if id, err := engine.ParseID(s); !errors.Is(err, engine.ErrBadID) || !id.IsZero() {
			t.Errorf("%s: %q reads as %v, %v", name, s, id, err)
		}
	}
}

func FuzzParseID(f *testing.F) {
	f.Add(goldenID)
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := engine.ParseID(s); err == nil && id.String() != s {
			t.Errorf("%q reads as %v", s, id)
		}
	})
}

func TestZeroIDIsEmptyText(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal(engine.ID{})
	if err != nil || string(b) != `""` {
		t.Errorf("%s, %v", b, err)
	}
	id := engine.NewID(time.UnixMilli(1), 1)
	if err := json.Unmarshal([]byte(`""`), &id); err != nil || !id.IsZero() {
		t.Errorf("%v, %v", id, err)
	}
	if err := json.Unmarshal([]byte(`"nonsense"`), &id); !errors.Is(err, engine.ErrBadID) {
		t.Errorf("%v", err)
	}
}

// TestShardOf pins shards: they are in every link that was mailed.
func TestShardOf(t *testing.T) {
	t.Parallel()
	for _, c := range goldenShards {
		if got := engine.ShardOf(c.location, c.identity); got != c.want {
			t.Errorf("shard of %q %q is %d, want %d as always", c.location, c.identity, got, c.want)
		}
	}
}

func TestPartition(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 3, 4, 7, 64, 256} {
		held := make([]int, n)
		last := 0
		for shard := range 1 << 16 {
			p := engine.Partition(uint16(shard), n)
			if p < last || p >= n {
				t.Fatalf("shard %d of %d partitions is in %d, after %d", shard, n, p, last)
			}
			held[p]++
			last = p
		}
		for p, shards := range held {
			if want := 1 << 16 / n; shards < want || shards > want+1 {
				t.Errorf("partition %d of %d holds %d shards", p, n, shards)
			}
		}
	}
}

func TestShardsSpread(t *testing.T) {
	t.Parallel()
	const contacts, partitions = 20000, 4
	held := make([]int, partitions)
	for i := range contacts {
		id := engine.NewID(time.UnixMilli(int64(i)), 0).String()
		held[engine.Partition(engine.ShardOf("academy", id), partitions)]++
	}
	for p, n := range held {
		if n < contacts/partitions*9/10 || n > contacts/partitions*11/10 {
			t.Errorf("partition %d holds %d of %d contacts", p, n, contacts)
		}
	}
}

const goldenID = "06hhgq2g0000er0xahve5k7y5g"

var goldenShards = []struct {
	location, identity string
	want               uint16
}{
	{"academy", "c-17", 10434},
	{"academy", "ada@example.com", 38769},
	{"", "", 22547},
}
