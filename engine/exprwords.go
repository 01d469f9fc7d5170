package engine

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// What the parser and the type checker of expressions say, in an author's words and with the likely cure.

var (
	unexpected = regexp.MustCompile(`unexpected token (\w+)(?:\("(.*)"\))?`)
	dashed     = regexp.MustCompile(`\brun\.steps\.(\w+-[\w-]+)`)
	mismatched = regexp.MustCompile(`^invalid operation: (\S+) \(mismatched types (.+) and (.+)\)$`)
)

// inWordsOfAuthors returns what a message about the place at col of src means, or "" if it is not known.
func inWordsOfAuthors(src, msg string, col int) string {
	if msg == "literal not terminated" {
		return "a quotation mark is not closed"
	}
	if m := mismatched.FindStringSubmatch(msg); m != nil {
		return mismatch(m[1], m[2], m[3])
	}
	m := unexpected.FindStringSubmatch(msg)
	switch {
	case strings.Contains(src, "{{"), m != nil && m[2] == "<" && strings.Contains(src, "<<"):
		return "fields stand here by their names alone, without << >> or {{ }}: contact.email"
	case m == nil:
		return ""
	case m[1] == "EOF":
		return "the expression ends too early"
	}
	return fmt.Sprintf("%q is not expected here%s", m[2], cure(src, m[2], col))
}

// namesAt returns the names of the members that were noted, where they are written out.
func namesAt(members []*ast.MemberNode, src string) (names []NameAt) {
	for _, n := range members {
		if id, ok := n.Property.(*ast.StringNode); ok {
			names = append(names, NameAt{id.Value, column(src, id.Location().From)})
		}
	}
	return names
}

// unknown says that a name means nothing.
func unknown(src, name string) string {
	switch low := strings.ToLower(name); low {
	case "null", "none", "nil", "undefined":
		return fmt.Sprintf("unknown name %q; write nil", name)
	case "true", "false":
		return fmt.Sprintf("unknown name %q; write %s", name, low)
	}
	names := fieldNames(reflect.TypeFor[roots]())
	near := hint(name, append(names, builtinNames()...), names)
	if !strings.Contains(near, "mean") && !strings.Contains(src, name+"(") {
		near += "; a text stands in quotes"
	}
	return fmt.Sprintf("unknown name %q%s", name, near)
}

// cure says what was probably meant by a token.
func cure(src, token string, col int) string {
	switch token {
	case "=":
		at := []rune(src)
		if col > 2 && at[col-2] == '=' {
			return "; equal is written =="
		}
		return "; to compare, write =="
	case "is", "IS":
		return "; write == or !="
	}
	if low := strings.ToLower(token); low != token && slices.Contains([]string{"and", "or", "not", "in"}, low) {
		return "; write " + low
	}
	return ""
}

// mismatch says that an operator does not take what stands left and right of it.
func mismatch(op, left, right string) string {
	left, right = kindOfType(left), kindOfType(right)
	said := fmt.Sprintf("%s does not go with %s and %s", op, left, right)
	both := []string{left, right}
	switch {
	case op == "contains" && left == aList:
		said += `; of a list, write "vip" in contact.tags`
	case slices.Contains(both, aText) && slices.Contains(both, aTime):
		said += `; write a day as date("2026-01-31")`
	case slices.Contains(both, aText) && slices.Contains(both, aNumber):
		said += "; a text stands in quotes, a number without"
	}
	return said
}

const (
	aText   = "a text"
	aNumber = "a number"
	aTime   = "a time"
	aList   = "a list"
)

func kindOfType(t string) string {
	switch t = userTypes(t); {
	case t == "string":
		return aText
	case t == "int", t == "int64", t == "float64":
		return aNumber
	case t == "time":
		return aTime
	case t == "bool":
		return "true or false"
	case t == "duration":
		return "a duration"
	case strings.HasPrefix(t, "[]"):
		return aList
	}
	return t
}
