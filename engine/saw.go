package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/vm"
)

// What a decision quotes of the values that an expression saw: decisions are kept.
const (
	sawMost = 4  // values
	sawLong = 60 // runes of one
)

// A sight is a field that an expression names: contact.custom.cohort.
type sight struct {
	source  string
	program *vm.Program
}

// look notes a field that the expression names, in place of the one that it is reached by.
func (w *watch) look(n *ast.MemberNode) {
	if _, ok := n.Property.(*ast.StringNode); !ok || !rooted(n.Node) {
		return
	}
	w.fields = slices.DeleteFunc(w.fields, func(f string) bool { return f == n.Node.String() || f == n.String() })
	w.fields = append(w.fields, n.String())
}

// rooted reports whether a node is a root's name or a field of one, and so means the same outside its expression.
func rooted(n ast.Node) bool {
	for {
		switch m := n.(type) {
		case *ast.IdentifierNode:
			return true
		case *ast.MemberNode:
			if _, ok := m.Property.(*ast.StringNode); !ok {
				return false
			}
			n = m.Node
		default:
			return false
		}
	}
}

func sights(fields []string) (out []sight) {
	for _, f := range fields[:min(len(fields), sawMost)] {
		if program, err := expr.Compile(f, expr.Env(roots{})); err == nil {
			out = append(out, sight{f, program})
		}
	}
	return out
}

// saw says which values the fields have that the expression names, as far as they are single ones: `; contact.locale is
// "de"`. The environment is that of an evaluation just made.
func (e *Expr) saw(env Env) (said string) {
	defer func() { _ = recover() }() // what came so far is enough
	for _, s := range e.sights {
		m := vm.VM{MemoryBudget: exprMemory}
		v, err := m.Run(s.program, env.roots)
		if err != nil {
			continue // its parent is absent
		}
		if v != nil && NamesSecret(s.source) {
			said += "; " + s.source + " is " + Hidden
			continue
		}
		switch v := v.(type) {
		case nil:
			said += "; " + s.source + " is absent"
		case string:
			v = HideTokens(v)
			if r := []rune(v); len(r) > sawLong {
				v = string(r[:sawLong]) + "…"
			}
			said += fmt.Sprintf("; %s is %q", s.source, v)
		case bool, int, int64, float64:
			said += fmt.Sprintf("; %s is %v", s.source, v)
		}
	}
	return strings.ToValidUTF8(said, "?")
}
