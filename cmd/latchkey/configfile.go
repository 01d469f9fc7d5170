package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"latchkey/engine"
)

// loadConfig reads the project in dir: its latchkey.yaml if there is one, then the environment, then flags
// (key -> value), then the folders of its locations. It returns every problem at once; the config is of use only if none of
// them is an error.
func loadConfig(dir string, env []string, flags map[string]string) (*Config, []engine.Problem) {
	c := defaultConfig(dir)
	c.env, c.flags = env, flags
	r := newConfigReader(c, dir)
	r.open()
	r.readEnv()
	for key, value := range flags {
		r.apply(engine.Pos{File: "--" + strings.ReplaceAll(key, ".", "-"), Line: 1, Col: 1}, key, value)
	}
	c.finish(r.reportKey)
	if len(c.Folders) > 0 {
		r.readLocations()
	} else {
		c.Sites = []*Config{c}
		c.finishLocation(r.reportKey)
		r.findEmbedded([]string{c.Location})
		c.wrong = r.problems
	}
	return c, r.problems
}

type configReader struct {
	c        *Config
	file     string
	env      map[string]string
	settings []setting
	part     bool                  // the file is that of one location among several
	pos      map[string]engine.Pos // where each key was set
	problems []engine.Problem
}

func newConfigReader(c *Config, dir string) *configReader {
	r := &configReader{c: c, file: filepath.Join(dir, "latchkey.yaml"), env: envMap(c.env), settings: settings(), pos: map[string]engine.Pos{}}
	c.at = r.at
	return r
}

// open reads the file, if there is one.
func (r *configReader) open() {
	src, err := readFile(r.file)
	switch {
	case err == nil:
		r.c.File, r.c.source = r.file, src
		r.readFile(r.file, src)
	case !errors.Is(err, fs.ErrNotExist):
		r.report(engine.Pos{File: r.file, Line: 1, Col: 1}, "%v", errors.Unwrap(err))
	}
}

// at returns where a key, or what is above it, was set; else the beginning of the file.
func (r *configReader) at(key string) engine.Pos {
	for k := key; k != ""; k = k[:max(0, strings.LastIndexByte(k, '.'))] {
		if p, ok := r.pos[k]; ok {
			return p
		}
	}
	return engine.Pos{File: r.file, Line: 1, Col: 1}
}

func (r *configReader) reportKey(key string, warning bool, format string, args ...any) {
	r.problems = append(r.problems, engine.Problem{Pos: r.at(key), Msg: key + ": " + fmt.Sprintf(format, args...), Warning: warning})
}

func (r *configReader) report(pos engine.Pos, format string, args ...any) {
	r.problems = append(r.problems, engine.Problem{Pos: pos, Msg: fmt.Sprintf(format, args...)})
}

func (r *configReader) readFile(file string, src []byte) {
	var doc yaml.Node
	if err := yaml.Load(src, &doc); err != nil {
		line, col, msg := yamlFault(err)
		if len(strings.TrimSpace(string(src))) > 0 {
			r.report(engine.Pos{File: file, Line: line, Col: col}, "not YAML: %s", msg)
		}
		return
	}
	root := &doc
	if root.Kind == yaml.DocumentNode && len(root.Content) == 1 {
		root = root.Content[0]
	}
	if root.Kind == yaml.ScalarNode && root.Value == "" {
		return // only comments
	}
	if root.Kind != yaml.MappingNode {
		r.report(engine.Pos{File: file, Line: root.Line, Col: root.Column}, "holds no settings; write them as in `location: academy`")
		return
	}
	r.walk(file, "", root)
}

// walk visits each leaf below n. A sequence of scalars is one leaf, its items joined by commas.
func (r *configReader) walk(file, key string, n *yaml.Node) {
	pos := engine.Pos{File: file, Line: n.Line, Col: n.Column}
	switch n.Kind {
	case yaml.MappingNode:
		if r.takesList(key) {
			r.report(pos, "%s: is a list: begin each of its items with a dash", key)
			return
		}
		if r.isSetting(key) && !r.hasBelow(key) {
			r.report(pos, "%s: takes a value, not keys", key)
			return
		}
		r.walkKeys(file, key, n)
	case yaml.SequenceNode:
		r.walkList(file, key, n)
	case yaml.ScalarNode:
		if n.Tag == "!!null" && n.Value == "" {
			return // `key:` with nothing is the default
		}
		v, err := r.expand(n.Value)
		if err != nil {
			r.report(pos, "%s: %v", key, err)
			return
		}
		r.apply(pos, key, v)
	default:
		r.report(pos, "%s: is neither a value nor keys", key)
	}
}

