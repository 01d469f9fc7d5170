package main

import (
	"context"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"

	"latchkey/engine"
	"latchkey/engine/console"
)

// This file says how a running instance does.

// ready returns what is not in order, by part.
func (i *instance) ready(ctx context.Context) map[string]string {
	parts := map[string]string{"engine": "ok", "nats": "ok", "store": "ok", "disk": "ok"}
	select {
	case <-i.runner.Ready():
	default:
		parts["engine"] = "starting"
	}
	if err := i.bus.Healthy(); err != nil {
		parts["nats"] = err.Error()
	}
	if err := i.stores.Global().View(ctx, func(engine.Tx) error { return nil }); err != nil {
		parts["store"] = err.Error()
	}
	if err := i.cfg.diskLow(); err != nil {
		parts["disk"] = err.Error()
	}
	return parts
}

func (i *instance) readyz(w http.ResponseWriter, r *http.Request) {
	parts, code := i.ready(r.Context()), http.StatusOK
	for _, state := range parts {
		if state != "ok" {
			code = http.StatusServiceUnavailable
		}
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	for _, name := range []string{"engine", "nats", "store", "disk"} {
		fmt.Fprintf(w, "%s: %s\n", name, parts[name])
	}
	select {
	case <-i.caughtUp:
	default:
		fmt.Fprintln(w, "waits: held until the events that came while nothing ran are handled")
	}
	for _, s := range i.sites {
		prefix := ""
		if len(i.sites) > 1 {
			prefix = s.cfg.Location + " "
		}
		channels := s.channels()
		for _, name := range slices.Sorted(maps.Keys(channels)) {
			fmt.Fprintf(w, "%s%s: %s\n", prefix, name, channels[name])
		}
		fmt.Fprintf(w, "%sfiles: %s\n", prefix, s.files.state.Load())
		fmt.Fprintf(w, "%ssending: %s\n", prefix, s.sendingSays())
	}
}

// status is what GET /v1/status says: of all locations where none was named. Of other locations it says something to those alone
// who have a key to all.
func (s *site) status(ctx context.Context) (map[string]any, error) {
	i := s.instance
	all := len(i.sites) == 1 || ctx.Value(allLocations{}) != nil
	stats, r := i.stores.Stats(), i.runner.StatsOf()[s.cfg.Location]
	if all {
		r = i.runner.Stats()
	}
	out := map[string]any{
		"commits": stats.Commits, "waiting": r.Waiting, "due": r.Due, "later": r.Later, "held": r.Held, "gated": r.Gated, "sending": r.Sending,
	}
	if lag := i.lag(); !math.IsNaN(lag) {
		out["unprocessed"] = lag
	}
	if len(i.sites) == 1 {
		out["files"], out["paused"] = s.files.state.Load(), s.pause()
		return out, nil
	}
	for _, o := range i.sites {
		if o == s || all && console.Everywhere(ctx) { // else it is none of their business
			out["files "+o.cfg.Location], out["paused "+o.cfg.Location] = o.files.state.Load(), o.pause()
		}
	}
	return out, nil
}
