package console

import (
	"context"
	"time"

	"latchkey/engine"
)

// This file is what the pages ask beyond what the admin API gives.

// People finds learners.
type People interface {
	// Search returns at most q.Limit contacts, those seen first last: whose id, address, phone or name has q.Text in it, or
	// whose key it is.
	Search(ctx context.Context, q PeopleQuery) ([]engine.Person, error)
}

// A PeopleQuery selects contacts.
type PeopleQuery struct {
	Location string
	Text     string
	Before   string // a key: only contacts first seen before it
	Limit    int
}

// LinkBook knows what became of links.
type LinkBook interface {
	// Recent returns at most q.Limit links, newest first.
	Recent(ctx context.Context, q LinkQuery) ([]Link, error)
	// Timeline returns what happened to a link, oldest first. Returns ErrNotFound.
	Timeline(ctx context.Context, id string) ([]TrailLine, error)
	// Sessions returns the living sessions of a contact.
	Sessions(ctx context.Context, location, ref string) ([]LinkSession, error)
	// End ends all links and sessions of something, and notes who did.
	End(ctx context.Context, location string, w What) (Ended, error)
}

// A LinkQuery selects links. Zero fields select all.
type LinkQuery struct {
	Location string
	Kind     string
	Before   string // a link's id
	Limit    int
}

// A TrailLine is one thing that happened to a link.
type TrailLine struct {
	At   time.Time `json:"at"`
	What string    `json:"what"` // "minted", "sent", "fetched", "shown", "redeemed", "refused", ...
	Says string    `json:"says"`
}

// A LinkSession is a browser that is signed in as a learner.
type LinkSession struct {
	ID      string    `json:"id"`
	Link    string    `json:"link,omitempty"`
	Device  string    `json:"device,omitempty"`
	Address string    `json:"address,omitempty"`
	As      string    `json:"as,omitempty"` // the member of staff who looks at it as the learner
	Created time.Time `json:"created"`
	Seen    time.Time `json:"seen"`
}

// What is whose links end: one of its fields is set, or none for the whole location.
type What struct {
	Contact  string `json:"contact,omitempty"`
	Run      string `json:"run,omitempty"`
	Workflow string `json:"workflow,omitempty"`
	Location bool   `json:"location,omitempty"` // must be said
	// Everything is all links and sessions of all locations of the server.
	Everything bool `json:"everything,omitempty"`
}

// An App is one that links may be for.
type App struct{ Name, URL string }
