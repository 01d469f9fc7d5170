package console

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"latchkey/engine"
)

// History finds what events caused.
type History interface {
	// Runs returns at most q.Limit runs, newest first.
	Runs(ctx context.Context, q Query) ([]engine.Run, error)
	// Run returns ErrNotFound for a run that is not, or no more, in the history.
	Run(ctx context.Context, location, id string) (RunRecord, error)
	// Events returns at most q.Limit events, newest first: those of q.Contact, and those whose publisher's id is q.Event.
	Events(ctx context.Context, q Query) ([]EventRecord, error)
}

// A RunRecord is a run with what belongs to it.
type RunRecord struct {
	Run      engine.Run
	Person   *engine.Person      // whose run it is
	Event    *engine.EventRecord // what became of the event that started it; nil if that is not kept any more
	Messages []Message           // in the order of the steps
}

// An EventRecord is what one event caused.
type EventRecord struct {
	engine.EventRecord
	Duplicates int // deliveries beyond the first, and when the last came
	Again      time.Time
	Runs       map[engine.ID]engine.Run // those that it started, as far as they are kept
}

// A Run is one line of GET /v1/runs.
type Run struct {
	ID       string    `json:"id"`
	Location string    `json:"location"`
	Workflow string    `json:"workflow"`
	Version  string    `json:"version"`
	Contact  string    `json:"contact"`
	Event    Cause     `json:"event"`
	State    string    `json:"state"`
	At       string    `json:"at,omitempty"`   // the step that it stands in
	Until    time.Time `json:"until,omitzero"` // when the wait that it stands in ends
	For      []string  `json:"for,omitempty"`  // the events that end it before
	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended,omitzero"`
	End      string    `json:"end,omitempty"`     // why it ended
	Redeemed time.Time `json:"redeemed,omitzero"` // when a link of it first let its contact in
}

// A Cause is the event that started a run.
type Cause struct {
	ID       string       `json:"id"`
	Source   string       `json:"source,omitempty"`
	Type     string       `json:"type"`
	Time     time.Time    `json:"time"`
	Offer    *engine.Noun `json:"offer,omitempty"`
	Product  *engine.Noun `json:"product,omitempty"`
	Category *engine.Noun `json:"category,omitempty"`
	Lesson   *engine.Noun `json:"lesson,omitempty"`
}

// A RunStory is the answer of GET /v1/runs/{id}.
type RunStory struct {
	Run
	Name      string     `json:"name,omitempty"`      // the contact's
	Decisions []Decision `json:"decisions,omitempty"` // what all workflows made of the event, while that is kept
	Steps     []Step     `json:"steps"`
	Messages  []Message  `json:"messages"`
	Story     []Line     `json:"story"`
}

// A Step is one that a run has taken.
type Step struct {
	Step    string    `json:"step"`
	Kind    string    `json:"kind"`
	At      time.Time `json:"at"`
	Outcome string    `json:"outcome"`
	Message string    `json:"message,omitempty"`
	Fault   string    `json:"fault,omitempty"`
	By      string    `json:"by,omitempty"` // what met it: "lesson_completed, event e-17"
	// Response is what the step kept of an answer, by the names that it gave.
	Response engine.Custom `json:"response,omitempty"`
}

// A Line is one sentence of a story.
type Line struct {
	At   time.Time `json:"at"`
	Says string    `json:"says"`
}

// A Decision is what one workflow made of an event: a run, or the first thing that said no; or what it did to a run that went on before.
type Decision struct {
	Workflow string `json:"workflow"`
	Run      string `json:"run,omitempty"`
	State    string `json:"state,omitempty"` // the run's, while it is kept
	Reason   string `json:"reason,omitempty"`
	Fault    string `json:"fault,omitempty"`
	Moved    string `json:"moved,omitempty"` // what the event did to the run, which went on before it
	Says     string `json:"says"`

	Until time.Time `json:"until,omitzero"` // when it will be known: the event waits, with others or for another
}

// An Event is one line of GET /v1/events: what an event caused.
type Event struct {
	Record    string     `json:"record"` // what before= takes; the publisher's ids say nothing of time
	ID        string     `json:"id"`
	Type      string     `json:"type"`
	Source    string     `json:"source,omitempty"`
	Location  string     `json:"location"`
	Contact   string     `json:"contact"`
	Time      time.Time  `json:"time"` // when it happened, by the publisher's clock
	At        time.Time  `json:"at"`   // when it was applied
	Warnings  []string   `json:"warnings,omitempty"`
	Decisions []Decision `json:"decisions"`
	// Duplicates is how often it was delivered again, and passed over; Again is when last.
	Duplicates int       `json:"duplicates,omitempty"`
	Again      time.Time `json:"again,omitzero"`
}

// MessageStates and RunStates return the states that lists can be asked for.
func MessageStates() []string {
	return words(engine.TaskDue, engine.TaskSending, engine.TaskSent, engine.TaskUnknown, engine.TaskFailed, engine.TaskSuppressed, engine.TaskExpired)
}

// RunStates is described beside MessageStates.
func RunStates() []string {
	return words(engine.RunWaiting, engine.RunSending, engine.RunFinished, engine.RunStopped)
}

func words[S ~string](states ...S) []string {
	var out []string
	for _, s := range states {
		out = append(out, string(s))
	}
	return out
}

// MaxLimit is how many things one answer lists at most.
const MaxLimit = 1000

