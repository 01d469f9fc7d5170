package sso

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"latchkey/engine"
)

const (
	askTimeout  = 2 * time.Second
	askMost     = 64 << 10         // of an answer
	breakAfter  = 5                // failures in a row
	breakPeriod = 30 * time.Second // in which nobody is asked
)

var (
	errBroken    = errors.New("not asked: it failed several times in a row")
	errNoAnswer  = errors.New("the answer is not JSON with an address")
	errElsewhere = errors.New("the address leads to another host than the app's")
)

// An asker asks an app's server for an address that signs a learner in. It asks when the learner is on their way, never before,
// for such an address is good once and for seconds.
type asker struct {
	client *http.Client
	now    func() time.Time

	mu    sync.Mutex
	state map[string]*breaker // by location and app
}

// A breaker keeps learners from waiting for a server that is down.
type breaker struct {
	failures int
	until    time.Time
}

func newAsker(t http.RoundTripper, now func() time.Time) *asker {
	return &asker{now: now, state: map[string]*breaker{}, client: &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// ask returns the address. Errors hold neither it nor the secret.
func (a *asker) ask(ctx context.Context, app *App, p *engine.Person, target string) (string, error) {
	key := app.Location + "/" + app.Name
	if !a.may(key) {
		return "", errBroken
	}
	status, body, err := a.fetch(ctx, app, p, target)
	if ctx.Err() == nil { // a learner who left says nothing of the server
		// One that answers is up, even if it does not know this learner: that keeps out nobody else.
		a.heard(key, err == nil && status < http.StatusInternalServerError)
	}
	switch {
	case err != nil:
		return "", err
	case status != http.StatusOK && status != http.StatusCreated:
		return "", fmt.Errorf("status %d", status)
	}
	return addressIn(body, app, target)
}

// may reports whether a server may be asked. While it is broken one in a period is let through.
func (a *asker) may(key string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := a.state[key]
	if b == nil || b.failures < breakAfter {
		return true
	}
	if a.now().Before(b.until) {
		return false
	}
	b.until = a.now().Add(breakPeriod)
	return true
}

func (a *asker) heard(key string, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if ok {
		delete(a.state, key)
		return
	}
	b := a.state[key]
	if b == nil {
		b = &breaker{}
		a.state[key] = b
	}
	b.failures++
	b.until = a.now().Add(breakPeriod)
}

// fetch asks the server once.
func (a *asker) fetch(ctx context.Context, app *App, p *engine.Person, target string) (status int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	request := mintRequest
	if app.SSO == Moodle {
		request = moodleRequest
	}
	req, err := request(ctx, app, p, target)
	if err != nil {
		return 0, nil, err
	}
	resp, err := a.client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the address
		}
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, askMost))
	return resp.StatusCode, body, err
}

// addressIn returns the address in a server's answer.
func addressIn(body []byte, app *App, target string) (string, error) {
	var answer struct {
		URL       string `json:"url"`
		LoginURL  string `json:"loginurl"` // Moodle
		Login     string `json:"login_url"`
		ErrorCode string `json:"errorcode"` // Moodle, with status 200
	}
	if json.Unmarshal(body, &answer) != nil {
		return "", errNoAnswer
	}
	to := cmp.Or(answer.URL, answer.LoginURL, answer.Login)
	switch {
	case answer.ErrorCode != "":
		return "", fmt.Errorf("answered errorcode %.60q", answer.ErrorCode)
	case to == "" || checkURL(to) != nil:
		return "", errNoAnswer
	case !sameHost(app.URL, to):
		return "", errElsewhere
	}
	if app.SSO == Moodle {
		to = withQuery(to, "wantsurl", target)
	}
	return to, nil
}

func sameHost(a, b string) bool {
	u, err1 := url.Parse(a)
	v, err2 := url.Parse(b)
	return err1 == nil && err2 == nil && u.Scheme == v.Scheme && strings.EqualFold(u.Host, v.Host)
}

// moodleRequest asks the plugin auth_userkey. Its token goes in the body, which servers do not log.
func moodleRequest(ctx context.Context, app *App, p *engine.Person, _ string) (*http.Request, error) {
	form := url.Values{
		"wstoken": {app.Secret.Reveal()}, "wsfunction": {"auth_userkey_request_login_url"}, "moodlewsrestformat": {"json"},
		"user[email]": {p.Contact.Email}, "user[firstname]": {p.Contact.FirstName}, "user[lastname]": {p.Contact.LastName},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, app.URL+"/webservice/rest/server.php", strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return req, nil
}

// mintRequest asks any server: JSON in, JSON out, the secret as bearer token.
func mintRequest(ctx context.Context, app *App, p *engine.Person, target string) (*http.Request, error) {
	body, err := json.Marshal(map[string]string{
		"sub": p.Key.String(), "contact_id": p.Contact.ID, "email": p.Contact.Email, "name": p.Contact.Name(),
		"first_name": p.Contact.FirstName, "last_name": p.Contact.LastName, "to": target,
	})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, app.Mint, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Authorization", "Bearer "+app.Secret.Reveal())
	return req, nil
}
