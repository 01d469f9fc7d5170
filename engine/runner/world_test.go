package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"latchkey/engine"
	"latchkey/engine/boltstore"
	"latchkey/engine/enginetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const place1 = "academy"

var (
	created = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	academy = &engine.Location{ID: place1, Name: "Academy", Zone: time.UTC}
)

// A message is one call of Perform.
type message struct {
	contact, kind, workflow string
	task                    engine.ID
	attempt                 int
}

// A fakeAction records what it performs, and fails as its script says.
type fakeAction struct {
	mu      sync.Mutex
	sent    []message
	settled []string
	begin   func(tx engine.Tx, c engine.Call) error
	perform func(ctx context.Context, m message) error
}

func (a *fakeAction) Decode(engine.Node, engine.StepContext) any { return nil }

func (a *fakeAction) Begin(tx engine.Tx, c engine.Call) (engine.Attempt, error) {
	if a.begin != nil {
		if err := a.begin(tx, c); err != nil {
			return engine.Attempt{}, err
		}
	}
	link := fmt.Sprintf("%s-%d", c.Task.ID, c.Task.Attempts)
	tx.Put(engine.SpaceLinks, []byte(link), []byte{1})
	return engine.Attempt{To: c.Person.Contact.Email, Class: c.Task.Class, Links: []string{link}, Payload: c.Settings}, nil
}

func (a *fakeAction) Perform(ctx context.Context, c engine.Call, at engine.Attempt) (engine.Receipt, error) {
	name := c.Person.Contact.ID
	if name == "" {
		name = c.Person.Contact.Email
	}
	m := message{name, c.Task.Kind, c.Task.Workflow, c.Task.ID, c.Task.Attempts}
	var err error
	if a.perform != nil {
		err = a.perform(ctx, m)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sent = append(a.sent, m)
	return engine.Receipt{ID: "250 " + c.Task.ID.String(), Subject: "Hello"}, err
}

func (a *fakeAction) Settle(_ engine.Tx, c engine.Call, s engine.TaskState) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.settled = append(a.settled, string(s))
	return nil
}

func (a *fakeAction) messages() []message {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]message(nil), a.sent...)
}

// A fakeBus records notices and dead letters by id.
type fakeBus struct {
	mu      sync.Mutex
	notices map[string]engine.Notice
	dead    map[string]string
	down    error
}

func (b *fakeBus) Publish(_ context.Context, ns []engine.Notice) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down != nil {
		return b.down
	}
	for _, n := range ns {
		b.notices[n.ID] = n
	}
	return nil
}

func (b *fakeBus) bury(_ context.Context, ev engine.Event, reason string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down != nil {
		return b.down
	}
	b.dead[ev.ID] = reason
	return nil
}

func (b *fakeBus) setDown(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down = err
}

func (b *fakeBus) count(kind string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, x := range b.notices {
		if x.Type == kind {
			n++
		}
	}
	return n
}

// A clock is set by the test.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// A world is a runner and all around it. What is in store, mail, bus and clock outlives the runner.
type world struct {
	t      testing.TB
	stores engine.Stores
	mail   *fakeAction
	bus    *fakeBus
	clock  *clock
	source map[string]*engine.Workflow // by location, id and source
	seq    uint64

	*Runner
	cancel context.CancelFunc
	stop   func() error
}

func newWorld(t testing.TB, stores engine.Stores) *world {
	return &world{
		t: t, stores: stores,
		mail:   &fakeAction{},
		bus:    &fakeBus{notices: map[string]engine.Notice{}, dead: map[string]string{}},
		clock:  &clock{t: created.Add(time.Hour)},
		source: map[string]*engine.Workflow{},
	}
}

func (w *world) config() Config {
	log := zerolog.Nop()
	if os.Getenv("RUNNER_LOG") != "" {
		log = zerolog.New(zerolog.NewTestWriter(w.t))
	}
	return Config{
		Stores:    w.stores,
		Catalog:   &engine.Catalog{Actions: map[string]engine.Action{"email": w.mail, "sms": w.mail}},
		Publisher: w.bus, Dead: w.bus.bury, Now: w.clock.now, Logger: log, Poll: 2 * time.Millisecond,
		Compile: func(_ context.Context, location, id string, source []byte) (*engine.Workflow, error) {
			if wf := w.source[string(source)]; wf != nil {
				return wf, nil
			}
			return nil, errors.New("no such source")
		},
	}
}

