package actions

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"latchkey/engine"
)

const (
	maxAnswer     = 256 << 10 // bytes of an answer that are read
	maxRedirects  = 3
	maxRetryAfter = 6 * time.Hour
	excerptLong   = 200 // bytes of a refusal that are kept
)

// NewHTTPClient returns the client of all webhooks. It keeps connections and follows a redirect only to the same host and
// with the same method. How long a request may take is its context's. Close its idle connections at the end.
func NewHTTPClient() *http.Client {
	return &http.Client{
		CheckRedirect: sameHost,
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			TLSHandshakeTimeout:    5 * time.Second,
			ForceAttemptHTTP2:      true,
			MaxIdleConns:           64,
			MaxIdleConnsPerHost:    16,
			IdleConnTimeout:        90 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
		},
	}
}

// sameHost is an http.Client's CheckRedirect. What is not followed is the answer.
func sameHost(req *http.Request, via []*http.Request) error {
	if first := via[0]; len(via) > maxRedirects || req.URL.Host != first.URL.Host || req.URL.Scheme != first.URL.Scheme || req.Method != first.Method {
		return http.ErrUseLastResponse
	}
	return nil
}

// signingKey returns the bytes that a secret signs with: of "whsec_…" what it encodes, else the text itself.
func signingKey(s engine.Secret) ([]byte, error) {
	text, ok := strings.CutPrefix(s.Reveal(), "whsec_")
	if !ok {
		return []byte(text), nil
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, errors.New("behind whsec_ stands no base64")
	}
	return key, nil
}

// sign sets the headers of Standard Webhooks 1.0.0.
func sign(h http.Header, s engine.Secret, id string, now time.Time, body []byte) error {
	key, err := signingKey(s)
	if err != nil {
		return err
	}
	at := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", id, at, body)
	h.Set("webhook-id", id)
	h.Set("webhook-timestamp", at)
	h.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return nil
}

// An answer is what came back, as far as it is looked at.
type answer struct {
	status     int
	body       []byte
	short      bool   // the body is not all there
	id         string // what the other side calls the request, if it says so
	retryAfter string
	date       string
}

// exchange sends a request and reads the answer. What it tells of either quotes neither address nor secrets, and is short.
func exchange(c *http.Client, req *http.Request, host string, secrets []string) (*answer, error) {
	var wrote atomic.Bool
	req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		WroteRequest: func(i httptrace.WroteRequestInfo) {
			if i.Err == nil {
				wrote.Store(true)
			}
		},
	}))
	resp, err := c.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // without the address, which may hold a learner's
		}
		err = fmt.Errorf("%s: %w", host, &told{err, brief(err.Error(), secrets)})
		if wrote.Load() {
			return nil, engine.Unknown(err)
		}
		return nil, err
	}
	defer resp.Body.Close()
	a := &answer{status: resp.StatusCode, retryAfter: resp.Header.Get("Retry-After"), date: resp.Header.Get("Date")}
	if id := resp.Header.Get("X-Request-Id"); len(id) <= 100 {
		a.id = brief(id, secrets)
	}
	a.body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if len(a.body) > maxAnswer || err != nil {
		a.short = true
	}
	return a, nil
}

// verdict says what the status means. secrets are kept out of the error.
func (a *answer) verdict(now time.Time, secrets []string) error {
	if a.status >= 200 && a.status <= 299 {
		return nil
	}
	err := fmt.Errorf("answered %d %s%s", a.status, http.StatusText(a.status), a.excerpt(secrets))
	switch {
	case a.status >= 300 && a.status <= 399:
		return engine.Final(fmt.Errorf("%w: redirects to another host, or with another method, are not followed; write the address that it leads to", err))
	case a.status != http.StatusRequestTimeout && a.status != http.StatusTooEarly && a.status != http.StatusTooManyRequests && a.status < 500:
		return engine.Final(err)
	}
	if after, ok := a.later(now); ok {
		return engine.Later(err, after)
	}
	return err
}

// later reads Retry-After: seconds, or a date (RFC 9110, 10.2.3), counted from the answer's own.
func (a *answer) later(now time.Time) (time.Duration, bool) {
	if a.retryAfter == "" {
		return 0, false
	}
	if s, err := strconv.ParseUint(a.retryAfter, 10, 31); err == nil {
		return min(time.Duration(s)*time.Second, maxRetryAfter), true
	}
	at, err := http.ParseTime(a.retryAfter)
	if err != nil {
		return 0, false
	}
	if date, err := http.ParseTime(a.date); err == nil {
		now = date
	}
	return max(0, min(at.Sub(now), maxRetryAfter)), true
}

// excerpt quotes the beginning of an answer that is a text.
func (a *answer) excerpt(secrets []string) string {
	text := brief(string(a.body), secrets)
	if text == "" || strings.HasPrefix(text, "<") {
		return "" // a page for people says nothing here
	}
	return ": " + text
}

// brief returns the beginning of what another server wrote, in one line, without secrets and without what a terminal would obey.
func brief(text string, secrets []string) string {
	text = strings.ToValidUTF8(text, "?")
	for _, s := range secrets {
		text = strings.ReplaceAll(text, s, "[redacted]")
	}
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) || r == ' ' }), " ")
	if len(text) > excerptLong {
		text = strings.ToValidUTF8(text[:excerptLong], "") + "…"
	}
	return text
}

// told is an error that says less than it is.
type told struct {
	error
	text string
}

func (e *told) Error() string { return e.text }
func (e *told) Unwrap() error { return e.error }

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// isToken reports whether s may name a header (RFC 9110, 5.6.2).
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
