package engine

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"time"
)

// A Noun is a thing of the course site that an event is about: an offer, a product, a category or a lesson.
type Noun struct {
	ID    string `json:"id"`
	Title string `json:"title,omitempty"`
}

// An Event is one thing that happened on the course site, decoded and checked. Its attributes have the names
// that CloudEvents 1.0 gives them.
type Event struct {
	ID       string    `json:"id"`
	Source   string    `json:"source"`
	Type     string    `json:"type"` // a trigger's name, without any prefix
	Location string    `json:"location"`
	Time     time.Time `json:"time"` // when it happened, by the publisher's clock
	// Ordinal orders events of one instance: the stream's generation in the upper 16 bits, the stream
	// sequence below. Links issued for a later ordinal supersede those of an earlier one. An event that no stream brought has
	// HandOrdinal.
	Ordinal  uint64   `json:"ordinal,omitempty"`
	Contact  Contact  `json:"contact"` // as the event tells it: unset fields say nothing
	Offer    *Noun    `json:"offer,omitempty"`
	Product  *Noun    `json:"product,omitempty"`
	Category *Noun    `json:"category,omitempty"`
	Lesson   *Noun    `json:"lesson,omitempty"`
	Custom   Custom   `json:"custom,omitempty"`
	Depth    int      `json:"depth,omitempty"`    // how many runs caused it, one by another
	Warnings []string `json:"warnings,omitempty"` // optional fields that were dropped, and why
}

// Noun returns the event's noun of that kind ("offer", "product", "category", "lesson"), or nil.
func (e *Event) Noun(kind string) *Noun {
	switch kind {
	case "offer":
		return e.Offer
	case "product":
		return e.Product
	case "category":
		return e.Category
	case "lesson":
		return e.Lesson
	}
	return nil
}

// Identity returns the hash of what makes the event itself: location, source, type, id. A second event with the
// same identity is a duplicate.
func (e *Event) Identity() [16]byte {
	said := make([]byte, 0, 256)
	for _, s := range [...]string{e.Location, e.Source, e.Type, e.ID} {
		said = binary.BigEndian.AppendUint32(said, uint32(len(s)))
		said = append(said, s...)
	}
	sum := sha256.Sum256(said)
	return [16]byte(sum[:16])
}

// Custom is what a site tells beyond the named fields. Its numbers are int64 if they are whole and fit, else float64.
type Custom map[string]any

// UnmarshalJSON implements json.Unmarshaler.
func (c *Custom) UnmarshalJSON(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var m map[string]any
	if err := dec.Decode(&m); err != nil {
		return err
	}
	for k, v := range m {
		m[k] = plainNumbers(v)
	}
	*c = m
	return nil
}

func plainNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, err := v.Float64()
		if err != nil {
			return v.String() // beyond every float: keep what was written
		}
		return f
	case map[string]any:
		for k, e := range v {
			v[k] = plainNumbers(e)
		}
	case []any:
		for i, e := range v {
			v[i] = plainNumbers(e)
		}
	}
	return v
}

// A Contact is what is known of a learner. Empty fields are not known.
type Contact struct {
	ID        string  `json:"id,omitempty"` // the course site's own id
	Email     string  `json:"email,omitempty"`
	Phone     string  `json:"phone,omitempty"` // E.164
	FirstName string  `json:"first_name,omitempty"`
	LastName  string  `json:"last_name,omitempty"`
	Timezone  string  `json:"timezone,omitempty"` // an IANA name
	Locale    string  `json:"locale,omitempty"`   // BCP 47
	Consent   Consent `json:"consent,omitzero"`
	Custom    Custom  `json:"custom,omitempty"`
}

// Consent says on which channels the contact may be reached. nil is not known, which allows; false forbids.
type Consent struct {
	Email *bool `json:"email,omitempty"`
	SMS   *bool `json:"sms,omitempty"`
}

// Refused names the channels that the contact may not be reached on, for people: "e-mail", "SMS".
func (c Consent) Refused() (channels []string) {
	if !allowed(c.Email) {
		channels = append(channels, "e-mail")
	}
	if !allowed(c.SMS) {
		channels = append(channels, "SMS")
	}
	return channels
}

// Name returns the contact's first and last name, joined.
func (c *Contact) Name() string {
	switch {
	case c.FirstName == "":
		return c.LastName
	case c.LastName == "":
		return c.FirstName
	}
	return c.FirstName + " " + c.LastName
}
