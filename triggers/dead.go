package triggers

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"latchkey/engine"
)

// Headers of a dead letter. Its data and other headers are those of the original.
const (
	headerReason  = "Latchkey-Reason"
	headerSubject = "Latchkey-Subject" // the original's
	headerSeq     = "Latchkey-Sequence"
	headerTime    = "Latchkey-Time"      // when the original was stored, RFC 3339
	headerMsgID   = "Latchkey-Msg-Id"    // the original's Nats-Msg-Id
	headerID      = "Latchkey-Id"        // the event's id; in a replay that of bare data
	headerCut     = "Latchkey-Truncated" // "true" if the original was too large to be repeated; it is still in COURSES
	headerReplay  = "Latchkey-Replay"    // in COURSES: the number of the dead letter that the message was; it has headerTime and headerID too
)

// Dead copies the message that an event was decoded from into COURSES_DEAD, with the reason. Doing it again within an
// hour stores nothing new. If the stream does not hold that message any more, what is known of the event is stored instead.
// A letter that COURSES_DEAD refuses for good is logged and given up; other errors mean that it may be tried again.
func (b *Bus) Dead(ctx context.Context, ev engine.Event, reason string) error {
	const seqBits = 1<<48 - 1 // see engine.Event.Ordinal
	m, inc, err := b.original(ctx, ev.Ordinal&seqBits)
	if err != nil {
		return fmt.Errorf("dead letter: %w", err)
	}
	if m.Data != nil {
		was, err := (&Decoder{}).Decode(m)
		if err == nil && was.Identity() == ev.Identity() {
			return b.bury(ctx, inc, m, reason)
		}
	}
	out, err := eventMessage(ev)
	if err != nil {
		return fmt.Errorf("dead letter: %w", err)
	}
	id := ev.Identity()
	return b.sendDead(ctx, Message{Subject: out.Subject, Header: out.Header, Data: out.Data, Time: ev.Time}, reason, fmt.Sprintf("dead:%s:%d", hex.EncodeToString(id[:]), ev.Ordinal))
}

// original fetches a message of COURSES; its Data is nil if it is not there.
func (b *Bus) original(ctx context.Context, seq uint64) (Message, incarnation, error) {
	s, err := b.js.Stream(ctx, StreamCourses)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return Message{}, incarnation{}, nil
	}
	if err != nil {
		return Message{}, incarnation{}, fmt.Errorf("stream %s: %w", StreamCourses, err)
	}
	inc := incarnation{StreamCourses, s.CachedInfo().Created}
	raw, err := s.GetMsg(ctx, max(seq, 1))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return Message{}, inc, nil
	}
	if err != nil {
		return Message{}, inc, fmt.Errorf("message %d: %w", seq, err)
	}
	return Message{Subject: raw.Subject, Header: raw.Header, Data: raw.Data, Seq: raw.Sequence, Time: raw.Time}, inc, nil
}

// bury stores a message as a dead letter. Its id is made of the stream and the sequence, so that it is stored once.
func (b *Bus) bury(ctx context.Context, inc incarnation, m Message, reason string) error {
	return b.sendDead(ctx, m, reason, fmt.Sprintf("dead:%d:%d", inc.created.UnixNano(), m.Seq))
}

func (b *Bus) sendDead(ctx context.Context, m Message, reason, id string) error {
	out := &nats.Msg{Subject: deadSubject(m.Subject), Header: deadHeader(m, reason), Data: m.Data}
	if limit := b.nc.MaxPayload(); int64(out.Size())+1024 > limit {
		out.Data = nil
		out.Header.Set(headerCut, "true")
	}
	out.Header.Set(jetstream.MsgIDHeader, id)
	_, err := b.js.PublishMsg(ctx, out)
	if errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrNoStreamResponse) { // somebody removed the stream
		if err = b.ensureStream(ctx, b.streamConfigs()[1]); err == nil {
			_, err = b.js.PublishMsg(ctx, out)
		}
	}
	if api := (*jetstream.APIError)(nil); errors.As(err, &api) && api.Code < 500 {
		// Somebody spoilt the stream. What follows must not wait for that; the message itself is still in COURSES.
		b.log.Error().Err(err).Str("subject", m.Subject).Uint64("seq", m.Seq).Str("reason", reason).Msg("dead letter refused by its stream")
		return nil
	}
	if err != nil {
		return fmt.Errorf("stream %s: %w", StreamDead, err)
	}
	b.replace(ctx, m)
	return nil
}

// deadHeader keeps the original's headers but those that the server would obey.
func deadHeader(m Message, reason string) nats.Header {
	h := nats.Header{}
	was := readHeaders(m.Header)
	size := 0
	for name, values := range m.Header {
		for _, v := range values {
			size += len(name) + len(v)
		}
		switch {
		case strings.EqualFold(name, jetstream.MsgIDHeader) && was.replay == "":
			h[headerMsgID] = values
		case reserved(name):
		case size <= 32<<10:
			h[name] = values
		}
	}
	h.Set(headerReason, printable(reason))
	h.Set(headerSubject, m.Subject)
	if m.Seq > 0 {
		h.Set(headerSeq, strconv.FormatUint(m.Seq, 10))
	}
	at := m.Time
	if was.replay != "" {
		if !was.at.IsZero() {
			at = was.at
		}
		if was.wasMsgID != "" {
			h.Set(headerMsgID, was.wasMsgID)
		}
	}
	h.Set(headerTime, at.UTC().Format(time.RFC3339Nano))
	h.Set(headerID, eventID(m))
	return h
}

// deadSubject keeps location and trigger in the subject where they are fit to stand in one.
func deadSubject(subject string) string {
	rest, _ := strings.CutPrefix(subject, subjectPrefix)
	location, trigger, _ := strings.Cut(rest, ".")
	if !isLocation(location) {
		location = "unknown"
	}
	if _, ok := lookup(trigger); !ok {
		trigger = "unknown"
	}
	return "courses_dead." + location + "." + trigger
}

// isLocation reports whether s has the form of a location's id: [a-z0-9][a-z0-9-]*
func isLocation(s string) bool {
	for i, c := range s {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && (c != '-' || i == 0) {
			return false
		}
	}
	return s != "" && len(s) <= 64
}
