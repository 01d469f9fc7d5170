package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/urfave/cli/v3"

	"latchkey/actions/smtp/sink"
)

// A sunkMail is one mail that the sink process took.
type sunkMail struct {
	To string    `json:"to"`
	ID string    `json:"id"` // its Message-ID
	At time.Time `json:"at"`
}

// sinkCommand is the sink as a process of its own, so that its cost is not counted as ours. It prints its two
// addresses as JSON and runs until it is told to end.
func (a *app) sinkCommand() *cli.Command {
	return &cli.Command{
		Name: "sink", Hidden: true,
		Usage:       "take every mail and deliver none",
		Description: "Example:\n  latchkey bench sink",
		Flags:       []cli.Flag{&cli.StringFlag{Name: "smtp", Value: "127.0.0.1:0"}},
		Action: func(ctx context.Context, c *cli.Command) error {
			var box sunk
			s, err := sink.Listen(c.String("smtp"), sink.Options{OnMail: box.take})
			if err != nil {
				return err
			}
			defer s.Close()
			l, err := listen("control", "127.0.0.1:0")
			if err != nil {
				return err
			}
			if err := json.NewEncoder(a.out).Encode(map[string]string{"smtp": s.Addr(), "control": l.Addr().String()}); err != nil {
				return err
			}
			mux := http.NewServeMux()
			mux.HandleFunc("GET /count", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, box.count()) })
			mux.HandleFunc("GET /mails", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(box.all()) })
			mux.HandleFunc("POST /reset", func(http.ResponseWriter, *http.Request) { box.reset() })
			return serveHTTP(ctx, l, mux, newLogger(LogConfig{Level: "error"}, a.err))
		},
	}
}

// sunk remembers the mails of the sink, but for those that measure the sink itself: one of these may still be under way
// when its sender has given up.
type sunk struct {
	mu    sync.Mutex
	mails []sunkMail
}

func (s *sunk) take(m sink.Mail) {
	if m.To == ceilingTo {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = append(s.mails, sunkMail{To: m.To, ID: messageID(m.Data), At: m.At})
}

func (s *sunk) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mails)
}

func (s *sunk) all() []sunkMail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]sunkMail(nil), s.mails...)
}

func (s *sunk) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = nil
}

// messageID finds the header without parsing the mail.
func messageID(data []byte) string {
	head, _, _ := bytes.Cut(data, []byte("\r\n\r\n"))
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		if name, value, ok := bytes.Cut(line, []byte(":")); ok && bytes.EqualFold(name, []byte("Message-ID")) {
			return string(bytes.Trim(value, " <>"))
		}
	}
	return ""
}
