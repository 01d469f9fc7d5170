package outbox

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"html"
	"path"
	"regexp"
	"strings"
	"time"

	"latchkey/actions"
	"latchkey/engine"
)

// A record is a message in the store: a version byte, then JSON. Its key has the location and the id.
type record struct {
	At          time.Time `json:"at"`
	Channel     string    `json:"channel"`
	MessageID   string    `json:"message_id,omitempty"`
	From        string    `json:"from,omitempty"`
	ReplyTo     string    `json:"reply_to,omitempty"`
	To          string    `json:"to"`
	Subject     string    `json:"subject,omitempty"`
	HTML        string    `json:"html,omitempty"`
	Text        string    `json:"text,omitempty"`
	Unsubscribe string    `json:"unsubscribe,omitempty"`
	Links       []string  `json:"links,omitempty"`
}

const recordVersion = 1

func encode(m Message) ([]byte, error) {
	r := record{
		At: m.At, Channel: m.Channel, MessageID: m.MessageID, From: m.From, ReplyTo: m.ReplyTo, To: m.To,
		Subject: m.Subject, HTML: m.HTML, Text: m.Text, Unsubscribe: m.Unsubscribe,
	}
	for _, l := range m.Links {
		r.Links = append(r.Links, l.ID)
	}
	b, err := json.Marshal(r)
	return append([]byte{recordVersion}, b...), err
}

func decode(location string, id engine.ID, b []byte) (Message, error) {
	if len(b) == 0 || b[0] != recordVersion {
		return Message{}, fmt.Errorf("message %s: its record is of a version this program does not know", id)
	}
	var r record
	if err := json.Unmarshal(b[1:], &r); err != nil {
		return Message{}, fmt.Errorf("message %s: %w", id, err)
	}
	m := Message{
		ID: id, Location: location, At: r.At, Channel: r.Channel, MessageID: r.MessageID, From: r.From, ReplyTo: r.ReplyTo,
		To: r.To, Subject: r.Subject, HTML: r.HTML, Text: r.Text, Unsubscribe: r.Unsubscribe,
	}
	for _, l := range r.Links {
		m.Links = append(m.Links, Link{ID: l})
	}
	return m, nil
}

// scheme begins a placeholder. It is no URL that a browser opens.
const scheme = "login-link:"

// stray matches a link that nobody told us of.
var stray = regexp.MustCompile(`/l/[A-Za-z0-9_-]{36}`)

// hider returns a function that puts a placeholder for each link: for its URL as it is and as HTML escapes it, and for
// its token wherever else that stands. A text without any link comes back as it was.
func hider(links []actions.Link) func(string) string {
	var pairs []string
	for _, l := range links {
		if url := l.URL.Reveal(); url != "" {
			pairs = append(pairs, html.EscapeString(url), scheme+l.ID, url, scheme+l.ID)
			if token := path.Base(url); len(token) >= 16 {
				pairs = append(pairs, token, scheme+l.ID)
			}
		}
	}
	r := strings.NewReplacer(pairs...)
	return func(s string) string { return stray.ReplaceAllString(r.Replace(s), "/l/[removed]") }
}

// Reveal returns the message with its links in place of the placeholders, as far as they are in memory. Show the result
// to the operator only: it must not be stored or logged.
func (m Message) Reveal() Message {
	var plain, escaped []string
	for _, l := range m.Links {
		if url := l.Now.URL.Reveal(); url != "" {
			plain = append(plain, scheme+l.ID, url)
			escaped = append(escaped, scheme+l.ID, html.EscapeString(url))
		}
	}
	m.Text, m.HTML = strings.NewReplacer(plain...).Replace(m.Text), strings.NewReplacer(escaped...).Replace(m.HTML)
	return m
}

// locations returns the locations that have messages in this partition, or just the one asked for.
func locations(tx engine.Tx, only string) []string {
	if only != "" {
		return []string{only}
	}
	var found []string
	for from, more := []byte(nil), true; more; {
		more = false
		tx.Scan(engine.SpaceOutbox, from, nil, func(key, _ []byte) bool {
			location, _, ok := strings.Cut(string(key), "\x00")
			if more = ok; ok {
				found = append(found, location)
				from = engine.PrefixEnd(engine.Key(location))
			}
			return false
		})
	}
	return found
}

// newest returns the last messages of a location before q.Before, newest first. A store reads forwards only, so it looks at
// windows of time that double, from the end.
func newest(tx engine.Tx, location string, q Query, now time.Time) []Message {
	prefix := engine.Key(location)
	end := engine.PrefixEnd(prefix)
	if !q.Before.IsZero() {
		end, now = engine.Key(location, q.Before[:]), q.Before.Time()
	}
	var found []Message
	for last, span := now.UnixMilli(), time.Minute.Milliseconds(); ; last, span = last-span, span*2 {
		start := prefix
		if last > span {
			start = engine.Key(location, binary.BigEndian.AppendUint64(nil, uint64(last-span)<<16))
		}
		type pair struct{ key, value []byte }
		var window []pair
		tx.Scan(engine.SpaceOutbox, start, end, func(key, value []byte) bool {
			if len(key) == len(prefix)+len(engine.ID{}) {
				window = append(window, pair{key, value})
			}
			return true
		})
		for i := len(window) - 1; i >= 0 && len(found) < q.Limit; i-- {
			m, err := decode(location, engine.ID(window[i].key[len(prefix):]), window[i].value)
			if err == nil && (q.Channel == "" || m.Channel == q.Channel) {
				found = append(found, m)
			}
		}
		if len(found) == q.Limit || last <= span {
			return found
		}
		end = start
	}
}
