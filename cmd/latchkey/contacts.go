package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v3"

	"latchkey/engine"
	"latchkey/engine/console"
	"latchkey/triggers"
)

func (a *app) contactsCommand() *cli.Command {
	return &cli.Command{
		Name:  "contacts",
		Usage: "look at learners, load those that a site already has, forget one",
		Commands: []*cli.Command{
			{
				Name: "show", Usage: "show one contact: profile, access, links", ArgsUsage: "CONTACT",
				Description: "CONTACT is an id or an e-mail address. Example:\n  latchkey contacts show ada@example.com",
				Flags:       clientFlags(), Action: a.contactsShow,
			},
			{
				Name: "import", Usage: "add and update contacts from CSV or JSON Lines", ArgsUsage: "FILE",
				Description: "It removes nothing, starts no workflow and can be run again. A CSV file's first line names its columns:\n" +
					"  " + strings.Join(importColumns(), ", ") + "\n" +
					"offers and products hold ids, parted by spaces; custom.NAME is a custom field.\n" +
					"A JSON line is {\"contact\": {…}, \"offers\": [{\"id\": …, \"title\": …}], \"products\": […]}. \"-\" is standard input.\n\nExample:\n  latchkey contacts import learners.csv",
				Flags: clientFlags(), Action: a.contactsImport,
			},
			a.forgetCommand(),
		},
	}
}

func (a *app) contactsShow(ctx context.Context, c *cli.Command) error {
	if c.Args().Len() != 1 {
		return usagef("contacts show takes one contact: an id or an e-mail address")
	}
	cl, err := a.client(c)
	if err != nil {
		return err
	}
	ref := url.PathEscape(c.Args().First())
	var p engine.Person
	if err := cl.do(ctx, http.MethodGet, "/v1/contacts/"+ref, nil, &p); err != nil {
		return err
	}
	var links []console.Link
	if err := cl.do(ctx, http.MethodGet, "/v1/contacts/"+ref+"/links", nil, &links); err != nil {
		return err
	}
	return a.print(c, map[string]any{"contact": p, "links": links}, func(w io.Writer) { showContact(w, p, links) })
}

func showContact(w io.Writer, p engine.Person, links []console.Link) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range [][2]string{
		{"name", p.Contact.Name()}, {"id", p.Contact.ID}, {"email", p.Contact.Email}, {"phone", p.Contact.Phone},
		{"zone", p.Contact.Timezone}, {"key", p.Key.String()}, {"since", stamp(p.Since)},
		{"offers", held(p.Offers)}, {"products", held(p.Products)},
		{"tags", strings.Join(p.Tags, ", ")}, {"consent", refused(p.Contact.Consent)}, {"custom", customOf(p.Contact.Custom)},
	} {
		if row[1] != "" {
			fmt.Fprintf(tw, "%s\t%s\n", row[0], row[1])
		}
	}
	for i, l := range links {
		name := ""
		if i == 0 {
			name = "links"
		}
		fmt.Fprintf(tw, "%s\t%s  %s\n", name, l.ID, l.Says)
	}
	tw.Flush()
}

func refused(c engine.Consent) string {
	channels := c.Refused()
	for i := range channels {
		channels[i] = "no " + channels[i]
	}
	return strings.Join(channels, ", ")
}

