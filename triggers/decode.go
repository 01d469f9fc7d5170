package triggers

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"latchkey/engine"
)

// Limits of an event. They are far above what course sites send and keep a hostile publisher cheap.
const (
	MaxEvent = 1 << 20 // bytes of a message's data
	MaxDepth = 8       // runs that caused one another; an event at this depth is refused as a loop

	maxNesting  = 64   // objects and arrays within one another
	maxID       = 256  // bytes of an id
	maxText     = 1024 // bytes of a name or title
	maxWarnings = 16
)

// subjectPrefix begins every subject of COURSES.
const subjectPrefix = "courses."

// A Message is a message of the stream COURSES, as it was stored.
type Message struct {
	Subject string              // courses.<location>.<trigger>
	Header  map[string][]string // names are compared without regard to case
	Data    []byte              // not kept and not changed
	Seq     uint64              // stream sequence, from 1
	Time    time.Time           // when the stream stored it
}

// A Decoder turns messages into events. It is safe for concurrent use; the zero Decoder takes any location.
type Decoder struct {
	// Known reports whether a location is configured. It may be called from several goroutines.
	Known func(location string) bool

	zones sync.Map // name -> struct{}: valid zones, as time.LoadLocation reads a file each time
}

// Decode reads one message. Three forms are told apart, in this order:
//
//   - structured CloudEvent: the content type begins with application/cloudevents (JSON only, no batches);
//   - binary CloudEvent: some header begins with ce-; the data is the event's data, whatever the content type;
//   - otherwise the data is JSON: a structured CloudEvent if it has a member specversion, else bare event data.
//
// A CloudEvent needs id, source, type and specversion 1.x. Bare data gets its type from the subject, its source is
// "nats:courses.<location>", its id is the header Nats-Msg-Id or else made of the stream sequence and the time of storing
// ("seq-17@2026-11-22T08:00:00.5Z", so that a stream made anew never repeats one), its time is the message's.
//
// A replayed dead letter keeps the time of the original and, if it is bare data, its id; see Bus.Replay.
//
// The error's text is the reason for the dead letter, written for the publisher's developer. It quotes names and
// ids from the message, never an address or a name of a person. What is optional and unreadable is left out
// and said in Event.Warnings. Ordinal is the bare stream sequence.
func (d *Decoder) Decode(m Message) (engine.Event, error) {
	ev := engine.Event{Ordinal: m.Seq, Time: m.Time.UTC()}
	kind, err := d.subject(m.Subject, &ev)
	if err != nil {
		return engine.Event{}, err
	}
	data, err := readAttributes(m, &ev)
	if err != nil {
		return engine.Event{}, err
	}
	if ev, err = d.complete(ev, kind, data); err == nil && ev.Depth >= MaxDepth {
		return engine.Event{}, fmt.Errorf("loop: %d runs caused one another", ev.Depth)
	}
	return ev, err
}

// decodeTyped reads a CloudEvent that came without a subject: its type alone names the trigger. One at MaxDepth is for the stream,
// where it becomes a dead letter: its publisher did nothing wrong, and the operator must see that workflows go in a circle.
func (d *Decoder) decodeTyped(location string, m Message) (engine.Event, error) {
	ev := engine.Event{Location: location, Time: m.Time.UTC()}
	data, err := readAttributes(m, &ev)
	if err != nil {
		return engine.Event{}, err
	}
	if ev.Type == "" {
		return engine.Event{}, errors.New("this is no CloudEvent, it has no specversion: bare data belongs to /v1/events/{trigger}")
	}
	kind, ok := lookup(ev.Type[strings.LastIndexByte(ev.Type, '.')+1:])
	if !ok {
		return engine.Event{}, fmt.Errorf("unknown trigger %s in the event's type", quote(ev.Type))
	}
	return d.complete(ev, kind, data)
}

// complete checks the attributes and reads the data.
func (d *Decoder) complete(ev engine.Event, kind engine.TriggerKind, data map[string]any) (engine.Event, error) {
	if err := checkAttributes(kind, &ev); err != nil {
		return engine.Event{}, err
	}
	if err := d.readData(data, kind, &ev); err != nil {
		return engine.Event{}, err
	}
	return ev, nil
}

// subject reads location and trigger.
func (d *Decoder) subject(subject string, ev *engine.Event) (engine.TriggerKind, error) {
	rest, ok := strings.CutPrefix(subject, subjectPrefix)
	location, trigger, two := strings.Cut(rest, ".")
	if !ok || !two || location == "" {
		return engine.TriggerKind{}, fmt.Errorf("subject %s: want courses.<location>.<trigger>", quote(subject))
	}
	kind, ok := lookup(trigger)
	if !ok {
		return engine.TriggerKind{}, fmt.Errorf("unknown trigger %s in the subject", quote(trigger))
	}
	if d.Known != nil && !d.Known(location) {
		return engine.TriggerKind{}, fmt.Errorf("unknown location %s", quote(location))
	}
	ev.Location, ev.Type = location, trigger
	return kind, nil
}

// knownIn returns the location and the trigger that a subject names, "" for one that is not known.
func knownIn(subject string, known func(location string) bool) (location, trigger string) {
	location, trigger, _ = strings.Cut(strings.TrimPrefix(subject, subjectPrefix), ".")
	if known != nil && !known(location) {
		location = ""
	}
	if _, ok := lookup(trigger); !ok {
		trigger = ""
	}
	return location, trigger
}

// attributes are the CloudEvents context attributes that Latchkey reads, as text. nil means that there is none.
type attributes struct {
	id, source, typ, version, time, depth any
}

