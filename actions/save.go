package actions

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"latchkey/engine"
)

// What a step may keep of an answer: it is stored with the run.
const (
	maxSaved  = 16
	savedLong = 1000 // bytes of a text
)

// A saved is one field of a JSON answer that is kept.
type saved struct {
	name string
	path []string // keys of objects, indexes of lists
}

var fieldName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)

// checkSave reads {name: path}.
func checkSave(p *pieces, m map[string]string) (out []saved) {
	if len(m) > maxSaved {
		p.fail("save", fmt.Sprintf("save keeps %d fields, not %d", maxSaved, len(m)))
	}
	for _, name := range sortedNames(m) {
		key, path := "save/"+name, strings.Split(m[name], ".")
		switch {
		case m[name] == "": // reported already
		case !fieldName.MatchString(name):
			p.fail(key, fmt.Sprintf("the field %q must be letters, digits and _, and begin with no digit", name))
		case path[0] == "$":
			p.fail(key, fmt.Sprintf("write the path without the $, as %s", strings.TrimPrefix(m[name], "$.")))
		case strings.Contains("."+m[name]+".", ".."):
			p.fail(key, fmt.Sprintf("the path %q has an empty part; write it as data.items.0.id", m[name]))
		default:
			out = append(out, saved{name, path})
		}
	}
	return out
}

// read takes the fields out of a JSON answer. What is not there, or is no single short value, is left out and told.
func (a *answer) read(fields []saved) *engine.Answer {
	out := &engine.Answer{}
	switch {
	case a.short:
		out.Fault = fmt.Sprintf("nothing was saved: the answer is longer than %d KiB, or broke off", maxAnswer>>10)
		return out
	case !json.Valid(a.body):
		out.Fault = "nothing was saved: the answer is not JSON"
		return out
	}
	var doc engine.Custom
	if err := doc.UnmarshalJSON(fmt.Appendf(nil, `{"":%s}`, a.body)); err != nil {
		out.Fault = "nothing was saved: the answer cannot be read"
		return out
	}
	var faults []string
	out.Fields = engine.Custom{}
	for _, f := range fields {
		v, fault := single(dig(doc[""], f.path))
		if fault != "" {
			faults = append(faults, f.name+": "+strings.Join(f.path, ".")+fault)
			continue
		}
		out.Fields[f.name] = v
	}
	if len(faults) > 0 {
		out.Fault = "not saved: " + strings.Join(faults, "; ")
	}
	return out
}

// dig follows a path; there says whether it led anywhere.
func dig(v any, path []string) (_ any, there bool) {
	for _, part := range path {
		switch x := v.(type) {
		case map[string]any:
			if v, there = x[part]; !there {
				return nil, false
			}
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(x) {
				return nil, false
			}
			v = x[i]
		default:
			return nil, false
		}
	}
	return v, true
}

// single returns a value that may be kept, or why it may not.
func single(v any, there bool) (_ any, fault string) {
	switch x := v.(type) {
	case map[string]any:
		return nil, " is an object; name a field in it"
	case []any:
		return nil, " is a list; name an item of it, as in items.0"
	case string:
		if len(x) > savedLong {
			return nil, fmt.Sprintf(" is longer than %d bytes", savedLong)
		}
	}
	if !there {
		return nil, " is not in the answer"
	}
	return v, ""
}
