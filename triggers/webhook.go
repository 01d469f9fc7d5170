package triggers

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
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
// take events; sent again with the same ids, they are stored once. An event at MaxDepth is taken, for its dead letter.
type Webhook struct {
	bus      *Bus
	location string
	salt     string // of the Nats-Msg-Id
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
		bus: b, location: location, salt: rand.Text(), mux: http.NewServeMux(), posts: make(chan *post), ended: make(chan struct{}),
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
		if !HasToken(r, token) {
			rw.Header().Set("WWW-Authenticate", `Bearer realm="latchkey events"`)
			problem(rw, http.StatusUnauthorized, "this needs the token of events.token: Authorization: Bearer …", nil)
			return
		}
		w.ServeHTTP(rw, r)
	})
}

// HasToken reports whether a request holds the token. Nobody holds the empty one.
func HasToken(r *http.Request, token engine.Secret) bool {
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return !token.IsZero() && strings.EqualFold(scheme, "Bearer") && token.Equal(engine.NewSecret(strings.TrimSpace(given)))
}

// An accepted event is what a publisher is told of one.
type accepted struct {
	ID        string `json:"id"`
	Duplicate bool   `json:"duplicate"` // the stream had it before; known for ten minutes
}

// An incoming event, and the message that it becomes in the stream.
type incoming struct {
	event engine.Event
	msg   *nats.Msg
}

// A refusal says why a request is not taken.
type refusal struct {
	status int
	detail string
	faults []fault // of a batch's events
}

// A fault is what is wrong with one event of a batch.
type fault struct {
	Index  int    `json:"index"`
	Detail string `json:"detail"`
}

func unusable(err error) *refusal {
	return &refusal{status: http.StatusBadRequest, detail: err.Error()}
}

// takeData takes bare data of the trigger in the path.
func (w *Webhook) takeData(rw http.ResponseWriter, r *http.Request) {
	w.take(rw, r, MaxEvent, func(body []byte) ([]incoming, *refusal) { return w.readData(r.PathValue("trigger"), r.Header, body) })
}

// takeEvents takes CloudEvents.
func (w *Webhook) takeEvents(rw http.ResponseWriter, r *http.Request) {
	if isBatch(r.Header) {
		w.take(rw, r, MaxBatchBytes, w.readBatch)
		return
	}
	w.take(rw, r, MaxEvent, func(body []byte) ([]incoming, *refusal) { return w.readEvent(r.Header, body) })
}

// readData reads bare data. It goes on as a CloudEvent in binary mode: there its id does not have to serve as the
// Nats-Msg-Id, which the stream would take for a repeated one under another trigger.
func (w *Webhook) readData(trigger string, header http.Header, body []byte) ([]incoming, *refusal) {
	if _, ok := lookup(trigger); !ok {
		return nil, &refusal{status: http.StatusNotFound, detail: "unknown trigger " + quote(trigger)}
	}
	if h := readHeaders(header); h.binary || isCloudEvents(h.contentType) {
		return nil, &refusal{status: http.StatusBadRequest, detail: "CloudEvents belong to /v1/events"}
	}
	id := cmp.Or(givenID(header), rand.Text())
	return w.readOne(Message{Data: body, Time: time.Now(), Header: map[string][]string{
		"ce-specversion": {"1.0"}, "ce-type": {trigger}, "ce-id": {url.PathEscape(id)}, "ce-source": {url.PathEscape(bareSource(w.location))},
	}})
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

// readEvent reads one CloudEvent, structured or binary.
func (w *Webhook) readEvent(header http.Header, body []byte) ([]incoming, *refusal) {
	if media := mediaType(header); isCloudEvents(media) && media != singleType && media != "application/cloudevents" {
		return nil, &refusal{status: http.StatusBadRequest, detail: quote(media) + " is not taken: want " + singleType + " or " + batchType}
	}
	return w.readOne(Message{Data: body, Time: time.Now(), Header: eventHeaders(header)})
}

func (w *Webhook) readOne(m Message) ([]incoming, *refusal) {
	ev, err := w.dec.decodeTyped(w.location, m)
	if err != nil {
		return nil, unusable(err)
	}
	return []incoming{{ev, w.message(ev, m)}}, nil
}

// mediaType is the content type in lower case without its parameters.
func mediaType(header http.Header) string {
	media, _, _ := strings.Cut(header.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(media))
}

func isBatch(header http.Header) bool { return mediaType(header) == batchType }

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

// readBatch reads a JSON array of structured CloudEvents. One that cannot be used refuses all.
func (w *Webhook) readBatch(body []byte) ([]incoming, *refusal) {
	list, err := splitBatch(body)
	switch {
	case errors.Is(err, errTooMany):
		return nil, &refusal{status: http.StatusRequestEntityTooLarge, detail: err.Error()}
	case err != nil:
		return nil, unusable(err)
	}
	refused := &refusal{status: http.StatusBadRequest}
	in := make([]incoming, 0, len(list))
	header := map[string][]string{"content-type": {singleType}}
	for i, raw := range list {
		m := Message{Data: raw, Time: time.Now(), Header: header}
		ev, err := w.dec.decodeTyped(w.location, m)
		if err == nil {
			in = append(in, incoming{ev, w.message(ev, m)})
			continue
		}
		refused.faults = append(refused.faults, fault{i, err.Error()})
		if len(raw) > MaxEvent {
			refused.status = http.StatusRequestEntityTooLarge
		}
	}
	if n := len(refused.faults); n > 0 {
		refused.detail = fmt.Sprintf("%d of %d events cannot be used; none of them is stored", n, len(list))
		return nil, refused
	}
	return in, nil
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
// drops repeated ids whatever their subject. The source is quoted so that no two identities look alike; the salt keeps publishers of
// other locations from sending the same id first, with which the event would be dropped as theirs. After a restart the salt is another
// one, and who sends an event again is known by its identity alone.
func (w *Webhook) message(ev engine.Event, m Message) *nats.Msg {
	h := nats.Header{jetstream.MsgIDHeader: {w.location + "." + ev.Type + ":" + strconv.Quote(ev.Source) + ":" + ev.ID + ":" + w.salt}}
	maps.Copy(h, m.Header)
	return &nats.Msg{Subject: subjectPrefix + w.location + "." + ev.Type, Header: h, Data: m.Data}
}

// take reads a body of at most limit bytes, has its events stored, and answers.
func (w *Webhook) take(rw http.ResponseWriter, r *http.Request, limit int64, read func([]byte) ([]incoming, *refusal)) {
	size := r.ContentLength
	if size > limit { // it may be any number: counted while its body came, it would leave no room to others
		tooLarge(rw, limit)
		return
	}
	if size < 0 {
		size = limit
	}
	defer w.held.Add(-size)
	if w.held.Add(size) > maxHeld {
		unavailable(rw, "too many requests at a time", nil)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, limit))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		tooLarge(rw, limit)
		return
	}
	if err != nil {
		problem(rw, http.StatusBadRequest, "the body broke off", nil)
		return
	}
	in, refused := read(body)
	if refused == nil {
		refused = w.fits(in)
	}
	if refused != nil {
		var more map[string]any
		if refused.faults != nil {
			more = map[string]any{"errors": refused.faults}
		}
		problem(rw, refused.status, refused.detail, more)
		return
	}
	w.finish(rw, r, in)
}

