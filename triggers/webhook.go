package triggers

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"latchkey/engine"
)

// Limits of a request.
const (
	MaxBatchEvents = 500     // events of a batch
	MaxBatchBytes  = 8 << 20 // bytes of a batch; an event of one is bound by MaxEvent as well

	maxHeld    = 64 << 20 // bytes of all requests that are read and not yet answered
	retryAfter = "2"      // seconds
)

const (
	singleType = "application/cloudevents+json"
	batchType  = "application/cloudevents-batch+json"
)

// A Webhook takes course events over HTTP and puts them into COURSES, where they are what they would be had they come
// over NATS: the same decoder reads them here, to tell a publisher at once what is wrong, and in the consumer.
//
//	POST /v1/events/{trigger}  bare data; its id is the header Nats-Msg-Id or Idempotency-Key, else one is made
//	POST /v1/events            CloudEvents 1.0: structured, binary (ce- headers) or a batch
//
// The answer comes when the stream has the events: 202 and {"id", "duplicate"}, for a batch a list of it. Otherwise it is a
// problem (RFC 9457): 400 for what cannot be used, of which nothing is stored, 413 for too much of it, 503 while NATS cannot
// take events; sent again with the same ids, they are stored once.
type Webhook struct {
	bus      *Bus
	location string
	log      zerolog.Logger
	dec      Decoder
	mux      *http.ServeMux
	posts    chan *post
	ended    chan struct{} // closed when Run ends
	held     atomic.Int64
}

// NewWebhook makes a Webhook for events of one location. Requests wait until Run runs.
func NewWebhook(b *Bus, location string, log zerolog.Logger) *Webhook {
	w := &Webhook{
		bus: b, location: location, mux: http.NewServeMux(), posts: make(chan *post), ended: make(chan struct{}),
		log: log.Sample(&zerolog.BurstSampler{Burst: 5, Period: time.Second}),
	}
	w.mux.HandleFunc("POST /v1/events", w.takeEvents)
	w.mux.HandleFunc("POST /v1/events/{trigger}", w.takeData)
	return w
}

// ServeHTTP takes events from whoever can reach it.
func (w *Webhook) ServeHTTP(rw http.ResponseWriter, r *http.Request) { w.mux.ServeHTTP(rw, r) }

// Guard takes events from those who have the token (Authorization: Bearer, RFC 6750); others get 401 before their body
// is read. With the empty token nobody has it.
func (w *Webhook) Guard(token engine.Secret) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if token.IsZero() || !strings.EqualFold(scheme, "Bearer") || !token.Equal(engine.NewSecret(strings.TrimSpace(given))) {
			rw.Header().Set("WWW-Authenticate", `Bearer realm="latchkey events"`)
			problem(rw, http.StatusUnauthorized, "this needs the token of events.token: Authorization: Bearer …")
			return
		}
		w.ServeHTTP(rw, r)
	})
}

// An accepted event is what a publisher is told of one.
type accepted struct {
	ID        string `json:"id"`
	Duplicate bool   `json:"duplicate"` // the stream had it before; known for ten minutes
}

// takeData takes bare data of the trigger in the path.
func (w *Webhook) takeData(rw http.ResponseWriter, r *http.Request) {
	trigger := r.PathValue("trigger")
	if _, ok := lookup(trigger); !ok {
		problem(rw, http.StatusNotFound, "unknown trigger "+quote(trigger))
		return
	}
	if h := readHeaders(r.Header); h.binary || isCloudEvents(h.contentType) {
		problem(rw, http.StatusBadRequest, "CloudEvents belong to /v1/events")
		return
	}
	body, release, ok := w.read(rw, r, MaxEvent)
	if !ok {
		return
	}
	defer release()
	id := cmp.Or(givenID(r.Header), rand.Text())
	// It goes on as a CloudEvent in binary mode: there its id does not have to serve as the Nats-Msg-Id, which the stream
	// would take for a repeated one under another trigger.
	m := Message{Subject: subjectPrefix + w.location + "." + trigger, Data: body, Time: time.Now(), Header: map[string][]string{
		"ce-specversion": {"1.0"}, "ce-type": {trigger}, "ce-id": {url.PathEscape(id)}, "ce-source": {url.PathEscape(bareSource(w.location))},
	}}
	ev, err := w.dec.Decode(m)
	if err != nil {
		problem(rw, http.StatusBadRequest, err.Error())
		return
	}
	w.finish(rw, r, false, []engine.Event{ev}, []*nats.Msg{w.message(ev, m)})
}

