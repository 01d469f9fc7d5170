package engine

import "time"

// An Offset is how far a stream was processed: every message up to and including Seq. A stream with another
// time of creation is another stream.
type Offset struct {
	Stream  string    `json:"stream"`
	Created time.Time `json:"created"`
	Seq     uint64    `json:"seq"`
}

// A Batch is events in stream order, and the offset that is stored in the same commit as what they caused. From a
// trigger, an event's Ordinal is its bare stream sequence; the runner adds the stream's generation.
type Batch struct {
	Events []Event
	Offset Offset
}
