package main

import (
	"bytes"
	"io"
	"net/http"

	"latchkey/engine"
	"latchkey/engine/simulate"
)

// benchHTTP answers the webhooks of a project's tests: nothing leaves the machine, and each is answered as its test says, or
// taken with nothing said.
type benchHTTP struct{ *workbench }

// RoundTrip implements http.RoundTripper.
func (b benchHTTP) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		body, _ = io.ReadAll(req.Body) // it is in memory
		req.Body.Close()
	}
	if id, err := engine.ParseID(req.Header.Get("Idempotency-Key")); err == nil {
		b.keep(id, simulate.Content{Text: string(body), URL: req.URL.String(), Header: req.Header}, nil)
	}
	answer, said := simulate.AnswerOf(req.Context())
	if !said {
		answer = engine.TestAnswer{Status: http.StatusOK, Body: []byte("{}")}
	}
	return &http.Response{StatusCode: answer.Status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(answer.Body)), Request: req}, nil
}