// start starts a runner with these workflows in force.
func (w *world) start(workflows ...*engine.Workflow) {
	w.t.Helper()
	w.startConfig(w.config(), workflows...)
	select {
	case <-w.Ready():
	case <-time.After(patience):
		w.t.Fatal("not ready")
	}
}

func (w *world) startConfig(cfg Config, workflows ...*engine.Workflow) {
	w.t.Helper()
	r, err := New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.Runner = r
	w.force(workflows...)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	w.cancel = cancel
	w.stop = sync.OnceValue(func() error { cancel(); return <-done })
	w.t.Cleanup(func() { w.stop() })
}

func (w *world) force(workflows ...*engine.Workflow) {
	w.t.Helper()
	for _, wf := range workflows {
		w.source[string(wf.Source)] = wf
	}
	if err := w.SetWorkflows(context.Background(), engine.NewSet(academy, workflows)); err != nil && !errors.Is(err, errDied) {
		w.t.Fatal(err)
	}
}

// batch makes a batch of events: "type id [email]", each with the next sequence.
func (w *world) batch(events ...engine.Event) engine.Batch {
	events = slices.Clone(events) // a table's are shared by subtests that run beside one another
	for i := range events {
		w.seq++
		events[i].Ordinal = w.seq
		if events[i].ID == "" {
			events[i].ID = fmt.Sprint("e", w.seq)
		}
	}
	return engine.Batch{Events: events, Offset: engine.Offset{Stream: "COURSES", Created: created, Seq: w.seq}}
}

func (w *world) handle(events ...engine.Event) {
	w.t.Helper()
	if err := w.Handle(w.t.Context(), w.batch(events...)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) idle() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := w.Idle(ctx); err != nil {
		w.t.Fatalf("not idle: %+v", w.Stats())
	}
}

// login is an event that says only who.
func login(id, email string) engine.Event {
	return engine.Event{Type: "user_login", Source: "test", Location: place1, Time: created,
		Contact: engine.Contact{ID: id, Email: email}}
}

func granted(id, offer string) engine.Event {
	ev := login(id, "")
	ev.Type, ev.Offer = "offer_access_granted", &engine.Noun{ID: offer}
	return ev
}

// said is the settings of a step: a message is marketing if they say so.
type said string

func (s said) MessageClass() engine.Class {
	if strings.Contains(string(s), "marketing") {
		return engine.Marketing
	}
	return engine.Transactional
}

// flow makes a workflow started by a trigger. Steps: email, sms, both perhaps with the word marketing, wait DURATION, end.
func flow(id, trigger string, steps ...string) *engine.Workflow {
	w := &engine.Workflow{
		ID: id, Version: "v1", Name: id, Status: engine.Live, Class: engine.Transactional,
		Triggers: []engine.Trigger{{Type: trigger}}, Reentry: engine.Reentry{Allow: "always"},
		Source: []byte(id + trigger + strings.Join(steps, ";")),
	}
	for i, s := range steps {
		kind, arg, _ := strings.Cut(s, " ")
		st := engine.Step{ID: fmt.Sprint(kind, i+1), Kind: kind, Settings: said(s)}
		if kind == "wait" {
			d, err := engine.ParseDuration(arg)
			if err != nil {
				panic(err)
			}
			st.Wait = d
		}
		w.Steps = append(w.Steps, st)
	}
	return w
}

// everyStore runs a test over stores of one and of four partitions, in memory and in files.
func everyStore(t *testing.T, f func(t *testing.T, s engine.Stores)) {
	for _, n := range []int{1, 4} {
		t.Run(fmt.Sprintf("memory/%d", n), func(t *testing.T) {
			t.Parallel()
			f(t, enginetest.NewStores(n))
		})
		t.Run(fmt.Sprintf("bolt/%d", n), func(t *testing.T) {
			t.Parallel()
			f(t, openBolt(t, n))
		})
	}
}

func openBolt(t testing.TB, partitions int) engine.Stores {
	s, err := boltstore.Open(t.TempDir(), boltstore.Options{Partitions: partitions, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// patience is how long a test waits for what must come. Only one that fails waits so long, however busy the machine is.
const patience = time.Minute

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}
