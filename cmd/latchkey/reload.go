package main

import (
	"bytes"
	"context"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"

	"latchkey/engine"
)

// This file puts changed files in force while an instance runs. One with a mistake stays as it was, and does not keep the
// others from taking effect: whoever pauses a workflow in a hurry must not have to mend another one first.

const (
	settleTime = 200 * time.Millisecond // files that did not change for so long are read: whoever writes them is done
	pollTime   = 2 * time.Second        // how often files are looked at where the system tells of no changes
)

// files is what a site knows of the project's files. seen and clash belong to whoever reads them: open, then watchFiles.
type files struct {
	seen  map[string]os.FileInfo
	logo  string // where the settings that were read last have it
	clash bool   // another location has what the newest claim: they are read again when that one is
	state atomic.Pointer[filesState]
}

// A filesState says how the files were when they were last read.
type filesState struct {
	ReadAt   time.Time `json:"read_at"`
	InForce  bool      `json:"in_force"`           // whether all are as they were read
	Mistakes []string  `json:"mistakes,omitempty"` // why some are not
	Kept     []string  `json:"kept,omitempty"`     // changed files that are in force as they were before
	Restart  []string  `json:"restart,omitempty"`  // settings that have changed and wait for a restart
}

// String is for the page that shows the status.
func (s *filesState) String() string {
	switch {
	case !s.InForce:
		return "not in force"
	case len(s.Restart) > 0:
		return "in force, restart"
	}
	return "in force"
}

// A liveAction is the action of its kind as it is in the project that is in force in its location.
type liveAction struct {
	*instance
	kind string
}

var _ engine.Action = liveAction{}

func (a liveAction) of(loc *engine.Location) engine.Action {
	return a.site(loc.ID).inForce().catalog.Actions[a.kind] // a location that is not configured gets no attempts
}

// Decode implements engine.Action.
func (a liveAction) Decode(n engine.Node, sc engine.StepContext) any {
	return a.of(sc.Location).Decode(n, sc)
}

// Begin implements engine.Action.
func (a liveAction) Begin(tx engine.Tx, call engine.Call) (engine.Attempt, error) {
	return a.of(call.Location).Begin(tx, call)
}

// Perform implements engine.Action.
func (a liveAction) Perform(ctx context.Context, call engine.Call, at engine.Attempt) (engine.Receipt, error) {
	return a.of(call.Location).Perform(ctx, call, at)
}

// Settle implements engine.Action.
func (a liveAction) Settle(tx engine.Tx, call engine.Call, state engine.TaskState) error {
	return a.of(call.Location).Settle(tx, call, state)
}

// liveCatalog is the catalog of whatever project is in force.
func (i *instance) liveCatalog() *engine.Catalog {
	cat := *i.sites[0].inForce().catalog // every location has the same kinds
	cat.Actions = maps.Clone(cat.Actions)
	for kind := range cat.Actions {
		cat.Actions[kind] = liveAction{i, kind}
	}
	return &cat
}

// watchFiles reads the projects' files again when they have changed, and at once on a hang-up signal, until ctx ends.
func (i *instance) watchFiles(ctx context.Context) error {
	var events <-chan fsnotify.Event
	var faults <-chan error
	w, err := fsnotify.NewWatcher()
	if err != nil {
		i.log.Warn().Err(err).Stringer("every", pollTime).Msg("the system tells of no changed files, looking for them")
	} else {
		defer w.Close()
		events, faults = w.Events, w.Errors
	}
	poll := time.NewTicker(pollTime)
	defer poll.Stop()
	for {
		if w != nil {
			i.watchFolders(w)
		}
		asked := false
		select {
		case <-ctx.Done():
			return nil
		case <-i.hangUps:
			asked = true
		case <-events:
		case <-faults: // some changes went unheard: the files are looked at anyway
		case <-poll.C:
		}
		i.readChanged(ctx, asked)
	}
}

// readChanged reads the files of the locations whose files have changed, or of all, and then of those that waited for one of them.
func (i *instance) readChanged(ctx context.Context, all bool) {
	last := -1
	for n, s := range i.sites {
		if all || len(changes(s.files.seen, s.lookAt())) > 0 && s.settled(ctx) {
			s.reload(ctx)
			last = n
		}
	}
	for n, s := range i.sites {
		if s.files.clash && last >= 0 && last != n {
			s.reload(ctx)
		}
	}
}

// watchFolders watches each folder of files. One that is not there, or came anew, is tried again.
func (i *instance) watchFolders(w *fsnotify.Watcher) {
	_ = w.Add(i.cfg.Dir)
	for _, s := range i.sites {
		for _, folder := range []string{".", "workflows", "templates"} {
			_ = w.Add(filepath.Join(s.cfg.Dir, folder))
		}
	}
}

// settled waits until nobody writes the files any more, for three seconds at most. It reports whether ctx is still on.
func (i *site) settled(ctx context.Context) bool {
	last := i.lookAt()
	for range 15 {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(settleTime):
		}
		next := i.lookAt()
		if len(changes(last, next)) == 0 {
			break
		}
		last = next
	}
	return true
}

