package engine

import "time"

// A Status says whether a workflow enrols and whether its runs move.
type Status string

// The statuses. A deleted file acts as paused.
const (
	Live   Status = "live"
	Draft  Status = "draft"  // enrols nobody; its runs go on
	Paused Status = "paused" // enrols; its runs hold
)

// A Class says what kind of message a step sends.
type Class string

// The classes of message.
const (
	Transactional Class = "transactional"
	Marketing     Class = "marketing"
)

// A Workflow is one version of one workflow file.
type Workflow struct {
	ID       string // the file's name without its ending
	Version  string // first 16 hex digits of the SHA-256 of Source
	Source   []byte // the file, as it was read
	Name     string
	Status   Status
	Class    Class // "" if each message step has its own
	Triggers []Trigger
	Absences []Absence `json:",omitempty"` // triggers too: what did not happen
	When     *Expr     // nil means always
	Coalesce Duration  `json:",omitzero"` // how long events are gathered for one run, from the first; zero: each starts its own
	Reentry  Reentry
	Goal     *Goal `json:",omitempty"`
	Steps    []Step

	Window    *Window       `json:",omitempty"` // when its messages may begin; nil means always
	Limit     *Limit        `json:",omitempty"` // how many messages its contacts may have got; nil means any number
	HoldLimit time.Duration `json:",omitzero"`  // how late a message is still sent; 0 is DefaultHoldLimit
}

// A Trigger is one way that a workflow starts.
type Trigger struct {
	Type    string // a trigger's name
	Filters []Filter
}

// A Filter asks that the event's noun of a kind is one of some ids and none of others. Empty AnyOf means any.
type Filter struct {
	Noun   string
	AnyOf  []string
	NoneOf []string
}

// Reentry says whether a contact may go through a workflow again.
type Reentry struct {
	Key   string        // "contact", "offer", "product", "category" or "lesson"; "" is the trigger's own noun
	Allow string        // "never", "after_end", "always" or "after"
	After time.Duration // with "after": since the last start
}

// The step kinds that the core itself carries out; all others are a Catalog's actions.
const (
	StepWait  = "wait"
	StepIf    = "if"
	StepSplit = "split"
	StepTag   = "tag"
	StepSet   = "set"
	StepGoal  = "goal"
	StepEnd   = "end"
	StepStart = "start"
)

// A Step is one step of a workflow. Exactly one of the kind's own fields is set.
type Step struct {
	ID   string // unique in the workflow; given, else made from kind and position
	Name string // for people; may be empty
	Kind string // "email", "sms", "wait", "if", "end", ...
	When *Expr  // nil means always; otherwise the step is skipped unless it holds
	Line int    // where it stands in Source

	Wait     Duration  // kind "wait", unless Until is set; with For, after how long the run goes on without
	Until    *Until    // kind "wait"
	For      []Trigger `json:",omitempty"` // kinds "wait" and "goal": any of these ends it; LinkRedeemed is one
	GoalElse string    `json:",omitempty"` // kind "goal": GoalContinue, GoalWait or GoalEnd
	If       *Expr     // kind "if"
	Then     []Step
	Else     []Step
	Split    []Branch // kind "split"
	Tag      Tag      // kind "tag"
	Set      Custom   // kind "set": texts, whole numbers, decimals, true, false; nil forgets the field
	End      string   // kind "end": the reason, for people
	Start    string   // kind "start": the id of the workflow to start
	Settings any      // kinds of Catalog.Actions: what their Decode returned
	// How Settings are carried out. What is zero is as the channel of the kind has it.
	Retry     Retry         `json:",omitzero"`
	Timeout   time.Duration `json:",omitzero"` // of one attempt
	OnUnknown OnUnknown     `json:",omitzero"`
	// StopOnError ends the run when the task of this step failed or expired, the condition of its if faulted, its field held no time or the
	// workflow that it starts did not; otherwise the run goes on.
	StopOnError bool
}
