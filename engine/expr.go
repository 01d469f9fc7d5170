package engine

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"
)

// An Expr is a compiled expression of a workflow file. It may be used by several goroutines at once.
type Expr struct {
	Source  string
	program *vm.Program
	needs   needs
	loops   bool // has a predicate
	sights  []sight
	steps   []NameAt
	customs []NameAt
	secret  bool // names a field that holds what nobody is to see
}

// Steps returns the steps that the expression names, as in run.steps.welcome.
func (e *Expr) Steps() []NameAt { return e.steps }

// Customs returns the settings that the expression names, as in custom.signature.
func (e *Expr) Customs() []NameAt { return e.customs }

// A NameAt is a name in an expression, and the column at which it stands, as CompileExpr counts them.
type NameAt struct {
	Name string
	Col  int
}

// needs are the roots that cost something to build; an expression gets those that it names.
type needs struct{ access, lists, run bool }

func (n *needs) add(m needs) {
	n.access, n.lists, n.run = n.access || m.access, n.lists || m.lists, n.run || m.run
}

// Names that no author can write.
const (
	roundName = "count round"
	looseName = "may be nil"
	sumName   = "no longer than"
)

// loose stands around a?.b in the compiled form: the compiler takes that for a string, though it can be nil.
func loose(v ...any) (any, error) { return v[0], nil }

// bounded stands around what reduce hands to its next round: a text could double in each, and only lists are counted.
func bounded(v ...any) (any, error) {
	if s, ok := v[0].(string); ok && len(s) > exprText {
		return nil, errors.New("needs too much memory")
	}
	return v[0], nil
}

// What one evaluation may use. Without them an expression over a large custom field could hold up everything.
const (
	exprMemory = 100_000  // values in arrays and maps that it makes
	exprRounds = 100_000  // times that a predicate runs: any(list, …), filter(list, …)
	exprText   = 64 << 10 // bytes of a text that reduce hands on
	exprNodes  = 1_000    // size of the source, as a tree
)

// CompileExpr checks and compiles a boolean expression. The error's text is for the author; col counts runes from 1
// within src.
func CompileExpr(src string) (e *Expr, col int, err error) {
	if strings.TrimSpace(src) == "" {
		return nil, 1, errors.New("an expression is missing")
	}
	w := &watch{chains: map[*ast.ChainNode]bool{}}
	program, err := expr.Compile(src, expr.Env(roots{}), expr.AsBool(), expr.DisableBuiltin("now"),
		expr.MaxNodes(exprNodes), expr.Patch(w), expr.Function(looseName, loose, new(func(any) any)),
		expr.Function(sumName, bounded, new(func(any) any)))
	if w.err != nil {
		return nil, column(src, w.at), w.err
	}
	if err != nil {
		col, err = exprMistake(src, err)
		return nil, col, err
	}
	return &Expr{Source: src, program: program, needs: w.needs, loops: w.loops, sights: sights(w.fields), steps: namesAt(w.steps, src),
		customs: namesAt(w.customs, src), secret: slices.ContainsFunc(w.fields, NamesSecret)}, 0, nil
}

// True evaluates the expression. An expression that faults counts as false; the fault is for the history.
func (e *Expr) True(env Env) (ok bool, fault string) {
	defer func() {
		if r := recover(); r != nil {
			ok, fault = false, e.fault(r)
		}
	}()
	env.fill(e.needs)
	if e.loops {
		env.countRounds()
	}
	m := vm.VM{MemoryBudget: exprMemory}
	out, err := m.Run(e.program, env.roots)
	if err != nil {
		return false, e.fault(faultText(err))
	}
	if ok, isBool := out.(bool); isBool {
		return ok, ""
	}
	return false, e.fault(fmt.Sprintf("is %T, neither true nor false", out))
}

// fault says why an evaluation failed, for the history: some functions quote what they were given.
func (e *Expr) fault(why any) string {
	if e.secret {
		why = Hidden
	}
	return e.Source + ": " + WithoutTokens(why)
}

// countRounds lets the next evaluation run its predicates exprRounds times in all.
func (v *roots) countRounds() {
	left := exprRounds
	v.Round = func() bool {
		if left--; left < 0 {
			panic("takes too long: more than 100,000 rounds")
		}
		return true
	}
}

func faultText(err error) string {
	var fe *file.Error
	if !errors.As(err, &fe) {
		return err.Error()
	}
	if strings.Contains(fe.Message, "memory budget exceeded") {
		return "needs too much memory"
	}
	if m := castFault.FindStringSubmatch(fe.Message); m != nil {
		return "is " + userTypes(m[1]) + ", neither true nor false"
	}
	msg := absentFault.ReplaceAllString(fe.Message, "$2 is absent, so it has no $1")
	return fmt.Sprintf("%s (column %d)", strings.ReplaceAll(userTypes(msg), "<nil>", "nothing"), fe.Column+1)
}

// A watch looks at the tree before it is compiled: it notes what the expression needs, refuses the way around the types,
// and puts a count of rounds into each predicate.
type watch struct {
	needs needs
	loops bool
	// chains are the optional chains that were wrapped.
	chains  map[*ast.ChainNode]bool
	fields  []string // that it names
	steps   []*ast.MemberNode
	customs []*ast.MemberNode // of custom, likewise
	at      int
	err     error
}

