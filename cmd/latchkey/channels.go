package main

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"latchkey/engine"
)

// channels tells how messages leave, by kind: a server that refuses everything is no reason to stop taking events. A channel
// that is down is tried again now and then, and one that refused its last message may not be down yet.
func (s *site) channels() map[string]string {
	out := map[string]string{}
	for _, c := range s.runner.Channels() {
		switch {
		case c.Location != s.cfg.Location:
		case c.Down:
			out[c.Kind] = fmt.Sprintf("down since %s, tried again at %s: %s", c.Since.UTC().Format(time.RFC3339), c.Next.UTC().Format(time.RFC3339), c.Reason)
		default:
			out[c.Kind] = "ok"
		}
	}
	for kind, sender := range map[string]any{"email": s.mailer, "sms": s.texter} {
		if d, ok := sender.(interface{ Down() error }); ok && out[kind] == "ok" && d.Down() != nil {
			out[kind] = "down: " + d.Down().Error()
		}
	}
	return out
}

// heldByChannel says that a message waits for its channel, which is down; nil if it does not. The message's record knows nothing of
// it: all that wait would be written anew each time that a server goes down and comes up.
func (s *site) heldByChannel(t engine.Task) *engine.Hold {
	c := s.runner.Channel(t.Location, t.Kind)
	if !c.Down {
		return nil
	}
	since := c.Since
	if t.Created.After(since) {
		since = t.Created
	}
	return &engine.Hold{Since: since, By: "the channel " + t.Kind + ", which is down: " + c.Reason}
}

// channelsOpen collects which channels are down.
type channelsOpen struct{ *instance }

var openDesc = prometheus.NewDesc("latchkey_channel_open",
	"1 while a channel's server cannot be reached or refuses everything, so that its messages wait.", []string{"location", "channel"}, nil)

// Describe implements prometheus.Collector.
func (channelsOpen) Describe(to chan<- *prometheus.Desc) { to <- openDesc }

// Collect implements prometheus.Collector.
func (i channelsOpen) Collect(to chan<- prometheus.Metric) {
	for _, c := range i.runner.Channels() {
		open := 0.0
		if c.Down {
			open = 1
		}
		to <- prometheus.MustNewConstMetric(openDesc, prometheus.GaugeValue, open, c.Location, c.Kind)
	}
}