// walkKeys visits what stands below the keys of a mapping.
func (r *configReader) walkKeys(file, key string, n *yaml.Node) {
	first := map[string]int{} // the line of each
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		child := k.Value
		if key != "" {
			child = key + "." + k.Value
		}
		kp := engine.Pos{File: file, Line: k.Line, Col: k.Column}
		line, twice := first[k.Value]
		switch {
		case twice:
			r.report(kp, "%s: is here twice; the first is in line %d", child, line)
			continue
		case !r.known(child):
			r.report(kp, "%s", r.unknown(child))
			continue
		}
		first[k.Value], r.pos[child] = k.Line, kp
		r.walk(file, child, v)
	}
}

// walkList reads a sequence, for the settings that take one. Of a sequence of mappings each has its number for a name.
func (r *configReader) walkList(file, key string, n *yaml.Node) {
	pos := engine.Pos{File: file, Line: n.Line, Col: n.Column}
	if !r.takesList(key) {
		if r.isSetting(key) {
			r.report(pos, "%s: takes one value, not a list", key)
		} else {
			r.report(pos, "%s", r.needs(key, "list"))
		}
		return
	}
	var items []string
	for i, it := range n.Content {
		if name := key + "." + strconv.Itoa(i); it.Kind == yaml.MappingNode && r.known(name) {
			if i == 0 {
				r.apply(pos, key, "") // those of a file above do not count
			}
			r.pos[name] = engine.Pos{File: file, Line: it.Line, Col: it.Column}
			r.walk(file, name, it)
			continue
		}
		v, err := r.expand(it.Value)
		if it.Kind != yaml.ScalarNode {
			err = errors.New("is no plain value")
		}
		if err != nil {
			r.report(engine.Pos{File: file, Line: it.Line, Col: it.Column}, "%s: %v", key, err)
			continue
		}
		items = append(items, v)
	}
	if len(items) > 0 || len(n.Content) == 0 {
		r.apply(pos, key, strings.Join(items, ","))
	}
}

// takesList reports whether key is a setting that takes a list.
func (r *configReader) takesList(key string) bool {
	return slices.ContainsFunc(r.settings, func(s setting) bool { _, ok := match(s.key, key); return ok && s.list })
}

// isSetting reports whether key is a setting, not only the beginning of one.
func (r *configReader) isSetting(key string) bool {
	return slices.ContainsFunc(r.settings, func(s setting) bool { _, ok := match(s.key, key); return ok })
}

// hasBelow reports whether key is the beginning of a setting.
func (r *configReader) hasBelow(key string) bool {
	return slices.ContainsFunc(r.settings, func(s setting) bool { return matchPrefix(s.key, key) })
}

// known reports whether key is a setting or the beginning of one.
func (r *configReader) known(key string) bool { return r.isSetting(key) || r.hasBelow(key) }

func (r *configReader) apply(pos engine.Pos, key, value string) {
	for _, s := range r.settings {
		name, ok := match(s.key, key)
		if !ok {
			continue
		}
		r.pos[key] = pos
		if r.part && s.whole {
			r.report(pos, "%s: is for all locations; it belongs to the latchkey.yaml of the folder above", key)
			return
		}
		if err := s.set(r.c, name, value); err != nil {
			r.report(pos, "%s: %v", key, err)
		}
		return
	}
	if r.known(key) {
		r.report(pos, "%s", r.needs(key, "value"))
		return
	}
	r.report(pos, "%s", r.unknown(key))
}

// unknown says which key was probably meant: one beside it, else one anywhere.
func (r *configReader) unknown(key string) string {
	dot := strings.LastIndexByte(key, '.')
	above := key[:max(0, dot)]
	beside := r.below(above)
	if best := engine.Nearest(key[dot+1:], beside); best != "" {
		return fmt.Sprintf("no setting %q; did you mean %s?", key, key[:dot+1]+best)
	}
	if above != "" && len(beside) > 0 {
		return fmt.Sprintf("no setting %q; below %s there are %s", key, above, strings.Join(beside, ", "))
	}
	var names []string
	for _, s := range r.settings {
		if !strings.Contains(s.key, "*") {
			names = append(names, s.key)
		}
	}
	if best := engine.Nearest(key, names); best != "" {
		return fmt.Sprintf("no setting %q; did you mean %s?", key, best)
	}
	return fmt.Sprintf("no setting %q; latchkey help config lists them", key)
}

