package console

import (
	"fmt"
	"net/http"
)

// A route is one of the admin API: who may take it, and what the audit list says of whoever did.
type route struct {
	pattern string
	action  Action
	did     string
	fn      func(*http.Request) (any, error)
}

func (c Config) routes() []route {
	return []route{
		{"GET /v1/status", See, "", func(r *http.Request) (any, error) { return c.Status(r.Context()) }},
		{"POST /v1/pause", Steer, "paused sending", c.pause},
		{"POST /v1/resume", Steer, "resumed sending", c.resume},
		{"GET /v1/messages", See, "", c.listMessages},
		{"GET /v1/messages/{id}", See, "", c.showMessage},
		{"POST /v1/messages/{id}/retry", Steer, "retried a message", c.control(Control.RetryMessage)},
		{"POST /v1/messages/{id}/resend", Steer, "sent a message again", c.control(Control.ResendMessage)},
		{"POST /v1/runs/{id}/cancel", Steer, "cancelled a run", c.control(Control.CancelRun)},
		{"POST /v1/runs/{id}/retry", Steer, "retried a run", c.control(Control.RetryRun)},
		{"GET /v1/runs", See, "", c.listRuns},
		{"GET /v1/runs/{id}", See, "", c.showRun},
		{"GET /v1/events", See, "", c.listEvents},
		{"GET /v1/events/{id}", See, "", c.showEvent},
		{"GET /v1/dead", SeeHouse, "", c.listDead},
		{"GET /v1/dead/{letter}", SeeHouse, "", c.showDead},
		{"POST /v1/dead/{letter}/replay", Steer, "replayed a dead letter", c.replayOne},
		{"POST /v1/dead/replay", Steer, "replayed dead letters", c.replayMany},
		{"GET /v1/contacts/{ref}", See, "", c.showContact},
		{"GET /v1/contacts/{ref}/links", See, "", c.contactLinks},
		{"POST /v1/contacts/{ref}/forget", Forget, "forgot a contact", c.forgetContact},
		{"POST /v1/contacts/{ref}/send", SendLogin, "sent a login message", c.sendMailing},
		{"POST /v1/contacts", Invite, "imported contacts", c.importContacts},
		{"POST /v1/links", MakeLink, "made a link", c.newLink},
		{"GET /v1/links", See, "", c.listLinks},
		{"GET /v1/links/{id}/timeline", See, "", func(r *http.Request) (any, error) { return c.Book.Timeline(r.Context(), r.PathValue("id")) }},
		{"GET /v1/contacts/{ref}/sessions", See, "", c.listSessions},
		{"POST /v1/revoke", RevokeMany, "", c.endMany},
		{"GET /v1/audit", SeeHouse, "", c.listAudit},
		{"POST /v1/signin", SignStaff, "made a sign-in link", c.newSignIn},
		{"GET /v1/links/{id}", See, "", func(r *http.Request) (any, error) { return c.Links.Link(r.Context(), r.PathValue("id")) }},
		{"POST /v1/links/{id}/check", See, "", c.checkLink},
		{"POST /v1/links/{id}/revoke", RevokeLink, "revoked a link", func(r *http.Request) (any, error) { return c.revoke(r) }},
	}
}

// sendMailing has a message sent that was asked for by hand.
func (c Config) sendMailing(r *http.Request) (any, error) {
	var m Mailing
	if err := readBody(r, &m); err != nil {
		return nil, err
	}
	m.Contact = r.PathValue("ref")
	return c.mail(r, m)
}

func (c Config) mail(r *http.Request, m Mailing) (Mailed, error) {
	if c.Mailings == nil {
		return Mailed{}, fmt.Errorf("%w: this server sends nothing by hand", ErrInvalid)
	}
	if m.Kind == "" {
		m.Kind = MailLogin
	}
	if m.Channel == "" {
		m.Channel = "email"
	}
	p, err := c.Contacts.Contact(r.Context(), c.Location.ID, m.Contact)
	if err != nil {
		return Mailed{}, err
	}
	m.Location, m.By, m.Contact = c.Location.ID, By(r.Context()), p.Key.String()
	out, err := c.Mailings.Send(r.Context(), m)
	out.Contact = m.Contact
	return out, err
}