// givenID is the id that a request names. An Idempotency-Key may be in quotes, as its draft has it, or bare.
func givenID(h http.Header) string {
	id := strings.TrimSpace(h.Get(jetstream.MsgIDHeader))
	if id != "" {
		return id
	}
	id = strings.TrimSpace(h.Get("Idempotency-Key"))
	if n := len(id); n > 2 && id[0] == '"' && id[n-1] == '"' {
		return id[1 : n-1]
	}
	return id
}

// takeEvents takes CloudEvents.
func (w *Webhook) takeEvents(rw http.ResponseWriter, r *http.Request) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		media = ""
	}
	if media == batchType {
		w.takeBatch(rw, r)
		return
	}
	if isCloudEvents(media) && media != singleType && media != "application/cloudevents" {
		problem(rw, http.StatusBadRequest, quote(media)+" is not taken: want "+singleType+" or "+batchType)
		return
	}
	body, release, ok := w.read(rw, r, MaxEvent)
	if !ok {
		return
	}
	defer release()
	m := Message{Data: body, Time: time.Now(), Header: eventHeaders(r.Header)}
	ev, err := w.dec.decodeTyped(w.location, m)
	if err != nil {
		problem(rw, http.StatusBadRequest, err.Error())
		return
	}
	w.finish(rw, r, false, []engine.Event{ev}, []*nats.Msg{w.message(ev, m)})
}

// eventHeaders are those of a request's headers that belong to its event.
func eventHeaders(in http.Header) map[string][]string {
	out := map[string][]string{}
	for name, values := range in {
		if low := strings.ToLower(name); len(values) > 0 && (low == "content-type" || strings.HasPrefix(low, "ce-")) {
			out[low] = values[:1]
		}
	}
	return out
}

// A fault is what is wrong with one event of a batch.
type fault struct {
	Index  int    `json:"index"`
	Detail string `json:"detail"`
}

func (w *Webhook) takeBatch(rw http.ResponseWriter, r *http.Request) {
	body, release, ok := w.read(rw, r, MaxBatchBytes)
	if !ok {
		return
	}
	defer release()
	list, err := splitBatch(body)
	switch {
	case errors.Is(err, errTooMany):
		problem(rw, http.StatusRequestEntityTooLarge, err.Error())
		return
	case err != nil:
		problem(rw, http.StatusBadRequest, err.Error())
		return
	}
	status, faults := http.StatusBadRequest, []fault(nil)
	events, msgs := make([]engine.Event, 0, len(list)), make([]*nats.Msg, 0, len(list))
	header := map[string][]string{"content-type": {singleType}}
	for i, raw := range list {
		m := Message{Data: raw, Time: time.Now(), Header: header}
		ev, err := w.dec.decodeTyped(w.location, m)
		if err != nil {
			faults = append(faults, fault{i, err.Error()})
			if len(raw) > MaxEvent {
				status = http.StatusRequestEntityTooLarge
			}
			continue
		}
		events, msgs = append(events, ev), append(msgs, w.message(ev, m))
	}
	if len(faults) > 0 {
		writeProblem(rw, status, fmt.Sprintf("%d of %d events cannot be used; none of them is stored", len(faults), len(list)), map[string]any{"errors": faults})
		return
	}
	w.finish(rw, r, true, events, msgs)
}

var errTooMany = fmt.Errorf("the batch has more than %d events", MaxBatchEvents)

// splitBatch returns the members of a JSON array as they stand in it.
func splitBatch(body []byte) ([]json.RawMessage, error) {
	if nesting(body) > maxNesting+1 {
		return nil, fmt.Errorf("the JSON is nested more than %d deep", maxNesting+1)
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		return nil, errors.New("a batch is a JSON array of CloudEvents")
	}
	var list []json.RawMessage
	for dec.More() {
		if len(list) == MaxBatchEvents {
			return nil, errTooMany
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, fmt.Errorf("malformed JSON in or after event %d: %w", len(list), err)
		}
		list = append(list, raw)
	}
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("malformed JSON after event %d: %w", len(list)-1, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("malformed JSON: more follows after the array")
	}
	return list, nil
}

