package sink_test

import (
	"errors"
	"net/smtp"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"latchkey/actions/smtp/sink"
)

func listen(t *testing.T, opts sink.Options) *sink.Sink {
	t.Helper()
	s, err := sink.Listen("127.0.0.1:0", opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// send gives the sink one mail by the standard library's client.
func send(s *sink.Sink, auth smtp.Auth, to ...string) error {
	return smtp.SendMail(s.Addr(), auth, "hello@acme.test", to, []byte("Subject: Hi\r\n\r\n.one dot\r\n"))
}

func wantCode(t *testing.T, what string, err error, code int) {
	t.Helper()
	if e, ok := errors.AsType[*textproto.Error](err); !ok || e.Code != code {
		t.Errorf("%s: %v, want %d", what, err, code)
	}
}

func TestTakesAndCounts(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var mails []sink.Mail
	s := listen(t, sink.Options{OnMail: func(m sink.Mail) { mu.Lock(); mails = append(mails, m); mu.Unlock() }})
	before := time.Now()
	for _, to := range []string{"ada@example.com", "bob@example.com", "ada@example.com"} {
		if err := send(s, nil, to); err != nil {
			t.Fatal(err)
		}
	}
	if n, last := s.Taken(); n != 3 || last.Before(before) || s.Conns() != 3 || s.Counts()["ada@example.com"] != 2 || s.Counts()["bob@example.com"] != 1 {
		t.Errorf("taken %d, last %v, %d connections, counts %v", n, last, s.Conns(), s.Counts())
	}
	mu.Lock()
	defer mu.Unlock()
	if m := mails[0]; m.From != "hello@acme.test" || m.To != "ada@example.com" || string(m.Data) != "Subject: Hi\r\n\r\n.one dot\r\n" || m.TLS || m.User != "" {
		t.Errorf("mail %+v, %q", m, m.Data)
	}
}

// TestAnswers has each stage refuse, and cut: only after the final dot was the mail taken by then.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for _, stage := range []sink.Stage{sink.Connect, sink.Sender, sink.Rcpt, sink.Dot} {
		for _, answer := range []sink.Answer{{Code: 451, Text: "later"}, {Cut: true}} {
			s := listen(t, sink.Options{Answer: func(at sink.Stage, _ sink.Mail) sink.Answer {
				if at == stage {
					return answer
				}
				return sink.Answer{}
			}})
			err := send(s, nil, "ada@example.com")
			want := 0
			switch {
			case stage == sink.Connect && !answer.Cut: // only Cut is heeded there
				if want = 1; err != nil {
					t.Errorf("%s %+v: %v", stage, answer, err)
				}
			case answer.Cut:
				if stage == sink.Dot {
					want = 1
				}
				if e, ok := errors.AsType[*textproto.Error](err); err == nil || ok {
					t.Errorf("%s cut: %v", stage, e)
				}
			default:
				wantCode(t, string(stage), err, 451)
			}
			if n, _ := s.Taken(); n != want {
				t.Errorf("%s %+v: %d mails taken, want %d", stage, answer, n, want)
			}
		}
	}
}

func TestLogins(t *testing.T) {
	t.Parallel()
	users := make(chan string, 1)
	s := listen(t, sink.Options{Logins: map[string]string{"ada": "sesame"}, OnMail: func(m sink.Mail) { users <- m.User }})
	login := func(user, password string) smtp.Auth { return smtp.PlainAuth("", user, password, "127.0.0.1") }
	wantCode(t, "no login", send(s, nil, "ada@example.com"), 530)
	wantCode(t, "a wrong password", send(s, login("ada", "open"), "ada@example.com"), 535)
	wantCode(t, "an unknown user", send(s, login("bob", "sesame"), "ada@example.com"), 535)
	if err := send(s, login("ada", "sesame"), "ada@example.com"); err != nil {
		t.Fatal(err)
	}
	if user := <-users; user != "ada" {
		t.Errorf("the mail came from %q", user)
	}
}

func TestListenAndClose(t *testing.T) {
	t.Parallel()
	s := listen(t, sink.Options{})
	if _, err := sink.Listen(s.Addr(), sink.Options{}); err == nil || !strings.HasPrefix(err.Error(), "smtp sink: ") {
		t.Errorf("a taken port: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
	if err := send(s, nil, "ada@example.com"); err == nil {
		t.Error("it takes mails when it is closed")
	}
	again, err := sink.Listen(s.Addr(), sink.Options{}) // its port is free at once
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}
