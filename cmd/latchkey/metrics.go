package main

import (
	"cmp"
	"context"
	"math"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"latchkey/engine"
	"latchkey/engine/boltstore"
	"latchkey/engine/runner"
	"latchkey/linkgen"
	"latchkey/linkgen/sso"
	"latchkey/triggers"
)

// metrics are what GET /metrics shows. Counters begin at zero with the process.
type metrics struct {
	registry *prometheus.Registry

	events, runs, messages *prometheus.CounterVec
	minted, opened, logins *prometheus.CounterVec
	handoffs               *prometheus.CounterVec
	late                   *prometheus.HistogramVec
	commit, batch          prometheus.Histogram
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		events:   counter("events_total", "Course events that were taken, by what became of them.", "location", "trigger", "result"),
		runs:     counter("runs_total", "Runs that started, finished or were stopped.", "location", "result"),
		messages: counter("messages_total", "Attempts that began (sending) and how they ended. due: tried again later; unknown: nobody knows whether it arrived.",
			"location", "channel", "state"),
		minted: counter("links_minted_total", "Login links that were made.", "location", "channel"),
		opened: counter("links_opened_total", "Link pages asked for, by mail scanners too, and their buttons pressed, by what the link then was.", "location", "by", "result"),
		logins: counter("login_requests_total", "Login links that visitors asked for, by what became of it: started, or why nothing was sent.",
			"location", "channel", "result"),
		handoffs: counter("handoffs_total", "Learners who were led into an app, or why one was not, by the app's sso; and what its server then fetched.",
			"location", "sso", "result"),
		late: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "latchkey", Name: "timer_late_seconds",
			Help: "How long after its time a wait ended.", Buckets: []float64{.001, .01, .1, 1, 10, 60, 600, 3600, 86400}}, []string{"location"}),
		commit: histogram("commit_seconds", "How long a commit took to the disk.", .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5),
		batch:  histogram("commit_functions", "How many writes shared a commit.", 1, 2, 5, 10, 25, 50, 100, 250, 500, 1000),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "latchkey", Name: "build_info", Help: "Always 1; what runs is in the labels.",
		ConstLabels: prometheus.Labels{"version": version, "revision": revision(), "go": runtime.Version()}})
	build.Set(1)
	m.registry.MustRegister(m.events, m.runs, m.messages, m.minted, m.opened, m.logins, m.handoffs, m.late, m.commit, m.batch, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "latchkey", Name: name, Help: help}, labels)
}

func histogram(name, help string, buckets ...float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "latchkey", Name: name, Help: help, Buckets: buckets})
}

// A meter is the runner's for one location.
type meter struct {
	*metrics
	location string
}

func (m *metrics) of(location string) runner.Meter { return meter{m, location} }

// Event implements runner.Meter.
func (m meter) Event(trigger, result string) {
	m.events.WithLabelValues(m.location, trigger, label(result)).Inc()
}

// Run implements runner.Meter.
func (m meter) Run(state engine.RunState) { m.runs.WithLabelValues(m.location, string(state)).Inc() }

// Message implements runner.Meter.
func (m meter) Message(channel string, state engine.TaskState, links int) {
	m.messages.WithLabelValues(m.location, channel, string(state)).Inc()
	m.minted.WithLabelValues(m.location, channel).Add(float64(links))
}

// Late implements runner.Meter.
func (m meter) Late(d time.Duration) { m.late.WithLabelValues(m.location).Observe(d.Seconds()) }

func (m *metrics) mintedByHand(location string) { m.minted.WithLabelValues(location, "hand").Inc() }

func (m *metrics) loginAsked(location, channel, result string) {
	m.logins.WithLabelValues(location, channel, label(result)).Inc()
}

// ledOn counts what became of an attempt to lead a learner into an app.
func (m *metrics) ledOn(a sso.App, result string) {
	m.handoffs.WithLabelValues(a.Location, cmp.Or(a.SSO, "none"), label(result)).Inc()
}

func (m *metrics) committed(c boltstore.Commit) {
	m.commit.Observe(c.Took.Seconds())
	m.batch.Observe(float64(c.Functions))
}

// buried counts an event that could not be read, by what is known of it.
func (m *metrics) buried(location, trigger string) {
	m.events.WithLabelValues(location, trigger, "unreadable").Inc()
}

func (m *metrics) linkOpened(location string, pressed bool, is linkgen.Reason) {
	by := "page"
	if pressed {
		by = "button"
	}
	m.opened.WithLabelValues(location, by, label(string(is))).Inc()
}

// label writes words as a label's value.
func label(words string) string { return strings.ReplaceAll(words, " ", "_") }

// handler serves the metrics, with what the instance can tell at that moment.
func (m *metrics) handler(i *instance) http.Handler {
	m.registry.MustRegister(channelsOpen{i}, runsNow{i},
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "latchkey", Name: "disk_free_ratio",
			Help: "Free part of the data folder's disk, 0 to 1."}, i.diskFree),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "latchkey", Name: "events_lag",
			Help: "Messages of the stream of events that are not processed yet; NaN if the stream does not answer."}, i.lag))
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorLog: newStdLogger(i.log)})
}

// lag returns how many messages of the stream are not processed.
func (i *instance) lag() float64 {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second) // a collector is given no context
	defer cancel()
	off, err := i.runner.Offsets(ctx, triggers.StreamCourses)
	if err != nil {
		return math.NaN()
	}
	last, err := i.bus.Last(ctx)
	switch {
	case err != nil:
		return math.NaN()
	case !off.Created.Equal(last.Created):
		return float64(last.Seq)
	}
	return max(0, float64(last.Seq)-float64(off.Seq))
}

func (i *instance) diskFree() float64 {
	free, err := freeOf(i.cfg.Data)
	if err != nil {
		return math.NaN()
	}
	return free
}

// runsNow collects what runs are doing, by location.
type runsNow struct{ *instance }

var runsDesc = prometheus.NewDesc("latchkey_runs",
	"Runs that are not over: waiting for a time, sending a message, or held by a pause.", []string{"location", "state"}, nil)

// Describe implements prometheus.Collector.
func (runsNow) Describe(to chan<- *prometheus.Desc) { to <- runsDesc }

// Collect implements prometheus.Collector.
func (i runsNow) Collect(to chan<- prometheus.Metric) {
	of := i.runner.StatsOf()
	for _, s := range i.sites {
		if _, ok := of[s.cfg.Location]; !ok {
			of[s.cfg.Location] = runner.Stats{}
		}
	}
	for location, s := range of {
		for state, n := range map[string]int{"waiting": s.Waiting, "sending": s.Due + s.Later + s.Sending, "held": s.Held} {
			to <- prometheus.MustNewConstMetric(runsDesc, prometheus.GaugeValue, float64(n), location, state)
		}
	}
}
