package console

import (
	"context"
	"slices"

	"latchkey/engine"
)

// A Role says what a member of staff, or a key, may do in one location.
type Role string

// The roles, from the one that may do all.
const (
	Owner    Role = "owner"
	Operator Role = "operator" // all but staff, keys and ending all links of the location
	Support  Role = "support"  // looks at learners, makes and sends links, ends one
)

// Roles returns all roles, from the one that may do all.
func Roles() []Role { return []Role{Owner, Operator, Support} }

// An Action is something that needs a role.
type Action string

// The actions.
const (
	See        Action = "look at learners, links, messages, runs and workflows"
	SeeHouse   Action = "look at dead letters, metrics and the audit list"
	MakeLink   Action = "make a link for a learner or an app"
	SendLogin  Action = "send a login message"
	ViewAs     Action = "view as a learner"
	RevokeLink Action = "end a link"
	RevokeMany Action = "end all links of a learner, a run or a workflow"
	RevokeAll  Action = "end all links of the location"
	MakeUser   Action = "make or end the staff link of the location"
	Invite     Action = "add learners"
	Forget     Action = "forget a learner"
	Steer      Action = "retry, resend, cancel, replay and pause"
	Publish    Action = "publish events"
	SaveAll    Action = "take a backup"
	Mailbox    Action = "see live links in the outbox"
	SignStaff  Action = "make sign-in links for staff, and sign them out"
)

// allowed is the table of who may do what. What is not in it only an owner may do.
var allowed = map[Action][]Role{
	See:        {Operator, Support},
	MakeLink:   {Operator, Support},
	SendLogin:  {Operator, Support},
	ViewAs:     {Operator, Support},
	RevokeLink: {Operator, Support},
	SeeHouse:   {Operator},
	RevokeMany: {Operator},
	MakeUser:   {Operator},
	Invite:     {Operator},
	Forget:     {Operator},
	Steer:      {Operator},
	Publish:    {Operator},
	SaveAll:    {Operator},
	// The outbox shows sign-in links of staff too, so it is the owner's, as SignStaff and RevokeAll are.
}

// May reports whether a role may do something.
func (r Role) May(a Action) bool { return r == Owner || slices.Contains(allowed[a], r) }

// Who is a member of staff or a program that makes a request.
type Who struct {
	Name string // an address, "key helpdesk", "owner", "this machine"; for the audit list
	Role Role
	// Everywhere says that they hold a key to all locations of the server.
	Everywhere bool
	// Session says that they came with a session of the pages, and not with a key.
	Session bool
}

// A Proof is what a request brings to say who makes it. Either may be empty.
type Proof struct {
	Key     engine.Secret // Authorization: Bearer, or the password of basic authentication
	Session engine.Secret // the cookie
}

type whoKey struct{}

// With returns a context in which By answers with who.
func With(ctx context.Context, who Who) context.Context { return context.WithValue(ctx, whoKey{}, who) }

// By returns the name of who makes the request of a context, for "revoked by" and the like; "operator" if that is not known.
func By(ctx context.Context) string {
	if w, ok := ctx.Value(whoKey{}).(Who); ok {
		return w.Name
	}
	return "operator"
}

// Everywhere reports whether who makes the request of a context may see what is of all locations.
func Everywhere(ctx context.Context) bool { return whoOf(ctx).Everywhere }

func whoOf(ctx context.Context) Who {
	w, _ := ctx.Value(whoKey{}).(Who)
	return w
}
