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
	w := FieldWriter{B: append(make([]byte, 0, len(data)+192), recordVersion)}
	w.Text(1, n.ID)
	w.Text(2, n.Location)
	w.Text(3, n.Type)
	w.Time(4, n.Time)
	w.Bytes(5, data)
	w.Number(6, uint64(n.Depth))
	w.Text(7, n.Subject)
	return w.B, w.Err
}

// DecodeNotice reads a record of SpaceNotices.
func DecodeNotice(b []byte) (*Notice, error) {
	if err := checkVersion(b, 1); err != nil {
		return nil, err
	}
	n := new(Notice)
	r := FieldReader{Rest: b[1:]}
	for r.Next() {
		switch r.Tag {
		case 1:
			n.ID = r.Text()
		case 2:
			n.Location = r.Text()
		case 3:
			n.Type = r.Text()
		case 4:
			n.Time = r.Time()
		case 5:
			n.Data = json.RawMessage(r.Bytes())
		case 6:
			n.Depth = int(r.Number())
		case 7:
			n.Subject = r.Text()
		}
	}
	return n, r.Err
}
