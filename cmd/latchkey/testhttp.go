package main

import (
	"io"
	"net/http"
	"strings"

	"latchkey/engine"
	"latchkey/engine/simulate"
)

// benchHTTP answers the webhooks of a project's tests: nothing leaves the machine, and each is taken, with nothing said.
type benchHTTP struct{ *workbench }

// RoundTrip implements http.RoundTripper.
func (b benchHTTP) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		body, _ = io.ReadAll(req.Body) // it is in memory
		req.Body.Close()
	}
	if id, err := engine.ParseID(req.Header.Get("Idempotency-Key")); err == nil {
		b.keep(id, simulate.Content{Text: string(body)}, nil)
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}")), Request: req}, nil
}
