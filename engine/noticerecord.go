package engine

import (
	"encoding/json"
	"fmt"
	"time"
)

// SaveNotice stores a notice that came up at now, behind all that came up before.
func SaveNotice(tx Tx, n *Notice, now time.Time) error {
	b, err := encodeNotice(n)
	if err != nil {
		return fmt.Errorf("notice %s: %w", n.ID, err)
	}
	id := NewID(now, 0, n.ID)
	tx.Put(SpaceNotices, Key(n.Location, id[:]), b)
	return nil
}

// encodeNotice encodes the data as it is going to be published.
func encodeNotice(n *Notice) ([]byte, error) {
	data, err := json.Marshal(n.Data)
	if err != nil {
		return nil, err
	}
	w := fieldWriter{b: append(make([]byte, 0, len(data)+192), recordVersion)}
	w.text(1, n.ID)
	w.text(2, n.Location)
	w.text(3, n.Type)
	w.time(4, n.Time)
	w.bytes(5, data)
	w.number(6, uint64(n.Depth))
	return w.b, w.err
}

// DecodeNotice reads a record of SpaceNotices.
func DecodeNotice(b []byte) (*Notice, error) {
	if err := checkVersion(b, 1); err != nil {
		return nil, err
	}
	n := new(Notice)
	r := fieldReader{rest: b[1:]}
	for r.next() {
		switch r.tag {
		case 1:
			n.ID = r.text()
		case 2:
			n.Location = r.text()
		case 3:
			n.Type = r.text()
		case 4:
			n.Time = r.time()
		case 5:
			n.Data = json.RawMessage(r.bytes())
		case 6:
			n.Depth = int(r.number())
		}
	}
	return n, r.err
}
