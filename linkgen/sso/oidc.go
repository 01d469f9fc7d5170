package sso

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"latchkey/engine"
	"latchkey/linkgen"
)

// Paths of the OpenID provider.
const (
	discoveryPath  = "/.well-known/openid-configuration"
	authorizePath  = "/oidc/authorize"
	tokenPath      = "/oidc/token"
	userinfoPath   = "/oidc/userinfo"
	endSessionPath = "/oidc/end_session"
	jwksPath       = "/.well-known/jwks.json"
)

// A provider is an OpenID provider whose learners sign in by magic link alone. The library checks requests, clients and
// codes; which learner it is, and what is stored, is ours.
type provider struct {
	h      *Handler
	op     *op.Provider
	crypto tokenCrypto
	keys   func() ([]signKey, error) // RSA, which takes a moment to make: only once somebody needs one
	pace   *pace
}

func newProvider(h *Handler) (*provider, error) {
	p := &provider{h: h, crypto: tokenCrypto{h.sealer}, pace: newPace(h.Now)}
	p.keys = onceRight(func() ([]signKey, error) { return oidcKeys.Open(h.Keys) })
	issuer := func(bool) (op.IssuerFromRequest, error) { return p.issuer, nil }
	var err error
	p.op, err = op.NewProvider(&op.Config{CodeMethodS256: true, AuthMethodPost: true}, storage{p}, issuer,
		op.WithCrypto(p.crypto), op.WithCORSOptions(nil))
	return p, err
}

// onceRight calls open until it succeeds, and then never again.
func onceRight(open func() ([]signKey, error)) func() ([]signKey, error) {
	var mu sync.Mutex
	var keys []signKey
	return func() (_ []signKey, err error) {
		mu.Lock()
		defer mu.Unlock()
		if keys == nil {
			keys, err = open()
		}
		return keys, err
	}
}

func (p *provider) routes(mux *http.ServeMux) {
	for pattern, serve := range map[string]http.HandlerFunc{
		"GET " + discoveryPath:   p.discover,
		"GET " + authorizePath:   p.authorize,
		"POST " + authorizePath:  p.authorize,
		"POST " + tokenPath:      p.token,
		"GET " + userinfoPath:    func(w http.ResponseWriter, r *http.Request) { op.Userinfo(w, r, p.op) },
		"POST " + userinfoPath:   func(w http.ResponseWriter, r *http.Request) { op.Userinfo(w, r, p.op) },
		"GET " + endSessionPath:  func(w http.ResponseWriter, r *http.Request) { op.EndSession(w, r, ender{p.op}) },
		"POST " + endSessionPath: func(w http.ResponseWriter, r *http.Request) { op.EndSession(w, r, ender{p.op}) },
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if !p.used() {
				p.h.Trouble(w, r, "", NoApp)
				return
			}
			serve(w, r.WithContext(op.ContextWithIssuer(r.Context(), p.issuer(r))))
		})
	}
}

// used reports whether there is a client at all.
func (p *provider) used() bool {
	return slices.ContainsFunc(p.h.Apps(), func(a App) bool { return a.SSO == OIDC })
}

// issuer returns the base URL that a request came to: one of the configured ones, whatever Host it names.
func (p *provider) issuer(r *http.Request) string {
	for _, a := range p.h.Apps() {
		base := p.h.issuer(a.Location)
		if u, err := url.Parse(base); err == nil && a.SSO == OIDC && strings.EqualFold(u.Host, r.Host) {
			return base
		}
	}
	return p.h.issuer(p.h.Home)
}

// discover serves what there is, and nothing that the library could do beside it.
func (p *provider) discover(w http.ResponseWriter, r *http.Request) {
	base := op.IssuerFromContext(r.Context())
	writeJSON(w, &oidc.DiscoveryConfiguration{
		Issuer: base, AuthorizationEndpoint: base + authorizePath, TokenEndpoint: base + tokenPath,
		UserinfoEndpoint: base + userinfoPath, EndSessionEndpoint: base + endSessionPath, JwksURI: base + jwksPath,
		ScopesSupported:                   []string{oidc.ScopeOpenID, oidc.ScopeProfile, oidc.ScopeEmail},
		ResponseTypesSupported:            []string{string(oidc.ResponseTypeCode)},
		ResponseModesSupported:            []string{string(oidc.ResponseModeQuery)},
		GrantTypesSupported:               []oidc.GrantType{oidc.GrantTypeCode},
		SubjectTypesSupported:             []string{"public"},
		IDTokenSigningAlgValuesSupported:  []string{"RS256"},
		TokenEndpointAuthMethodsSupported: []oidc.AuthMethod{oidc.AuthMethodBasic, oidc.AuthMethodPost},
		CodeChallengeMethodsSupported:     []oidc.CodeChallengeMethod{oidc.CodeChallengeMethodS256},
		ClaimsSupported: []string{"sub", "aud", "exp", "iat", "iss", "auth_time", "nonce", "amr", "azp", "at_hash", "c_hash", "sid",
			"name", "given_name", "family_name", "email", "email_verified", "zoneinfo", "contact_id"},
	})
}

