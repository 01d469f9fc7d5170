package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/urfave/cli/v3"

	"latchkey/engine"
	"latchkey/triggers"
)

func (a *app) publishCommand() *cli.Command {
	flag := func(name, usage string) cli.Flag { return &cli.StringFlag{Name: name, Usage: usage} }
	return &cli.Command{
		Name: "publish", Usage: "publish events to NATS", ArgsUsage: "[TRIGGER]",
		Description: "One event from flags, or many from a file of JSON or JSON Lines; \"-\" is standard input. A line is a CloudEvent\n" +
			"{\"type\": TRIGGER, \"id\": …, \"data\": {…}}, or, with TRIGGER given, bare data.\n\nExamples:\n" +
			"  latchkey publish new_sign_up --contact c-17 --email ada@example.com --offer gold\n" +
			"  latchkey publish -f events.jsonl",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "file", Aliases: []string{"f"}, Usage: "read events from `FILE`"},
			flag("id", "the event's `ID`; publishing the same twice counts once"),
			flag("contact", "the contact's `ID`"), flag("email", "the contact's `ADDRESS`"), flag("phone", "the contact's `NUMBER`"),
			flag("first-name", "`NAME`"), flag("last-name", "`NAME`"), flag("timezone", "for instance `Europe/London`"),
			flag("offer", "`ID` or ID=Title"), flag("product", "`ID` or ID=Title"),
			flag("category", "`ID` or ID=Title"), flag("lesson", "`ID` or ID=Title"),
			&cli.StringFlag{Name: "location", Usage: "`ID` of the location (else the project's)"},
			&cli.StringFlag{Name: "dir", Value: ".", Usage: "the project's `FOLDER`"},
			&cli.StringFlag{Name: "nats", Usage: "`URL` of the NATS server (else the project's)", Sources: cli.EnvVars("NATS_URL")},
			&cli.StringFlag{Name: "context", Usage: "`NAME` of a context of the nats command line", Sources: cli.EnvVars("NATS_CONTEXT")},
			&cli.StringFlag{Name: "creds", Usage: "credentials `FILE`", Sources: cli.EnvVars("NATS_CREDS")},
			&cli.StringFlag{Name: "inbox-prefix", Usage: "`PREFIX` of where answers come to: _INBOX_USER for a location's user"},
		},
		Action: a.publish,
	}
}

func (a *app) publish(ctx context.Context, c *cli.Command) error {
	if c.Args().Len() > 1 {
		return usagef("publish takes one trigger; the rest goes into flags")
	}
	kind := c.Args().First()
	if kind != "" {
		if _, ok := triggers.Catalogue()[kind]; !ok {
			return usagef("no trigger %q; %s", kind, suggestTrigger(kind))
		}
	}
	cfg, err := a.config(c.String("dir"), nil)
	if err != nil {
		return err
	}
	location, err := cfg.oneLocation(c.String("location"))
	if err != nil {
		return err
	}
	var events []engine.Event
	switch file := c.String("file"); {
	case file != "":
		events, err = a.readEvents(file, kind, location)
	case kind == "":
		return usagef("publish what? A trigger (latchkey publish new_sign_up …), or a file (-f events.jsonl)")
	default:
		ev := eventFromFlags(c, kind, location)
		events, err = []engine.Event{ev}, checkEvent(ev)
	}
	if err != nil {
		return err
	}
	bus, err := triggers.Open(ctx, publishConfig(c, cfg, location))
	if err != nil {
		return fmt.Errorf("%w; is Latchkey running (latchkey run), or is --nats another address?", err)
	}
	defer bus.Close()
	return a.publishAll(ctx, bus, events)
}

// publishChunk is how many events are published between two steps of the progress bar.
const publishChunk = 1000

func (a *app) publishAll(ctx context.Context, bus *triggers.Bus, events []engine.Event) error {
	bar := a.progress(len(events), "events")
	duplicates := 0
	for i := 0; i < len(events); i += publishChunk {
		part := events[i:min(i+publishChunk, len(events))]
		n, err := bus.PublishEvents(ctx, part)
		if err != nil {
			return fmt.Errorf("publish: after %d events: %w", i, err)
		}
		duplicates += n
		bar.add(len(part))
	}
	bar.done()
	for _, ev := range events[:min(len(events), 1)] {
		if len(events) == 1 {
			fmt.Fprintf(a.out, "published %s %s\n", ev.Type, ev.ID)
		} else {
			fmt.Fprintf(a.out, "published %d events\n", len(events))
		}
	}
	if duplicates > 0 {
		fmt.Fprintf(a.out, "%d of them were there already\n", duplicates)
	}
	return nil
}

// publishConfig says where to connect: flags, else the project's server.
func publishConfig(c *cli.Command, cfg *Config, location string) triggers.Config {
	out := triggers.Config{
		URL: c.String("nats"), Context: c.String("context"), Creds: c.String("creds"), Inbox: c.String("inbox-prefix"), Logger: zerolog.Nop(),
	}
	if out.URL != "" || out.Context != "" {
		return out
	}
	out = cfg.busConfig(zerolog.Nop())
	if out.URL == "" && out.Context == "" {
		out = triggers.Config{URL: "nats://" + dialable(cfg.NATS.Listen), TLS: triggers.TLS{CA: cfg.NATS.TLS.CA}, Logger: zerolog.Nop()}
		out.User, out.Password, out.Inbox = cfg.natsLogin(location)
	}
	return out
}

