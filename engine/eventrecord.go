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
	id := NewID(e.At, e.Contact.Shard())
	binary.BigEndian.PutUint64(id[8:], e.Ordinal)
	tx.Put(SpaceDecisions, Key(e.Location, id[:]), encodeEvent(e))
}

func encodeEvent(e *EventRecord) []byte {
	w := fieldWriter{b: append(make([]byte, 0, 256), recordVersion)}
	w.b = append(w.b, e.Contact[:]...)
	w.text(1, e.Location)
	w.number(2, e.Ordinal)
	w.text(3, e.ID)
	w.text(4, e.Type)
	w.text(5, e.Source)
	w.time(6, e.Time)
	w.time(7, e.At)
	w.texts(8, e.Warnings)
	for i := range e.Decisions {
		d := &e.Decisions[i]
		w.group(9, func() {
			w.text(1, d.Workflow)
			w.id(2, d.Run)
			w.text(3, d.Reason)
			w.text(4, d.Fault)
		})
	}
	return w.b
}

const eventHeadLen = 1 + 16

// DecodeEvent reads a record of SpaceDecisions.
func DecodeEvent(b []byte) (*EventRecord, error) {
	contact, err := EventContact(b)
	if err != nil {
		return nil, fmt.Errorf("event: %w", err)
	}
	e := &EventRecord{Contact: contact}
	r := fieldReader{rest: b[eventHeadLen:]}
	for r.next() {
		r.eventRecord(e)
	}
	return e, r.err
}

// EventContact returns whose event a record of SpaceDecisions tells of.
func EventContact(b []byte) (ID, error) {
	if err := checkVersion(b, eventHeadLen); err != nil {
		return ID{}, err
	}
	return ID(b[1:eventHeadLen]), nil
}

func (r *fieldReader) eventRecord(e *EventRecord) {
	switch r.tag {
	case 1:
		e.Location = r.text()
	case 2:
		e.Ordinal = r.number()
	case 3:
		e.ID = r.text()
	case 4:
		e.Type = r.text()
	case 5:
		e.Source = r.text()
	case 6:
		e.Time = r.time()
	case 7:
		e.At = r.time()
	case 8:
		e.Warnings = append(e.Warnings, r.text())
	case 9:
		e.Decisions = append(e.Decisions, Decision{})
		d := &e.Decisions[len(e.Decisions)-1]
		r.group(func(r *fieldReader) {
			switch r.tag {
			case 1:
				d.Workflow = r.text()
			case 2:
				d.Run = r.id()
			case 3:
				d.Reason = r.text()
			case 4:
				d.Fault = r.text()
			}
		})
	}
}