// pages are those to look at, by their patterns.
func (c *Config) pages() map[string]leaf {
	return map[string]leaf{
		"GET /{$}":            {"overview", "Overview", "/", See, c.overviewPage},
		"GET /workflows":      {"workflows", "Workflows", "/workflows", See, c.workflowsPage},
		"GET /workflows/{id}": {"workflow", "Workflow", "/workflows", See, c.workflowPage},
		"GET /runs":           {"runs", "Runs", "/runs", See, c.runsPage},
		"GET /runs/{id}":      {"run", "Run", "/runs", See, c.runPage},
		"GET /messages":       {"messages", "Messages", "/messages", See, c.messagesPage},
		"GET /messages/{id}":  {"message", "Message", "/messages", See, c.messagePage},
		"GET /contacts":       {"contacts", "Contacts", "/contacts", See, c.contactsPage},
		"GET /contacts/{ref}": {"contact", "Contact", "/contacts", See, c.contactPage},
		"GET /links":          {"links", "Links", "/links", See, c.linksPage},
		"GET /links/{id}":     {"link", "Link", "/links", See, c.linkPage},
		"GET /portal":         {"portal", "Client Portal", "/portal", MakeLink, c.portalPage},
		"GET /dead":           {"dead", "Dead letters", "/dead", SeeHouse, c.deadPage},
		"GET /dead/{letter}":  {"letter", "Dead letter", "/dead", SeeHouse, c.letterPage},
		"GET /audit":          {"audit", "Audit", "/audit", SeeHouse, c.auditPage},
	}
}

// A button is a form of a page: who may press it, what the audit list says then, and what it does.
type button struct {
	at     string // the page's entry of the rail
	action Action
	did    string
	fn     func(*http.Request) (v any, to string, err error)
}

func (c *Config) buttons() map[string]button {
	return map[string]button{
		"POST /links/{id}/revoke":    {"/links", RevokeLink, "revoked a link", c.revokeLink},
		"POST /contacts/{ref}/send":  {"/contacts", SendLogin, "sent a login message", c.sendLogin},
		"POST /contacts/{ref}/end":   {"/contacts", RevokeMany, "", c.endContact},
		"POST /runs/{id}/end":        {"/runs", RevokeMany, "", c.endRun},
		"POST /workflows/{id}/end":   {"/workflows", RevokeMany, "", c.endWorkflow},
		"POST /messages/{id}/retry":  {"/messages", Steer, "retried a message", c.retryMessage},
		"POST /messages/{id}/resend": {"/messages", Steer, "sent a message again", c.resendMessage},
		"POST /runs/{id}/cancel":     {"/runs", Steer, "cancelled a run", c.cancelRun},
		"POST /runs/{id}/retry":      {"/runs", Steer, "retried a run", c.retryRun},
		"POST /dead/{letter}/replay": {"/dead", Steer, "replayed a dead letter", c.replayForm},
		"POST /audit/{id}/signout":   {"/audit", SignStaff, "signed somebody out", c.signOutOther},
		"POST /pause":                {"/", Steer, "paused sending", c.pauseForm},
		"POST /resume":               {"/", Steer, "resumed sending", c.resumeForm},
	}
}

// Routes returns the patterns of all that a role decides about, for tests.
func Routes() (all []string) {
	var c Config
	for _, r := range c.routes() {
		all = append(all, r.pattern)
	}
	for pattern := range c.pages() {
		all = append(all, pattern)
	}
	for pattern := range c.buttons() {
		all = append(all, pattern)
	}
	return append(all, generatePattern, invitePattern)
}

const generatePattern = "POST /portal"

// pageRoutes mounts the pages.
func (c *Config) pageRoutes(mux *http.ServeMux) {
	assets(mux)
	for pattern, l := range c.pages() {
		mux.HandleFunc(pattern, c.leaf(l))
	}
	for pattern, b := range c.buttons() {
		mux.HandleFunc(pattern, c.form(b.at, b.action, b.did, b.fn))
	}
	mux.HandleFunc(generatePattern, c.generate)
	mux.HandleFunc(invitePattern, c.invite)
	c.signinRoutes(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			c.api(See, "", func(r *http.Request) (any, error) { return nil, noRoute(r.Method + " " + r.URL.Path) })(w, r)
			return
		}
		if r, ok := c.signedIn(w, r); ok {
			c.problem(w, r, "", noRoute("page "+r.URL.Path))
		}
	})
}