// message makes the stream's message of an event. Its Nats-Msg-Id is the whole identity of the event, since a stream
// forgets repeated ids whatever their subject. The source is quoted so that no two identities look alike.
func (w *Webhook) message(ev engine.Event, m Message) *nats.Msg {
	h := nats.Header{jetstream.MsgIDHeader: {w.location + "." + ev.Type + ":" + strconv.Quote(ev.Source) + ":" + ev.ID}}
	for name, values := range m.Header {
		h[name] = values
	}
	return &nats.Msg{Subject: subjectPrefix + w.location + "." + ev.Type, Header: h, Data: m.Data}
}

// read reads a body of at most limit bytes, and answers itself if it cannot. What is read counts until release.
func (w *Webhook) read(rw http.ResponseWriter, r *http.Request, limit int64) (body []byte, release func(), ok bool) {
	size := r.ContentLength
	if size > limit {
		tooLarge(rw, limit)
		return nil, nil, false
	}
	if size < 0 {
		size = limit
	}
	release = func() { w.held.Add(-size) }
	if w.held.Add(size) > maxHeld {
		release()
		unavailable(rw, "too many requests at a time")
		return nil, nil, false
	}
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, limit))
	if err == nil {
		return body, release, true
	}
	release()
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		tooLarge(rw, limit)
	} else {
		problem(rw, http.StatusBadRequest, "the body broke off")
	}
	return nil, nil, false
}

// finish has the messages stored and answers.
func (w *Webhook) finish(rw http.ResponseWriter, r *http.Request, batch bool, events []engine.Event, msgs []*nats.Msg) {
	limit := w.bus.nc.MaxPayload()
	for i, m := range msgs {
		if int64(m.Size()) > limit {
			problem(rw, http.StatusRequestEntityTooLarge, fmt.Sprintf("event %d is larger than the NATS server's max_payload of %d bytes", i, limit))
			return
		}
	}
	receipts, err := w.submit(r.Context(), msgs)
	out := make([]accepted, len(events))
	for i, ev := range events {
		out[i].ID = ev.ID
		if err == nil {
			out[i].Duplicate, err = receipts[i].duplicate, receipts[i].err
		}
	}
	if err != nil {
		w.log.Warn().Err(err).Int("events", len(msgs)).Msg("events over HTTP are not taken")
		ids := make([]string, len(out))
		for i := range out {
			ids[i] = out[i].ID
		}
		rw.Header().Set("Retry-After", retryAfter)
		writeProblem(rw, http.StatusServiceUnavailable, "events cannot be stored at present; send them again with these ids", map[string]any{"ids": ids})
		return
	}
	rw.Header().Set("Content-Type", "application/json")
	rw.Header().Set("Cache-Control", "no-store")
	rw.WriteHeader(http.StatusAccepted)
	if batch {
		_ = json.NewEncoder(rw).Encode(out)
		return
	}
	_ = json.NewEncoder(rw).Encode(out[0])
}

func tooLarge(rw http.ResponseWriter, limit int64) {
	problem(rw, http.StatusRequestEntityTooLarge, fmt.Sprintf("at most %d bytes are taken here", limit))
}

func unavailable(rw http.ResponseWriter, detail string) {
	rw.Header().Set("Retry-After", retryAfter)
	problem(rw, http.StatusServiceUnavailable, detail)
}

func problem(rw http.ResponseWriter, status int, detail string) {
	writeProblem(rw, status, detail, nil)
}

// writeProblem writes a problem of RFC 9457, with more members if there are any.
func writeProblem(rw http.ResponseWriter, status int, detail string, more map[string]any) {
	rw.Header().Set("Content-Type", "application/problem+json")
	rw.Header().Set("Cache-Control", "no-store")
	body := map[string]any{"title": http.StatusText(status), "status": status, "detail": detail}
	for name, v := range more {
		body[name] = v
	}
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(body)
}
