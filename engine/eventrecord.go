package engine

import (
	"encoding/binary"
	"fmt"
	"time"
)

// An EventRecord tells what one event caused.
type EventRecord struct {
	Location  string     `json:"location"`
	Ordinal   uint64     `json:"ordinal"`
	ID        string     `json:"id"`
	Type      string     `json:"type"`
	Source    string     `json:"source,omitempty"`
	Contact   ID         `json:"contact"`
	Time      time.Time  `json:"time"` // when it happened
	At        time.Time  `json:"at"`   // when it was applied
	Warnings  []string   `json:"warnings,omitempty"`
	Decisions []Decision `json:"decisions,omitempty"`
}

// SaveEvent stores what an event caused, in SpaceDecisions in the order of time.
func SaveEvent(tx Tx, e *EventRecord) {
	id := EventRecordID(e.At, e.Contact, e.Ordinal)
	tx.Put(SpaceDecisions, Key(e.Location, id[:]), encodeEvent(e))
}

// EventRecordID returns what the record of an event is found and sorted by. It is not the publisher's id, which need not be
// unique and says nothing of time.
func EventRecordID(at time.Time, contact ID, ordinal uint64) ID {
	id := NewID(at, contact.Shard())
	binary.BigEndian.PutUint64(id[8:], ordinal)
	return id
}

// LoadEvent returns the record of that EventRecordID, or nil.
func LoadEvent(tx Tx, location string, id ID) (*EventRecord, error) {
	b := tx.Get(SpaceDecisions, Key(location, id[:]))
	if b == nil {
		return nil, nil
	}
	return DecodeEvent(b)
}

// SettleEvent replaces the pending decision that s names in the record of its event. There is nothing to replace if the record is not
// kept any more, or is in another partition, as that of a contact that was absorbed may be.
func SettleEvent(tx Tx, s *Decided) error {
	e, err := LoadEvent(tx, s.Location, s.Record)
	if err != nil || e == nil {
		return err
	}
	for i := range e.Decisions {
		if d := &e.Decisions[i]; d.Workflow == s.Decision.Workflow && d.Until.Equal(s.Until) && !s.Until.IsZero() {
			*d = s.Decision
			tx.Put(SpaceDecisions, Key(s.Location, s.Record[:]), encodeEvent(e))
			return nil
		}
	}
	return nil
}

func encodeEvent(e *EventRecord) []byte {
	w := FieldWriter{B: append(make([]byte, 0, 256), recordVersion)}
	w.B = append(w.B, e.Contact[:]...)
	w.Text(1, e.Location)
	w.Number(2, e.Ordinal)
	w.Text(3, e.ID)
	w.Text(4, e.Type)
	w.Text(5, e.Source)
	w.Time(6, e.Time)
	w.Time(7, e.At)
	w.Texts(8, e.Warnings)
	for i := range e.Decisions {
		d := &e.Decisions[i]
		w.Group(9, func() {
			w.Text(1, d.Workflow)
			w.ID(2, d.Run)
			w.Text(3, d.Reason)
			w.Text(4, d.Fault)
			w.Text(5, d.Moved)
			w.Time(6, d.Until)
		})
	}
	return w.B
}

const eventHeadLen = 1 + 16

// DecodeEvent reads a record of SpaceDecisions.
func DecodeEvent(b []byte) (*EventRecord, error) {
	contact, err := EventContact(b)
	if err != nil {
		return nil, fmt.Errorf("event: %w", err)
	}
	e := &EventRecord{Contact: contact}
	r := FieldReader{Rest: b[eventHeadLen:]}
	for r.Next() {
		r.eventRecord(e)
	}
	return e, r.Err
}

// EventContact returns whose event a record of SpaceDecisions tells of.
func EventContact(b []byte) (ID, error) {
	if err := checkVersion(b, eventHeadLen); err != nil {
		return ID{}, err
	}
	return ID(b[1:eventHeadLen]), nil
}

func (r *FieldReader) eventRecord(e *EventRecord) {
	switch r.Tag {
	case 1:
		e.Location = r.Text()
	case 2:
		e.Ordinal = r.Number()
	case 3:
		e.ID = r.Text()
	case 4:
		e.Type = r.Text()
	case 5:
		e.Source = r.Text()
	case 6:
		e.Time = r.Time()
	case 7:
		e.At = r.Time()
	case 8:
		e.Warnings = append(e.Warnings, r.Text())
	case 9:
		e.Decisions = append(e.Decisions, Decision{})
		d := &e.Decisions[len(e.Decisions)-1]
		r.Group(func(r *FieldReader) {
			switch r.Tag {
			case 1:
				d.Workflow = r.Text()
			case 2:
				d.Run = r.ID()
			case 3:
				d.Reason = r.Text()
			case 4:
				d.Fault = r.Text()
			case 5:
				d.Moved = r.Text()
			case 6:
				d.Until = r.Time()
			}
		})
	}
}
