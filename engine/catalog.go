package engine

import (
	"context"
	"fmt"
	"time"
)

// A Catalog is what workflows may speak of. It is filled by the command, from the rooms that own each part.
type Catalog struct {
	Triggers map[string]TriggerKind
	Actions  map[string]Action
	Notices  map[string]NoticeKind // no kind is in both
}

// A TriggerKind describes one trigger to those that may not import it.
type TriggerKind struct {
	Name    string
	Label   string   // as its users know it
	Noun    string   // its own noun, whose id each event has; "" for user_login and new_sign_up
	Filters []string // nouns that it can be filtered by
	Course  bool     // whether login links may be sent under it
}

// A Pos is a place in a user's file. Lines and columns count from 1; columns count runes.
type Pos struct {
	File      string
	Line, Col int
}

// A Problem is a mistake in a user's file, or a warning.
type Problem struct {
	Pos
	Msg     string
	Warning bool
}

// String returns file:line:col: message.
func (p Problem) String() string {
	w := ""
	if p.Warning {
		w = "warning: "
	}
	return fmt.Sprintf("%s:%d:%d: %s%s", p.File, p.Line, p.Col, w, p.Msg)
}

// A Node is the settings of one step, as its action reads them. It knows where everything stands in the file.
type Node interface {
	// Decode reads a mapping into a struct whose fields have `yaml` tags. It reports what it cannot read, and keys
	// that the struct does not have, and returns whether all was well. Scalars are read as written. A field of type any
	// takes values of any shape: map[string]any and []any, and in them a Leaf for each scalar.
	Decode(into any) bool
	// Scalar returns the settings if they are one bare string (`sms: 'Hello'`).
	Scalar() (string, bool)
	// Pos returns where in the file the rune at offset (from 0) of a key's value stands, past quotes, escapes and the
	// indentation of block scalars; -1 is the beginning of the value as written. The key "" is the settings
	// themselves, and a key that is not there is where the step stands. A key may be a Leaf's At.
	Pos(key string, offset int) Pos
	// Report adds a problem.
	Report(Problem)
}

// A Leaf is one scalar among settings of any shape.
type Leaf struct {
	Text string // as written
	// Literal says that it stands without quotes and is a number, true, false or null in JSON; Value is it then, a
	// number as in Custom.
	Literal bool
	Value   any
	At      string // for Node.Pos: a JSON pointer (RFC 6901) from the step's settings, without the first slash
}

// A StepContext is what an action may know of the workflow around its step when files are loaded.
type StepContext struct {
	Workflow string
	Class    Class // the workflow's; "" if it has none
	Triggers []TriggerKind
	Location *Location
}

// An Action is a step kind with an effect outside: one file in actions, one line in its catalog.
type Action interface {
	// Decode checks a step's settings when files are loaded, reporting all that is wrong, and returns what the other
	// methods find in Call.Settings.
	Decode(n Node, sc StepContext) any
	// Begin runs inside the commit that starts an attempt, which may run twice. Links are minted here. An error marked
	// Final fails the task, ErrSuppressed suppresses it, any other puts it off.
	Begin(tx Tx, call Call) (Attempt, error)
	// Perform has the effect. Its error says what becomes of the task: Final, Later, Unknown, or unmarked and
	// therefore temporary.
	Perform(ctx context.Context, call Call, a Attempt) (Receipt, error)
	// Settle runs inside the commit that records an attempt's outcome, which may run twice: sent or unknown
	// means that older links of the contact are superseded now.
	Settle(tx Tx, call Call, state TaskState) error
}

// A Call is one attempt of a task, as its action sees it. It is read only.
type Call struct {
	Now      time.Time
	Task     *Task
	Run      *Run
	Person   *Person
	Location *Location
	Settings any
	Step     *Step // whose Settings these are
}

// An Attempt is what Begin made ready. Payload stays in memory: it may hold live links.
type Attempt struct {
	To      string
	Class   Class
	Links   []string // ids of links minted for it
	Payload any
}

// A Receipt is what the other side answered.
type Receipt struct {
	ID      string  // the server's own id for it, if it gave one
	Subject string  // as rendered
	Answer  *Answer // nil if nothing of it is to be kept
}

// ErrSuppressed says that a task must not be carried out; wrap it with the reason.
var ErrSuppressed = fmt.Errorf("suppressed")

// A LinkRequest asks for a login link. App and To are empty for the client portal itself.
type LinkRequest struct {
	Now      time.Time
	Location string
	Contact  ID
	Ordinal  uint64 // see Event.Ordinal
	App      string
	To       string        // "product:go-101", "category:…", "lesson:…"
	In       string        // the product that the category or lesson is in, where it is known
	TTL      time.Duration // 0 is the location's default
	Uses     int           // 0 is the location's default
	Run      ID
	Workflow string
	Step     string // path, joined by "/"
	Channel  string // "email", "sms", "hand"
	Address  string // that it is sent to; the link dies when the contact's changes
	ByHand   bool   // supersedes at once
	By       string // who made it by hand
	Bind     bool   // it works only in the browser that it is first used in
}
