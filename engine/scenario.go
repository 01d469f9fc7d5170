package engine

import (
	"fmt"
	"strings"
	"time"
)

// A Test is one test of a project's workflows: what happens to one contact, and what is expected to come of it. The room
// engine/simulate carries it out.
type Test struct {
	Pos
	Name     string
	Workflow string // what is expected concerns this one's runs; "" is every workflow of the project
	Start    time.Time
	Contact  Contact // as the site tells it with the first event
	Tags     []string
	Given    []Event // that came before: they start no workflow
	// Split names the branch that the contact takes at each split, by the step's id. At others its key decides.
	Split map[string]string
	Do    []TestStep
}

// A TestStep is one thing that happens, or is expected. Exactly one of its fields beside Pos is set.
type TestStep struct {
	Pos
	Event  *Event // its id, time and ordinal are given to it when it happens
	After  *Duration
	At     *Moment
	Redeem *TestLink
	Send   *TestSend
	Answer *TestAnswer
	Status *TestStatus
	Expect *Expectation
}

// A Moment is a time as test files say it: a date and time, or the next time that the location's clock shows it.
type Moment struct {
	Time time.Time
	Next *Until // instead of Time; no field
}

// A TestLink is a learner who opens the newest link, or that of the newest message of a step or template.
type TestLink struct {
	From    string // step or template; "" is any
	Refused string // instead of letting them in, the page says this; "" if it lets them in
}

// The ways in which sending may go otherwise than well.
const (
	SendFails   = "fail"    // the next message is refused for good
	SendUnknown = "unknown" // nobody knows what became of the next one
	SendLater   = "later"   // the next one is put off, by TestSend.Takes if that is not zero
	SendSlow    = "slow"    // the next one takes TestSend.Takes, if its step lets it
	SendDown    = "down"    // nothing goes out until SendUp
	SendUp      = "up"
)

// A TestSend says how sending of one kind of step goes from now on.
type TestSend struct {
	Kind   string // "email", "sms"
	How    string
	Reason string // what the other side says
	Takes  time.Duration
}

// A TestAnswer is what the other side says to a step's requests from now on.
type TestAnswer struct {
	Step   string // its id
	Status int    // of HTTP
	Body   []byte
}

// A TestStatus changes the status of a workflow, or pauses all sending.
type TestStatus struct {
	Workflow string // "" is all sending
	Status   Status
}

// An Expectation is what a test expects at a moment. Each field that is set is one; At says where it stands.
type Expectation struct {
	At         map[string]Pos // by the key in the file
	Workflow   string         // whose run it concerns; "" is the test's
	Nothing    bool           // no message that was not expected yet
	Message    *ExpectMessage // the oldest that was not expected yet
	End        *string        // the run is over, and its end has this in it
	In         string         // the run is in the step of that id
	Until      time.Time      // the run waits until then
	Started    []string       // the last event started these workflows
	NotStarted []Refusal      // the last event did not start these
	Tags       *[]string      // the contact's tags, all of them
	Custom     Custom         // the contact's custom fields of these names; nil is none
	Outcomes   map[string]string
}

// An ExpectMessage is what a test expects of one message: one of a person, or a request, or a notice. Texts are parts of what
// they are looked for in.
type ExpectMessage struct {
	Kind     string // of step: "email"
	Name     string // the step's id or its template's name; "" is any of the kind
	To       string // all of it
	Subject  []string
	Text     []string
	Without  []string  // neither in subject nor text
	State    TaskState // what became of it
	Error    string
	Attempts int // how often it was tried; 0 is not asked
	Type     string
	URL      []string
	Headers  map[string]string // by name: a part of it
	// Data is JSON that is in the body. Of an object only the keys that it names are compared; lists are compared whole.
	Data     any
	Response map[string]any // what the step saved of the answer, as Data
}

// String names the message.
func (x *ExpectMessage) String() string { return strings.TrimSpace(x.Kind + " " + x.Name) }

// A Refusal is a workflow that an event does not start, and a part of why.
type Refusal struct{ Workflow, Reason string }

// ParseMoment reads "2026-03-27 17:00" and the other forms in which fields hold times, "09:00" and "monday 09:00". A time
// without a zone is the given one's. The error's text is for the author.
func ParseMoment(s string, zone *time.Location) (Moment, error) {
	if t, ok := readTime(s, zone); ok {
		return Moment{Time: t}, nil
	}
	u, err := ParseUntil(s)
	if err != nil || u.Field != "" {
		return Moment{}, fmt.Errorf("%q is no time; write 2026-03-27 17:00, \"09:00\" or monday 09:00", s)
	}
	return Moment{Next: &u}, nil
}

// After returns the moment's time, seen from another one. A date and time may lie before it.
func (m Moment) After(now time.Time, zone *time.Location) time.Time {
	if m.Next == nil {
		return m.Time
	}
	return m.Next.next(now.Add(1), zone)
}

// Branch returns the name of the branch that a contact takes at a step of kind "split", or "".
func (s *Step) Branch(location, workflow string, contact ID) string {
	if b := choose(s.Split, location, workflow, s.ID, contact); b != nil {
		return b.Name
	}
	return ""
}

// TemplateName returns the name of the template that the step's message is made of, or "" if there is none. The settings of a
// message say it by a method of that name.
func (s *Step) TemplateName() string {
	if t, ok := s.Settings.(interface{ TemplateName() string }); ok {
		return t.TemplateName()
	}
	return ""
}