// below lists the keys that may stand right below one, or at the top.
func (r *configReader) below(key string) (names []string) {
	n := 0
	if key != "" {
		n = strings.Count(key, ".") + 1
	}
	for _, s := range r.settings {
		if n > 0 && !matchPrefix(s.key, key) {
			continue
		}
		if name := strings.Split(s.key, ".")[n]; name != "*" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// needs says that a key has others below it, and which.
func (r *configReader) needs(key, not string) string {
	says := key + ": needs keys below it, not a " + not
	if names := r.below(key); len(names) > 0 {
		says += "; there are " + strings.Join(names, ", ")
	}
	return says
}

// readEnv applies LATCHKEY_… and, for secrets, LATCHKEY_…_FILE. Keys with a name that the user chooses are for
// the file alone.
func (r *configReader) readEnv() {
	for _, s := range r.settings {
		if strings.Contains(s.key, "*") {
			continue
		}
		name := "LATCHKEY_" + strings.ToUpper(strings.ReplaceAll(s.key, ".", "_"))
		if v, ok := r.env[name]; ok {
			r.apply(engine.Pos{File: "$" + name, Line: 1, Col: 1}, s.key, v)
		}
		if file, ok := r.env[name+"_FILE"]; ok && s.secret {
			b, err := os.ReadFile(file)
			if err != nil {
				r.report(engine.Pos{File: "$" + name + "_FILE", Line: 1, Col: 1}, "%s: %v", s.key, err)
				continue
			}
			r.apply(engine.Pos{File: "$" + name + "_FILE", Line: 1, Col: 1}, s.key, strings.TrimRight(string(b), "\r\n"))
		}
	}
}

var varPattern = regexp.MustCompile(`\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*\})?`)

// expand puts environment variables for ${VAR}, and a dollar for $$. A ${ that begins no variable is a mistake: as it stands in the
// file it would be a secret that all know who know the file.
func (r *configReader) expand(v string) (string, error) {
	var missing []string
	bad := false
	out := varPattern.ReplaceAllStringFunc(v, func(m string) string {
		switch m {
		case "$$":
			return "$"
		case "${":
			bad = true
			return m
		}
		name := m[2 : len(m)-1]
		val, ok := r.env[name]
		if !ok {
			missing = append(missing, name)
		}
		return val
	})
	if bad {
		return "", errors.New("behind ${ stands the name of a variable, of letters, digits and _, and then }; a dollar is written $$")
	}
	if missing != nil {
		return "", fmt.Errorf("the environment has no %s", strings.Join(missing, ", "))
	}
	return out, nil
}

func envMap(env []string) map[string]string {
	m := make(map[string]string, len(env))
	for _, kv := range env {
		if k, v, ok := strings.Cut(kv, "="); ok {
			m[k] = v
		}
	}
	return m
}

// match reports whether key is the setting's, and the part that stands for "*". The last part may have dots in it, as an issuer has.
func match(pattern, key string) (name string, ok bool) {
	ps, ks := strings.Split(pattern, "."), strings.Split(key, ".")
	if n := len(ps); len(ks) > n && ps[n-1] == "*" {
		ks = strings.SplitN(key, ".", n)
	}
	if len(ps) != len(ks) {
		return "", false
	}
	for i, p := range ps {
		if p == "*" {
			name = ks[i]
		} else if p != ks[i] {
			return "", false
		}
	}
	return name, true
}

func matchPrefix(pattern, key string) bool {
	ps, n := strings.Split(pattern, "."), strings.Count(key, ".")+1
	if n >= len(ps) {
		return false
	}
	_, ok := match(strings.Join(ps[:n], "."), key)
	return ok
}

var yamlPlace = regexp.MustCompile(`at L(\d+)\.C(\d+)(?:-\S+)?: (.*)`)

// yamlFault takes the position and message out of a YAML error.
func yamlFault(err error) (line, col int, msg string) {
	msg, _, _ = strings.Cut(err.Error(), "\n")
	m := yamlPlace.FindStringSubmatch(msg)
	if m == nil {
		return 1, 1, strings.TrimPrefix(msg, "yaml: ")
	}
	line, _ = strconv.Atoi(m[1])
	col, _ = strconv.Atoi(m[2])
	return line, col, m[3]
}