// lookAt returns the files of the location with its logo, and the latchkey.yaml above it if it is one of several.
func (i *site) lookAt() map[string]os.FileInfo {
	found := lookAt(i.cfg.Dir)
	if info, err := os.Stat(i.files.logo); err == nil {
		found[i.files.logo] = info
	}
	if above := i.instance.cfg; above != i.cfg {
		if info, err := os.Stat(filepath.Join(above.Dir, "latchkey.yaml")); err == nil {
			found["../latchkey.yaml"] = info
		}
	}
	return found
}

// lookAt returns the files of a project that are read, by their path in it.
func lookAt(dir string) map[string]os.FileInfo {
	found := map[string]os.FileInfo{}
	look := func(name string) {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil {
			found[name] = info
		}
	}
	look("latchkey.yaml")
	for folder, endings := range map[string][]string{"workflows": {".yaml", ".yml"}, "templates": {".md", ".html", ".txt"}} {
		look(folder)
		entries, _ := os.ReadDir(filepath.Join(dir, folder)) // a folder that cannot be read is a mistake once it is read
		for _, e := range entries {
			if slices.Contains(endings, path.Ext(e.Name())) && !strings.HasPrefix(e.Name(), ".") {
				look(path.Join(folder, e.Name()))
			}
		}
	}
	return found
}

// changes returns the names of files that are not the same in both, sorted. Of a folder, only its presence counts.
func changes(before, after map[string]os.FileInfo) (names []string) {
	for name, a := range after {
		b := before[name]
		same := b != nil && os.SameFile(a, b) && a.Mode() == b.Mode() &&
			(a.IsDir() || a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()))
		if !same {
			names = append(names, name)
		}
	}
	for name := range before {
		if after[name] == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// reload reads the files again and puts in force those that have no mistake.
func (i *site) reload(ctx context.Context) {
	seen := i.lookAt() // before reading: what changes meanwhile is read again
	changed := changes(i.files.seen, seen)
	i.files.seen = seen
	state := &filesState{ReadAt: i.cfg.Now()}
	cfg := i.inForce().cfg
	fresh, problems := i.again()
	i.files.logo = fresh.Logo
	if mistakes(problems) {
		state.Kept = []string{"latchkey.yaml"}
	} else {
		cfg, state.Restart = i.cfg.changedBy(fresh)
	}
	next, kept, found := i.newest(cfg)
	problems = append(problems, found...)
	log := i.logger()
	logProblems(log, problems)
	for _, p := range problems {
		if !p.Warning {
			state.Mistakes = append(state.Mistakes, p.String())
		}
	}
	if next == nil && !bytes.Equal(fresh.source, i.inForce().cfg.source) {
		state.Kept = []string{"latchkey.yaml"}
	}
	state.Kept = append(state.Kept, kept...)
	if next == nil {
		state.Restart = nil
	} else if err := i.putInForce(ctx, next); err != nil {
		log.Error().Err(err).Msg("changed files are not in force")
		state.Mistakes, state.Kept = append(state.Mistakes, err.Error()), changed
	}
	state.InForce = len(state.Mistakes) == 0
	i.files.state.Store(state)
	for _, key := range state.Restart {
		log.Warn().Str("setting", key).Msg("has changed and takes effect after a restart")
	}
	if !state.InForce {
		log.Error().Strs("changed", changed).Strs("kept", state.Kept).Int("mistakes", len(state.Mistakes)).
			Msg("changed files have mistakes: until they are mended, those kept stay in force as they were")
		return
	}
	log.Info().Strs("changed", changed).Int("workflows", len(next.workflows)).Msg("changed files are in force")
}

// newest reads the project. A changed file with mistakes is kept as it was, and so are those that cannot do without the
// change; their names are returned, and every mistake. The project is nil if what did not change is wrong now: then
// all must stay as it was.
func (i *site) newest(cfg *Config) (next *project, kept []string, problems []engine.Problem) {
	held, prior := map[string][]byte{}, i.inForce().sources
	for {
		next = readProjectHolding(held, cfg, i.deps(cfg))
		found := len(held)
		for _, p := range next.problems {
			if !slices.Contains(problems, p) {
				problems = append(problems, p)
			}
			was, there := prior[p.File]
			if !p.Warning && !(there && bytes.Equal(was, next.sources[p.File])) {
				held[p.File] = was
			}
		}
		kept = slices.Sorted(maps.Keys(held))
		switch {
		case !mistakes(next.problems):
			return next, kept, problems
		case len(held) == found:
			return nil, differing(prior, readProject(cfg, i.deps(cfg)).sources), problems
		}
	}
}

// differing returns the names of files that are not the same in both, sorted.
func differing(a, b map[string][]byte) (names []string) {
	for name := range a {
		if src, there := b[name]; !there || !bytes.Equal(src, a[name]) {
			names = append(names, name)
		}
	}
	for name := range b {
		if _, there := a[name]; !there {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// putInForce swaps the project. Templates and settings come first: a new workflow must find its templates.
func (i *site) putInForce(ctx context.Context, next *project) error {
	prior := i.project.Swap(next)
	if err := i.runner.SetWorkflows(ctx, next.set()); err != nil {
		i.project.Store(prior)
		i.files.seen = nil // so that it is tried again
		return err
	}
	return nil
}