// fits refuses what the NATS server would: one that runs elsewhere may take less than the one in the process.
func (w *Webhook) fits(in []incoming) *refusal {
	limit := w.bus.nc.MaxPayload()
	for i, e := range in {
		if size := int64(e.msg.Size()); limit > 0 && size > limit {
			return &refusal{status: http.StatusRequestEntityTooLarge, detail: fmt.Sprintf("event %d makes a message of %d bytes: the NATS server's max_payload is %d", i, size, limit)}
		}
	}
	return nil
}

// finish has the events stored and answers.
func (w *Webhook) finish(rw http.ResponseWriter, r *http.Request, in []incoming) {
	msgs, ids := make([]*nats.Msg, len(in)), make([]string, len(in))
	for i, e := range in {
		msgs[i], ids[i] = e.msg, e.event.ID
	}
	receipts, err := w.submit(r.Context(), msgs)
	if err != nil {
		w.log.Warn().Err(err).Int("events", len(msgs)).Msg("events over HTTP are not taken")
		unavailable(rw, "the events cannot be stored now; send them again with the same ids", map[string]any{"ids": ids})
		return
	}
	out := make([]accepted, len(in))
	for i, id := range ids {
		out[i] = accepted{ID: id, Duplicate: receipts[i].duplicate}
	}
	rw.Header().Set("Content-Type", "application/json")
	rw.Header().Set("Cache-Control", "no-store")
	rw.WriteHeader(http.StatusAccepted)
	if isBatch(r.Header) {
		_ = json.NewEncoder(rw).Encode(out)
		return
	}
	_ = json.NewEncoder(rw).Encode(out[0])
}

func tooLarge(rw http.ResponseWriter, limit int64) {
	problem(rw, http.StatusRequestEntityTooLarge, fmt.Sprintf("at most %d bytes are taken here", limit), nil)
}

func unavailable(rw http.ResponseWriter, detail string, more map[string]any) {
	rw.Header().Set("Retry-After", retryAfter)
	problem(rw, http.StatusServiceUnavailable, detail, more)
}

// problem writes a problem of RFC 9457, with more members if there are any.
func problem(rw http.ResponseWriter, status int, detail string, more map[string]any) {
	rw.Header().Set("Content-Type", "application/problem+json")
	rw.Header().Set("Cache-Control", "no-store")
	body := map[string]any{"title": http.StatusText(status), "status": status, "detail": detail}
	maps.Copy(body, more)
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(body)
}
