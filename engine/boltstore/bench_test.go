package boltstore_test

import (
	"context"
	"encoding/binary"
	"sync/atomic"
	"testing"

	"latchkey/engine"
	"latchkey/engine/boltstore"
)

var benchValue = make([]byte, 150)

// benchKey is in order of time, as real keys are.
func benchKey(n uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte("academy\x00"), n)
}

func reportCommits(b *testing.B, s *boltstore.Stores, before boltstore.Stats) {
	now := s.Stats()
	b.ReportMetric(float64(now.Commits-before.Commits)/float64(now.Functions-before.Functions), "commits/update")
}

func BenchmarkUpdate(b *testing.B) {
	s := open(b, b.TempDir(), boltstore.Options{})
	ctx, n := context.Background(), uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		n++
		err := s.Global().Update(ctx, func(tx engine.Tx) error {
			tx.Put(engine.SpaceRuns, benchKey(n), benchValue)
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUpdate64Callers(b *testing.B) {
	s := open(b, b.TempDir(), boltstore.Options{})
	ctx := context.Background()
	var n atomic.Uint64
	before := s.Stats()
	b.SetParallelism(32) // times GOMAXPROCS
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			key := benchKey(n.Add(1))
			err := s.Global().Update(ctx, func(tx engine.Tx) error {
				tx.Put(engine.SpaceRuns, key, benchValue)
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	reportCommits(b, s, before)
}

func BenchmarkUpdate512Puts(b *testing.B) {
	s := open(b, b.TempDir(), boltstore.Options{})
	ctx, n := context.Background(), uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		err := s.Global().Update(ctx, func(tx engine.Tx) error {
			for range 512 {
				n++
				tx.Put(engine.SpaceRuns, benchKey(n), benchValue)
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "puts/s")
}

// filled returns a store with n records.
func filled(b *testing.B, n uint64) engine.Store {
	s := open(b, b.TempDir(), boltstore.Options{NoSync: true}).Global()
	for i := uint64(0); i < n; i += 1000 {
		err := s.Update(context.Background(), func(tx engine.Tx) error {
			for k := i; k < i+1000; k++ {
				tx.Put(engine.SpaceRuns, benchKey(k), benchValue)
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return s
}

func BenchmarkGet(b *testing.B) {
	const records = 100_000
	s := filled(b, records)
	ctx, n := context.Background(), uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		n = (n + 7919) % records
		err := s.View(ctx, func(tx engine.Tx) error {
			if tx.Get(engine.SpaceRuns, benchKey(n)) == nil {
				b.Fatal("not found")
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkScan1000(b *testing.B) {
	s := filled(b, 100_000)
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		err := s.View(ctx, func(tx engine.Tx) error {
			tx.Scan(engine.SpaceRuns, benchKey(50_000), nil, func(_, _ []byte) bool {
				n++
				return n < 1000
			})
			return nil
		})
		if err != nil || n != 1000 {
			b.Fatal(n, err)
		}
	}
}
