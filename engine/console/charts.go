package console

import (
	"context"
	"fmt"
	"time"
)

// This file counts, for the overview, what happened in the last 24 hours beside the day before, hour by hour.

// chartMost is how many records of a kind are looked at for a chart. A busy location's chart says that it is cut.
const chartMost = 5000

// A chart is one small drawing: a bar for each hour, the newest last.
type chart struct {
	Name    string
	Total   string
	Before  string // the same of the day before
	Path    string // the address of the list
	Filters []any
	Bars    []bar
	Says    string // for who cannot see it
}

// A bar is one hour: its height and place in a drawing of 240 by 48, now and a day before.
type bar struct {
	X, Y, H    int
	WasY, WasH int
}

const chartHeight = 48

// hours counts things by the hour: 0 is the last one.
type hours struct {
	n   [48]int
	cut bool
}

func (h *hours) add(now, t time.Time) {
	if i := int(now.Sub(t) / time.Hour); !now.Before(t) && i < len(h.n) {
		h.n[i]++
	} else if now.Before(t) { // by a clock that is a little ahead
		h.n[0]++
	}
}

func (c *Config) charts(ctx context.Context) ([]chart, error) {
	now := c.Now()
	since := now.Add(-48 * time.Hour)
	var events, messages, failures, ins hours
	q := Query{Location: c.Location.ID, Limit: chartMost, Since: since}
	counted, err := c.counts(ctx, q)
	if err != nil {
		return nil, err
	}
	for _, t := range counted.Events {
		events.add(now, t)
	}
	for _, t := range counted.Messages {
		messages.add(now, t)
	}
	for _, t := range counted.Failed {
		failures.add(now, t)
	}
	for _, t := range counted.SignIns {
		ins.add(now, t)
	}
	events.cut, messages.cut = len(counted.Events) >= chartMost, len(counted.Messages) >= chartMost
	ins.cut = len(counted.SignIns) >= chartMost
	return []chart{
		events.draw("Events", "", nil), messages.draw("Messages", "/messages", nil),
		ins.draw("Sign-ins", "/links", nil), failures.draw("Failures", "/messages", []any{"state", "failed"}),
	}, nil
}

// Counts are the moments at which things happened, in any order.
type Counts struct{ Events, Messages, Failed, SignIns []time.Time }

func (c *Config) counts(ctx context.Context, q Query) (Counts, error) {
	if c.Counts != nil {
		return c.Counts(ctx, q)
	}
	return Counts{}, nil
}

func (h *hours) draw(name, path string, filters []any) chart {
	most, today, before := 1, 0, 0
	for i, n := range h.n {
		most = max(most, n)
		if i < 24 {
			today += n
		} else {
			before += n
		}
	}
	ch := chart{Name: name, Path: path, Filters: filters, Total: fmt.Sprint(today), Before: fmt.Sprint(before)}
	if h.cut {
		ch.Total, ch.Before = "more than "+ch.Total, "not counted"
	}
	height := func(n int) int {
		if n == 0 {
			return 0
		}
		return max(2, n*chartHeight/most)
	}
	for i := range 24 {
		now, was := height(h.n[23-i]), height(h.n[47-i])
		ch.Bars = append(ch.Bars, bar{X: i * 10, Y: chartHeight - now, H: now, WasY: chartHeight - was, WasH: was})
	}
	ch.Says = fmt.Sprintf("%s in the last 24 hours: %s; the day before: %s.", name, ch.Total, ch.Before)
	return ch
}