func eventFromFlags(c *cli.Command, kind, location string) engine.Event {
	ev := engine.Event{ID: c.String("id"), Type: kind, Location: location, Time: time.Now().UTC(), Contact: engine.Contact{
		ID: c.String("contact"), Email: c.String("email"), Phone: c.String("phone"),
		FirstName: c.String("first-name"), LastName: c.String("last-name"), Timezone: c.String("timezone"),
	}}
	if ev.ID == "" {
		ev.ID = rand.Text()
	}
	ev.Offer, ev.Product = nounFlag(c, "offer"), nounFlag(c, "product")
	ev.Category, ev.Lesson = nounFlag(c, "category"), nounFlag(c, "lesson")
	return ev
}

// checkEvent finds mistakes in flags before a server is asked for.
func checkEvent(ev engine.Event) error {
	data := map[string]any{"contact": &ev.Contact}
	for _, kind := range []string{"offer", "product", "category", "lesson"} {
		if n := ev.Noun(kind); n != nil {
			data[kind] = n
		}
	}
	raw, err := json.Marshal(data)
	if err != nil {
		return err
	}
	read, err := parseEvent(raw, ev.Type, ev.Location, ev.Time)
	if err == nil && len(read.Warnings) > 0 {
		err = errors.New(strings.TrimSuffix(strings.Join(read.Warnings, "; "), "; left out"))
	}
	if err != nil {
		return usagef("publish %s: %w", ev.Type, err)
	}
	return nil
}

func nounFlag(c *cli.Command, name string) *engine.Noun {
	id, title, _ := strings.Cut(c.String(name), "=")
	if id == "" {
		return nil
	}
	return &engine.Noun{ID: id, Title: title}
}

// readEvents reads JSON values, one after another or in one array. Every mistake is told, with its line, and what is left out.
func (a *app) readEvents(file, kind, location string) ([]engine.Event, error) {
	b, err := a.readFile(file)
	if err != nil {
		return nil, err
	}
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	if t := bytes.TrimSpace(b); len(t) > 0 && t[0] == '[' {
		b = bytes.TrimSuffix(bytes.TrimSpace(bytes.Replace(b, []byte("["), []byte(" "), 1)), []byte("]"))
	}
	var events []engine.Event
	var problems []string
	for off := 0; ; {
		rest := bytes.TrimLeft(b[off:], " \t\r\n,")
		off = len(b) - len(rest)
		if len(rest) == 0 {
			break
		}
		at := fmt.Sprintf("%s:%d:1", file, 1+bytes.Count(b[:off], []byte("\n")))
		dec := json.NewDecoder(bytes.NewReader(rest))
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			problems = append(problems, fmt.Sprintf("%s: not JSON: %v", at, err))
			break
		}
		off += int(dec.InputOffset())
		ev, err := parseEvent(raw, kind, location, time.Now())
		if err != nil {
			problems = append(problems, fmt.Sprintf("%s: %v", at, err))
			continue
		}
		for _, warning := range ev.Warnings { // the history cannot tell them: the event is published without
			fmt.Fprintf(a.err, "%s: warning: %s\n", at, warning)
		}
		events = append(events, ev)
	}
	return events, a.showProblems(problems, "nothing was published")
}

// parseEvent reads a CloudEvent, whose version, source and id may be left out, or the bare data of an event of that kind.
func parseEvent(raw json.RawMessage, kind, location string, now time.Time) (engine.Event, error) {
	var dec triggers.Decoder
	m := triggers.Message{Data: raw, Seq: 1, Time: now.UTC()}
	var ce map[string]json.RawMessage
	if err := json.Unmarshal(raw, &ce); err != nil {
		return engine.Event{}, errors.New("an event is a JSON object")
	}
	if ce["type"] == nil || ce["data"] == nil {
		if kind == "" {
			return engine.Event{}, errors.New("has no type and data; for bare data say of which trigger: latchkey publish TRIGGER -f FILE")
		}
		m.Header = map[string][]string{"Nats-Msg-Id": {rand.Text()}}
		m.Subject = "courses." + location + "." + kind
		return dec.Decode(m)
	}
	var ceType string
	if err := json.Unmarshal(ce["type"], &ceType); err != nil {
		return engine.Event{}, errors.New("type is not a text")
	}
	kind = ceType[strings.LastIndexByte(ceType, '.')+1:]
	if _, ok := triggers.Catalogue()[kind]; !ok {
		return engine.Event{}, fmt.Errorf("no trigger %q; %s", ceType, suggestTrigger(kind))
	}
	for name, value := range map[string]string{"specversion": "1.0", "source": "latchkey publish", "id": rand.Text()} {
		if ce[name] == nil {
			ce[name], _ = json.Marshal(value)
		}
	}
	m.Data, _ = json.Marshal(ce)
	m.Header = map[string][]string{"Content-Type": {"application/cloudevents+json"}}
	m.Subject = "courses." + location + "." + kind
	return dec.Decode(m)
}

// showProblems prints lines and returns an error that counts them, or nil if there are none.
func (a *app) showProblems(problems []string, so string) error {
	for _, p := range problems {
		fmt.Fprintln(a.err, p)
	}
	switch len(problems) {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("%wone mistake; %s", silent{errUsage}, so)
	}
	return fmt.Errorf("%w%d mistakes; %s", silent{errUsage}, len(problems), so)
}

func suggestTrigger(name string) string {
	var names []string
	for _, k := range triggers.Kinds() {
		names = append(names, k.Name)
	}
	if best := engine.Nearest(name, names); best != "" {
		return "did you mean " + best + "?"
	}
	return "there are " + strings.Join(names, ", ")
}
