// Package twilio is the Texter that hands SMS to Twilio's Messages API, through Twilio's own client. It owns the
// account's credentials, what each refusal means, and whether a request that failed may still have been taken. It does
// not render, count segments or retry, and knows nothing of replies and delivery reports.
package twilio

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twilio/twilio-go/client"
	api "github.com/twilio/twilio-go/rest/api/v2010"

	"latchkey/actions"
	"latchkey/engine"
)

// Config says which account sends, and as whom. BaseURL and Timeout may be left out.
type Config struct {
	AccountSID string
	AuthToken  engine.Secret
	From       string // E.164 number, short code or sender name, or the SID of a messaging service (MG…)
	// BaseURL is where the API is, for a regional edge or a test: scheme, host and perhaps a path.
	// Empty: https://api.twilio.com. http only on loopback, for the token goes along.
	BaseURL string
	Timeout time.Duration // of one request; 0: 15 s
}

// A Texter sends SMS through Twilio. It is an actions.Texter.
type Texter struct {
	cfg       Config
	base      *url.URL
	transport *http.Transport
	down      atomic.Pointer[error]
}

// New returns a Texter. It fails if the configuration lacks something or would send the token in the clear.
func New(cfg Config) (*Texter, error) {
	if cfg.BaseURL == "" {
		cfg.BaseURL = "https://api.twilio.com"
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 15 * time.Second
	}
	base, err := url.Parse(cfg.BaseURL)
	switch {
	case cfg.AccountSID == "" || cfg.AuthToken.IsZero():
		return nil, errors.New("twilio: account_sid and auth_token are both needed")
	case strings.ContainsFunc(cfg.AccountSID+cfg.AuthToken.Reveal(), notAlnum):
		return nil, errors.New("twilio: account_sid and auth_token are letters and digits only")
	case err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http":
		return nil, errors.New("twilio: base_url is not of the form https://host")
	case base.Scheme == "http" && !loopback(base.Hostname()):
		return nil, errors.New("twilio: base_url must be https, except on loopback: the token goes with each request")
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 8
	return &Texter{cfg: cfg, base: base, transport: t}, nil
}

func notAlnum(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9')
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

var e164 = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

// Send implements actions.Texter: it returns nil when Twilio has taken the message, with its SID. That is not yet a
// delivery. Twilio's API cannot be told that a request is the second of its kind, so whatever may have been taken is
// marked engine.Unknown.
func (t *Texter) Send(ctx context.Context, out actions.Text) (actions.Receipt, error) {
	if !e164.MatchString(out.To) {
		return actions.Receipt{}, engine.Final(errors.New("twilio: the phone number is not of the form +441632960961"))
	}
	from := out.From
	if from == "" {
		from = t.cfg.From
	}
	params := (&api.CreateMessageParams{}).SetTo(out.To).SetBody(out.Body)
	if strings.HasPrefix(from, "MG") && len(from) == 34 {
		params.SetMessagingServiceSid(from)
	} else {
		params.SetFrom(from)
	}
	ctx, cancel := context.WithTimeout(ctx, t.cfg.Timeout)
	defer cancel()
	c := &call{ctx: ctx, base: t.base, next: t.transport}
	sid, err := c.create(t.cfg, params)
	t.note(err)
	return actions.Receipt{ID: sid}, err
}

// create makes the one request through Twilio's client.
func (c *call) create(cfg Config, params *api.CreateMessageParams) (string, error) {
	cl := &client.Client{
		Credentials: client.NewCredentials(cfg.AccountSID, cfg.AuthToken.Reveal()),
		HTTPClient:  &http.Client{Transport: c, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
	cl.SetAccountSid(cfg.AccountSID)
	// Not NewRequestHandler, which lets TWILIO_EDGE and TWILIO_REGION redirect what the configuration says.
	msg, err := api.NewApiService(&client.RequestHandler{Client: cl}).CreateMessage(params)
	if err = c.classify(err); err != nil {
		return "", err
	}
	if msg == nil || msg.Sid == nil {
		return "", engine.Unknown(fmt.Errorf("twilio: status %d without a message id", c.status))
	}
	return *msg.Sid, nil
}

// note remembers whether the account can send at all.
func (t *Texter) note(err error) {
	switch {
	case err == nil:
		t.down.Store(nil)
	case engine.IsDown(err):
		t.down.Store(&err)
	}
}

// Down returns why messages do not go out at all, or nil: the last error marked by engine.Down since one was taken.
func (t *Texter) Down() error {
	if p := t.down.Load(); p != nil {
		return *p
	}
	return nil
}

// Close ends idle connections.
func (t *Texter) Close() error {
	t.transport.CloseIdleConnections()
	return nil
}