// readAttributes fills the event's id, source, type, time and depth, and returns the event's data.
func readAttributes(m Message, ev *engine.Event) (map[string]any, error) {
	h := readHeaders(m.Header)
	if isCloudEvents(h.contentType) && strings.Contains(h.contentType, "batch") {
		return nil, errors.New("a batch of CloudEvents in one message: publish them one by one")
	}
	if h.replay != "" && !h.at.IsZero() {
		ev.Time = h.at.UTC()
	}
	body, err := parseObject(m.Data)
	if err != nil {
		return nil, err
	}
	if _, ok := body["specversion"]; isCloudEvents(h.contentType) || (ok && !h.binary) {
		return readStructured(body, ev)
	}
	if h.binary {
		return body, h.ce.fill(ev)
	}
	ev.Source = bareSource(ev.Location)
	ev.ID = bareID(h, m.Seq, m.Time)
	return body, nil
}

// bareSource is the source of bare data, however it came: an id that is sent over NATS and over HTTP is one event.
func bareSource(location string) string { return "nats:" + subjectPrefix + location }

func isCloudEvents(contentType string) bool {
	return strings.HasPrefix(contentType, "application/cloudevents")
}

// headers is what the decoder reads of a message's headers.
type headers struct {
	contentType string // lower case
	msgID       string
	binary      bool
	ce          attributes

	// Of a replayed dead letter: its number, the Nats-Msg-Id and the id that its event had, and when the original was stored.
	replay, wasMsgID, id string
	at                   time.Time
}

func readHeaders(in map[string][]string) headers {
	var h headers
	for name, values := range in {
		if len(values) == 0 {
			continue
		}
		switch name = strings.ToLower(name); name {
		case "content-type":
			h.contentType = strings.ToLower(strings.TrimSpace(values[0]))
		case "nats-msg-id":
			h.msgID = strings.TrimSpace(values[0])
		case "latchkey-replay":
			h.replay = values[0]
		case "latchkey-msg-id":
			h.wasMsgID = strings.TrimSpace(values[0])
		case "latchkey-id":
			h.id = values[0]
		case "latchkey-time":
			h.at, _ = time.Parse(time.RFC3339Nano, values[0])
		default:
			if attr, ok := strings.CutPrefix(name, "ce-"); ok {
				h.binary = true
				h.ce.set(attr, unescape(values[0]))
			}
		}
	}
	return h
}

// unescape undoes the percent-encoding that the protocol binding asks for in header values. A value that is not
// properly encoded was most likely not encoded at all.
func unescape(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}

func (a *attributes) set(name string, value any) {
	switch name {
	case "id":
		a.id = value
	case "source":
		a.source = value
	case "type":
		a.typ = value
	case "specversion":
		a.version = value
	case "time":
		a.time = value
	case "latchkeydepth":
		a.depth = value
	}
}

// fill checks the attributes and moves them into the event. Type stays as the publisher wrote it.
func (a *attributes) fill(ev *engine.Event) error {
	version, ok := a.version.(string)
	if !ok {
		return fmt.Errorf("CloudEvent specversion is %s: want \"1.0\"", show(a.version))
	}
	if !strings.HasPrefix(version, "1.") {
		return fmt.Errorf("CloudEvent specversion %s: want \"1.0\"", quote(version))
	}
	var err error
	if ev.ID, err = readID(a.id); err != nil {
		return fmt.Errorf("CloudEvent id %w", err)
	}
	if ev.Source, err = readID(a.source); err != nil {
		return fmt.Errorf("CloudEvent source %w", err)
	}
	if ev.Type, err = readID(a.typ); err != nil {
		return fmt.Errorf("CloudEvent type %w", err)
	}
	readTime(a.time, ev)
	readDepth(a.depth, ev)
	return nil
}

// checkAttributes says whether the event's type is the subject's trigger, and whether its id can be kept.
func checkAttributes(kind engine.TriggerKind, ev *engine.Event) error {
	typ := ev.Type[strings.LastIndexByte(ev.Type, '.')+1:]
	if typ != kind.Name {
		if _, ok := lookup(typ); !ok {
			return fmt.Errorf("unknown trigger %s in the event's type", quote(ev.Type))
		}
		return fmt.Errorf("the event's type %s and the subject's trigger %s differ", quote(ev.Type), quote(kind.Name))
	}
	ev.Type = kind.Name
	if _, err := readID(ev.ID); err != nil {
		return fmt.Errorf("event id %w", err)
	}
	return nil
}

// readTime takes an RFC 3339 time. What JSON could not hold again, or comes from before there were course sites, is refused.
func readTime(v any, ev *engine.Event) {
	if v == nil {
		return
	}
	s, _ := v.(string)
	t, err := time.Parse(time.RFC3339, strings.TrimSpace(s))
	t = t.UTC()
	if err != nil || t.Year() < 1970 || t.Year() > 9998 {
		warn(ev, "time is not RFC 3339, the message's time is taken")
		return
	}
	if t.After(ev.Time.Add(24 * time.Hour)) {
		warn(ev, "time lies more than a day in the future")
	}
	ev.Time = t
}

func readDepth(v any, ev *engine.Event) {
	if v == nil {
		return
	}
	s, _ := text(v)
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 16)
	if err != nil {
		warn(ev, "latchkeydepth is not a whole number")
		return
	}
	ev.Depth = int(n)
}

// warn notes what was left out of an event. Warnings are stored with it, so there is a limit.
func warn(ev *engine.Event, format string, args ...any) {
	if len(ev.Warnings) < maxWarnings {
		ev.Warnings = append(ev.Warnings, fmt.Sprintf(format, args...))
	}
}
