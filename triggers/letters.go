package triggers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// MaxReplay is how many letters one call of Replay takes.
const MaxReplay = 500

// ErrNoLetter is returned for a number that no dead letter has, or has any more.
var ErrNoLetter = errors.New("no such dead letter")

// A Letter is a message of COURSES_DEAD.
type Letter struct {
	Number    uint64    // its sequence in that stream
	At        time.Time // when it was stored there
	Reason    string
	Subject   string    // the original's
	ID        string    // of the event, as far as it can be read
	Stored    time.Time // when COURSES stored the original
	Sequence  uint64    // of the original in COURSES; 0 if it was not there any more
	Truncated bool      // the original was too large to be repeated: it is in COURSES only
	Header    map[string][]string
	Data      []byte // the original's; nil in lists

	msgID string // the original's Nats-Msg-Id
}

// LetterQuery chooses what Letters returns. Zero fields choose all.
type LetterQuery struct {
	Limit  int    // default 100
	Before uint64 // only letters of lower numbers
	Since  time.Time
	Reason string // a part of the reason, without regard to case
	Event  string // the event's id
	// Foreign, if set, says which letters are passed over.
	Foreign func(Letter) bool
}

func (q *LetterQuery) wants(l *Letter) bool {
	return !l.At.Before(q.Since) && (q.Foreign == nil || !q.Foreign(*l)) && (q.Event == "" || q.Event == l.ID) &&
		strings.Contains(strings.ToLower(l.Reason), strings.ToLower(q.Reason))
}

// Letters returns dead letters without their data, newest first. There is no index: it reads the headers of letters from the
// newest back until it has enough.
func (b *Bus) Letters(ctx context.Context, q LetterQuery) ([]Letter, error) {
	if q.Limit <= 0 {
		q.Limit = 100
	}
	s, err := b.js.Stream(ctx, StreamDead)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", StreamDead, err)
	}
	state := s.CachedInfo().State
	to := state.LastSeq
	if q.Before > 0 {
		to = min(to, q.Before-1)
	}
	var out []Letter
	for window := uint64(256); to >= max(state.FirstSeq, 1) && len(out) < q.Limit; window *= 4 {
		from := max(state.FirstSeq, 1)
		if to-from >= window {
			from = to - window + 1
		}
		var found []Letter
		tooOld := false
		err := scan(ctx, s, from, to, true, nil, func(m Message) error {
			l := letterOf(m)
			tooOld = tooOld || l.At.Before(q.Since)
			if q.wants(&l) {
				l.Data = nil
				found = append(found, l)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		slices.Reverse(found)
		out = append(out, found...)
		if tooOld {
			break
		}
		to = from - 1
	}
	return out[:min(len(out), q.Limit)], nil
}

// Letter returns one dead letter with its data. Returns ErrNoLetter.
func (b *Bus) Letter(ctx context.Context, number uint64) (Letter, error) {
	s, err := b.js.Stream(ctx, StreamDead)
	if err != nil {
		return Letter{}, fmt.Errorf("stream %s: %w", StreamDead, err)
	}
	return letter(ctx, s, number)
}

func letter(ctx context.Context, s jetstream.Stream, number uint64) (Letter, error) {
	raw, err := s.GetMsg(ctx, max(number, 1))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound), err == nil && raw.Sequence != number:
		return Letter{}, fmt.Errorf("dead letter %d: %w", number, ErrNoLetter)
	case err != nil:
		return Letter{}, fmt.Errorf("dead letter %d: %w", number, err)
	}
	return letterOf(messageOf(raw)), nil
}

func messageOf(raw *jetstream.RawStreamMsg) Message {
	return Message{Subject: raw.Subject, Header: raw.Header, Data: raw.Data, Seq: raw.Sequence, Time: raw.Time}
}

