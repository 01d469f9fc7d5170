package flowfile

import (
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"latchkey/engine"
)

// Which workflow starts which. It must be known before the files are read in full: what a step may hold depends on all that may
// start its workflow.

// A graph is the workflows of a folder by their ids.
type graph struct {
	starts   map[string][]string // whom each one's steps start
	triggers map[string][]string // the names of its own triggers
	left     int                 // how many more steps of the file are looked at
}

// add looks into one file, and passes over what is wrong in it: that is told when it is read.
func (g *graph) add(id string, src []byte) {
	var doc yaml.Node
	g.starts[id] = nil
	if len(src) > MaxSize || yaml.Load(src, &doc) != nil || doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return
	}
	root := doc.Content[0]
	if t := valueOf(root, "triggers"); t != nil {
		for _, item := range t.Content {
			g.triggers[id] = append(g.triggers[id], triggerName(item))
		}
	}
	g.left = maxNodes
	g.steps(id, valueOf(root, "steps"), 0)
}

// triggerName returns what a trigger is about; that of an absence is what it counts from. It does not follow one that counts from
// itself, through an alias: the reader says so.
func triggerName(n *yaml.Node) string {
	if since := valueOf(valueOf(n, absentWord), "since"); since != nil {
		n = since
	}
	if n = target(n); n.Kind == yaml.MappingNode && len(n.Content) > 0 {
		return n.Content[0].Value
	}
	return n.Value
}

func (g *graph) steps(id string, list *yaml.Node, nested int) {
	if list == nil || list.Kind != yaml.SequenceNode || nested > maxNested {
		return
	}
	for _, step := range list.Content {
		if g.left--; g.left < 0 {
			return // aliases written out; the reader says so
		}
		if to := valueOf(step, engine.StepStart); to != nil {
			if inner := valueOf(to, "workflow"); inner != nil {
				to = inner
			}
			g.starts[id] = append(g.starts[id], to.Value)
		}
		for _, key := range []string{"then", "else"} {
			g.steps(id, valueOf(step, key), nested+1)
		}
		if split := valueOf(step, "split"); split != nil && split.Kind == yaml.MappingNode {
			for i := 1; i < len(split.Content); i += 2 {
				branch := target(split.Content[i])
				if inner := valueOf(branch, "steps"); inner != nil {
					branch = inner
				}
				g.steps(id, branch, nested+1)
			}
		}
	}
}

// target returns what an alias stands for, and any other node as it is.
func target(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	return n
}

// valueOf returns the value of a mapping's key, or nil.
func valueOf(n *yaml.Node, key string) *yaml.Node {
	if n == nil {
		return nil
	}
	if n = target(n); n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return target(n.Content[i+1])
		}
	}
	return nil
}

// inherited returns the triggers of all workflows that may start one, directly or by others.
func (g *graph) inherited(id string) (names []string) {
	seen := map[string]bool{}
	var up func(string)
	up = func(at string) {
		for _, from := range slices.Sorted(maps.Keys(g.starts)) {
			if !seen[from] && slices.Contains(g.starts[from], at) {
				seen[from] = true
				names = append(names, g.triggers[from]...)
				up(from)
			}
		}
	}
	up(id)
	return names
}

// isStarted reports whether a step of any workflow starts that one.
func (g *graph) isStarted(id string) bool {
	for _, to := range g.starts {
		if slices.Contains(to, id) {
			return true
		}
	}
	return false
}

// cycle returns the way from a workflow back to itself by its step that starts to, or nil.
func (g *graph) cycle(id, to string) []string {
	seen := map[string]bool{}
	var find func(at string, way []string) []string
	find = func(at string, way []string) []string {
		way = append(slices.Clone(way), at)
		if at == id {
			return way
		}
		if seen[at] {
			return nil
		}
		seen[at] = true
		for _, next := range g.starts[at] {
			if found := find(next, way); found != nil {
				return found
			}
		}
		return nil
	}
	return find(to, []string{id})
}

// start reads `start: NAME` or `start: {workflow: NAME}`.
func (r *reader) start(kind entry, s *engine.Step) {
	n := kind.value
	if n.Kind == yaml.MappingNode {
		entries, ok := r.mapping(n, "start", "`{workflow: follow-up}`")
		n = nil
		for _, e := range entries {
			if e.name != "workflow" {
				r.unknownKey(e.key, "start", []string{"workflow"})
				continue
			}
			n = e.value
		}
		if n == nil {
			if ok {
				r.fail(kind.key, "start needs the workflow; write `start: follow-up`")
			}
			return
		}
	}
	id, ok := r.text(n, "the workflow to start")
	if s.Start = id; !ok || r.graph == nil {
		return
	}
	r.softly(func() { r.checkStart(n, id) })
}

// checkStart compares a start with the other files.
func (r *reader) checkStart(n *yaml.Node, id string) {
	if _, ok := r.graph.starts[id]; !ok {
		if near := didYouMean(id, slices.Sorted(maps.Keys(r.graph.starts))); near != "" {
			r.fail(n, "no workflow %q%s", id, near)
			return
		}
		r.fail(n, "no workflow %q; it would be the file %s.yaml beside this one", id, id)
		return
	}
	if way := r.graph.cycle(r.flow.ID, id); way != nil {
		r.fail(n, "%s: that would never end", strings.Join(way, " starts "))
	}
}

// inherit adds the triggers under which other workflows start this one.
func (r *reader) inherit() {
	if r.graph == nil {
		return
	}
	for _, name := range r.graph.inherited(r.flow.ID) {
		kind, ok := r.cat.Triggers[name]
		if ok && !slices.ContainsFunc(r.kinds, func(k engine.TriggerKind) bool { return k.Name == name }) {
			r.kinds = append(r.kinds, kind)
		}
	}
}

// needsTriggers says that nothing would start the workflow, unless another one does.
func (r *reader) needsTriggers(n *yaml.Node) {
	if r.graph == nil || !r.graph.isStarted(r.flow.ID) {
		r.fail(n, "the workflow has no triggers: nothing would start it")
	}
}
