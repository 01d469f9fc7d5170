package engine

import "time"

// An Expr is a compiled expression of a workflow file.
type Expr struct {
	Source string
	// the program is added by CompileExpr
}

// Env is what expressions (and templates) see.
type Env struct{}

// NewEnv gathers the roots for a run.
func NewEnv(loc *Location, p *Person, ev *Event, r *Run, now time.Time) Env { panic("not written yet") }

// CompileExpr checks and compiles a boolean expression. The error's text is for the author; col counts runes from 1
// within src.
func CompileExpr(src string) (e *Expr, col int, err error) { panic("not written yet") }

// True evaluates the expression. An expression that faults counts as false; the fault is for the history.
func (e *Expr) True(env Env) (ok bool, fault string) { panic("not written yet") }