func customOf(c engine.Custom) string {
	if len(c) == 0 {
		return ""
	}
	b, err := json.Marshal(c)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func held(gs map[string]*engine.Grant) string {
	var out []string
	for _, id := range slices.Sorted(maps.Keys(gs)) {
		g := gs[id]
		s := id
		if g.Title != "" {
			s = g.Title + " (" + id + ")"
		}
		if g.Removed {
			s += " removed"
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

// importChunk is how many contacts go into one request.
const importChunk = 500

func (a *app) contactsImport(ctx context.Context, c *cli.Command) error {
	if c.Args().Len() != 1 {
		return usagef("contacts import takes one file, CSV or JSON Lines")
	}
	name := c.Args().First()
	rows, err := a.readImport(name)
	if err != nil {
		return err
	}
	cl, err := a.client(c)
	if err != nil {
		return err
	}
	var total console.ImportResult
	bar := a.progress(len(rows), "contacts")
	for chunk := range slices.Chunk(rows, importChunk) {
		var res console.ImportResult
		if err := cl.do(ctx, http.MethodPost, "/v1/contacts", chunk, &res); err != nil {
			return fmt.Errorf("import after %d contacts: %w", total.Added+total.Updated, err)
		}
		total.Added += res.Added
		total.Updated += res.Updated
		bar.add(len(chunk))
	}
	bar.done()
	return a.print(c, total, func(w io.Writer) { fmt.Fprintf(w, "%d added, %d updated\n", total.Added, total.Updated) })
}

// readImport reads the whole file before anything is sent, so that a mistake in it is found first.
func (a *app) readImport(name string) ([]console.Row, error) {
	b, err := a.readFile(name)
	if err != nil {
		return nil, err
	}
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	var rows []console.Row
	var problems []string
	report := func(line int, format string, args ...any) {
		problems = append(problems, fmt.Sprintf("%s:%d:1: %s", name, line, fmt.Sprintf(format, args...)))
	}
	if strings.HasSuffix(strings.ToLower(filepath.Ext(name)), "csv") || !bytes.HasPrefix(bytes.TrimSpace(b), []byte("{")) {
		rows = readCSV(b, report)
	} else {
		rows = readJSONRows(b, report)
	}
	if len(problems) > 0 {
		for _, p := range problems {
			fmt.Fprintln(a.err, p)
		}
		return nil, fmt.Errorf("%w%d mistakes in %s; nothing was imported", silent{errUsage}, len(problems), name)
	}
	return rows, nil
}

func (a *app) readFile(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(a.in)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("%w%w", silent{errUsage}, err)
	}
	return b, nil
}

// A cleaner checks contacts as if events had brought them.
type cleaner struct{ dec triggers.Decoder }

// clean returns a contact as it would come out of an event. What an event would do without is an error here.
func (cl *cleaner) clean(c engine.Contact) (engine.Contact, error) {
	data, err := json.Marshal(map[string]any{"contact": c})
	if err != nil {
		return c, err
	}
	ev, err := cl.dec.Decode(triggers.Message{Subject: "courses.import." + triggers.UserLogin, Data: data, Seq: 1})
	if err == nil && len(ev.Warnings) > 0 {
		err = errors.New(strings.TrimSuffix(strings.Join(ev.Warnings, "; "), "; left out"))
	}
	return ev.Contact, err
}

// maxNouns is how many offers, and how many products, one row of an import may name.
const maxNouns = 1000

// row checks a row of an import, its contact and what they hold.
func (cl *cleaner) row(r *console.Row) (err error) {
	if r.Contact, err = cl.clean(r.Contact); err != nil {
		return err
	}
	for _, list := range []struct {
		kind  string
		nouns []engine.Noun
	}{{"offer", r.Offers}, {"product", r.Products}} {
		if len(list.nouns) > maxNouns {
			return fmt.Errorf("it names %d %ss; a row may name %d", len(list.nouns), list.kind, maxNouns)
		}
		for i, n := range list.nouns {
			if list.nouns[i], err = cl.noun(list.kind, n); err != nil {
				return err
			}
		}
	}
	return nil
}

// noun returns an offer or a product as it would come out of an event.
func (cl *cleaner) noun(kind string, n engine.Noun) (engine.Noun, error) {
	data, err := json.Marshal(map[string]any{"contact": engine.Contact{ID: "import"}, kind: n})
	if err != nil {
		return n, err
	}
	ev, err := cl.dec.Decode(triggers.Message{Subject: "courses.import." + kind + "_access_granted", Data: data, Seq: 1})
	if err == nil && len(ev.Warnings) > 0 {
		err = errors.New(ev.Warnings[0])
	}
	if err != nil {
		why, _, _ := strings.Cut(err.Error(), ": "+kind+"_access_granted") // a trigger means nothing here
		return n, errors.New(why)
	}
	return *ev.Noun(kind), nil
}

func readJSONRows(b []byte, report func(int, string, ...any)) []console.Row {
	var rows []console.Row
	var cl cleaner
	sc := bufio.NewScanner(bytes.NewReader(b))
	sc.Buffer(nil, 1<<20)
	for n := 1; sc.Scan(); n++ {
		if len(bytes.TrimSpace(sc.Bytes())) == 0 {
			continue
		}
		var r console.Row
		dec := json.NewDecoder(bytes.NewReader(sc.Bytes()))
		dec.DisallowUnknownFields()
		err := dec.Decode(&r)
		if err == nil {
			err = cl.row(&r)
		}
		if err != nil {
			report(n, "%v", err)
			continue
		}
		rows = append(rows, r)
	}
	if err := sc.Err(); err != nil {
		report(1, "%v", err)
	}
	return rows
}

var contactColumns = map[string]func(r *console.Row, v string){
	"id":         func(r *console.Row, v string) { r.Contact.ID = v },
	"email":      func(r *console.Row, v string) { r.Contact.Email = v },
	"phone":      func(r *console.Row, v string) { r.Contact.Phone = v },
	"first_name": func(r *console.Row, v string) { r.Contact.FirstName = v },
	"last_name":  func(r *console.Row, v string) { r.Contact.LastName = v },
	"timezone":   func(r *console.Row, v string) { r.Contact.Timezone = v },
	"locale":     func(r *console.Row, v string) { r.Contact.Locale = v },
	"offers":     func(r *console.Row, v string) { r.Offers = nouns(v) },
	"products":   func(r *console.Row, v string) { r.Products = nouns(v) },
}

// consentColumns hold yes or no.
var consentColumns = map[string]func(r *console.Row, v *bool){
	"consent.email": func(r *console.Row, v *bool) { r.Contact.Consent.Email = v },
	"consent.sms":   func(r *console.Row, v *bool) { r.Contact.Consent.SMS = v },
}

func importColumns() []string {
	return append(slices.Sorted(maps.Keys(contactColumns)), slices.Sorted(maps.Keys(consentColumns))...)
}

func yesOrNo(v string) (*bool, error) {
	var b bool
	switch strings.ToLower(v) {
	case "yes", "y", "true", "1":
		b = true
	case "no", "n", "false", "0":
	default:
		return nil, fmt.Errorf("%q is neither yes nor no", v)
	}
	return &b, nil
}

func nouns(v string) []engine.Noun {
	var out []engine.Noun
	for _, id := range strings.FieldsFunc(v, func(r rune) bool { return r == ' ' || r == ';' || r == ',' }) {
		out = append(out, engine.Noun{ID: id})
	}
	return out
}

func readCSV(b []byte, report func(int, string, ...any)) []console.Row {
	r := csv.NewReader(bytes.NewReader(b))
	r.TrimLeadingSpace = true
	head, err := r.Read()
	if err != nil {
		report(1, "no first line that names the columns")
		return nil
	}
	for _, col := range head {
		if !slices.Contains(importColumns(), col) && !strings.HasPrefix(col, "custom.") {
			report(1, "no column %q; did you mean %s? There are %s and custom.NAME", col, nearestOr(col, importColumns(), "email"), strings.Join(importColumns(), ", "))
		}
	}
	var rows []console.Row
	var cl cleaner
	for {
		rec, err := r.Read()
		line, _ := r.FieldPos(0)
		switch {
		case errors.Is(err, io.EOF):
			return rows
		case err != nil:
			var pe *csv.ParseError
			if errors.As(err, &pe) {
				report(pe.Line, "%v", pe.Err)
				continue
			}
			report(line, "%v", err)
			return rows
		}
		row, err := csvRow(head, rec)
		if err == nil {
			err = cl.row(&row)
		}
		if err != nil {
			report(line, "%v", err)
			continue
		}
		rows = append(rows, row)
	}
}

func csvRow(head, rec []string) (row console.Row, err error) {
	for i, col := range head {
		v := strings.TrimSpace(rec[i])
		if v == "" {
			continue
		}
		if set, ok := contactColumns[col]; ok {
			set(&row, v)
		} else if set, ok := consentColumns[col]; ok {
			b, err := yesOrNo(v)
			if err != nil {
				return row, fmt.Errorf("%s: %w", col, err)
			}
			set(&row, b)
		} else if name, ok := strings.CutPrefix(col, "custom."); ok {
			if row.Contact.Custom == nil {
				row.Contact.Custom = map[string]any{}
			}
			row.Contact.Custom[name] = v
		}
	}
	return row, nil
}

func nearestOr(word string, candidates []string, otherwise string) string {
	if best := engine.Nearest(word, candidates); best != "" {
		return best
	}
	return otherwise
}