// letterOf reads a message of COURSES_DEAD.
func letterOf(m Message) Letter {
	h := nats.Header(m.Header)
	l := Letter{
		Number: m.Seq, At: m.Time.UTC(), Reason: h.Get(headerReason), Subject: h.Get(headerSubject), ID: h.Get(headerID),
		Truncated: h.Get(headerCut) == "true", Header: map[string][]string{}, Data: m.Data, msgID: h.Get(headerMsgID),
	}
	l.Sequence, _ = strconv.ParseUint(h.Get(headerSeq), 10, 64)
	l.Stored, _ = time.Parse(time.RFC3339Nano, h.Get(headerTime))
	for name, values := range m.Header {
		if !reserved(name) {
			l.Header[name] = values
		}
	}
	return l
}

// A Replayed letter is back in COURSES, or Err says why not.
type Replayed struct {
	Letter Letter // without data
	Err    error
}

// Replay puts the originals of dead letters back into COURSES, at its end, in the order of numbers, and removes the letters. An
// event keeps its identity and its time, so one that was applied meanwhile is a duplicate and starts nothing. One that
// dies again is a new letter in place of the old one. A letter whose replay ended in an error is still there; to replay it again
// is safe. Takes at most MaxReplay numbers. The error concerns all of them.
func (b *Bus) Replay(ctx context.Context, numbers []uint64) ([]Replayed, error) {
	if len(numbers) > MaxReplay {
		return nil, fmt.Errorf("replay takes at most %d letters", MaxReplay)
	}
	s, err := b.js.Stream(ctx, StreamDead)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", StreamDead, err)
	}
	out := make([]Replayed, len(numbers))
	var msgs []*nats.Msg
	var of []int
	for i, n := range numbers {
		l, err := letter(ctx, s, n)
		l.Number = n
		var m *nats.Msg
		if err == nil {
			m, err = b.revive(ctx, l, s.CachedInfo().Created)
		}
		l.Data = nil
		out[i] = Replayed{l, err}
		if err == nil {
			msgs, of = append(msgs, m), append(of, i)
		}
	}
	for j, r := range b.sendEach(ctx, StreamCourses, msgs) {
		res := &out[of[j]]
		if res.Err = r.err; r.err != nil {
			continue
		}
		if err := remove(ctx, s, res.Letter.Number); err != nil {
			res.Err = fmt.Errorf("it is back in %s, but its letter cannot be removed: %w", StreamCourses, err)
		}
	}
	return out, nil
}

// remove deletes a message; one that is not there is no error.
func remove(ctx context.Context, s jetstream.Stream, seq uint64) error {
	err := s.DeleteMsg(ctx, seq)
	if err == nil {
		return nil
	}
	if _, gone := s.GetMsg(ctx, seq); errors.Is(gone, jetstream.ErrMsgNotFound) {
		return nil
	}
	return err
}

// revive makes of a letter the message that it was. Its Nats-Msg-Id is new, lest the stream take it for the original; it is
// the same each time, so that a replay which was cut off can be repeated.
func (b *Bus) revive(ctx context.Context, l Letter, created time.Time) (*nats.Msg, error) {
	if !covered(l.Subject, []string{"courses.*.*"}) {
		return nil, fmt.Errorf("its subject %s is none of %s", quote(l.Subject), StreamCourses)
	}
	data, header := l.Data, l.Header
	if l.Truncated {
		m, _, err := b.original(ctx, l.Sequence)
		switch {
		case err != nil:
			return nil, err
		case m.Data == nil || m.Subject != l.Subject || eventID(m) != l.ID:
			return nil, fmt.Errorf("it was too large to be repeated, and %s does not hold it any more", StreamCourses)
		}
		data, header = m.Data, m.Header
	}
	h := nats.Header{}
	for name, values := range header {
		if !reserved(name) {
			h[name] = values
		}
	}
	h.Set(jetstream.MsgIDHeader, fmt.Sprintf("replay:%d:%d", created.UnixNano(), l.Number))
	h.Set(headerReplay, strconv.FormatUint(l.Number, 10))
	h.Set(headerID, l.ID)
	if l.msgID != "" {
		h.Set(headerMsgID, l.msgID)
	}
	if !l.Stored.IsZero() {
		h.Set(headerTime, l.Stored.UTC().Format(time.RFC3339Nano))
	}
	out := &nats.Msg{Subject: l.Subject, Header: h, Data: data}
	if int64(out.Size()) > b.nc.MaxPayload() {
		return nil, fmt.Errorf("with its headers it is larger than the NATS server takes (max_payload %d)", b.nc.MaxPayload())
	}
	return out, nil
}

