package engine

import "time"

// A Person is all that the core knows of one contact in one location. It is one record of SpacePeople.
type Person struct {
	Key      ID                `json:"key"` // the immutable contact key; carries the shard
	Location string            `json:"location"`
	Contact  Contact           `json:"contact"`
	Since    time.Time         `json:"since"`
	Offers   map[string]*Grant `json:"offers,omitempty"`
	Products map[string]*Grant `json:"products,omitempty"`
	// Starts is the ledger of re-entry: when a workflow last started for a noun. It outlives history.
	// The key is the workflow's id, a slash, the key's kind and value ("welcome/offer:gold").
	Starts map[string]Start `json:"starts,omitempty"`
	Issue  Issue            `json:"issue,omitzero"`
	// Progress is what they did in the products, granted or not.
	Progress Progress `json:"progress,omitempty"`
	// SignedUp is set by the first grant ever. Absorbed names the contact that took over a provisional one.
	SignedUp bool     `json:"signed_up,omitempty"`
	Absorbed ID       `json:"absorbed,omitzero"`
	Tags     []string `json:"tags,omitempty"` // set by workflows; in order, each once
	// Listens are the runs under this key that wait for events, or have a goal. They stay with the key when it is absorbed,
	// as the runs do.
	Listens []Listen `json:"listens,omitempty"`
	Took    []ID     `json:"took,omitempty"` // keys that it absorbed, whose runs are told of its events
	// Messages is what they got lately, as far as the limits of workflows ask; in order of At.
	Messages []Delivery `json:"messages,omitempty"`
	// Asked is when runs were started for them by hand at the wish of someone who need not be them; in order, and as many as
	// the rates of such starts ask about.
	Asked []time.Time `json:"asked,omitempty"`
	// Gatherings and Watches are what Wake ends when its time has come.
	Gatherings []Gathering `json:"gatherings,omitempty"`
	Watches    []Watch     `json:"watches,omitempty"`
	// Wakes is when the person's stored timer is due: NextWake, when they were last stored.
	Wakes time.Time `json:"wakes,omitzero"`
}

// A Grant is access to one offer or product, or the memory that it was removed.
type Grant struct {
	Title   string    `json:"title,omitempty"`
	At      time.Time `json:"at"`
	Removed bool      `json:"removed,omitempty"`
	// Via lists the offers that a product came with; Direct says that it was also granted, or proved by
	// progress, by itself. A product is lost with the last offer of Via unless Direct.
	Via    []string `json:"via,omitempty"`
	Direct bool     `json:"direct,omitempty"`
}

// A Start is one entry of the ledger of starts.
type Start struct {
	At    time.Time `json:"at"`
	Run   ID        `json:"run"`
	Ended bool      `json:"ended,omitempty"`
}

// An Issue is the ordinal under which login links of events close in time are minted, so that the events of a
// first purchase do not kill one another's links.
type Issue struct {
	Ordinal uint64    `json:"ordinal,omitempty"`
	At      time.Time `json:"at,omitzero"`
}

// HasAccess reports whether the person holds any offer or product now.
func (p *Person) HasAccess() bool {
	for _, g := range p.Offers {
		if !g.Removed {
			return true
		}
	}
	for _, g := range p.Products {
		if !g.Removed {
			return true
		}
	}
	return false
}

// Zone returns the contact's time zone, or the location's.
func (p *Person) Zone(loc *Location) *time.Location {
	if p.Contact.Timezone != "" && p.Contact.Timezone != "Local" {
		if z, err := time.LoadLocation(p.Contact.Timezone); err == nil {
			return z
		}
	}
	return loc.zone()
}

// zone returns the location's time zone: UTC where none is known.
func (l *Location) zone() *time.Location {
	if l != nil && l.Zone != nil {
		return l.Zone
	}
	return time.UTC
}

// A Location is one course site (a sub-account): what workflows, templates and links know of it.
type Location struct {
	ID      string
	Name    string
	Email   string // the address that its mail comes from
	Support string // where learners ask for help; may be empty
	Brand   string // accent colour, #rrggbb; may be empty
	Logo    string // a picture as a data: URI; may be empty
	// Language is the BCP 47 tag of the language in which its learners are spoken to unless theirs is known; "" is English.
	Language string
	BaseURL  string // what every link begins with; no trailing slash
	Zone     *time.Location
	Day      time.Duration // how long a day of a wait lasts; 0 is a calendar day. Demonstrations shorten it
	Custom   map[string]string
	Apps     []string // names of the apps that links may be for
	Pause    *Pause   // of all sending; nil if there is none
}

// A Pause holds all messages of a location back until somebody ends it.
type Pause struct {
	Since  time.Time
	Reason string // for people; may be empty
}