// query reads the parameters of a list, of which it knows those named.
func (c Config) query(v url.Values, states []string, known ...string) (Query, error) {
	q := Query{
		Location: c.Location.ID, Limit: defaultLimit,
		Before: v.Get("before"), Contact: v.Get("contact"), Run: v.Get("run"), State: v.Get("state"), Workflow: v.Get("workflow"), Type: v.Get("type"),
	}
	for key := range v {
		if !slices.Contains(known, key) {
			return q, fmt.Errorf("%w: no parameter %q; there are %s", ErrInvalid, key, and(known))
		}
	}
	if s := v.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > MaxLimit {
			return q, fmt.Errorf("%w: limit is a number from 1 to %d", ErrInvalid, MaxLimit)
		}
		q.Limit = n
	}
	var err error
	for name, to := range map[string]*time.Time{"since": &q.Since, "until": &q.Until} {
		if s := v.Get(name); s != "" {
			if *to, err = ReadWhen(s, c.Now()); err != nil {
				return q, fmt.Errorf("%w: %s: %w", ErrInvalid, name, err)
			}
		}
	}
	if q.State != "" && !slices.Contains(states, q.State) {
		return q, fmt.Errorf("%w: no state %q; there are %s", ErrInvalid, q.State, and(states))
	}
	return q, nil
}

// and lists words as a sentence does.
func and(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

func (c Config) listRuns(r *http.Request) (any, error) {
	q, err := c.query(r.URL.Query(), RunStates(), "limit", "before", "since", "until", "contact", "workflow", "state")
	if err != nil {
		return nil, err
	}
	runs, err := c.History.Runs(r.Context(), q)
	out := make([]Run, 0, len(runs))
	for i := range runs {
		out = append(out, RunOf(&runs[i]))
	}
	return out, err
}

func (c Config) showRun(r *http.Request) (any, error) {
	rec, err := c.History.Run(r.Context(), c.Location.ID, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return rec.Story(c.Location.Zone), nil
}

func (c Config) showMessage(r *http.Request) (any, error) {
	return c.Messages.Message(r.Context(), c.Location.ID, r.PathValue("id"))
}

func (c Config) listEvents(r *http.Request) (any, error) {
	q, err := c.query(r.URL.Query(), nil, "limit", "before", "since", "until", "contact", "type")
	if err != nil {
		return nil, err
	}
	return c.events(r.Context(), q)
}

// showEvent answers with all events of that id: other triggers and sources may have used it too.
func (c Config) showEvent(r *http.Request) (any, error) {
	id := r.PathValue("id")
	events, err := c.events(r.Context(), Query{Location: c.Location.ID, Limit: defaultLimit, Event: id})
	if err == nil && len(events) == 0 {
		err = fmt.Errorf("event %q is not in the history: %w", id, ErrNotFound)
	}
	return events, err
}

func (c Config) events(ctx context.Context, q Query) ([]Event, error) {
	recs, err := c.History.Events(ctx, q)
	out := make([]Event, 0, len(recs))
	for i := range recs {
		out = append(out, eventOf(&recs[i], c.Location.Zone))
	}
	return out, err
}

// RunOf returns a run as lists show it.
func RunOf(r *engine.Run) Run {
	out := Run{
		ID: r.ID.String(), Location: r.Location, Workflow: r.Workflow, Version: r.Version, Contact: r.Contact.String(),
		State: string(r.State), At: strings.Join(r.At, "/"), Started: r.Started, Ended: r.Ended, End: r.End, Redeemed: r.Redeemed,
		Event: Cause{
			ID: r.Event.ID, Source: r.Event.Source, Type: r.Event.Type, Time: r.Event.Time,
			Offer: r.Event.Offer, Product: r.Event.Product, Category: r.Event.Category, Lesson: r.Event.Lesson,
		},
	}
	if r.Wait != nil && r.Wait.Kind != engine.WaitHeld {
		out.Until, out.For = r.Wait.Due, r.Wait.For
	}
	return out
}

func eventOf(e *EventRecord, zone *time.Location) Event {
	return Event{
		Record: engine.EventRecordID(e.At, e.Contact, e.Ordinal).String(), ID: e.ID, Type: e.Type, Source: e.Source, Location: e.Location,
		Contact: e.Contact.String(), Time: e.Time, At: e.At, Warnings: e.Warnings, Decisions: decisionsOf(e.Decisions, e.Runs, zone),
		Duplicates: e.Duplicates, Again: e.Again,
	}
}

// didTo says what an event did to the run of a decision.
func didTo(d *engine.Decision) string {
	switch says, ended := strings.CutPrefix(d.Moved, "ended it: "); {
	case d.Moved == "":
		return "started run " + d.Run.String()
	case ended:
		return "ended run " + d.Run.String() + ": " + says
	default:
		return d.Moved + " of run " + d.Run.String()
	}
}

func decisionsOf(ds []engine.Decision, runs map[engine.ID]engine.Run, zone *time.Location) []Decision {
	out := make([]Decision, 0, len(ds))
	for _, d := range ds {
		o := Decision{Workflow: d.Workflow, Reason: d.Reason, Fault: d.Fault, Moved: d.Moved, Until: d.Until}
		if !d.Run.IsZero() {
			o.Run = d.Run.String()
		}
		if r, ok := runs[d.Run]; ok {
			o.State = string(r.State)
			o.Says = didTo(&d) + ", which " + standing(&r, zone)
		} else if o.Run != "" {
			o.Says = didTo(&d)
		} else if !d.Until.IsZero() {
			o.Says = "not yet: " + d.Reason
		} else {
			o.Says = "did not start: " + d.Reason
		}
		if o.Run != "" && d.Reason != "" {
			o.Says += "; " + d.Reason
		}
		if d.Fault != "" {
			o.Says += " (" + d.Fault + ")"
		}
		out = append(out, o)
	}
	return out
}
