package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

// A link that a mail program spoilt is still somebody's way in: no spelling of it may reach the log.
func TestAccessLogHoldsNoToken(t *testing.T) {
	t.Parallel()
	const token = "AaICa5cAxvkAi9GqYnKZsMJjPBcfNLk-xdVQ"
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/links/{id}", func(http.ResponseWriter, *http.Request) {})
	mux.Handle("/", http.NotFoundHandler())
	for name, h := range map[string]http.Handler{"portal": http.NotFoundHandler(), "admin": mux} {
		for _, path := range []string{"/l/", "//l/", "/L/", "/l//", "/x/", "/", "/l/x/../", "/%6c/", "/v1/links/", "/v1/"} {
			var out bytes.Buffer
			r := httptest.NewRequest(http.MethodGet, path+token, nil)
			accessLog(name, zerolog.New(&out), h).ServeHTTP(httptest.NewRecorder(), r)
			if s := out.String(); !strings.Contains(s, `"route":`) || strings.Contains(s, token) {
				t.Errorf("%s %s: %s", name, path, s)
			}
		}
	}
	for path, want := range map[string]string{"/": "/", "/l": "/l", "/logout": "/logout", "/favicon.ico": "unknown"} {
		if got := routeOf(httptest.NewRequest(http.MethodGet, path, nil)); got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
}
