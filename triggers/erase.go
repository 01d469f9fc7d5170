package triggers

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"latchkey/engine"
)

// An Erasing says which messages are about a contact of a location.
type Erasing struct {
	Location string
	// Contact reports whether a contact is meant, by its id or, where it is named by that alone, its e-mail address.
	Contact func(id, email string) bool
	// Foreign reports whether dead letters of a location are none of ours; nil if all are.
	Foreign func(location string) bool
	// Events are messages of COURSES known to be the contact's; they count where a message names no id.
	Events map[uint64]bool
	// Ref reports whether the id of a run or link, in what Latchkey published, is the contact's.
	Ref func(id string) bool
	// UpTo is the last message of COURSES to be looked at, and From the first of each stream.
	UpTo uint64
	From Marks
	Dry  bool // only count
}

// Marks are where streams were left.
type Marks struct{ Courses, Dead, Out uint64 }

// Erased counts messages by stream. Next is where to go on later.
type Erased struct {
	Courses, Dead, Out int
	Next               Marks
}

// Erase removes the messages about a contact from all streams, and overwrites them on the disk of the server. Order and numbers of
// the others stay. It reads the streams from end to end. Safe to be repeated; after an error some may be gone.
func (b *Bus) Erase(ctx context.Context, e Erasing) (Erased, error) {
	var out Erased
	for _, s := range []struct {
		name, subject string
		from, to      uint64
		about         func(Message) bool
		count         *int
		next          *uint64
	}{
		{StreamCourses, subjectPrefix + e.Location + ".*", e.From.Courses, e.UpTo, e.aboutEvent, &out.Courses, &out.Next.Courses},
		{StreamDead, "courses_dead.>", e.From.Dead, 0, e.aboutLetter, &out.Dead, &out.Next.Dead},
		{StreamOut, "latchkey." + e.Location + ".>", e.From.Out, 0, e.aboutNotice, &out.Out, &out.Next.Out},
	} {
		stream, err := b.js.Stream(ctx, s.name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			continue
		}
		if err != nil {
			return out, fmt.Errorf("stream %s: %w", s.name, err)
		}
		to := stream.CachedInfo().State.LastSeq
		if s.name == StreamCourses {
			to = min(to, s.to)
		}
		*s.next = to + 1
		if to < max(s.from, 1) || stream.CachedInfo().State.Msgs == 0 {
			continue
		}
		var found []uint64
		err = scan(ctx, stream, s.from, to, false, []string{s.subject}, func(m Message) error {
			if s.about(m) {
				found = append(found, m.Seq)
			}
			return nil
		})
		if err != nil {
			return out, err
		}
		*s.count = len(found)
		for _, seq := range found {
			if e.Dry {
				break
			}
			if err := eraseOne(ctx, stream, seq); err != nil {
				return out, fmt.Errorf("erase message %d of %s: %w", seq, s.name, err)
			}
		}
	}
	return out, nil
}

func eraseOne(ctx context.Context, s jetstream.Stream, seq uint64) error {
	err := s.SecureDeleteMsg(ctx, seq)
	if err == nil {
		return nil
	}
	if _, gone := s.GetMsg(ctx, seq); errors.Is(gone, jetstream.ErrMsgNotFound) {
		return nil
	}
	return err
}

var anyAddress = regexp.MustCompile(`[^\s"'<>()\[\]{},;:=@/\\]+@[\pL\pN-]+(?:\.[\pL\pN-]+)+`)

// aboutEvent reports whether a message of COURSES is about the contact. One that cannot be read is, if it holds the address.
func (e *Erasing) aboutEvent(m Message) bool {
	id, email, readable := contactOf(m)
	switch {
	case id != "":
		return e.Contact(id, "")
	case email != "":
		return e.Events[m.Seq] || e.Contact("", email)
	case readable:
		return false
	}
	for _, a := range anyAddress.FindAll(m.Data, -1) {
		if e.Contact("", string(a)) {
			return true
		}
	}
	return false
}

// aboutLetter reports whether a dead letter is: by its data or, as it may have none, an address in its headers.
func (e *Erasing) aboutLetter(m Message) bool {
	letter := *e
	letter.Events = nil
	rest, _ := strings.CutPrefix(nats.Header(m.Header).Get(headerSubject), subjectPrefix)
	if location, _, _ := strings.Cut(rest, "."); e.Foreign != nil && e.Foreign(location) {
		return false
	}
	if letter.aboutEvent(m) {
		return true
	}
	for _, values := range m.Header {
		for _, v := range values {
			for _, a := range anyAddress.FindAllString(v, -1) {
				if e.Contact("", a) {
					return true
				}
			}
		}
	}
	return false
}

// aboutNotice reports whether what Latchkey published is about the contact.
func (e *Erasing) aboutNotice(m Message) bool {
	body, err := parseObject(m.Data)
	if err != nil {
		return false
	}
	notice, _ := text(body["id"])
	if run := engine.AnnouncedBy(notice); run != "" && e.Ref(run) {
		return true
	}
	data, _ := body["data"].(map[string]any)
	for _, name := range []string{"run", "link"} {
		if id, _ := text(data[name]); id != "" && e.Ref(id) {
			return true
		}
	}
	id, email := contactIn(data)
	return id != "" && e.Contact(id, "") || id == "" && email != "" && e.Contact("", email)
}

// contactOf returns how a message names its contact, as far as it can be read.
func contactOf(m Message) (id, email string, readable bool) {
	body, err := parseObject(m.Data)
	if err != nil {
		return "", "", false
	}
	if _, structured := body["specversion"]; structured {
		if data, ok := body["data"].(map[string]any); ok {
			body = data
		}
	}
	id, email = contactIn(body)
	return id, email, id+email != ""
}

func contactIn(data map[string]any) (id, email string) {
	switch c := data["contact"].(type) {
	case map[string]any:
		id, _ = text(c["id"])
		email, _ = text(c["email"])
	default:
		id, _ = text(c)
	}
	return id, email
}

// Acked returns up to which message of COURSES all events were applied, and whether nothing is left to be.
func (b *Bus) Acked(ctx context.Context) (seq uint64, all bool, err error) {
	c, err := b.js.Consumer(ctx, StreamCourses, durableName)
	if err != nil {
		return 0, false, fmt.Errorf("consumer %s: %w", durableName, err)
	}
	info := c.CachedInfo()
	return info.AckFloor.Stream, info.NumPending == 0 && info.NumAckPending == 0, nil
}
