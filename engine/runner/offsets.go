package runner

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"latchkey/engine"
)

// A position is how far a partition processed a stream. It is stored in SpaceMeta beside what the events caused: key
// "offset " stream, value version (1), creation time in Unix nanoseconds, generation, sequence, 8 bytes each.
type position struct {
	created    time.Time
	generation uint64 // how many streams of this name there were before; the upper 16 bits of ordinals
	seq        uint64
}

func positionKey(stream string) []byte { return []byte("offset " + stream) }

// loadPosition returns the position, and whether there is one.
func loadPosition(tx engine.Tx, stream string) (position, bool) {
	b := tx.Get(engine.SpaceMeta, positionKey(stream))
	if len(b) != 25 || b[0] != 1 {
		return position{}, false
	}
	return position{
		created:    time.Unix(0, int64(binary.BigEndian.Uint64(b[1:]))).UTC(),
		generation: binary.BigEndian.Uint64(b[9:]),
		seq:        binary.BigEndian.Uint64(b[17:]),
	}, true
}

func (pos position) save(tx engine.Tx, stream string) {
	b := append(make([]byte, 0, 25), 1)
	b = binary.BigEndian.AppendUint64(b, uint64(pos.created.UnixNano()))
	b = binary.BigEndian.AppendUint64(b, pos.generation)
	b = binary.BigEndian.AppendUint64(b, pos.seq)
	tx.Put(engine.SpaceMeta, positionKey(stream), b)
}

// floor returns the sequence up to which a partition has processed the stream that is at in its generation. A
// partition that has not heard of that generation has processed nothing of it.
func (pos position) floor(at position) uint64 {
	if !pos.created.Equal(at.created) || pos.generation != at.generation {
		return 0
	}
	return pos.seq
}

// positions reads the position of each partition, and the newest generation among them.
func (r *Runner) positions(ctx context.Context, stream string) (all []position, newest position, err error) {
	all = make([]position, len(r.parts))
	for i, p := range r.parts {
		err := p.store.View(ctx, func(tx engine.Tx) error {
			all[i], _ = loadPosition(tx, stream)
			return nil
		})
		if err != nil {
			return nil, position{}, fmt.Errorf("offset of %s: %w", stream, err)
		}
		if i == 0 || all[i].generation > newest.generation || newest.created.IsZero() {
			newest = all[i]
		}
	}
	return all, newest, nil
}

// Offsets returns how far every partition has processed a stream; Created and Seq are zero if none has.
func (r *Runner) Offsets(ctx context.Context, stream string) (engine.Offset, error) {
	all, newest, err := r.positions(ctx, stream)
	if err != nil {
		return engine.Offset{}, err
	}
	off := engine.Offset{Stream: stream, Created: newest.created, Seq: newest.seq}
	for _, pos := range all {
		off.Seq = min(off.Seq, pos.floor(newest))
	}
	return off, nil
}

// storePosition stores a position that no events go with.
func (p *partition) storePosition(ctx context.Context, stream string, pos position) error {
	err := p.store.Update(ctx, func(tx engine.Tx) error {
		pos.save(tx, stream)
		return nil
	})
	if err != nil {
		return fmt.Errorf("offset of %s: %w", stream, err)
	}
	return nil
}