// replace removes the letter that a message is the replay of, now that the message has a new one. A number that somebody else
// wrote into the header removes nothing.
func (b *Bus) replace(ctx context.Context, m Message) {
	number, err := strconv.ParseUint(nats.Header(m.Header).Get(headerReplay), 10, 64)
	if err != nil {
		return
	}
	s, err := b.js.Stream(ctx, StreamDead)
	if err != nil {
		return
	}
	old, err := letter(ctx, s, number)
	if err != nil || old.Subject != m.Subject || old.ID != eventID(m) {
		return
	}
	if err := remove(ctx, s, number); err != nil {
		b.log.Warn().Err(err).Uint64("letter", number).Msg("a letter that died again is shown twice")
	}
}

// reserved reports whether a header is the server's or Latchkey's own.
func reserved(name string) bool {
	return len(name) >= 5 && strings.EqualFold(name[:5], "Nats-") || len(name) >= 9 && strings.EqualFold(name[:9], "Latchkey-")
}

// eventID returns the id that the event of a message has, or would have if it could be read.
func eventID(m Message) string {
	h := readHeaders(m.Header)
	body, _ := parseObject(m.Data)
	id, _ := text(h.ce.id)
	if _, structured := body["specversion"]; isCloudEvents(h.contentType) || structured && !h.binary {
		id, _ = text(body["id"])
	}
	if id == "" {
		id = bareID(h, m.Seq, m.Time)
	}
	return strings.TrimSpace(printable(id[:min(len(id), maxID)]))
}

// bareID returns the id of bare data.
func bareID(h headers, seq uint64, at time.Time) string {
	switch {
	case h.replay != "" && h.wasMsgID != "":
		return h.wasMsgID
	case h.replay != "" && h.id != "":
		return h.id
	case h.msgID != "":
		return h.msgID
	}
	return "seq-" + strconv.FormatUint(seq, 10) + "@" + at.UTC().Format(time.RFC3339Nano)
}

// scan calls fn with the messages from..to of a stream that have one of the subjects (nil: all), in order, until it returns an
// error, and returns that. Without bodies it is quicker.
func scan(ctx context.Context, s jetstream.Stream, from, to uint64, headersOnly bool, subjects []string, fn func(Message) error) (err error) {
	name := s.CachedInfo().Config.Name
	c, err := s.CreateConsumer(ctx, jetstream.ConsumerConfig{
		AckPolicy: jetstream.AckNonePolicy, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: max(from, 1),
		HeadersOnly: headersOnly, FilterSubjects: subjects, MemoryStorage: true, InactiveThreshold: time.Minute,
	})
	if err != nil {
		return fmt.Errorf("read stream %s: %w", name, err)
	}
	info := c.CachedInfo()
	defer func() { // which the server would do itself in a while
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
		defer cancel()
		_ = s.DeleteConsumer(ctx, info.Name)
	}()
	for left := info.NumPending; left > 0; {
		batch, err := c.Fetch(int(min(left, 100)), jetstream.FetchContext(ctx))
		if err != nil {
			return fmt.Errorf("read stream %s: %w", name, err)
		}
		before := left
		for m := range batch.Messages() {
			meta, err := m.Metadata()
			if err != nil {
				return fmt.Errorf("read stream %s: %w", name, err)
			}
			if meta.Sequence.Stream > to {
				return nil
			}
			left = meta.NumPending
			if err := fn(Message{Subject: m.Subject(), Header: maps.Clone(m.Headers()), Data: m.Data(), Seq: meta.Sequence.Stream, Time: meta.Timestamp}); err != nil {
				return err
			}
		}
		if err := batch.Error(); err != nil {
			return fmt.Errorf("read stream %s: %w", name, err)
		}
		if left == before {
			return nil // the rest was removed meanwhile
		}
	}
	return nil
}
