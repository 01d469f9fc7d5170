package sso

import (
	"context"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"latchkey/engine"
	"latchkey/linkgen"
)

// jwtLife is how long a token for an app is good: it goes from our answer to the site's page and no further.
const jwtLife = 60 * time.Second

// claims is what a token for an app says.
type claims struct {
	Issuer        string `json:"iss,omitempty"`
	Audience      string `json:"aud,omitempty"`
	Subject       string `json:"sub,omitempty"`
	ID            string `json:"jti"`
	IssuedAt      int64  `json:"iat"`
	Expires       int64  `json:"exp"`
	Email         string `json:"email,omitempty"`
	EmailVerified *bool  `json:"email_verified,omitempty"`
	Name          string `json:"name,omitempty"`
	FirstName     string `json:"first_name,omitempty"`
	LastName      string `json:"last_name,omitempty"`
	ContactID     string `json:"contact_id,omitempty"`  // the site's own id
	ExternalID    string `json:"external_id,omitempty"` // what Thinkific calls sub
	To            string `json:"to,omitempty"`          // an address of the app
}

// withToken returns where a browser is sent with a token.
func (h *Handler) withToken(r *http.Request, s linkgen.Session, p *engine.Person, app *App, target string) (string, error) {
	if app.SSO == Thinkific {
		return h.thinkific(p, app, target)
	}
	c := h.claims(p)
	c.Issuer, c.Audience, c.Subject, c.ContactID, c.To = h.issuer(app.Location), app.audience(), p.Key.String(), p.Contact.ID, target
	c.Name = p.Contact.Name()
	if c.Email != "" {
		proven, err := h.proven(r.Context(), s, p)
		if err != nil {
			return "", err
		}
		c.EmailVerified = &proven
	}
	token, err := h.sign(app, c)
	if err != nil {
		return "", err
	}
	param := app.Param
	if param == "" {
		param = "token"
	}
	return withQuery(app.loginAt(app.Login, target), param, token), nil
}

// thinkific returns the address of Thinkific's JWT endpoint with a token as it wants it.
func (h *Handler) thinkific(p *engine.Person, app *App, target string) (string, error) {
	c := h.claims(p)
	c.FirstName, c.LastName, c.ExternalID = p.Contact.FirstName, p.Contact.LastName, p.Key.String()
	token, err := h.sign(app, c)
	if err != nil {
		return "", err
	}
	return withQuery(app.URL+"/api/sso/v2/sso/jwt", "jwt", token, "return_to", target, "error_url", h.issuer(app.Location)+"/"), nil
}

func (h *Handler) claims(p *engine.Person) claims {
	now := h.Now().Unix()
	return claims{ID: random(18), IssuedAt: now, Expires: now + int64(jwtLife/time.Second), Email: p.Contact.Email}
}

// sign signs with the secret that the app has, else with our newest key.
func (h *Handler) sign(app *App, c claims) (string, error) {
	key := jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: h.keys[0].key, KeyID: h.keys[0].id}}
	if !app.Secret.IsZero() {
		key = jose.SigningKey{Algorithm: jose.HS256, Key: []byte(app.Secret.Reveal())}
	}
	signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", err
	}
	return jwt.Signed(signer).Claims(c).Serialize()
}

// issuer returns the address by which a location's tokens name us.
func (h *Handler) issuer(location string) string {
	if loc := h.Location(location); loc != nil {
		return loc.BaseURL
	}
	return ""
}

// proven reports whether it is proven that the learner reads the contact's e-mail: the session's link was sent there.
func (h *Handler) proven(ctx context.Context, s linkgen.Session, p *engine.Person) (bool, error) {
	return h.Links.Proven(ctx, h.Stores, s, p.Contact.Email)
}