// Limits of what a site may have us carry for it.
const (
	maxNonceOIDC = 512
	minChallenge = 43 // base64url of a SHA-256
)

// authorize is where a site sends a browser to be told who it is.
func (p *provider) authorize(w http.ResponseWriter, r *http.Request) {
	app, req, ok := p.requested(w, r)
	if !ok {
		return
	}
	if r.Method == http.MethodPost { // with which a browser brings no session from another site
		redirect(w, authorizePath+"?"+r.Form.Encode())
		return
	}
	hint, err := op.ValidateAuthRequestClient(r.Context(), req, client{app}, p.op.IDTokenHintVerifier(r.Context()))
	if err == nil {
		err = p.acceptable(&app, req, r.Form)
	}
	if err != nil {
		p.deny(w, r, app, req, err)
		return
	}
	s, person, err := p.h.Visitor(r)
	if err != nil {
		p.h.fail(w, r, app, err)
		return
	}
	silent := slices.Contains(req.Prompt, oidc.PromptNone)
	switch {
	case s.As != "" && !silent:
		p.h.trouble(w, r, app, Viewing)
	case s.As != "":
		p.deny(w, r, app, req, oidc.ErrLoginRequired())
	case person != nil && s.Location == app.Location && hint != "" && hint != person.Key.String():
		p.deny(w, r, app, req, oidc.ErrLoginRequired().WithDescription("somebody else is signed in"))
	case person != nil && s.Location == app.Location && p.recent(r, req, s):
		if !person.HasAccess() {
			p.deny(w, r, app, req, oidc.ErrAccessDenied().WithDescription("no course is granted"))
			return
		}
		p.grant(w, r, app, req, s, person)
	case silent:
		p.deny(w, r, app, req, oidc.ErrLoginRequired())
	default:
		p.ask(w, r, app, req, s, person)
	}
}

// deny sends the browser back with what was wrong. The library's own way writes the request into the log of the process.
func (p *provider) deny(w http.ResponseWriter, r *http.Request, app App, req *oidc.AuthRequest, err error) {
	p.h.clearPending(w, r)
	e := oidc.ErrServerError()
	if !errors.As(err, &e) {
		p.h.Log.Error().Err(err).Msg("cannot answer an OpenID request")
	} else {
		p.h.Log.Info().Str("client", req.ClientID).Str("error", string(e.ErrorType)).Str("why", e.Description).Msg("OpenID request denied")
	}
	p.h.count(app, string(e.ErrorType))
	params := []string{"error", string(e.ErrorType)}
	for name, v := range map[string]string{"error_description": e.Description, "state": req.State} {
		if v != "" {
			params = append(params, name, v)
		}
	}
	w.Header().Set("Location", withQuery(req.RedirectURI, params...))
	w.WriteHeader(http.StatusFound)
}

// requested finds the client of a request and where its answers go. Until both are known nothing is sent anywhere, so what
// is wrong is told on a page of ours.
func (p *provider) requested(w http.ResponseWriter, r *http.Request) (App, *oidc.AuthRequest, bool) {
	var app App // once it is known
	refuse := func(why string) (App, *oidc.AuthRequest, bool) {
		p.h.Log.Warn().Str("why", why).Msg("an OpenID request is refused")
		p.h.clearPending(w, r)
		p.h.trouble(w, r, app, AppMistake)
		return App{}, nil, false
	}
	if err := r.ParseForm(); err != nil {
		return refuse("it cannot be read")
	}
	for _, values := range r.Form {
		if len(values) != 1 { // RFC 6749, 3.1
			return refuse("a parameter comes twice")
		}
	}
	c, err := p.op.Storage().GetClientByClientID(r.Context(), r.Form.Get("client_id"))
	if err != nil {
		return refuse("no such client_id")
	}
	app = c.(client).App
	if !slices.Contains(app.Redirects, r.Form.Get("redirect_uri")) {
		return refuse("redirect_uri is none of apps." + app.Name + ".redirects")
	}
	req, err := op.ParseAuthorizeRequest(r, p.op.Decoder())
	if err != nil {
		return refuse("it cannot be read")
	}
	return app, req, true
}