// Visit implements ast.Visitor.
func (w *watch) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		switch n.Value {
		case "access":
			w.needs.access = true
		case "offers", "products":
			w.needs.lists = true
		case "run":
			w.needs.run = true
		case "$env":
			w.err, w.at = errors.New("$env is not available; name what you want, as in contact.email"), n.Location().From
		}
	case *ast.CallNode:
		if id, ok := n.Callee.(*ast.IdentifierNode); ok && id.Value == "now" {
			w.err, w.at = errors.New("now is a value; write it without ()"), n.Location().From
		}
	case *ast.MemberNode:
		w.look(n)
		if n.Node.String() == "run.steps" && !slices.Contains(w.steps, n) {
			w.steps = append(w.steps, n)
		}
		if n.Node.String() == "custom" && !slices.Contains(w.customs, n) {
			w.customs = append(w.customs, n)
		}
	case *ast.ChainNode:
		if !w.chains[n] {
			w.chains[n] = true
			ast.Patch(node, &ast.CallNode{Callee: &ast.IdentifierNode{Value: looseName}, Arguments: []ast.Node{n}})
		}
	case *ast.PredicateNode:
		if counted(n.Node) {
			return
		}
		w.loops = true
		round := &ast.CallNode{Callee: &ast.IdentifierNode{Value: roundName}}
		n.Node = &ast.SequenceNode{Nodes: []ast.Node{round, n.Node}}
	case *ast.BuiltinNode:
		if n.Name == "reduce" && len(n.Arguments) > 1 {
			bound(n.Arguments[1])
		}
	}
}

// bound puts bounded around the result of a predicate that is counted.
func bound(n ast.Node) {
	p, ok := n.(*ast.PredicateNode)
	if !ok || !counted(p.Node) {
		return
	}
	seq := p.Node.(*ast.SequenceNode)
	if call, ok := seq.Nodes[1].(*ast.CallNode); ok {
		if id, ok := call.Callee.(*ast.IdentifierNode); ok && id.Value == sumName {
			return
		}
	}
	seq.Nodes[1] = &ast.CallNode{Callee: &ast.IdentifierNode{Value: sumName}, Arguments: []ast.Node{seq.Nodes[1]}}
}

func counted(n ast.Node) bool {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		return false
	}
	call, ok := seq.Nodes[0].(*ast.CallNode)
	if !ok {
		return false
	}
	id, ok := call.Callee.(*ast.IdentifierNode)
	return ok && id.Value == roundName
}

var (
	unknownName  = regexp.MustCompile(`^unknown name (.+)$`)
	unknownField = regexp.MustCompile(`^type (\S+) has no field (\S+)$`)
	castFault    = regexp.MustCompile(`^invalid operation: bool\((.+)\)$`)
	absentFault  = regexp.MustCompile(`^cannot get (\S+) from (\S+)$`)
	wantsBool    = regexp.MustCompile(`^expected bool, but got (.+)$`)
)

// exprMistake turns a compiler's error into the author's words, with the column that it stands at.
func exprMistake(src string, err error) (int, error) {
	var fe *file.Error
	if !errors.As(err, &fe) {
		if m := wantsBool.FindStringSubmatch(err.Error()); m != nil {
			return 1, fmt.Errorf("is %s, but must be true or false", userTypes(m[1]))
		}
		return 1, errors.New(userTypes(err.Error()))
	}
	col := column(src, fe.From)
	if at := dashed.FindStringSubmatchIndex(src); at != nil {
		return utf8.RuneCountInString(src[:at[2]]) + 1, fmt.Errorf("an id with a dash is written run.steps[%q]", src[at[2]:at[3]])
	}
	if m := wantsBool.FindStringSubmatch(fe.Message); m != nil {
		return col, fmt.Errorf("is %s, but must be true or false", userTypes(m[1]))
	}
	if m := unknownName.FindStringSubmatch(fe.Message); m != nil {
		return col, errors.New(unknown(src, m[1]))
	}
	if m := unknownField.FindStringSubmatch(fe.Message); m != nil {
		if root, t := viewNamed(m[1]); t != nil {
			return col, fmt.Errorf("%s has no %q%s", root, m[2], hint(m[2], fieldNames(t), fieldNames(t)))
		}
	}
	if said := inWordsOfAuthors(src, fe.Message, col); said != "" {
		return col, errors.New(said)
	}
	return col, errors.New(userTypes(fe.Message))
}

// column returns the column, from 1, of the rune at offset.
func column(src string, offset int) int { return min(offset, utf8.RuneCountInString(src)) + 1 }

func builtinNames() []string {
	var names []string
	for _, f := range builtin.Builtins {
		if f.Name != "now" {
			names = append(names, f.Name)
		}
	}
	return names
}

// hint names the nearest of some words, or else lists what there is.
func hint(word string, near, list []string) string {
	n := Nearest(word, list)
	if n == "" {
		n = Nearest(word, near)
	}
	if n != "" {
		return fmt.Sprintf("; did you mean %q?", n)
	}
	return "; there is " + strings.Join(list, ", ")
}
