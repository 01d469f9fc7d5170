package templates

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Unlimited as a LinkField's Uses asks for a link that may be opened any number of times.
const Unlimited = -1

// A LinkField is the policy of one login link, as its author wrote it. Equal fields are one link: a message
// mints it once and shares it among its parts. The zero value is a plain <<login_url>>.
type LinkField struct {
	To   string        // "lesson", "product" or "category" (the run's own), "lesson:intro" (a fixed one), or ""
	TTL  time.Duration // how long it works; 0 means the project's setting
	Uses int           // how often it may be opened; 0 means the project's setting, Unlimited no limit
	App  string        // the app that it is for; "" is the client portal
	Bind bool          // whether it works only in the browser that it is first used in
}

// String writes the field as an author would.
func (l LinkField) String() string {
	var b strings.Builder
	b.WriteString("<<login_url")
	if l.To != "" {
		fmt.Fprintf(&b, " to=%q", l.To)
	}
	if l.TTL != 0 {
		fmt.Fprintf(&b, " ttl=%q", formatTTL(l.TTL))
	}
	if l.Uses == Unlimited {
		b.WriteString(` uses="unlimited"`)
	} else if l.Uses != 0 {
		fmt.Fprintf(&b, ` uses="%d"`, l.Uses)
	}
	if l.App != "" {
		fmt.Fprintf(&b, " app=%q", l.App)
	}
	if l.Bind {
		b.WriteString(` bind="browser"`)
	}
	return b.String() + ">>"
}

// linkNouns are what a link may lead to.
var linkNouns = []string{"lesson", "product", "category"}

// parseLink reads the settings after login_url.
func parseLink(toks []token, opt *Options) (LinkField, *lexError) {
	var l LinkField
	seen := map[string]bool{}
	for len(toks) > 0 && toks[0].kind != tokenEnd {
		key := toks[0]
		if key.text == "|" && key.kind == tokenMark {
			return l, failAt(key.off, "login_url takes no filters: a changed link does not work")
		}
		if key.kind != tokenWord {
			return l, failAt(key.off, `login_url takes settings such as to=lesson ttl="72h" uses="3" app="courses"`)
		}
		if len(toks) < 3 || toks[1].text != "=" || toks[2].kind == tokenEnd || toks[2].kind == tokenMark {
			return l, failAt(key.off, `%s needs a value, as in %s="…"`, key.text, key.text)
		}
		if seen[key.text] {
			return l, failAt(key.off, "%s is set twice", key.text)
		}
		seen[key.text] = true
		if err := l.set(key, toks[2], opt); err != nil {
			return l, err
		}
		toks = toks[3:]
	}
	return l, nil
}

func (l *LinkField) set(key, val token, opt *Options) *lexError {
	switch key.text {
	case "to":
		return l.setTo(val)
	case "ttl":
		d, err := parseTTL(val.text)
		if err != nil {
			return failAt(val.off, "ttl: %v", err)
		}
		if opt.MaxTTL > 0 && d > opt.MaxTTL {
			return failAt(val.off, "ttl %s is longer than the longest allowed, %s (links.max_ttl)", val.text, formatTTL(opt.MaxTTL))
		}
		l.TTL = d
	case "uses":
		if val.text == "unlimited" {
			l.Uses = Unlimited
			return nil
		}
		n, err := strconv.Atoi(val.text)
		if err != nil || n < 1 || n > 1_000_000 {
			return failAt(val.off, `uses is a whole number from 1, or "unlimited"; not %q`, val.text)
		}
		l.Uses = n
	case "app":
		if val.text == "" || opt.Apps != nil && !slices.Contains(opt.Apps, val.text) {
			return failAt(val.off, "no app %q in latchkey.yaml%s", val.text, didYouMean(val.text, opt.Apps))
		}
		l.App = val.text
	case "bind":
		if val.text != "browser" {
			return failAt(val.off, `bind is "browser", for a link that works only in the browser that it is first used in; not %q%s`,
				val.text, didYouMean(val.text, []string{"browser"}))
		}
		l.Bind = true
	default:
		return failAt(key.off, "login_url has no setting %q%s; it takes to, ttl, uses, app and bind", key.text,
			didYouMean(key.text, []string{"to", "ttl", "uses", "app", "bind"}))
	}
	return nil
}

func (l *LinkField) setTo(val token) *lexError {
	name, id, fixed := strings.Cut(val.text, ":")
	if !slices.Contains(linkNouns, name) {
		return failAt(val.off, `to is lesson, product or category (the run's own), or one of them with an id as in to="lesson:intro"; not %q%s`,
			val.text, didYouMean(name, linkNouns))
	}
	if fixed && (id == "" || strings.TrimSpace(id) != id) {
		return failAt(val.off, `to=%q names no %s: write an id after the colon`, val.text, name)
	}
	l.To = val.text
	return nil
}

var ttlUnits = []struct {
	name string
	d    time.Duration
}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}}

// parseTTL reads durations such as 90s, 15m, 72h, 3d, 1w and joined ones such as 1d12h. A day is 24 hours.
func parseTTL(s string) (time.Duration, error) {
	bad := fmt.Errorf("%q is not a duration: write 90s, 15m, 72h, 3d or 1w", s)
	var sum time.Duration
	for rest := s; rest != ""; {
		n := 0
		for n < len(rest) && isDigit(rest[n]) {
			n++
		}
		num, err := strconv.ParseInt(rest[:n], 10, 64)
		if err != nil || n == len(rest) {
			return 0, bad
		}
		unit := time.Duration(0)
		for _, u := range ttlUnits {
			if rest[n:n+1] == u.name {
				unit = u.d
			}
		}
		if unit == 0 || num > int64(math.MaxInt64/unit) || sum > math.MaxInt64-time.Duration(num)*unit {
			return 0, bad
		}
		sum += time.Duration(num) * unit
		rest = rest[n+1:]
	}
	if sum <= 0 {
		return 0, fmt.Errorf("%q is no time at all: a link must live for at least a second", s)
	}
	return sum, nil
}

// formatTTL writes a duration the way parseTTL reads it.
func formatTTL(d time.Duration) string {
	var b strings.Builder
	for _, u := range ttlUnits[1:] {
		if n := d / u.d; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.name)
			d -= n * u.d
		}
	}
	return b.String()
}
