package runner

import (
	"bytes"
	"context"
	"fmt"
	"sync"

	"latchkey/engine"
)

// A run keeps the version of its workflow that it began with. The source of every version that was ever in force is in
// SpaceVersions: key location 0 workflow 0 version, value a version byte (1) and the file as it was read.

type versionKey struct{ location, workflow, version string }

func (k versionKey) key() []byte {
	return engine.Key(k.location, []byte(k.workflow), []byte{0}, []byte(k.version))
}

// versions are the compiled ones.
type versions struct {
	sync.RWMutex
	m map[versionKey]*engine.Workflow
}

func (v *versions) get(k versionKey) *engine.Workflow {
	v.RLock()
	defer v.RUnlock()
	return v.m[k]
}

func (v *versions) put(k versionKey, w *engine.Workflow) {
	v.Lock()
	defer v.Unlock()
	v.m[k] = w
}

// load compiles a version from its stored source.
func (v *versions) load(ctx context.Context, r *Runner, k versionKey) error {
	var source []byte
	err := r.cfg.Stores.Global().View(ctx, func(tx engine.Tx) error {
		source = bytes.Clone(tx.Get(engine.SpaceVersions, k.key()))
		return nil
	})
	if err != nil {
		return fmt.Errorf("workflow %s: %w", k.workflow, err)
	}
	if len(source) == 0 || source[0] != 1 {
		return fmt.Errorf("workflow %s: version %s is not in the store", k.workflow, k.version)
	}
	w, err := r.cfg.Compile(ctx, k.location, k.workflow, source[1:])
	if err != nil {
		return fmt.Errorf("workflow %s: version %s: %w", k.workflow, k.version, err)
	}
	v.put(k, w)
	return nil
}

// SetWorkflows puts the workflows of one location in force and keeps the source of each version. Call it once
// for every location before Run, and again whenever files change. Runs that were held by a paused or missing
// workflow go on if it is in force again.
func (r *Runner) SetWorkflows(ctx context.Context, set *engine.Set) error {
	err := r.cfg.Stores.Global().Update(ctx, func(tx engine.Tx) error {
		for _, w := range set.Workflows {
			k := versionKey{set.Location.ID, w.ID, w.Version}.key()
			if tx.Get(engine.SpaceVersions, k) == nil {
				tx.Put(engine.SpaceVersions, k, append([]byte{1}, w.Source...))
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("keep workflows of %s: %w", set.Location.ID, err)
	}
	if !r.begun.Load() {
		r.addChannels(set.Location.ID)
	}
	for _, w := range set.Workflows {
		r.versions.put(versionKey{set.Location.ID, w.ID, w.Version}, w)
	}
	pl := r.place(set.Location.ID)
	prior := pl.set.Swap(engine.NewSet(set.Location, set.Workflows))
	all := prior == nil || !engine.SameRules(prior, set)
	for _, p := range r.parts {
		p.release(pl, all, r.cfg.Now())
	}
	return nil
}
