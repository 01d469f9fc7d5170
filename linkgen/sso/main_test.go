package sso_test

import (
	"log/slog"
	"os"
	"testing"
)

// TestMain has the OpenID library keep its log to itself, as the command does.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}
