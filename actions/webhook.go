package actions

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"latchkey/engine"
	"latchkey/templates"
)

// Webhook sends one HTTP request: `webhook: https://example.com/hook`, or with settings. The request of each attempt
// carries the same Idempotency-Key; with a secret it is signed as Standard Webhooks says.
type Webhook struct{ Deps }

var _ engine.Action = (*Webhook)(nil)

// A webhookStep is the settings of one step.
type webhookStep struct {
	URL     any               `yaml:"url"`
	Method  string            `yaml:"method"`
	Headers any               `yaml:"headers"`
	Body    any               `yaml:"body"`
	Secret  string            `yaml:"secret"`
	Save    map[string]string `yaml:"save"`

	source    *source
	roots     []string
	url       *templates.Piece // nil if the address is the secret urlSecret
	urlSecret string
	headers   []header
	body      *shape           // what is sent as JSON; nil for text or the event
	text      *templates.Piece // what is sent as text
	save      []saved
}

// A header is one of the author's: a template, or a secret behind its prefix.
type header struct {
	name           string
	value          *templates.Piece
	secret, prefix string
}

const maxBody = 256 << 10 // bytes of a request

var webhookMethods = []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodGet}

// Decode implements engine.Action.
func (a *Webhook) Decode(n engine.Node, sc engine.StepContext) any {
	s, read := &webhookStep{}, true
	p := newPieces(n, "a webhook", &a.Deps, sc)
	if address, ok := n.Scalar(); ok {
		s.URL = engine.Leaf{Text: address, At: "url"}
		p.source.at = func(_ string, offset int) engine.Pos { return n.Pos("", offset) }
	} else {
		read = n.Decode(s)
	}
	s.source = p.source
	a.checkURL(p, s, read)
	if s.Method == "" {
		s.Method = http.MethodPost
	}
	if !slices.Contains(webhookMethods, s.Method) {
		p.fail("method", fmt.Sprintf("method cannot be %q; it is %s", s.Method, strings.Join(webhookMethods, ", ")))
	}
	a.checkHeaders(p, s)
	checkBody(p, s)
	if s.Secret != "" {
		a.checkSecret(p, "secret", s.Secret)
	}
	s.save = checkSave(p, s.Save)
	s.roots = p.roots
	return s
}

// checkURL reads the address: a template, or {secret: NAME} where the address itself lets people in.
func (a *Webhook) checkURL(p *pieces, s *webhookStep, read bool) {
	switch v := s.URL.(type) {
	case engine.Leaf:
		if s.url = p.address(v.At, v.Text); s.url != nil && isPlain(v.Text) {
			p.source.report(p.n, templates.Errors{{File: v.At, Line: 1, Col: 1, Msg: "http sends everything in the clear; use https outside this machine"}}, true)
		}
	case map[string]any:
		name, _, ok := secretOf(v)
		if !ok {
			p.fail("url", "url is an address, or {secret: NAME} for one that is itself a secret")
		} else if s.urlSecret = name; a.checkSecret(p, "url", name) {
			u, err := url.Parse(a.Secrets[name].Reveal())
			if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
				p.fail("url", fmt.Sprintf("the secret %q is no web address", name))
			}
		}
	case nil:
		if read {
			p.fail("", "the webhook has no url; write `webhook: {url: https://example.com/hook}`")
		}
	default:
		p.fail("url", "url is one address, not a list")
	}
}

// isPlain reports whether an address is http and not of this machine.
func isPlain(address string) bool {
	rest, ok := strings.CutPrefix(strings.TrimSpace(address), "http://")
	host, _, _ := strings.Cut(rest, "/")
	u, err := url.Parse("http://" + host)
	return ok && err == nil && !isLoopback(u.Hostname())
}

// secretOf reads {secret: NAME, prefix: "…"}.
func secretOf(m map[string]any) (name, prefix string, ok bool) {
	for key, v := range m {
		leaf, isLeaf := v.(engine.Leaf)
		switch {
		case key == "secret" && isLeaf:
			name = leaf.Text
		case key == "prefix" && isLeaf:
			prefix = leaf.Text
		default:
			return "", "", false
		}
	}
	return name, prefix, name != ""
}