// acceptable checks what the library leaves to us.
func (p *provider) acceptable(app *App, req *oidc.AuthRequest, form url.Values) error {
	bad := func(why string) error { return oidc.ErrInvalidRequest().WithDescription("%s", why) }
	switch {
	case form.Has("request") || form.Has("request_uri"):
		return oidc.ErrRequestNotSupported()
	case !slices.Contains(req.Scopes, oidc.ScopeOpenID):
		return oidc.ErrInvalidScope().WithDescription("scope openid is needed")
	case req.ResponseMode != "" && req.ResponseMode != oidc.ResponseModeQuery:
		return bad("response_mode is query")
	case req.CodeChallenge == "" && form.Has("code_challenge_method"), req.CodeChallenge == "" && !app.NoPKCE:
		return bad("PKCE is needed: code_challenge with code_challenge_method S256")
	case req.CodeChallenge != "" && req.CodeChallengeMethod != oidc.CodeChallengeMethodS256:
		return bad("code_challenge_method is S256")
	case req.CodeChallenge != "" && (len(req.CodeChallenge) != minChallenge || strings.ContainsFunc(req.CodeChallenge, func(c rune) bool { return !wordRune(c) })):
		return bad("code_challenge is a SHA-256 in base64url")
	case len(req.Nonce) > maxNonceOIDC:
		return bad("nonce is too long")
	}
	return nil
}

// recent reports whether a learner signed in as lately as a request wants (max_age, prompt=login). One who signed in since it was
// first made did.
func (p *provider) recent(r *http.Request, req *oidc.AuthRequest, s linkgen.Session) bool {
	if req.MaxAge == nil {
		return true
	}
	if w, ok := p.h.pending(r); ok && w.Path == authorizePath+"?"+r.Form.Encode() && !s.Created.Before(w.At) {
		return true
	}
	return *req.MaxAge > 0 && p.h.Now().Sub(s.Created) <= time.Duration(*req.MaxAge)*time.Second
}

// ask has a visitor sign in first, and keeps the request in their browser. Who has to sign in again is signed out.
func (p *provider) ask(w http.ResponseWriter, r *http.Request, app App, req *oidc.AuthRequest, s linkgen.Session, person *engine.Person) {
	if person != nil && s.Location == app.Location {
		if err := p.h.Links.SignOut(r.Context(), p.h.Stores, s, "signed out by "+app.Name); err != nil {
			p.h.fail(w, r, app, err)
			return
		}
	}
	if !p.h.wait(w, app, authorizePath+"?"+r.Form.Encode()) {
		p.deny(w, r, app, req, oidc.ErrInvalidRequest().WithDescription("the request is too long"))
	}
}

// grant stores who signed in, and sends the browser back with a code for it.
func (p *provider) grant(w http.ResponseWriter, r *http.Request, app App, req *oidc.AuthRequest, s linkgen.Session, person *engine.Person) {
	now := p.h.Now()
	g := &grant{
		ID: newGrantID(app.Location, s.Contact.Shard()), Contact: s.Contact, Subject: person.Key.String(), Session: s.ID, Link: s.Link,
		Client: app.ClientID(), Redirect: req.RedirectURI, Nonce: req.Nonce, Challenge: req.CodeChallenge,
		Scopes: offered(req.Scopes), Signed: s.Created, Expires: now.Add(codeLife),
	}
	err := p.h.Stores.For(g.ID.shard()).Update(r.Context(), func(tx engine.Tx) error {
		save(tx, g.ID.key(), g)
		return nil
	})
	if err != nil {
		p.h.fail(w, r, app, err)
		return
	}
	p.h.clearPending(w, r)
	p.h.handedOff(r, s, app)
	op.AuthResponse(authRequest{g, req.State}, p.op, w, r)
}

// offered leaves out scopes that we have nothing for.
func offered(scopes []string) []string {
	return slices.DeleteFunc(slices.Clone(scopes), func(s string) bool {
		return s != oidc.ScopeOpenID && s != oidc.ScopeProfile && s != oidc.ScopeEmail
	})
}

// An ender is the provider as op.EndSession sees it: where nothing else is said, signing out leads to the portal.
type ender struct{ *op.Provider }

// DefaultLogoutRedirectURI implements op.SessionEnder.
func (e ender) DefaultLogoutRedirectURI() string { return "/" }

// TerminateSessionFromRequest implements op.CanTerminateSessionFromRequest: it ends the portal session that an id token came
// from. A request without one may come from any page; it leads to the portal, which has a button to sign out.
func (s storage) TerminateSessionFromRequest(ctx context.Context, req *op.EndSessionRequest) (string, error) {
	if req.IDTokenHintClaims == nil {
		return "/", nil
	}
	sid, _ := req.IDTokenHintClaims.Claims["sid"].(string)
	c, err := s.GetClientByClientID(ctx, req.ClientID)
	if err != nil {
		return "", err
	}
	contact, err := engine.ParseID(req.UserID)
	if err != nil {
		return "", fmt.Errorf("end session: %w", err)
	}
	app := c.(client)
	all, err := s.h.Links.Sessions(ctx, s.h.Stores, app.Location, contact, s.h.Now()) // also those of contacts that it absorbed
	if err != nil {
		return "", err
	}
	for _, session := range all {
		if session.ID == sid {
			return req.RedirectURI, s.h.Links.SignOut(ctx, s.h.Stores, session, "signed out by "+app.Name)
		}
	}
	return req.RedirectURI, nil
}
