package portal

// A banner stands above every page that a member of staff sees as a learner, and ends that. A page that has one shows it
// with {{with .Banner}}{{template "banner" .}}{{end}} at the beginning of its body.
type banner struct {
	Staff   string // who looks
	Learner string // as whom
}
