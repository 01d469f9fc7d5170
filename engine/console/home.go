package console

import (
	"embed"
	"html/template"
	"net/http"
)

//go:embed home.html
var pages embed.FS

var homePage = template.Must(template.ParseFS(pages, "home.html"))

// A Place is a location as the front door leads to it.
type Place struct{ ID, Name string }

// home is the front door of the admin listener.
func (c Config) home(w http.ResponseWriter, r *http.Request) {
	status, err := c.Status(r.Context())
	if err != nil {
		WriteProblem(w, http.StatusInternalServerError, err.Error())
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'")
	_ = homePage.Execute(w, map[string]any{"Name": c.Name(), "BaseURL": c.Location.BaseURL, "Status": status, "Location": c.Location.ID, "Others": c.Others})
}