// checkSecret reports a secret that is not there or cannot sign.
func (a *Webhook) checkSecret(p *pieces, key, name string) bool {
	if msg := a.unknownSecret(name); msg != "" {
		p.fail(key, msg)
		return false
	}
	if _, err := signingKey(a.Secrets[name]); key == "secret" && err != nil {
		p.fail(key, fmt.Sprintf("the secret %q: %v", name, err))
		return false
	}
	return true
}

// headersOfOurs are set here, or by net/http.
var headersOfOurs = []string{"Host", "Content-Length", "Transfer-Encoding", "Connection", "Trailer", "Upgrade", "Te",
	"Idempotency-Key", "Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"}

func (a *Webhook) checkHeaders(p *pieces, s *webhookStep) {
	m, ok := s.Headers.(map[string]any)
	if !ok {
		if s.Headers != nil {
			p.fail("headers", "headers are names and values, such as {X-Source: latchkey}")
		}
		return
	}
	for _, name := range sortedNames(m) {
		h, key := header{name: http.CanonicalHeaderKey(name)}, "headers/"+name
		switch v := m[name].(type) {
		case engine.Leaf:
			if slices.Contains([]string{"Authorization", "Proxy-Authorization", "Cookie"}, h.name) {
				p.fail(key, fmt.Sprintf("a secret does not stand in a workflow, whose text is kept with its runs: put it into latchkey.yaml, "+
					"under secrets, and write `%s: {secret: NAME, prefix: \"Bearer \"}`", name))
				continue
			}
			h.value = p.text(v.At, v.Text)
		case map[string]any:
			if h.secret, h.prefix, ok = secretOf(v); !ok {
				p.fail(key, "a header is a text, or {secret: NAME, prefix: \"Bearer \"}")
				continue
			}
			a.checkSecret(p, key, h.secret)
		default:
			p.fail(key, "a header is one text, not a list")
		}
		switch {
		case !isToken(name):
			p.fail(key, fmt.Sprintf("%q is no name of a header", name))
		case slices.Contains(headersOfOurs, h.name):
			p.fail(key, "this header is set by Latchkey itself")
		}
		s.headers = append(s.headers, h)
	}
}

// checkBody reads the body: keys and values or a list are JSON, a text is itself.
func checkBody(p *pieces, s *webhookStep) {
	if s.Body == nil {
		return
	}
	if s.Method == http.MethodGet {
		p.fail("body", "a GET has no body")
	}
	leaf, ok := s.Body.(engine.Leaf)
	if !ok {
		s.body = p.shape(s.Body)
		return
	}
	if first := strings.TrimSpace(leaf.Text); strings.Contains(leaf.Text, "<<") && (strings.HasPrefix(first, "{") || strings.HasPrefix(first, "[")) {
		p.fail("body", "write the body as keys and values, not as one text: they are sent as JSON, and no value can break it")
		return
	}
	s.text = p.text(leaf.At, leaf.Text)
}

// Begin implements engine.Action.
func (a *Webhook) Begin(_ engine.Tx, call engine.Call) (engine.Attempt, error) {
	s := call.Settings.(*webhookStep)
	for _, name := range s.secrets() {
		if a.Secrets[name].IsZero() {
			return engine.Attempt{}, engine.Final(fmt.Errorf("latchkey.yaml has no secret %q any more", name))
		}
	}
	return engine.Attempt{To: a.host(s)}, nil
}

// secrets returns the names of the secrets that the step needs.
func (s *webhookStep) secrets() (names []string) {
	for _, h := range s.headers {
		names = append(names, h.secret)
	}
	names = append(names, s.urlSecret, s.Secret)
	return slices.DeleteFunc(names, func(n string) bool { return n == "" })
}

// host returns where the request goes, without what stands behind it.
func (a *Webhook) host(s *webhookStep) string {
	address := a.Secrets[s.urlSecret].Reveal()
	if leaf, ok := s.URL.(engine.Leaf); ok {
		address = strings.TrimSpace(leaf.Text)
	}
	_, rest, _ := strings.Cut(address, "://")
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	return rest
}

