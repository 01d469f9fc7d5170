package console

import (
	"net/http"
	"net/url"

	"latchkey/engine"
)

// This file is the pages about what was sent and what workflows did.

type messageList struct {
	Messages []Message
	States   []string
	Flows    []string
	Older    string
}

// filters are what the forms of lists have; an empty one is as none.
func (c *Config) filters(r *http.Request, states []string, known ...string) (Query, error) {
	v := url.Values{}
	for name, values := range r.URL.Query() {
		if len(values) > 0 && values[0] != "" && name != "done" && name != "location" {
			v.Set(name, values[0])
		}
	}
	q, err := c.query(v, states, known...)
	q.Limit = pageSize
	return q, err
}

func (c *Config) messagesPage(r *http.Request) (any, error) {
	q, err := c.filters(r, MessageStates(), "before", "since", "until", "contact", "workflow", "run", "state")
	if err != nil {
		return nil, err
	}
	v := messageList{States: MessageStates(), Flows: c.flowNames()}
	if v.Messages, err = c.Messages.Messages(r.Context(), q); err != nil {
		return nil, err
	}
	if len(v.Messages) == pageSize {
		v.Older = v.Messages[pageSize-1].ID
	}
	return v, nil
}

type messageView struct {
	Message
	Person              string
	CanRetry, CanResend bool
}

func (c *Config) messagePage(r *http.Request) (any, error) {
	m, err := c.Messages.Message(r.Context(), c.Location.ID, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	v := messageView{Message: m}
	switch m.State {
	case "failed", "expired", "suppressed":
		v.CanRetry = true
	case "sent", "unknown":
		v.CanResend = true
	}
	v.Person, err = c.nameOf(r, m.Contact)
	return v, err
}

func (c *Config) retryMessage(r *http.Request) (any, string, error) {
	return c.steer(r, Control.RetryMessage, "/messages/", "retried")
}

func (c *Config) resendMessage(r *http.Request) (any, string, error) {
	return c.steer(r, Control.ResendMessage, "/messages/", "resent")
}

func (c *Config) cancelRun(r *http.Request) (any, string, error) {
	return c.steer(r, Control.CancelRun, "/runs/", "canceled")
}

func (c *Config) retryRun(r *http.Request) (any, string, error) {
	return c.steer(r, Control.RetryRun, "/runs/", "retried")
}

func (c *Config) steer(r *http.Request, do steering, path, done string) (any, string, error) {
	id := r.PathValue("id")
	v, err := do(c.Control, r.Context(), c.Location.ID, id)
	return v, path + url.PathEscape(id) + "?done=" + done, err
}

// A runLine is a run with its contact's name.
type runLine struct {
	Run
	Name string
}

// runLines names the contacts of runs, each looked up once.
func (c *Config) runLines(r *http.Request, runs []engine.Run) ([]runLine, error) {
	names := map[engine.ID]string{}
	out := make([]runLine, 0, len(runs))
	for i := range runs {
		key := runs[i].Contact
		if _, known := names[key]; !known {
			name, err := c.nameOf(r, key.String())
			if err != nil {
				return nil, err
			}
			names[key] = name
		}
		out = append(out, runLine{RunOf(&runs[i]), names[key]})
	}
	return out, nil
}

type runList struct {
	Runs   []runLine
	States []string
	Flows  []string
	Older  string
}

func (c *Config) runsPage(r *http.Request) (any, error) {
	q, err := c.filters(r, RunStates(), "before", "since", "until", "contact", "workflow", "state")
	if err != nil {
		return nil, err
	}
	runs, err := c.History.Runs(r.Context(), q)
	if err != nil {
		return nil, err
	}
	v := runList{States: RunStates(), Flows: c.flowNames()}
	if v.Runs, err = c.runLines(r, runs); err != nil {
		return nil, err
	}
	if len(runs) == pageSize {
		v.Older = v.Runs[pageSize-1].ID
	}
	return v, err
}

type runView struct {
	RunStory
	Over, CanRetry bool
}

func (c *Config) runPage(r *http.Request) (any, error) {
	rec, err := c.History.Run(r.Context(), c.Location.ID, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return runView{rec.Story(c.Location.Zone), rec.Run.State.Over(), rec.Run.State == "stopped"}, nil
}

func (c *Config) endRun(r *http.Request) (any, string, error) {
	id := r.PathValue("id")
	e, err := c.end(r, What{Run: id})
	return e, "/runs/" + url.PathEscape(id) + "?done=ended", err
}
