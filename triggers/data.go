package triggers

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/mail"
	"slices"
	"strings"
	"time"

	"latchkey/engine"
)

// The CloudEvents SDK is not used: its reader is lenient where identities are concerned, and bare data needs
// a reader of its own anyway. What follows is the whole of it.

// readStructured reads a CloudEvent in the JSON format and returns its data.
func readStructured(body map[string]any, ev *engine.Event) (map[string]any, error) {
	var a attributes
	for name, v := range body {
		a.set(name, v)
	}
	if err := a.fill(ev); err != nil {
		return nil, err
	}
	data, b64 := body["data"], body["data_base64"]
	if data == nil && b64 != nil {
		s, _ := b64.(string)
		raw, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return nil, errors.New("data_base64 is not base64")
		}
		return parseObject(raw)
	}
	obj, ok := data.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("data is %s: want a JSON object", show(data))
	}
	return obj, nil
}

// readData fills contact, nouns and custom members from the event's data. It takes data over.
func (d *Decoder) readData(data map[string]any, kind engine.TriggerKind, ev *engine.Event) error {
	if err := d.readContact(data["contact"], ev); err != nil {
		return err
	}
	delete(data, "contact")
	for _, n := range []struct {
		kind string
		into **engine.Noun
	}{{"offer", &ev.Offer}, {"product", &ev.Product}, {"category", &ev.Category}, {"lesson", &ev.Lesson}} {
		noun, err := readNoun(data[n.kind], n.kind, ev)
		switch {
		case err != nil && n.kind == kind.Noun:
			return err
		case err != nil:
			warn(ev, "%v; left out", err)
		case noun == nil && n.kind == kind.Noun:
			return fmt.Errorf("%s.id is missing: %s needs it", kind.Noun, kind.Name)
		}
		*n.into = noun
		delete(data, n.kind)
	}
	if len(data) > 0 {
		ev.Custom = normalize(data, "", ev)
	}
	return nil
}

// readContact needs an id or an e-mail address; all else is optional.
func (d *Decoder) readContact(v any, ev *engine.Event) error {
	obj, ok := v.(map[string]any)
	if !ok {
		if v == nil {
			return errors.New("no contact: contact.id or contact.email is needed")
		}
		return fmt.Errorf("contact is %s: want an object with id or email", show(v))
	}
	c := &ev.Contact
	var problems []string
	note := func(field string, err error) {
		if err != nil && !errors.Is(err, errMissing) {
			problems = append(problems, "contact."+field+" "+err.Error())
		}
	}
	var err error
	c.ID, err = readID(obj["id"])
	note("id", err)
	c.Email, err = readEmail(obj["email"])
	note("email", err)
	if c.ID == "" && c.Email == "" {
		if len(problems) > 0 {
			return errors.New(strings.Join(problems, "; "))
		}
		return errors.New("no contact: contact.id or contact.email is needed")
	}
	c.Phone, err = readPhone(obj["phone"])
	note("phone", err)
	c.Timezone, err = d.readZone(obj["timezone"])
	note("timezone", err)
	c.Locale, err = readLocale(obj["locale"])
	note("locale", err)
	for _, p := range problems {
		warn(ev, "%s; left out", p)
	}
	c.FirstName = readName(obj["first_name"], "contact.first_name", ev)
	c.LastName = readName(obj["last_name"], "contact.last_name", ev)
	readConsent(obj["consent"], ev)
	switch custom := obj["custom"].(type) {
	case nil:
	case map[string]any:
		c.Custom = normalize(custom, "contact.custom.", ev)
	default:
		warn(ev, "contact.custom is %s: want an object; left out", show(custom))
	}
	warnUnread(obj, "contact", ev, "id", "email", "phone", "first_name", "last_name", "timezone", "locale", "consent", "custom")
	return nil
}

// readNoun returns nil without an error if there is none.
func readNoun(v any, kind string, ev *engine.Event) (*engine.Noun, error) {
	if v == nil {
		return nil, nil
	}
	obj, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s is %s: want an object with id", kind, show(v))
	}
	id, err := readID(obj["id"])
	if err != nil {
		return nil, fmt.Errorf("%s.id %w", kind, err)
	}
	warnUnread(obj, kind, ev, "id", "title")
	return &engine.Noun{ID: id, Title: readName(obj["title"], kind+".title", ev)}, nil
}

// warnUnread names, in one warning, members that nothing reads: most are slips of the pen.
func warnUnread(obj map[string]any, what string, ev *engine.Event, known ...string) {
	var unread []string
	for name := range obj {
		if !slices.Contains(known, name) {
			unread = append(unread, name)
		}
	}
	if len(unread) == 0 {
		return
	}
	slices.Sort(unread)
	if len(unread) > 8 {
		unread = append(unread[:8], "...")
	}
	warn(ev, "%s has members that are not read: %s", what, printable(strings.Join(unread, ", ")))
}

var errMissing = errors.New("is missing")

