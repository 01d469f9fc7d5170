package main

import (
	"io"
	stdlog "log"
	"os"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/term"
)

// newLogger writes to w: text on a terminal, JSON otherwise, unless the format says so.
func newLogger(c LogConfig, w io.Writer) zerolog.Logger {
	level, err := zerolog.ParseLevel(c.Level)
	if err != nil {
		level = zerolog.InfoLevel
	}
	tty := isTerminal(w)
	if c.Format == "text" || c.Format == "auto" && tty {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: time.TimeOnly, NoColor: !tty || os.Getenv("NO_COLOR") != ""}
	}
	return zerolog.New(w).Level(level).With().Timestamp().Logger()
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// newStdLogger is for libraries that want the standard library's logger.
func newStdLogger(log zerolog.Logger) *stdlog.Logger {
	return stdlog.New(quiet{log}, "", 0)
}

// quiet drops the text: net/http's errors may name paths, and a path may hold a token.
type quiet struct{ log zerolog.Logger }

func (q quiet) Write(b []byte) (int, error) {
	q.log.Debug().Str("listener", "http").Msg("connection error")
	return len(b), nil
}
