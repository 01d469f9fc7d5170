package portal

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
)

const (
	maxBody      = 1 << 10 // bytes of a form that holds a link's token
	maxLoginBody = 4 << 10
)

// A form is what a page's form sent: each field at most once.
type form url.Values

// get returns a field, or nothing.
func (f form) get(name string) string { return url.Values(f).Get(name) }

// readForm reads a form of at most so many bytes. If there is none, or one of its fields comes twice, or one that it must have
// is missing, it answers the request itself.
func (p *Portal) readForm(w http.ResponseWriter, r *http.Request, most int64, needs ...string) (form, bool) {
	f, status := parseForm(w, r, most, needs)
	switch status {
	case http.StatusOK:
		return f, true
	case http.StatusRequestEntityTooLarge:
		p.say(w, r, p.location(""), status, "too_large")
	default:
		p.say(w, r, p.location(""), status, "wrong_form")
	}
	return nil, false
}

// parseForm returns http.StatusOK, or the status to refuse the request with. What stands in the URL's query is never read.
func parseForm(w http.ResponseWriter, r *http.Request, most int64, needs []string) (form, int) {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/x-www-form-urlencoded" {
		return nil, http.StatusUnsupportedMediaType
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, http.StatusRequestEntityTooLarge
	}
	fields, bad := url.ParseQuery(string(body))
	if err != nil || bad != nil {
		return nil, http.StatusBadRequest
	}
	for _, v := range fields {
		if len(v) != 1 {
			return nil, http.StatusBadRequest
		}
	}
	for _, name := range needs {
		if len(fields[name]) != 1 {
			return nil, http.StatusBadRequest
		}
	}
	return form(fields), http.StatusOK
}