// readID reads an id: a text, trimmed, or a number exactly as it was written. null and "" are missing.
func readID(v any) (string, error) {
	s, ok := text(v)
	s = strings.TrimSpace(s)
	switch {
	case v == nil, ok && s == "":
		return "", errMissing
	case !ok:
		return "", fmt.Errorf("is %s: want a text or a number", show(v))
	case len(s) > maxID:
		return "", fmt.Errorf("is longer than %d bytes", maxID)
	case hasControl(s):
		return "", errors.New("has a control character in it")
	}
	return s, nil
}

// readEmail reads a bare address (RFC 5322 addr-spec), at most 254 bytes (RFC 5321 4.5.3.1.3).
func readEmail(v any) (string, error) {
	s, ok := v.(string)
	s = strings.TrimSpace(s)
	if v == nil || (ok && s == "") {
		return "", errMissing
	}
	if ok && len(s) <= 254 && !hasControl(s) {
		if a, err := mail.ParseAddress(s); err == nil && a.Name == "" && a.Address == s {
			return s, nil
		}
	}
	return "", errors.New("is not an e-mail address")
}

// phoneMarks are what people put between the digits of a number.
var phoneMarks = strings.NewReplacer(" ", "", "-", "", ".", "", "(", "", ")", "", "\u00a0", "")

// readPhone reads a number with its country code (E.164), whatever stands between its digits.
func readPhone(v any) (string, error) {
	s, ok := v.(string)
	s = strings.TrimSpace(s)
	if v == nil || (ok && s == "") {
		return "", errMissing
	}
	bad := errors.New("is not an E.164 number (+ and country code)")
	digits, plus := strings.CutPrefix(phoneMarks.Replace(s), "+")
	if !plus || len(digits) < 7 || len(digits) > 15 || digits[0] == '0' {
		return "", bad
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return "", bad
		}
	}
	return "+" + digits, nil
}

// readZone reads an IANA name.
func (d *Decoder) readZone(v any) (string, error) {
	s, ok := v.(string)
	s = strings.TrimSpace(s)
	if v == nil || (ok && s == "") {
		return "", errMissing
	}
	if _, seen := d.zones.Load(s); seen {
		return s, nil
	}
	if !ok || s == "Local" || len(s) > 64 || hasControl(s) {
		return "", errors.New("is not an IANA time zone")
	}
	if _, err := time.LoadLocation(s); err != nil {
		return "", errors.New("is not an IANA time zone")
	}
	d.zones.Store(s, struct{}{})
	return s, nil
}

// readLocale reads a BCP 47 tag by its shape: subtags of letters and digits, the first of letters only.
// The underscore of POSIX locales is taken for a hyphen.
func readLocale(v any) (string, error) {
	s, ok := v.(string)
	s = strings.ReplaceAll(strings.TrimSpace(s), "_", "-")
	if v == nil || (ok && s == "") {
		return "", errMissing
	}
	bad := errors.New("is not a language tag")
	if len(s) > 35 || !ok {
		return "", bad
	}
	for i, sub := range strings.Split(s, "-") {
		if len(sub) == 0 || len(sub) > 8 || (i == 0 && len(sub) < 2) {
			return "", bad
		}
		for _, c := range sub {
			letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
			if !letter && (i == 0 || c < '0' || c > '9') {
				return "", bad
			}
		}
	}
	return s, nil
}

// readName reads a person's name or a title. Control characters become spaces: names stand in headers of mails.
func readName(v any, field string, ev *engine.Event) string {
	if v == nil {
		return ""
	}
	s, ok := text(v)
	if !ok || len(s) > maxText {
		warn(ev, "%s is not a text of at most %d bytes; left out", field, maxText)
		return ""
	}
	if s = strings.TrimSpace(s); hasControl(s) {
		warn(ev, "%s has control characters; they were replaced by spaces", field)
		s = strings.TrimSpace(printable(s))
	}
	return s
}

// readConsent reads booleans. The words "true" and "false" are taken for them, since to overlook a "false" would be
// to write to somebody who asked not to be written to.
func readConsent(v any, ev *engine.Event) {
	if v == nil {
		return
	}
	obj, ok := v.(map[string]any)
	if !ok {
		warn(ev, "contact.consent is %s: want an object; left out", show(v))
		return
	}
	read := func(name string) *bool {
		switch b := obj[name].(type) {
		case nil:
			return nil
		case bool:
			return &b
		case string:
			if yes := strings.EqualFold(b, "true"); yes || strings.EqualFold(b, "false") {
				return &yes
			}
		}
		warn(ev, "contact.consent.%s is %s: want true or false; left out", name, show(obj[name]))
		return nil
	}
	ev.Contact.Consent = engine.Consent{Email: read("email"), SMS: read("sms")}
	warnUnread(obj, "contact.consent", ev, "email", "sms")
}

// normalize makes numbers int64 or float64 in place and leaves out null members at the top.
func normalize(obj map[string]any, path string, ev *engine.Event) map[string]any {
	for name, v := range obj {
		if w, ok := number(v); ok {
			obj[name] = w
			continue
		}
		warn(ev, "%s%s holds a number that is too large; left out", path, printable(name))
		delete(obj, name)
	}
	maps.DeleteFunc(obj, func(_ string, v any) bool { return v == nil })
	if len(obj) == 0 {
		return nil
	}
	return obj
}