// Perform implements engine.Action. An answer of 2xx is done; 408, 425, 429, 5xx and a server that cannot be reached are
// temporary; a connection that broke after the request was written is unknown; all else is final.
func (a *Webhook) Perform(ctx context.Context, call engine.Call, at engine.Attempt) (engine.Receipt, error) {
	s := call.Settings.(*webhookStep)
	rec := engine.Receipt{Subject: s.Method}
	req, err := a.request(ctx, s, call)
	if err != nil {
		return rec, s.source.explain(err)
	}
	if a.HTTP == nil {
		return rec, errors.New("no HTTP client")
	}
	ans, err := exchange(a.HTTP, req, at.To, a.revealed(s))
	if err != nil {
		return rec, err
	}
	rec.ID = ans.id
	if err := ans.verdict(call.Now, a.revealed(s)); err != nil {
		return rec, err
	}
	if len(s.save) > 0 {
		rec.Answer = ans.read(s.save)
	}
	return rec, nil
}

// revealed returns the step's secrets, to be kept out of what is stored.
func (a *Webhook) revealed(s *webhookStep) (out []string) {
	for _, name := range s.secrets() {
		out = append(out, a.Secrets[name].Reveal())
	}
	return out
}

// request makes the request of one attempt. Its errors are final.
func (a *Webhook) request(ctx context.Context, s *webhookStep, call engine.Call) (*http.Request, error) {
	d := data(call, append(slices.Clone(defaultRoots), s.roots...), nil)
	address := a.Secrets[s.urlSecret].Reveal()
	if s.url != nil {
		var err error
		if address, err = s.url.Render(d, true); err != nil {
			return nil, err
		}
	}
	body, contentType, err := s.payload(d, call)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, s.Method, address, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the address cannot be used") // the error quotes it
	}
	req.Header.Set("User-Agent", "Latchkey")
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for _, h := range s.headers {
		value := h.prefix + a.Secrets[h.secret].Reveal()
		if h.value != nil {
			if value, err = h.value.Render(d, true); err != nil {
				return nil, err
			}
		}
		req.Header.Set(h.name, strings.TrimSpace(value))
	}
	req.Header.Set("Idempotency-Key", call.Task.ID.String())
	if s.Secret != "" {
		err = sign(req.Header, a.Secrets[s.Secret], call.Task.ID.String(), call.Now, body)
	}
	return req, err
}

// defaultRoots are what a body tells that the author did not write.
var defaultRoots = []string{"contact", "event", "offer", "product", "category", "lesson", "location"}

// payload makes the body and says of what type it is.
func (s *webhookStep) payload(d templates.Data, call engine.Call) (body []byte, contentType string, err error) {
	var v any
	switch {
	case s.text != nil:
		text, err := s.text.Value(d)
		return fmt.Append(nil, text), "text/plain; charset=utf-8", err
	case s.body != nil:
		v, err = s.body.make(d)
	case s.Method == http.MethodGet || s.Method == http.MethodDelete:
		return nil, "", nil
	default:
		v = defaultBody(d, call)
	}
	if err != nil {
		return nil, "", err
	}
	if body, err = json.Marshal(v); err != nil {
		return nil, "", fmt.Errorf("the body cannot be written as JSON: %w", err)
	}
	if len(body) > maxBody {
		return nil, "", fmt.Errorf("the body takes %d KiB; it may take %d", len(body)>>10, maxBody>>10)
	}
	return body, "application/json", nil
}

// defaultBody tells of the event and whom it is about, under the names that templates use.
func defaultBody(d templates.Data, call engine.Call) map[string]any {
	out := map[string]any{"run": map[string]any{"id": call.Run.ID.String(), "workflow": call.Run.Workflow, "step": strings.Join(call.Task.Step, "/")}}
	for _, root := range defaultRoots {
		if v := d.Values[root]; v != nil {
			out[root] = v
		}
	}
	out["location"] = map[string]any{"id": call.Location.ID, "name": call.Location.Name}
	return out
}

// Settle implements engine.Action.
func (a *Webhook) Settle(engine.Tx, engine.Call, engine.TaskState) error { return nil }
