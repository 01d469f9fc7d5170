package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPublishFileWarns reads events of which one has an optional field that cannot be used: it is told, with its line, since what is
// published is without it and no history can say so.
//
// Red when readEvents leaves out the warnings.
func TestPublishFileWarns(t *testing.T) {
	t.Parallel()
	for kind, lines := range map[string]string{
		"new_sign_up": "{\"contact\": {\"id\": \"c-1\"}}\n{\"contact\": {\"id\": \"c-2\", \"phone\": \"123\"}}\n",
		"":            "{\"type\": \"new_sign_up\", \"data\": {\"contact\": {\"id\": \"c-1\"}}}\n{\"type\": \"new_sign_up\", \"data\": {\"contact\": {\"id\": \"c-2\", \"phone\": \"123\"}}}\n",
	} {
		file := filepath.Join(t.TempDir(), "events.jsonl")
		if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
			t.Fatal(err)
		}
		var errs bytes.Buffer
		a := &app{err: &errs}
		events, err := a.readEvents(file, kind, "academy")
		if err != nil || len(events) != 2 || events[1].Contact.ID != "c-2" {
			t.Errorf("kind %q: %v, %+v", kind, err, events)
		}
		if got := errs.String(); !strings.HasPrefix(got, file+":2:1: warning: contact.phone ") || strings.Count(got, "\n") != 1 {
			t.Errorf("kind %q: it says %q", kind, got)
		}
	}
}
