package twilio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twilio/twilio-go/client"

	"latchkey/actions"
	"latchkey/engine"
)

// A call carries one request. Twilio's client takes no context, has one host, and keeps neither status nor headers of a
// reply: as its RoundTripper, a call adds the first, changes the second and keeps the third.
type call struct {
	ctx  context.Context // of this one call, which ends before Send does
	base *url.URL
	next http.RoundTripper

	wrote  atomic.Bool // some of the request may have left
	status int
	header http.Header
}

const maxReply = 64 << 10

// RoundTrip implements http.RoundTripper.
func (c *call) RoundTrip(req *http.Request) (*http.Response, error) {
	trace := &httptrace.ClientTrace{WroteHeaders: func() { c.wrote.Store(true) }}
	req = req.Clone(httptrace.WithClientTrace(c.ctx, trace))
	req.URL.Scheme, req.URL.Host, req.Host = c.base.Scheme, c.base.Host, ""
	req.URL.Path = strings.TrimSuffix(c.base.Path, "/") + req.URL.Path
	resp, err := c.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	c.status, c.header = resp.StatusCode, resp.Header
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	resp.Body.Close() // Twilio's client leaves it open after an error
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// An Error is what Twilio answered, or why it did not. Phone numbers in its text are shortened.
type Error struct {
	Status  int    // HTTP status; 0: no reply
	Code    int    // Twilio's error code, see twilio.com/docs/api/errors; 0: none
	Message string // Twilio's text
	err     error
}

// Error gives code and text.
func (e *Error) Error() string {
	switch {
	case e.Code != 0:
		return fmt.Sprintf("twilio: error %d: %s", e.Code, e.Message)
	case e.Status != 0:
		return fmt.Sprintf("twilio: http status %d", e.Status)
	}
	return fmt.Sprintf("twilio: %v", e.err)
}

// Unwrap returns actions.ErrStopped, or the network's error if there was no reply.
func (e *Error) Unwrap() error { return e.err }

// senderCodes are refusals that every message of this account or sender would get.
var senderCodes = map[int]bool{
	20003: true, // authentication failed
	20005: true, // account not active
	21212: true, // invalid From
	21603: true, // From missing
	21606: true, // From cannot send to this destination type or is not ours
	21607: true, // trial account: From
	21659: true, // From is not a number of the account
	21660: true, // From belongs to another account
	21661: true, // From cannot send SMS
	21701: true, // messaging service does not exist
	21703: true, // messaging service has no sender
	21704: true, // messaging service has no sender for this
	21705: true, // messaging service is invalid
}

// busyCodes pass with time.
var busyCodes = map[int]bool{
	14107: true, // message rate
	20429: true, // too many requests
	21611: true, // From has too many messages queued
}

const codeStopped = 21610

// classify marks an error by what it means for the message:
//   - no reply, though the request may have left: unknown; 500, 502 and 504 too, for Twilio says of 20500 that the
//     message may have gone out;
//   - no connection, a refused account or sender: the channel is at fault;
//   - 429, 503 and full queues: temporary, at the time that Retry-After says;
//   - any other refusal: final; of 21610 it wraps actions.ErrStopped.
func (c *call) classify(err error) error {
	if err == nil {
		return nil
	}
	e := c.newError(err)
	switch {
	case c.status == 0 && c.wrote.Load(), c.status >= 200 && c.status < 400:
		return engine.Unknown(e)
	case c.status == 0 && c.ctx.Err() != nil && !errors.Is(c.ctx.Err(), context.DeadlineExceeded):
		return e
	case c.status == 0:
		return engine.Down(e)
	case c.status == http.StatusTooManyRequests, c.status == http.StatusServiceUnavailable, busyCodes[e.Code]:
		if wait, ok := retryAfter(c.header.Get("Retry-After"), time.Now()); ok {
			return engine.Later(e, wait)
		}
		return e
	case c.status >= 500:
		return engine.Unknown(e)
	case senderCodes[e.Code], c.status == http.StatusUnauthorized, c.status == http.StatusForbidden && e.Code == 0, c.status == http.StatusNotFound:
		return engine.Down(e)
	}
	return engine.Final(e)
}

func (c *call) newError(err error) *Error {
	e := &Error{Status: c.status, err: err}
	var rest *client.TwilioRestError
	var u *url.Error
	switch {
	case errors.As(err, &rest):
		e.Code, e.Message, e.err = rest.Code, maskNumbers(rest.Message), nil
	case errors.As(err, &u): // it would repeat the account's address
		e.err = u.Err
	}
	if e.Code == codeStopped {
		e.err = actions.ErrStopped
	}
	return e
}

// retryAfter reads seconds or an HTTP date (RFC 9110 section 10.2.3).
func retryAfter(s string, now time.Time) (time.Duration, bool) {
	if n, err := strconv.Atoi(strings.TrimSpace(s)); err == nil && n >= 0 && n <= 7*24*3600 {
		return time.Duration(n) * time.Second, true
	}
	if at, err := http.ParseTime(s); err == nil {
		return max(0, at.Sub(now)), true
	}
	return 0, false
}

var longNumber = regexp.MustCompile(`\+?[0-9]{7,}`)

func maskNumbers(s string) string { return longNumber.ReplaceAllStringFunc(s, actions.MaskAddress) }
